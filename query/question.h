/*
 * question.h
 *	  Which entities may be asked for, and which buckets a question means.
 *
 * Must not know who asks.
 */
#ifndef QUERY_QUESTION_H
#define QUERY_QUESTION_H

#include <stddef.h>
#include <stdint.h>

#include "rpc.h"

/* What a pipeline's windows are like. */
typedef struct Shape
{
	int64_t window_seconds; /* 0: not known yet */
	int64_t retention_seconds;
	int		k; /* of a summary without data */
} Shape;

/* Both inclusive. */
typedef struct Range
{
	int64_t first;
	int64_t last;
} Range;

/* What DynamoDB takes as a partition key, and topk_pipeline as a key. */
#define ENTITY_MAX 2048

/* Each of these answers NULL, or what is wrong, which problem has room for. */
#define QUESTION_PROBLEM 200

extern const char *question_check_entity(const RpcEntity *entity, char problem[QUESTION_PROBLEM]);

/*
 * The last buckets that seconds reach into, at least one, ending with the one of now (Unix
 * seconds).
 */
extern const char *question_trailing(const Shape *shape, int64_t now, int64_t seconds, Range *range,
									 char problem[QUESTION_PROBLEM]);

/* Every bucket from start to end, Unix seconds. */
extern const char *question_between(const Shape *shape, int64_t start, int64_t end, Range *range,
									char problem[QUESTION_PROBLEM]);

#endif /* QUERY_QUESTION_H */
