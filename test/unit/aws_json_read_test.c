/*
 * aws_json_read_test.c
 *	  What json_read builds is what jansson's own reader builds, and what that refuses it refuses.
 */
#include "aws/json_read.h"

#include <stdio.h>
#include <string.h>

#include "tap.h"

/* Copied, so that a byte too far is noticed. */
static json_t *
read_copy(const char *text, size_t length)
{
	char   *copy = malloc(length + 1);
	json_t *value = copy != NULL ? json_read(memcpy(copy, text, length), length) : NULL;

	free(copy);
	return value;
}

static bool
same(const char *text)
{
	json_t *value = read_copy(text, strlen(text));
	json_t *expected = json_loads(text, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	bool	equal = expected != NULL && value != NULL && json_equal(value, expected);

	json_decref(value);
	json_decref(expected);
	return equal;
}

static bool
refused(const char *text)
{
	json_t *value = read_copy(text, strlen(text));
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

int
main(void)
{
	test_values();
	test_refusals();
	test_depth();
	return done_testing();
}
