/*
 * top_question.c
 *	  The parameters of /v1/top, and its refusals.
 */
#include "top_question.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/clock.h"
#include "ranking.h"
#include "rpc_code.h"

#define SECONDS_PER_DAY 86400
#define ITEMS_DEFAULT 10

/* A longer value is not repeated in a refusal. */
#define SHOWN_MAX 40

/* ---- the question ---- */

static const char *
read_entity(Exchange *exchange, TopQuestion *question, char problem[QUESTION_PROBLEM])
{
	const char *text = exchange_parameter(exchange, "entity");
	RpcEntity	entity = {.bytes = text != NULL ? text : "global"};
	const char *wrong;

	entity.length = strlen(entity.bytes);
	wrong = question_check_entity(&entity, problem);
	if (wrong == NULL)
		memcpy(question->entity, entity.bytes, entity.length + 1);
	return wrong;
}

/* The parameter, or initial if it is not given. */
static const char *
read_number(Exchange *exchange, const char *name, int64_t initial, int64_t minimum, int64_t maximum,
			int64_t *number, char problem[QUESTION_PROBLEM])
{
	const char *text = exchange_parameter(exchange, name);
	char	   *end;

	*number = initial;
	if (text == NULL)
		return NULL;
	errno = 0;
	*number = strtoll(text, &end, 10);
	if (errno == 0 && end != text && *end == '\0' && *number >= minimum && *number <= maximum)
		return NULL;
	snprintf(problem, QUESTION_PROBLEM, "%s \"%.40s\" is not a number from %" PRId64 " to %" PRId64,
			 name, text, minimum, maximum);
	return problem;
}

static const char *
read_question(Exchange *exchange, TopQuestion *question, char problem[QUESTION_PROBLEM])
{
	bool		has_start = exchange_parameter(exchange, "start") != NULL;
	bool		has_end = exchange_parameter(exchange, "end") != NULL;
	bool		has_days = exchange_parameter(exchange, "days") != NULL;
	int64_t		n = 0;
	const char *wrong;

	memset(question, 0, sizeof(*question)); /* so that equal ones are equal bytes */
	wrong = read_entity(exchange, question, problem);
	if (wrong == NULL && (has_start != has_end || (has_start && has_days)))
		wrong = "either days or both start and end are to be given";
	question->by_time = has_start;
	if (wrong == NULL)
		wrong = read_number(exchange, "n", ITEMS_DEFAULT, 1, RANKING_MAX, &n, problem);
	if (wrong == NULL)
		wrong = read_number(exchange, "days", 1, 1, INT64_MAX / SECONDS_PER_DAY, &question->days,
							problem);
	if (wrong == NULL)
		wrong = read_number(exchange, "start", 0, INT64_MIN, INT64_MAX, &question->start, problem);
	if (wrong == NULL)
		wrong = read_number(exchange, "end", 0, INT64_MIN, INT64_MAX, &question->end, problem);
	question->n = (int) n;
	return wrong;
}

const char *
top_question_range(const TopQuestion *question, const Shape *shape, Range *range,
				   char problem[QUESTION_PROBLEM])
{
	if (question->by_time)
		return question_between(shape, question->start, question->end, range, problem);
	return question_trailing(shape, clock_unix_milliseconds() / 1000,
							 question->days * SECONDS_PER_DAY, range, problem);
}

const char *
top_question_ask(Exchange *exchange, const Shape *shape, TopQuestion *question, Range *range,
				 char problem[QUESTION_PROBLEM])
{
	const char *wrong = read_question(exchange, question, problem);

	if (wrong == NULL && shape->window_seconds != 0)
		wrong = top_question_range(question, shape, range, problem);
	return wrong;
}

/* ---- answers ---- */

static void
respond(Exchange *exchange, int status, const char *json)
{
	static const ExchangeHeader headers[] = {
		{"content-type", "application/json"}, {"cache-control", "no-store"}, {NULL, NULL}};

	exchange_respond(exchange, status, headers, json, strlen(json));
}

void
top_respond(Exchange *exchange, const char *json)
{
	respond(exchange, 200, json);
}

void
top_refuse(Exchange *exchange, RpcCode code, const char *message)
{
	char *json = rpc_code_json(code, message);

	respond(exchange, rpc_code_status(code), json != NULL ? json : "{}");
	free(json);
}
