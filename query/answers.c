/*
 * answers.c
 *	  The eight calls: their buckets, their reads, their failures.
 */
#include "answers.h"

#include <stdlib.h>

#include "daemon/clock.h"

#define MS_PER_SECOND 1000

/* A call under way. */
typedef struct Call
{
	RpcCall	   *rpc;
	ReadRequest request;
} Call;

static void
end_call(Call *call)
{
	reads_end(&call->request);
	free(call);
}

/* ---- what is asked ---- */

static const char *
find_range(const Shape *shape, const RpcCall *rpc, Range *range, char problem[QUESTION_PROBLEM])
{
	switch (rpc->method)
	{
		case RPC_GET:
		case RPC_GET_MANY:
			*range = (Range) {0, 0};
			return NULL;
		case RPC_GET_RANGE:
		case RPC_GET_RANGE_MANY:
			return question_between(shape, rpc->start_unix, rpc->end_unix, range, problem);
		default:
			return question_trailing(shape, clock_unix_milliseconds() / MS_PER_SECOND,
									 rpc->duration_seconds, range, problem);
	}
}

static const char *
check_call(const Shape *shape, const RpcCall *rpc, Range *range, char problem[QUESTION_PROBLEM])
{
	const char *wrong = NULL;

	for (int i = 0; i < rpc->count && wrong == NULL; i++)
		wrong = question_check_entity(&rpc->entities[i], problem);
	return wrong != NULL ? wrong : find_range(shape, rpc, range, problem);
}

/* ---- answering ---- */

/* A window without data is an empty summary; only what has no windows can be absent. */
static RpcValue
make_value(const RpcCall *rpc, const Reading *reading)
{
	if ((rpc->method == RPC_GET || rpc->method == RPC_GET_MANY) && reading->windows.count == 0)
		return (RpcValue) {.present = false};
	return (RpcValue) {.present = true, .data = reading->answer, .length = reading->length};
}

static void
answer_call(Call *call)
{
	RpcCall	 *rpc = call->rpc;
	RpcValue *values = calloc((size_t) rpc->count + 1, sizeof(*values));

	if (values == NULL)
		rpc_fail(rpc, RPC_RESOURCE_EXHAUSTED, "out of memory");
	else
	{
		for (int i = 0; i < rpc->count; i++)
			values[i] = make_value(rpc, call->request.readings[i]);
		rpc_answer(rpc, values);
	}
	free(values);
}

static void
finish_call(ReadRequest *request, ReadOutcome outcome)
{
	Call *call = request->context;

	if (outcome == READ_DONE)
		answer_call(call);
	else if (outcome == READ_AWAY)
		rpc_fail(call->rpc, RPC_UNAVAILABLE, READS_AWAY);
	else
		rpc_fail(call->rpc, RPC_INTERNAL, "a stored summary can not be read");
	end_call(call);
}

static void
cancel_call(RpcCall *rpc)
{
	end_call(rpc->state);
}

void
answers_begin(Reads *reads, RpcCall *rpc)
{
	const Shape *shape = reads_shape(reads);
	char		 problem[QUESTION_PROBLEM];
	const char	*wrong;
	Range		 range;
	Call		*call;

	if (shape->window_seconds == 0)
	{
		rpc_fail(rpc, RPC_UNAVAILABLE, READS_AWAY);
		return;
	}
	wrong = check_call(shape, rpc, &range, problem);
	if (wrong != NULL)
	{
		rpc_fail(rpc, RPC_INVALID_ARGUMENT, wrong);
		return;
	}
	call = calloc(1, sizeof(*call));
	if (call == NULL)
	{
		rpc_fail(rpc, RPC_RESOURCE_EXHAUSTED, "out of memory");
		return;
	}
	call->rpc = rpc;
	call->request = (ReadRequest) {.entities = rpc->entities,
								   .count = rpc->count,
								   .range = range,
								   .fresh = rpc->fresh_read,
								   .done = finish_call,
								   .context = call};
	rpc->state = call;
	rpc->canceled = cancel_call;
	reads_begin(reads, &call->request);
}
