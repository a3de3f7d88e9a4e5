/*
 * question.c
 *	  Bucket arithmetic, bounded by the retention, and the entities' own bounds.
 */
#include "question.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

const char *
question_check_entity(const RpcEntity *entity, char problem[QUESTION_PROBLEM])
{
	if (entity->length == 0)
		return "entity must not be empty";
	if (memchr(entity->bytes, '\0', entity->length) != NULL)
		return "entity must not contain a NUL character";
	if (entity->length <= ENTITY_MAX)
		return NULL;
	snprintf(problem, QUESTION_PROBLEM, "entity is %zu bytes long, at most %d are allowed",
			 entity->length, ENTITY_MAX);
	return problem;
}

static int64_t
divide_up(int64_t dividend, int64_t divisor)
{
	return dividend / divisor + (dividend % divisor > 0 ? 1 : 0);
}

/* A window is kept until the retention is over after its end: as many whole ones, and the current one. */
static int64_t
most_windows(const Shape *shape)
{
	return divide_up(shape->retention_seconds, shape->window_seconds) + 1;
}

const char *
question_trailing(const Shape *shape, int64_t now, int64_t seconds, Range *range,
				  char problem[QUESTION_PROBLEM])
{
	int64_t windows = seconds > 0 ? divide_up(seconds, shape->window_seconds) : 1;

	if (windows > most_windows(shape))
	{
		snprintf(problem, QUESTION_PROBLEM,
				 "duration of %" PRId64 " seconds is %" PRId64
				 " windows, longer than the retention allows, %" PRId64,
				 seconds, windows, most_windows(shape));
		return problem;
	}
	range->last = now / shape->window_seconds;
	range->first = range->last - windows + 1;
	return NULL;
}

const char *
question_between(const Shape *shape, int64_t start, int64_t end, Range *range,
				 char problem[QUESTION_PROBLEM])
{
	int64_t windows;

	if (start < 0)
	{
		snprintf(problem, QUESTION_PROBLEM, "start %" PRId64 " is negative", start);
		return problem;
	}
	if (end < start)
	{
		snprintf(problem, QUESTION_PROBLEM, "end %" PRId64 " is before start %" PRId64, end, start);
		return problem;
	}
	range->first = start / shape->window_seconds;
	range->last = end / shape->window_seconds;
	windows = range->last - range->first + 1;
	if (windows <= most_windows(shape))
		return NULL;
	snprintf(problem, QUESTION_PROBLEM,
			 "range from %" PRId64 " to %" PRId64 " is %" PRId64
			 " windows, longer than the retention allows, %" PRId64,
			 start, end, windows, most_windows(shape));
	return problem;
}
