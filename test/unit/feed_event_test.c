/*
 * feed_event_test.c
 *	  Events: what is accepted, each reason to reject, and what people read then.
 */
#include "feed/event.h"

#include <stdlib.h>
#include <string.h>

#include "mg/mg.h"
#include "tap.h"

#define RECORD_TIME INT64_C(1700000000000)

static FeedFields standard; /* entity only */
static FeedFields mapped;	/* all of a track event */
static FeedFields identified;

static char *payload; /* of the last event that was parsed, which may point into it */

/* Parse length bytes from memory of exactly that size, so that ASan sees any overrun. */
static FeedReason
parse(const FeedFields *fields, const char *text, size_t length, FeedEvent *event, char *detail)
{
	free(payload);
	payload = malloc(length > 0 ? length : 1);
	memcpy(payload, text, length);
	strcpy(detail, "");
	return feed_event_parse(fields, payload, length, RECORD_TIME, event, detail);
}

static bool
is(const char *bytes, size_t length, const char *text)
{
	return length == strlen(text) && memcmp(bytes, text, length) == 0;
}

static void
accepts_bytes(const char *text, size_t length, const char *entity)
{
	char	   detail[FEED_DETAIL_SIZE];
	FeedEvent  event;
	FeedReason reason = parse(&standard, text, length, &event, detail);

	ok(reason == FEED_ACCEPTED && is(event.entity, event.entity_length, entity) &&
		   event.weight == 1 && event.time == RECORD_TIME &&
		   is(event.key, event.key_length, "global"),
	   "%.60s is %.20s (%s %s)", text, entity, feed_reason_code(reason), detail);
	feed_event_free(&event);
}

static void
accepts(const char *text, const char *entity)
{
	accepts_bytes(text, strlen(text), entity);
}

static void
refuses_bytes(const FeedFields *fields, const char *text, size_t length, const char *code,
			  const char *part_of_detail)
{
	char	   detail[FEED_DETAIL_SIZE];
	FeedEvent  event;
	FeedReason reason = parse(fields, text, length, &event, detail);
	bool	   printable = true;

	for (const char *c = detail; *c != '\0'; c++)
		printable = printable && *c >= ' ' && *c <= '~';
	ok(strcmp(feed_reason_code(reason), code) == 0 && strstr(detail, part_of_detail) != NULL &&
		   printable && event.time == RECORD_TIME,
	   "%.60s is refused: %s, here %s: %s", text, code, feed_reason_code(reason), detail);
	feed_event_free(&event);
}

static void
refuses(const char *text, const char *code, const char *part_of_detail)
{
	refuses_bytes(&standard, text, strlen(text), code, part_of_detail);
}

static void
test_accepted(void)
{
	accepts("{\"entity_id\":\"p-1\",\"user_id\":\"u-7\",\"source\":\"kafka\"}", "p-1");
	accepts(" {\n\t\"entity_id\" : \"p-1\" }\r\n", "p-1");
	accepts("{\"entity_id\":\"first\",\"entity_id\":\"last\"}", "last");
	accepts("{\"entity_id\":7,\"entity_id\":\"last\"}", "last");
	accepts("{\"user_id\":7,\"source\":[null],\"entity_id\":\"p\"}", "p");
	accepts("{\"entity_id\":\"\\u00e9\\ud83d\\ude00\\n\"}", "\xc3\xa9\xf0\x9f\x98\x80\n");
	accepts("{\"entity_id\":\"\xf0\x9f\x98\x80\"}", "\xf0\x9f\x98\x80");
	accepts("{\"entity_id\":\"p\",\"x\":{\"entity_id\":1},\"y\":[{},[],true,null]}", "p");
	accepts("{\"other\":\"a\\u0000b\",\"entity_id\":\"p\"}", "p");
	accepts("{\"\":1,\"entity_id\":\" \"}", " ");
}

/* What a parser might be more generous about. */
static void
test_strict(void)
{
	static const char *const texts[] = {
		"{\"entity_id\":\"p\",\"x\":01}",
		"{\"entity_id\":\"p\",\"x\":+1}",
		"{\"entity_id\":\"p\",\"x\":1.}",
		"{\"entity_id\":\"p\",\"x\":.5}",
		"{\"entity_id\":\"p\",\"x\":1e}",
		"{\"entity_id\":\"p\",\"x\":NaN}",
		"{\"entity_id\":\"p\",\"x\":0x10}",
		"{\"entity_id\":\"p\",\"x\":True}",
		"{\"entity_id\":\"p\",\"x\":nul}",
		"{\"entity_id\":\"p\",\"x\":[1,]}",
		"{\"entity_id\":\"p\",\"x\":[,1]}",
		"{\"entity_id\":\"p\",,\"x\":1}",
		"{\"entity_id\":\"p\" \"x\":1}",
		"{\"entity_id\":\"p\",\"x\"}",
		"{\"entity_id\":\"p\",x:1}",
		"{\"entity_id\":\"p\",1:1}",
		"{\"entity_id\":\"p\"}}",
		"{\"entity_id\":\"p\"]",
		"{\"entity_id\":\"p\"} \"",
		"{\"entity_id\":\"p\"} tru",
		"{\"entity_id\":\"p\"} -",
		"1 2",
		"{\"entity_id\":\"p\"}{}",
		"/* */{\"entity_id\":\"p\"}",
		"{\"entity_id\":\"p\"} // x",
		"{\"entity_id\":\"a\tb\"}",
		"{\"entity_id\":\"a\nb\"}",
		"{\"entity_id\":\"\\x41\"}",
		"{\"entity_id\":\"\\u12\"}",
		"{\"entity_id\":\"\\u12g4\"}",
		"{\"entity_id\":\"\\'\"}",
		"{\"entity_id\":\"p\\\"}",
		"{\"entity_id\":\v\"p\"}",
		"\f{\"entity_id\":\"p\"}",
		"{\"entity_id\":\"\\udc00\"}",
		"{\"entity_id\":\"\\udc00\\ud800\"}",
		"{\"entity_id\":\"\\ud83dx\"}",
		"{\"entity_id\":\"\\ud83d\\u0041\"}",
		"{\"entity_id\":\"\\ud83d\\ud83d\"}",
		"{\"x\":\"\\uD83D\",\"entity_id\":\"p\"}",
		"{",
		"[",
		"\"",
		"\"\\",
		"-",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		refuses(texts[i], "invalid_json", "at byte");
	accepts("{\"entity_id\":\"\\\\ud800\"}", "\\ud800");
	accepts("{\"entity_id\":\"\\uD83D\\uDE00\\/\\b\\f\\n\\r\\t\\\"\"}",
			"\xf0\x9f\x98\x80/\b\f\n\r\t\"");
	accepts("{\"entity\\u005fid\":\"p\"}", "p");
	accepts("{\"entity_id\":\"\\u00e9\",\"x\":\"\\u0041\"}", "\xc3\xa9");
	accepts("{\"entity_id\":\"a\x7f\"}", "a\x7f");
}

static void
test_utf8(void)
{
	static const char *const bad[] = {
		"\x80",
		"\xc1\xbf",
		"\xc3",
		"\xe0\x9f\xbf",
		"\xed\xbf\xbf",
		"\xe2\x82",
		"\xf0\x8f\xbf\xbf",
		"\xf4\x90\x80\x80",
		"\xf5\x80\x80\x80",
		"\xf0\x9f\x98",
		"\xe2\x28\xa1",
		"\xfe",
	};
	static const char *const good[] = {
		"\x7f",			"\xc2\x80",		"\xdf\xbf",			"\xe0\xa0\x80",
		"\xed\x9f\xbf", "\xee\x80\x80", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf",
	};
	char text[64];

	/* at all places in a word of eight bytes */
	for (int shift = 0; shift < 8; shift++)
	{
		for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		{
			snprintf(text, sizeof(text), "%*s{\"entity_id\":\"%s\"}", shift, "", bad[i]);
			refuses(text, "invalid_utf8", "is not UTF-8");
		}
		for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		{
			snprintf(text, sizeof(text), "%*s{\"entity_id\":\"%s\"}", shift, "", good[i]);
			accepts(text, good[i]);
		}
	}
	refuses("{\"entity_id\":\"p\"}\xe2\x82", "invalid_utf8", "at byte 17");
}

static void
test_big_numbers(void)
{
	char text[2048];

	accepts("{\"x\":9223372036854775808,\"entity_id\":\"p\"}", "p");
	accepts("{\"x\":-123456789012345678901234567890,\"entity_id\":\"p\"}", "p");
	accepts("{\"x\":1e999,\"entity_id\":\"p\"}", "p");
	accepts("{\"x\":[1e999,-1.5E+4000,\"1e999\\\"1e999\"],\"entity_id\":\"1e999\"}", "1e999");
	accepts("{\"x\":1e-999,\"entity_id\":\"p\"}", "p");
	snprintf(text, sizeof(text), "{\"x\":1%01000d,\"entity_id\":\"p\"}", 0);
	accepts(text, "p");

	refuses("{\"entity_id\":1e999}", "wrong_type", "entity_id is a number");
	refuses("{\"entity_id\":99999999999999999999}", "wrong_type", "entity_id is a number");
	refuses("{\"x\":1e999e5,\"entity_id\":\"p\"}", "invalid_json", "at byte");
	refuses("{\"x\":1e999,\"y\":01e999}", "invalid_json", "at byte");
	refuses("{\"x\":1e999,\"y\":-}", "invalid_json", "at byte");
	refuses("{\"x\":1e999,\"y\":\"", "invalid_json", "at byte");
	refuses("{\"x\":1e999,\"y\":\"\\", "invalid_json", "at byte");
	refuses("99999999999999999999", "not_an_object", "the value is a number");
	refuses(" 12", "not_an_object", "the value is a number");
	refuses("12 \n", "not_an_object", "the value is a number");
}

static void
test_refused(void)
{
	refuses("", "empty_value", "no value");
	refuses("{", "invalid_json", "premature EOF");
	refuses("nonsense", "invalid_json", "at byte 1: lexical error");
	refuses("{\"entity_id\":\"p\"} x", "invalid_json", "trailing garbage");
	refuses("{\"entity_id\":\"p\",}", "invalid_json", "at byte");
	refuses("{'entity_id':'p'}", "invalid_json", "at byte");
	refuses("{\"entity_id\":\"\\ud800\"}", "invalid_json",
			"at byte 14: an escape is half of a surrogate pair");
	refuses("\xef\xbb\xbf{}", "invalid_json", "invalid char in json text");
	refuses("caf\xc3\xa9", "invalid_json", "invalid char in json text");
	refuses("{\"entity_id\":\"\xff\"}", "invalid_utf8", "at byte 14: 0xff is not UTF-8");
	refuses("{\"x\":\"\xed\xa0\x80\",\"entity_id\":\"p\"}", "invalid_utf8", "at byte");
	refuses("{\"entity_id\":\"\xc0\x80\"}", "invalid_utf8", "at byte");
	refuses("{\"entity_id\":\"\xc3\xa9\xe2\x82\"}", "invalid_utf8", "at byte");
	refuses("{\"entity_id\":\"a\\u0000b\"}", "nul_character", "entity_id holds a NUL");
	refuses_bytes(&standard, "{\"entity_id\":\"a\0b\"}", 19, "nul_character", "at byte");
	refuses("{\"a\\u0000b\":1,\"entity_id\":\"p\"}", "nul_character",
			"the name of a field holds a NUL");
	refuses_bytes(&standard, "\0\0\0\0", 4, "invalid_json", "at byte");
	refuses("[{\"entity_id\":\"p\"}]", "not_an_object",
			"the value is an array; it must be an object");
	refuses("\"p\"", "not_an_object", "the value is a string");
	refuses("null", "not_an_object", "the value is null");
	refuses("true", "not_an_object", "the value is a boolean");
	refuses("{}", "missing_entity", "entity_id is missing");
	refuses("{\"Entity_id\":\"p\"}", "missing_entity", "entity_id is missing");
	refuses("{\"entity_id\":\"\"}", "empty_entity", "entity_id is an empty string");
	refuses("{\"entity_id\":null}", "wrong_type",
			"entity_id is null; it must be a non-empty string");
	refuses("{\"entity_id\":42}", "wrong_type",
			"entity_id is a number; it must be a non-empty string");
	refuses("{\"entity_id\":1.5}", "wrong_type", "entity_id is a number");
	refuses("{\"entity_id\":false}", "wrong_type", "entity_id is a boolean");
	refuses("{\"entity_id\":{}}", "wrong_type", "entity_id is an object");
	refuses("{\"entity_id\":[\"p\"]}", "wrong_type", "entity_id is an array");
	refuses("{\"entity_id\":\"p\",\"entity_id\":7}", "wrong_type", "entity_id is a number");
}

/* An event whose entity has this length. */
static char *
event_with_entity(size_t length)
{
	char *text = malloc(length + 32);
	char *entity = text + sprintf(text, "{\"entity_id\":\"");

	memset(entity, 'x', length);
	strcpy(entity + length, "\"}");
	return text;
}

static void
test_limits(void)
{
	char	  detail[FEED_DETAIL_SIZE];
	FeedEvent event;
	char	 *text = event_with_entity(MG_ITEM_MAX_LENGTH);
	char	  deep[8192];

	ok(parse(&standard, text, strlen(text), &event, detail) == FEED_ACCEPTED &&
		   event.entity_length == MG_ITEM_MAX_LENGTH,
	   "the longest entity is accepted");
	feed_event_free(&event);
	free(text);

	text = event_with_entity(MG_ITEM_MAX_LENGTH + 1);
	refuses(text, "too_long", "entity_id is 8193 bytes long; at most 8192 are allowed");
	free(text);
	text = event_with_entity(100000);
	refuses(text, "too_long", "entity_id is 100000 bytes long; at most 8192 are allowed");
	free(text);

	memset(deep, '[', sizeof(deep));
	refuses_bytes(&standard, deep, sizeof(deep), "invalid_json", "nested deeper than 2048 levels");
	memset(deep + 1000, ']', 1000);
	refuses_bytes(&standard, deep, 2000, "not_an_object", "the value is an array");
}

static void
test_no_value(void)
{
	char	  detail[FEED_DETAIL_SIZE];
	FeedEvent event;

	ok(feed_event_parse(&standard, NULL, 0, RECORD_TIME, &event, detail) == FEED_EMPTY_VALUE,
	   "a tombstone is an empty value");
	feed_event_free(&event);
	ok(feed_event_parse(&standard, "{\"entity_id\":\"p\"}", 17, FEED_NO_TIME, &event, detail) ==
			   FEED_BAD_TIME &&
		   strcmp(detail, "the record carries no time") == 0,
	   "a record without a time needs a time field");
	feed_event_free(&event);
}

static void
maps(const char *text, const char *key, int64_t weight, int64_t time)
{
	char	   detail[FEED_DETAIL_SIZE];
	FeedEvent  event;
	FeedReason reason = parse(&mapped, text, strlen(text), &event, detail);

	ok(reason == FEED_ACCEPTED && is(event.key, event.key_length, key) && event.weight == weight &&
		   event.time == time,
	   "%s: key %s, weight %lld, time %lld (%s %s)", text, key, (long long) weight,
	   (long long) time, feed_reason_code(reason), detail);
	feed_event_free(&event);
}

static void
refuses_mapped(const char *text, const char *code, const char *part_of_detail)
{
	refuses_bytes(&mapped, text, strlen(text), code, part_of_detail);
}

#define TRACK(key, weight, time)                                              \
	"{\"properties\":{\"product_id\":\"p\",\"n\":" weight "},\"tenant\":" key \
	",\"timestamp\":" time "}"

static void
test_mapped(void)
{
	char long_key[4096];

	maps(TRACK("\"t1\"", "3", "\"2026-01-31T23:59:59.5Z\""), "t1", 3, INT64_C(1769903999500));
	maps(TRACK("\"t1\"", "0", "1769903999500"), "t1", 0, INT64_C(1769903999500));
	maps(TRACK("\"t1\"", "2.0", "1.7e12"), "t1", 2, INT64_C(1700000000000));
	maps(TRACK("\"t1\"", "1000000000000", "-5"), "t1", FEED_WEIGHT_MAX, -5);

	refuses_mapped("{\"properties\":{}}", "missing_entity", "/properties/product_id is missing");
	refuses_mapped("{\"properties\":3}", "missing_entity", "/properties/product_id is missing");
	refuses_mapped("{\"properties\":{\"product_id\":\"p\"}}", "missing_key", "tenant is missing");
	refuses_mapped(TRACK("\"\"", "1", "1"), "empty_key", "tenant is an empty string");
	refuses_mapped(TRACK("5", "1", "1"), "wrong_type", "tenant is a number");
	refuses_mapped(TRACK("\"\\u0000\"", "1", "1"), "nul_character", "tenant holds a NUL");
	snprintf(long_key, sizeof(long_key), TRACK("\"%02049d\"", "1", "1"), 0);
	refuses_mapped(long_key, "too_long", "tenant is 2049 bytes long; at most 2048 are allowed");
	refuses_mapped(TRACK("\"t\"", "-1", "1"), "bad_weight", "from 0 to 1000000000000");
	refuses_mapped(TRACK("\"t\"", "1000000000001", "1"), "bad_weight", "from 0 to 1000000000000");
	refuses_mapped(TRACK("\"t\"", "1.5", "1"), "bad_weight",
				   "/properties/n must be a whole number");
	refuses_mapped(TRACK("\"t\"", "1e999", "1"), "bad_weight", "whole number");
	refuses_mapped(TRACK("\"t\"", "\"3\"", "1"), "bad_weight", "/properties/n is a string");
	refuses_mapped("{\"properties\":{\"product_id\":\"p\"},\"tenant\":\"t\"}", "bad_weight",
				   "/properties/n is missing");
	refuses_mapped(TRACK("\"t\"", "1", "\"yesterday\""), "bad_time", "timestamp is neither");
	refuses_mapped(TRACK("\"t\"", "1", "null"), "bad_time", "timestamp is neither");
	refuses_mapped(TRACK("\"t\"", "1", "1.5"), "bad_time", "timestamp is neither");
	refuses_mapped("{\"properties\":{\"product_id\":\"p\",\"n\":1},\"tenant\":\"t\"}", "bad_time",
				   "timestamp is missing");
}

static void
identifies(const char *text, const char *id)
{
	char	   detail[FEED_DETAIL_SIZE];
	FeedEvent  event;
	FeedReason reason = parse(&identified, text, strlen(text), &event, detail);

	ok(reason == FEED_ACCEPTED && is(event.entity, event.entity_length, "p") && event.id != NULL &&
		   is(event.id, event.id_length, id),
	   "%.60s has the id %.40s (%s %s)", text, id, feed_reason_code(reason), detail);
	feed_event_free(&event);
}

static void
refuses_id(const char *id, const char *part_of_detail)
{
	char text[2048];

	snprintf(text, sizeof(text), "{\"entity_id\":\"p\",\"messageId\":%s}", id);
	refuses_bytes(&identified, text, strlen(text), "bad_id", part_of_detail);
}

static void
test_id(void)
{
	char longest[1024];
	char text[2048];

	identifies("{\"entity_id\":\"p\",\"messageId\":\"ajs-1\"}", "ajs-1");
	identifies("{\"messageId\":\"a\\u00e9\",\"entity_id\":\"p\"}", "a\xc3\xa9");
	identifies("{\"messageId\":\" \",\"entity_id\":\"p\"}", " ");
	identifies("{\"messageId\":-7,\"entity_id\":\"p\"}", "-7");
	identifies("{\"messageId\":123456789012345678901234567890,\"entity_id\":\"p\"}",
			   "123456789012345678901234567890");
	snprintf(longest, sizeof(longest), "%0*d", FEED_ID_MAX_LENGTH, 0);
	snprintf(text, sizeof(text), "{\"messageId\":\"%s\",\"entity_id\":\"p\"}", longest);
	identifies(text, longest);

	snprintf(text, sizeof(text), "\"%sx\"", longest);
	refuses_id(text, "messageId is 1001 bytes long; 1 to 1000 are allowed");
	refuses_id("\"\"", "messageId is 0 bytes long; 1 to 1000 are allowed");
	refuses_id("\"a\\u0000b\"", "messageId holds a NUL character");
	refuses_id("1.5", "messageId is a number with a fraction or exponent; it must be a string");
	refuses_id("1e3", "messageId is a number with a fraction or exponent");
	refuses_id("1E3", "messageId is a number with a fraction or exponent");
	refuses_id("null", "messageId is null; it must be a string or an integer");
	refuses_id("true", "messageId is a boolean");
	refuses_id("[\"a\"]", "messageId is an array");
	refuses_id("{}", "messageId is an object");
	refuses_bytes(&identified, "{\"entity_id\":\"p\"}", 17, "bad_id", "messageId is missing");
	refuses_bytes(&identified, "{}", 2, "missing_entity", "entity_id is missing");
}

static void
test_codes(void)
{
	for (int reason = FEED_ACCEPTED; reason <= FEED_OUT_OF_MEMORY; reason++)
		ok(feed_reason_code(reason) != NULL, "reason %d has a code", reason);
}

int
main(void)
{
	feed_pointer_parse("/entity_id", &standard.entity);
	feed_pointer_parse("/properties/product_id", &mapped.entity);
	feed_pointer_parse("/tenant", &mapped.key);
	feed_pointer_parse("/properties/n", &mapped.weight);
	feed_pointer_parse("/timestamp", &mapped.time);
	feed_pointer_parse("/entity_id", &identified.entity);
	feed_pointer_parse("/messageId", &identified.id);

	test_accepted();
	test_strict();
	test_utf8();
	test_big_numbers();
	test_refused();
	test_limits();
	test_no_value();
	test_mapped();
	test_id();
	test_codes();

	free(payload);
	feed_pointer_free(&standard.entity);
	feed_pointer_free(&mapped.entity);
	feed_pointer_free(&mapped.key);
	feed_pointer_free(&mapped.weight);
	feed_pointer_free(&mapped.time);
	feed_pointer_free(&identified.entity);
	feed_pointer_free(&identified.id);
	return done_testing();
}
