/*
 * top.c
 *	  One read, one answer in JSON.
 */
#include "top.h"

#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "daemon/clock.h"
#include "ranking.h"
#include "top_question.h"

/* A question under way. */
typedef struct Asked
{
	struct Asked *prev, *next;
	Top			 *top;
	Exchange	 *exchange;
	TopQuestion	  question;
	RpcEntity	  entity;
	ReadRequest	  request;
	int64_t		  deadline;
} Asked;

struct Top
{
	Reads  *reads;
	int64_t deadline_ms;
	Asked  *asked; /* the one that came first is the head */
};

Top *
top_open(Reads *reads, int64_t deadline_ms)
{
	Top *top = calloc(1, sizeof(*top));

	if (top != NULL)
		*top = (Top) {.reads = reads, .deadline_ms = deadline_ms};
	return top;
}

static void
end_asked(Asked *asked)
{
	DL_DELETE(asked->top->asked, asked);
	reads_end(&asked->request);
	free(asked);
}

static void
refuse_asked(Asked *asked, RpcCode code, const char *message)
{
	exchange_on_closed(asked->exchange, NULL, NULL);
	top_refuse(asked->exchange, code, message);
	end_asked(asked);
}

void
top_close(Top *top)
{
	if (top == NULL)
		return;
	while (top->asked != NULL)
		end_asked(top->asked);
	free(top);
}

static void
finish_asked(ReadRequest *request, ReadOutcome outcome)
{
	Asked *asked = request->context;
	char  *json = NULL;

	if (outcome == READ_DONE)
		json =
			ranking_json(asked->question.entity, asked->question.n, reads_shape(asked->top->reads),
						 &request->range, &request->readings[0]->windows);
	if (json == NULL)
	{
		refuse_asked(asked, outcome == READ_AWAY ? RPC_UNAVAILABLE : RPC_INTERNAL,
					 outcome == READ_AWAY ? READS_AWAY : "a stored summary can not be read");
		return;
	}
	if (!exchange_make_room(asked->exchange, strlen(json)))
		refuse_asked(asked, RPC_RESOURCE_EXHAUSTED, EXCHANGE_NO_ROOM);
	else
	{
		exchange_on_closed(asked->exchange, NULL, NULL);
		top_respond(asked->exchange, json);
		end_asked(asked);
	}
	free(json);
}

static void
forget_asked(void *context)
{
	end_asked(context);
}

static void
begin_asked(Top *top, Exchange *exchange, const TopQuestion *question, const Range *range)
{
	Asked *asked = calloc(1, sizeof(*asked));

	if (asked == NULL)
	{
		top_refuse(exchange, RPC_RESOURCE_EXHAUSTED, "out of memory");
		return;
	}
	asked->top = top;
	asked->exchange = exchange;
	asked->question = *question;
	asked->entity =
		(RpcEntity) {.bytes = asked->question.entity, .length = strlen(question->entity)};
	asked->request = (ReadRequest) {.entities = &asked->entity,
									.count = 1,
									.range = *range,
									.done = finish_asked,
									.context = asked};
	asked->deadline = clock_milliseconds() + top->deadline_ms;
	DL_APPEND(top->asked, asked);
	exchange_on_closed(exchange, forget_asked, asked);
	reads_begin(top->reads, &asked->request);
}

void
top_answer(void *context, Exchange *exchange)
{
	Top			*top = context;
	const Shape *shape = reads_shape(top->reads);
	TopQuestion	 question;
	Range		 range;
	char		 problem[QUESTION_PROBLEM];
	const char	*wrong = top_question_ask(exchange, shape, &question, &range, problem);

	if (wrong != NULL)
		top_refuse(exchange, RPC_INVALID_ARGUMENT, wrong);
	else if (shape->window_seconds == 0)
		top_refuse(exchange, RPC_UNAVAILABLE, READS_AWAY);
	else
		begin_asked(top, exchange, &question, &range);
}

void
top_prepare(const Top *top, Wait *wait)
{
	if (top->asked != NULL)
		wait_until(wait, top->asked->deadline);
}

void
top_dispatch(Top *top)
{
	while (top->asked != NULL && clock_left(top->asked->deadline) == 0)
		refuse_asked(top->asked, RPC_DEADLINE_EXCEEDED, "the answer did not come in time");
}
