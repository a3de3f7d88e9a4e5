/*
 * feed_pointer_test.c
 *	  JSON Pointers: the examples of RFC 6901, and what is none.
 */
#include "feed/pointer.h"

#include <string.h>

#include "tap.h"

static const char rfc_document[] =
	"{\"foo\":[\"bar\",\"baz\"],\"\":0,\"a/b\":1,\"c%d\":2,\"e^f\":3,\"g|h\":4,"
	"\"i\\\\j\":5,\"k\\\"l\":6,\" \":7,\"m~n\":8,\"deep\":{\"er\":{\"still\":9}},\"/\":{\"\":10}}";

/* The value at pointer as JSON text, "none" without a value, "bad" if it is no pointer. */
static const char *
lookup(const char *text)
{
	static char shown[256];
	json_t	   *document = json_loads(rfc_document, 0, NULL);
	FeedPointer pointer;
	json_t	   *value;
	size_t		length;

	if (feed_pointer_parse(text, &pointer) != NULL)
	{
		json_decref(document);
		return "bad";
	}
	value = feed_pointer_get(&pointer, document);
	if (value == document)
		strcpy(shown, "document");
	else if (value == NULL)
		strcpy(shown, "none");
	else
	{
		length = json_dumpb(value, shown, sizeof(shown) - 1, JSON_ENCODE_ANY | JSON_COMPACT);
		shown[length] = '\0';
	}
	feed_pointer_free(&pointer);
	json_decref(document);
	return shown;
}

int
main(void)
{
	static const struct
	{
		const char *pointer;
		const char *value;
	} cases[] = {
		{"", "document"},
		{"/foo", "[\"bar\",\"baz\"]"},
		{"/foo/0", "\"bar\""},
		{"/foo/1", "\"baz\""},
		{"/", "0"},
		{"/a~1b", "1"},
		{"/c%d", "2"},
		{"/e^f", "3"},
		{"/g|h", "4"},
		{"/i\\j", "5"},
		{"/k\"l", "6"},
		{"/ ", "7"},
		{"/m~0n", "8"},
		{"/deep/er/still", "9"},
		{"/~1/", "10"},
		{"/foo/2", "none"},
		{"/foo/-", "none"},
		{"/foo/01", "none"},
		{"/foo/99999999999999999999", "none"},
		{"/foo/", "none"},
		{"/foo/0/x", "none"},
		{"/deep/missing/still", "none"},
		{"entity_id", "bad"},
		{"/a~", "bad"},
		{"/a~2b", "bad"},
	};
	FeedPointer pointer;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		ok(strcmp(lookup(cases[i].pointer), cases[i].value) == 0, "\"%s\" gives %s",
		   cases[i].pointer, cases[i].value);

	ok(feed_pointer_parse("x", &pointer) != NULL && pointer.text == NULL,
	   "what is no pointer leaves it unset");
	return done_testing();
}
