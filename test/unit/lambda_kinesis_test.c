/*
 * lambda_kinesis_test.c
 *	  An event's records, their numbers, and the answer that gives them back.
 */
#include "answer.h"
#include "kinesis.h"
#include "sequence.h"

#include <stdlib.h>
#include <string.h>

#include "tap.h"

#define RECORD(sequence, data)                                                                  \
	"{\"kinesis\":{\"partitionKey\":\"k\",\"sequenceNumber\":\"" sequence "\",\"data\":\"" data \
	"\",\"approximateArrivalTimestamp\":1545084650.987},"                                       \
	"\"eventSource\":\"aws:kinesis\",\"eventID\":\"shardId-000000000006:" sequence "\","        \
	"\"eventSourceARN\":\"arn:aws:kinesis:eu-west-1:1:stream/s\"}"

static KinesisEvent event;

static bool
parse(const char *text)
{
	return kinesis_parse(text, strlen(text), &event);
}

static bool
is(const KinesisText *text, const char *expected)
{
	return text->text != NULL && text->length == strlen(expected) &&
		   memcmp(text->text, expected, text->length) == 0;
}

static void
test_sequences(void)
{
	/* ascending, also beyond 2^64 and 2^128, where text and shorter integers go wrong */
	static const char *const numbers[] = {
		"0",
		"9",
		"10",
		"9223372036854775807",
		"9223372036854775808",
		"18446744073709551616",
		"340282366920938463463374607431768211455",
		"340282366920938463463374607431768211456",
		"49590338271490256608559692538361571095921575989136588898",
		"49590338271490256608559692538361571095921575989136588899",
		"100000000000000000000000000000000000000000000000000000000",
	};
	static const char *const invalid[] = {"",	"00", "01",	 "-1",	"+1",
										  " 1", "1 ", "1.0", "1e3", "x"};
	int						 count = (int) (sizeof(numbers) / sizeof(numbers[0]));
	bool					 right = true;
	char					 longest[SEQUENCE_MAX_DIGITS + 2];

	for (int i = 0; i < count; i++)
		for (int j = 0; j < count; j++)
		{
			int order =
				sequence_compare(numbers[i], strlen(numbers[i]), numbers[j], strlen(numbers[j]));

			right = right && (order > 0) == (i > j) && (order < 0) == (i < j);
		}
	ok(right, "numbers are compared as numbers");
	for (size_t i = 0; i < sizeof(invalid) / sizeof(invalid[0]); i++)
		ok(!sequence_valid(invalid[i], strlen(invalid[i])), "\"%s\" is no number", invalid[i]);
	memset(longest, '9', sizeof(longest));
	ok(sequence_valid(longest, SEQUENCE_MAX_DIGITS) &&
		   !sequence_valid(longest, SEQUENCE_MAX_DIGITS + 1),
	   "129 digits are allowed, and no more");
}

static void
test_records(void)
{
	const KinesisRecord *record;

	ok(parse(" {\"x\":[{\"Records\":[1]}], \"Records\" : [" RECORD("12", "YWJj") ",\n\t" RECORD(
		   "13", "") "]} ") &&
		   event.count == 2,
	   "records are found");
	record = &event.records[0];
	ok(record->problem == NULL && is(&record->shard, "shardId-000000000006") &&
		   is(&record->sequence, "12") && is(&record->data, "YWJj") &&
		   is(&record->arn, "arn:aws:kinesis:eu-west-1:1:stream/s") &&
		   is(&record->partition_key, "k") && record->arrival == INT64_C(1545084650987),
	   "with all that they have");
	ok(is(&record->whole, RECORD("12", "YWJj")) && is(&event.records[1].whole, RECORD("13", "")),
	   "as they stand there");
	kinesis_free(&event);

	ok(parse("{\"Records\":[null, 12.5 ,\"a\\\"b\",[{\"kinesis\":{}}],true]}") &&
		   event.count == 5 && is(&event.records[0].whole, "null") &&
		   is(&event.records[1].whole, "12.5") && is(&event.records[2].whole, "\"a\\\"b\"") &&
		   is(&event.records[3].whole, "[{\"kinesis\":{}}]") &&
		   is(&event.records[4].whole, "true") && event.records[4].reason == FEED_BAD_RECORD,
	   "what is no record is kept as it stands there, too");
	kinesis_free(&event);

	ok(parse("{\"Records\":[{\"kinesis\":{\"data\":\"a\\/b\\u002b\",\"sequenceNumber\":\"1\"},"
			 "\"kinesis\":{\"data\":\"c\\/d\"}}]}") &&
		   event.count == 1 && is(&event.records[0].data, "c/d") &&
		   event.records[0].sequence.text == NULL,
	   "escapes are undone, and of duplicate names the last one counts");
	kinesis_free(&event);
	ok(parse("{\"Records\":[1,2],\"Records\":[" RECORD("1", "") "]}") && event.count == 1,
	   "also of Records");
	kinesis_free(&event);
	ok(parse(
		   "{\"Records\":[{\"a\":{\"kinesis\":{\"data\":\"x\"}},\"kinesis\":{\"b\":{\"data\":\"y\"},"
		   "\"c\":[{\"data\":\"z\"}]}}]}") &&
		   event.records[0].data.text == NULL,
	   "names elsewhere mean nothing");
	kinesis_free(&event);
	ok(parse("{\"Records\":[]}") && event.count == 0, "there may be none");
	kinesis_free(&event);
}

static void
test_refused(void)
{
	static const struct
	{
		const char *text;
		const char *problem;
	} events[] = {
		{"", "not JSON"},
		{"nonsense", "not JSON"},
		{"{\"Records\":[", "not JSON"},
		{"{\"Records\":[]}}", "something follows"},
		{"{\"Records\":[]}x", "something follows"},
		{"[]", "not an object"},
		{"7", "not an object"},
		{"{}", "no array Records"},
		{"{\"Records\":{}}", "no array Records"},
		{"{\"Records\":\"a\"}", "no array Records"},
		{"{\"Records\":[],\"Records\":null}", "no array Records"},
	};
	char deep[1000];

	for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++)
	{
		ok(!parse(events[i].text) && strstr(event.problem, events[i].problem) != NULL, "%s: %s",
		   events[i].text, event.problem);
		kinesis_free(&event);
	}
	memset(deep, '[', sizeof(deep));
	ok(!kinesis_parse(deep, sizeof(deep), &event) && strstr(event.problem, "too deeply") != NULL,
	   "deep nesting is not followed");
	kinesis_free(&event);
	ok(!kinesis_parse("{\"Records\":[]}\0", 15, &event), "a NUL is no space");
	kinesis_free(&event);
}

static void
test_answers(void)
{
	char	   *answer;
	char	   *again;
	const char *end = NULL;

	ok(strcmp(answer_success(), "{\"batchItemFailures\":[]}") == 0, "success is an empty list");
	parse("{\"Records\":[" RECORD("10", "") "," RECORD(
		"49590338271490256608559692538361571095921575989136588898",
		"") "," RECORD("9", "") "," RECORD("10", "") "]}");
	answer = answer_failure(&event);
	ok(answer != NULL &&
		   strcmp(answer,
				  "{\"batchItemFailures\":[{\"itemIdentifier\":\"9\"},{\"itemIdentifier\":\"10\"},"
				  "{\"itemIdentifier\":\"10\"},{\"itemIdentifier\":"
				  "\"49590338271490256608559692538361571095921575989136588898\"}]}") == 0,
	   "failure lists all, the lowest number first");
	for (int i = 0; i < event.count; i++)
		end = kinesis_forget(&event, i);
	ok(strcmp(end, "]}") == 0 && event.records[0].data.text == NULL,
	   "all but the numbers can be forgotten");
	again = answer_failure(&event);
	ok(again != NULL && strcmp(answer, again) == 0, "for the same answer");
	free(answer);
	free(again);
	kinesis_free(&event);
	parse("{\"Records\":[" RECORD("10", "") ",5]}");
	ok(answer_failure(&event) == NULL, "unless one can't be named");
	kinesis_free(&event);
	parse("{\"Records\":[]}");
	ok(answer_failure(&event) == NULL, "an empty list never means failure");
	kinesis_free(&event);
}

int
main(void)
{
	test_sequences();
	test_records();
	test_refused();
	test_answers();
	return done_testing();
}
