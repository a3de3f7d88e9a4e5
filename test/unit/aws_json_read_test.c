/*
 * aws_json_read_test.c
 *	  What json_read builds is what jansson's own reader builds, and what that refuses it refuses; items.h.
 */
#include "aws/json_read.h"

#include <stdio.h>
#include <string.h>

#include "aws/attribute.h"
#include "tap.h"

/* Copied, so that a byte too far is noticed. */
static json_t *
read_copy(const char *text, size_t length, Items *items)
{
	char   *copy = malloc(length + 1);
	json_t *value = copy != NULL ? json_read(memcpy(copy, text, length), length, items) : NULL;

	free(copy);
	return value;
}

static bool
same(const char *text)
{
	json_t *value = read_copy(text, strlen(text), NULL);
	json_t *expected = json_loads(text, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	bool	equal = expected != NULL && value != NULL && json_equal(value, expected);

	json_decref(value);
	json_decref(expected);
	return equal;
}

static bool
refused(const char *text)
{
	json_t *value = read_copy(text, strlen(text), NULL);
	bool	none = value == NULL;

	json_decref(value);
	return none;
}

static void
test_values(void)
{
	static const char *const texts[] = {
		"{}",
		"[]",
		" {\"Items\":[{\"pk\":{\"S\":\"global\"},\"v\":{\"B\":\"IAAAAA==\"}},{}],\"Count\":2} \n",
		"[null,true,false,0,-1,9223372036854775807,1.5,1e3,\"\"]",
		"{\"a\\u0041\\n\":\"\\u00e4\\ud83d\\ude00\\\"\\\\\",\"\":[[[]]]}",
		"{\"a\\tb\":\"a\\tb\",\"long name without escapes\":\"x\"}",
		"{\"a\":1,\"a\":{\"b\":2}}",
		"\"a\\u0000b\"",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		ok(same(texts[i]), "%s", texts[i]);
}

static void
test_refusals(void)
{
	static const char *const texts[] = {"",
										" ",
										"{",
										"[1,2",
										"{\"a\":}",
										"{\"a\"",
										"\"abc",
										"[1]]",
										"[1] x",
										"nul",
										"[99999999999999999999]",
										"\"\xff\"",
										"<html>"};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		ok(refused(texts[i]), "no JSON: %s", texts[i]);
}

static void
test_depth(void)
{
	char text[200];

	memset(text, '[', 64);
	memset(text + 64, ']', 64);
	text[128] = '\0';
	ok(same(text), "64 arrays, one in the other");
	memset(text, '[', 65);
	memset(text + 65, ']', 65);
	text[130] = '\0';
	ok(refused(text), "65 are too many");
}

/* ---- items ---- */

static bool
has(const Item *item, const char *name, const char *type, const char *value)
{
	const ItemAttribute *attribute = item_find(item, name, type);

	return attribute != NULL && attribute->length == strlen(value) &&
		   strcmp(attribute->value, value) == 0;
}

static void
test_query_answer(void)
{
	static const char text[] =
		"{\"Count\":2,\"Items\":[{\"pk\":{\"S\":\"a\\u00e4\\n\"},\"sk\":{\"N\":\"20417\"},\"v\":{\"B\":\"AQID\"},"
		"\"list\":{\"L\":[{\"S\":\"x\"},{\"M\":{\"pk\":{\"S\":\"y\"}}}]},\"set\":{\"SS\":[\"x\"]},\"no\":{\"NULL\":true}},"
		"{},{\"sk\":{\"N\":\"99999999999999999999\"},\"v\":{\"B\":\"?\"},\"e\":{\"S\":\"\"}}],"
		"\"LastEvaluatedKey\":{\"Items\":{\"S\":\"b\"}},\"More\":{\"Items\":[{\"pk\":{\"S\":\"c\"}}]}}";
	Items		   items = {0};
	json_t		  *value = read_copy(text, strlen(text), &items);
	int64_t		   number = 0;
	size_t		   length = 0;
	unsigned char *bytes = NULL;

	ok(value != NULL && items.count == 3 && json_array_size(json_object_get(value, "Items")) == 0,
	   "the items are not in the value");
	ok(strcmp(attribute_text(json_object_get(value, "LastEvaluatedKey"), "Items", "S"), "b") == 0 &&
		   json_integer_value(json_object_get(value, "Count")) == 2 &&
		   json_array_size(json_object_get(json_object_get(value, "More"), "Items")) == 1,
	   "all else is, also what only has the name");
	ok(items.list[0].count == 6 && has(&items.list[0], "pk", "S", "a\xc3\xa4\n"), "a text");
	ok(item_number(&items.list[0], "sk", &number) && number == 20417, "a number");
	bytes = item_bytes(&items.list[0], "v", &length);
	ok(bytes != NULL && length == 3 && memcmp(bytes, "\1\2\3", 3) == 0, "bytes");
	free(bytes);
	ok(item_find(&items.list[0], "list", "L") == NULL &&
		   item_find(&items.list[0], "set", "SS") == NULL &&
		   item_find(&items.list[0], "no", "NULL") == NULL,
	   "lists, sets and null have no text");
	ok(item_find(&items.list[0], "pk", "N") == NULL && item_find(&items.list[0], "p", "S") == NULL,
	   "neither has another type, nor what is not there");
	ok(items.list[1].count == 0 && item_find(&items.list[1], "pk", "S") == NULL, "an empty item");
	ok(!item_number(&items.list[2], "sk", &number) &&
		   item_bytes(&items.list[2], "v", &length) == NULL && has(&items.list[2], "e", "S", ""),
	   "a number that does not fit, what is not base64, an empty text");
	json_decref(value);
	items_free(&items);
}

static void
test_batch_answer(void)
{
	static const char text[] =
		"{\"Responses\":{\"t\":[{\"sk\":{\"N\":\"1\"}},{\"sk\":{\"N\":\"2\"}}]},"
		"\"UnprocessedKeys\":{\"t\":{\"Keys\":[{\"sk\":{\"N\":\"3\"}}]}}}";
	Items	items = {0};
	json_t *value = read_copy(text, strlen(text), &items);
	json_t *left = json_object_get(json_object_get(value, "UnprocessedKeys"), "t");

	ok(items.count == 2 && has(&items.list[0], "sk", "N", "1") &&
		   has(&items.list[1], "sk", "N", "2"),
	   "the items of each table");
	ok(json_array_size(json_object_get(left, "Keys")) == 1, "and no others");
	json_decref(value);
	items_free(&items);
}

static void
test_bad_items(void)
{
	static const char *const texts[] = {"{\"Items\":[{\"a\":{\"S\":\"x\"",
										"{\"Items\":[{\"a\":{\"S\":}}]}", "{\"Items\":[{]}"};
	char					 text[300] = "{\"Items\":[{\"a\":";
	static const char		 unnamed[] = "[{\"Items\":1},[{\"a\":1}]]";
	Items					 items = {0};
	json_t					*value;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
	{
		ok(read_copy(texts[i], strlen(texts[i]), &items) == NULL, "no JSON: %s", texts[i]);
		items_free(&items);
	}
	memset(text + 15, '[', 80);
	memset(text + 95, ']', 80);
	strcpy(text + 175, "}]}");
	ok(read_copy(text, strlen(text), &items) == NULL, "nested too deep in an item");
	items_free(&items);
	value = read_copy(unnamed, strlen(unnamed), &items);
	ok(items.count == 0, "a list in a list has no name");
	json_decref(value);
	items_free(&items);
}

int
main(void)
{
	test_values();
	test_refusals();
	test_depth();
	test_query_answer();
	test_batch_answer();
	test_bad_items();
	return done_testing();
}
