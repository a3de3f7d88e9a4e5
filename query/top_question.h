/*
 * top_question.h
 *	  What a request for the top items asks, and how refusals are worded; for top.c and live.c.
 */
#ifndef QUERY_TOP_QUESTION_H
#define QUERY_TOP_QUESTION_H

#include "exchange.h"
#include "question.h"

typedef struct TopQuestion
{
	char	entity[ENTITY_MAX + 1];
	int		n;
	bool	by_time; /* from start to end; else the last days */
	int64_t days;
	int64_t start, end;
} TopQuestion;

/*
 * Read the request's parameters, and find the buckets that they mean now, if the shape is known.
 * NULL, or what is wrong: the caller's fault.
 */
extern const char *top_question_ask(Exchange *exchange, const Shape *shape, TopQuestion *question,
									Range *range, char problem[QUESTION_PROBLEM]);

/* The buckets that it means now, later; the shape is known.  NULL, or what is wrong. */
extern const char *top_question_range(const TopQuestion *question, const Shape *shape, Range *range,
									  char problem[QUESTION_PROBLEM]);

extern void top_respond(Exchange *exchange, const char *json);

/* {"code": "invalid_argument", "message": ...} with the status that fits the code. */
extern void top_refuse(Exchange *exchange, RpcCode code, const char *message);

#endif /* QUERY_TOP_QUESTION_H */
