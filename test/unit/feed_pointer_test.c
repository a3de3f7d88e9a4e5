/*
 * feed_pointer_test.c
 *	  JSON Pointers: the examples of RFC 6901, and what is none.
 */
#include "feed/pointer.h"

#include <stdio.h>
#include <string.h>

#include "feed/scan.h"
#include "tap.h"

static const char rfc_document[] =
	"{\"foo\":[\"bar\",\"baz\"],\"\":0,\"a/b\":1,\"c%d\":2,\"e^f\":3,\"g|h\":4,"
	"\"i\\\\j\":5,\"k\\\"l\":6,\" \":7,\"m~n\":8,\"deep\":{\"er\":{\"still\":9}},\"/\":{\"\":10}}";

/* The value at pointer: a string as such, a number as it is written, or what else it is; "bad" if it is no pointer. */
static const char *
lookup(const char *document, const char *text)
{
	static char		   shown[256];
	static const char *types[] = {
		[FEED_VALUE_MISSING] = "none",	  [FEED_VALUE_NULL] = "null",
		[FEED_VALUE_BOOLEAN] = "boolean", [FEED_VALUE_OBJECT] = "object",
		[FEED_VALUE_ARRAY] = "array",
	};
	FeedPointer		 pointer;
	FeedScan		 scan = {.count = 1};
	const FeedValue *value = &scan.fields[0].value;
	char			 detail[FEED_DETAIL_SIZE];

	if (feed_pointer_parse(text, &pointer) != NULL)
		return "bad";
	scan.fields[0].pointer = &pointer;
	if (feed_scan_run(&scan, document, strlen(document), detail) != FEED_ACCEPTED)
		strcpy(shown, detail);
	else if (value->type == FEED_VALUE_STRING || value->type == FEED_VALUE_NUMBER)
		snprintf(shown, sizeof(shown), "%.*s", (int) value->length, value->text);
	else
		strcpy(shown, types[value->type]);
	feed_scan_free(&scan);
	feed_pointer_free(&pointer);
	return shown;
}

static void
gives(const char *document, const char *pointer, const char *value)
{
	const char *found = lookup(document, pointer);

	ok(strcmp(found, value) == 0, "\"%s\" in %.80s gives %s, here %s", pointer, document, value,
	   found);
}

int
main(void)
{
	static const struct
	{
		const char *pointer;
		const char *value;
	} cases[] = {
		{"", "object"},
		{"/foo", "array"},
		{"/foo/0", "bar"},
		{"/foo/1", "baz"},
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
		gives(rfc_document, cases[i].pointer, cases[i].value);

	/* of duplicate names the last one counts, on every level */
	gives("{\"a\":1,\"a\":2}", "/a", "2");
	gives("{\"a\":{\"b\":1},\"a\":{}}", "/a/b", "none");
	gives("{\"a\":{\"b\":1},\"a\":{\"c\":2}}", "/a/c", "2");
	gives("{\"a\":{\"b\":1},\"a\":7}", "/a/b", "none");
	gives("{\"a\":{\"b\":1,\"b\":[]}}", "/a/b", "array");
	gives("{\"a\":\"x\\ty\",\"a\":\"z\\n\"}", "/a", "z\n");

	/* what lies elsewhere does not count */
	gives("{\"x\":{\"a\":1},\"y\":[{\"a\":2}]}", "/a", "none");
	gives("{\"x\":{\"a\":1},\"a\":3,\"y\":{\"a\":2}}", "/a", "3");
	gives("{\"a\":{\"a\":{\"a\":1}}}", "/a/a/a", "1");
	gives("{\"a\":{\"a\":{\"a\":1}}}", "/a/a", "object");
	gives("{\"a\":{\"x\":{\"b\":1}}}", "/a/b", "none");
	gives("{\"a\":[1,[2,3],{\"b\":[4,5]},6]}", "/a/0", "1");
	gives("{\"a\":[1,[2,3],{\"b\":[4,5]},6]}", "/a/1/1", "3");
	gives("{\"a\":[1,[2,3],{\"b\":[4,5]},6]}", "/a/2/b/0", "4");
	gives("{\"a\":[1,[2,3],{\"b\":[4,5]},6]}", "/a/3", "6");
	gives("{\"a\":[[1],[2],[3]]}", "/a/1/0", "2");
	gives("{\"a\":[[1],[2],[3]]}", "/a/1/1", "none");
	gives("{\"a\":[{\"0\":1},{\"1\":2}]}", "/a/1/1", "2");
	gives("{\"0\":null,\"1\":true}", "/0", "null");
	gives("{\"0\":null,\"1\":true}", "/1", "boolean");
	gives("[7,8]", "/1", "8");
	gives("[[7],8]", "/1", "8");
	gives("[[7],8]", "", "array");

	ok(feed_pointer_parse("x", &pointer) != NULL && pointer.text == NULL,
	   "what is no pointer leaves it unset");
	return done_testing();
}
