/*
 * query_question_test.c
 *	  Which buckets a question means, and what is refused.
 */
#include "question.h"

#include <string.h>

#include "tap.h"

#define DAY 86400

static const Shape days = {.window_seconds = DAY, .retention_seconds = 30 * DAY, .k = 32};
static const Shape hours = {.window_seconds = 3600, .retention_seconds = 86400, .k = 32};

static bool
is_trailing(const Shape *shape, int64_t now, int64_t seconds, int64_t first, int64_t last)
{
	char  problem[QUESTION_PROBLEM];
	Range range;

	return question_trailing(shape, now, seconds, &range, problem) == NULL &&
		   range.first == first && range.last == last;
}

static bool
is_between(const Shape *shape, int64_t start, int64_t end, int64_t first, int64_t last)
{
	char  problem[QUESTION_PROBLEM];
	Range range;

	return question_between(shape, start, end, &range, problem) == NULL && range.first == first &&
		   range.last == last;
}

static bool
refuses(const char *wrong, const char *words)
{
	return wrong != NULL && strstr(wrong, words) != NULL;
}

static void
test_trailing(void)
{
	int64_t now = 100 * DAY + 5;
	char	problem[QUESTION_PROBLEM];
	Range	range;

	ok(is_trailing(&days, now, 0, 100, 100), "no duration is the current bucket");
	ok(is_trailing(&days, now, -1, 100, 100), "so is a negative one");
	ok(is_trailing(&days, now, INT64_MIN, 100, 100), "however negative");
	ok(is_trailing(&days, now, 1, 100, 100), "a second is one bucket");
	ok(is_trailing(&days, now, DAY, 100, 100), "a day is one bucket");
	ok(is_trailing(&days, now, DAY + 1, 99, 100), "more than a day is two");
	ok(is_trailing(&days, now, 7 * DAY, 94, 100), "a week is seven");
	ok(is_trailing(&hours, now, 7200, 100 * 24 - 1, 100 * 24),
	   "two hours are two buckets of an hour");
	ok(is_trailing(&days, now, 31 * DAY, 70, 100), "what the retention keeps can be asked for");
	ok(refuses(question_trailing(&days, now, 31 * DAY + 1, &range, problem),
			   "2678401 seconds is 32 windows, longer than the retention allows, 31"),
	   "what it does not is refused, with value and limit");
	ok(question_trailing(&days, now, INT64_MAX, &range, problem) != NULL, "however long");
}

static void
test_between(void)
{
	char  problem[QUESTION_PROBLEM];
	Range range;

	ok(is_between(&days, 0, 0, 0, 0), "the first second is in the first bucket");
	ok(is_between(&days, DAY - 1, DAY, 0, 1), "both ends are in it");
	ok(is_between(&days, 10 * DAY, 12 * DAY - 1, 10, 11), "the end is in it up to its second");
	ok(is_between(&days, INT64_MAX, INT64_MAX, INT64_MAX / DAY, INT64_MAX / DAY),
	   "the last second is");
	ok(refuses(question_between(&days, -1, 5, &range, problem), "start -1 is negative"),
	   "a negative start is refused");
	ok(refuses(question_between(&days, 6, 5, &range, problem), "end 5 is before start 6"),
	   "a reversed range is refused");
	ok(is_between(&days, 0, 31 * DAY - 1, 0, 30), "31 buckets can be asked for");
	ok(refuses(question_between(&days, 0, 31 * DAY, &range, problem),
			   "is 32 windows, longer than the retention allows, 31"),
	   "32 are refused, with value and limit");
	ok(question_between(&days, 0, INT64_MAX, &range, problem) != NULL, "and so is all time");
}

static void
test_entities(void)
{
	char	  long_one[ENTITY_MAX + 1];
	char	  problem[QUESTION_PROBLEM];
	RpcEntity entity = {.bytes = long_one, .length = ENTITY_MAX};

	memset(long_one, 'x', sizeof(long_one));
	ok(question_check_entity(&entity, problem) == NULL, "2048 bytes may be asked for");
	entity.length++;
	ok(refuses(question_check_entity(&entity, problem), "2049 bytes long, at most 2048"),
	   "2049 are refused, with value and limit");
	entity.length = 0;
	ok(refuses(question_check_entity(&entity, problem), "empty"), "nothing is refused");
	entity = (RpcEntity) {.bytes = "a\0b", .length = 3};
	ok(refuses(question_check_entity(&entity, problem), "NUL"), "a NUL is refused");
}

int
main(void)
{
	test_trailing();
	test_between();
	test_entities();
	return done_testing();
}
