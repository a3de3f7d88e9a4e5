/*
 * rpc.c
 *	  Calls from their decoding to their answer, their deadline or their client's going away.
 *
 * Must not know how a protocol words an answer.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "daemon/clock.h"
#include "gunzip.h"
#include "rpc_code.h"
#include "rpc_grpc.h"
#include "rpc_internal.h"

struct RpcServer
{
	Server	   *server;
	Reads	   *reads;
	RpcSettings settings;
	Metrics	   *metrics;
	Health		health;
	RpcEndpoint endpoints[RPC_METHODS];
	Metric	   *requests[RPC_METHODS][RPC_PROTOCOLS][RPC_CODES]; /* made when first needed */
	Metric	   *seconds[RPC_METHODS];
};

bool
rpc_type_is(const char *content_type, const char *media_type)
{
	size_t length = strcspn(content_type, "; \t");

	return strlen(media_type) == length && strncasecmp(content_type, media_type, length) == 0;
}

/* ---- metrics ---- */

static void
count(RpcServer *rpc, const RpcMethodInfo *method, const RpcProtocol *protocol, int code)
{
	Metric **metric = &rpc->requests[method->method][protocol->index][code];

	if (*metric == NULL)
		*metric = metrics_counter(
			rpc->metrics, "topk_query_requests_total", "RPCs, by method, protocol and outcome.",
			(const char *const[]) {"rpc", method->name, "protocol", protocol->name, "code",
								   rpc_code_name(code), NULL});
	metric_add(*metric, 1);
}

/* ---- calls ---- */

static void
free_task(RpcTask *task)
{
	timer_stop(&task->timer);
	rpc_request_free(&task->request);
	free(task);
}

/* The task is over: from here on the exchange has no part in it. */
static void
leave_exchange(RpcTask *task, int code)
{
	RpcServer *rpc = task->server;

	count(rpc, task->method, task->protocol, code);
	metric_add(rpc->seconds[task->method->method],
			   (double) (clock_milliseconds() - task->started) / 1000);
	exchange_on_closed(task->exchange, NULL, NULL);
}

/* Encoded, in JSON as base64 at worst. */
static bool
has_room(const RpcTask *task, const RpcValue *values)
{
	size_t length = 0;

	for (int i = 0; i < task->call.count; i++)
		length += values[i].length + values[i].length / 2;
	return exchange_make_room(task->exchange, length);
}

void
rpc_answer(RpcCall *call, const RpcValue *values)
{
	RpcTask *task = (RpcTask *) call;

	if (!has_room(task, values))
	{
		rpc_fail(call, RPC_RESOURCE_EXHAUSTED, EXCHANGE_NO_ROOM);
		return;
	}
	leave_exchange(task, 0);
	task->protocol->answer(task, values);
	free_task(task);
}

void
rpc_fail(RpcCall *call, RpcCode code, const char *message)
{
	RpcTask *task = (RpcTask *) call;

	leave_exchange(task, code);
	task->protocol->fail(task->exchange, code, message);
	free_task(task);
}

/* Whoever works on the answer need not. */
static void
cancel(RpcTask *task)
{
	if (task->call.canceled != NULL)
		task->call.canceled(&task->call);
}

static void
on_closed(void *context)
{
	RpcTask *task = context;

	count(task->server, task->method, task->protocol, RPC_CANCELED);
	cancel(task);
	free_task(task);
}

static void
on_deadline(void *context)
{
	RpcTask *task = context;

	cancel(task);
	rpc_fail(&task->call, RPC_DEADLINE_EXCEEDED, "the answer did not come in time");
}

void
rpc_reject(const RpcEndpoint *endpoint, const RpcProtocol *protocol, Exchange *exchange,
		   RpcCode code, const char *message)
{
	count(endpoint->server, endpoint->method, protocol, code);
	protocol->fail(exchange, code, message);
}

/* What a request says, as a call. */
static void
fill_call(RpcTask *task)
{
	task->call = (RpcCall) {.method = task->method->method,
							.entities = task->request.entities,
							.count = task->request.count,
							.duration_seconds = task->request.duration_seconds,
							.start_unix = task->request.start_unix,
							.end_unix = task->request.end_unix,
							.fresh_read = task->request.fresh_read};
}

/* The client's timeout, or the server's own. */
static void
set_deadline(RpcTask *task, int64_t timeout_ms)
{
	const RpcServer *rpc = task->server;

	if (timeout_ms < 0 || timeout_ms > rpc->settings.timeout_ms)
		timeout_ms = rpc->settings.timeout_ms;
	task->timer.fire = on_deadline;
	task->timer.context = task;
	timer_set(server_timers(rpc->server), &task->timer, task->started + timeout_ms);
}

/* NULL, or what is wrong with it and the code of that. */
static const char *
decode(RpcTask *task, const RpcSettings *settings, const RpcMessage *message, RpcCode *code)
{
	Buffer		plain = {0};
	const char *problem = NULL;

	*code = RPC_INVALID_ARGUMENT;
	if (message->compression == NULL || strcmp(message->compression, "identity") == 0)
		return rpc_request_decode(task->method, message->encoding, message->bytes, message->length,
								  settings->entities_max, &task->request);
	if (strcmp(message->compression, "gzip") != 0)
	{
		*code = RPC_UNIMPLEMENTED;
		return "the compression is not supported; gzip and identity are";
	}
	problem = gunzip(message->bytes, message->length, settings->body_max, &plain);
	if (problem == NULL)
		problem = rpc_request_decode(task->method, message->encoding, buffer_bytes(&plain),
									 plain.length, settings->entities_max, &task->request);
	/* the entities of a request point into what was decoded from it, not into it */
	buffer_free(&plain);
	return problem;
}

void
rpc_start(const RpcEndpoint *endpoint, const RpcProtocol *protocol, Exchange *exchange,
		  const RpcMessage *message, int64_t timeout_ms)
{
	RpcServer  *rpc = endpoint->server;
	RpcTask	   *task = calloc(1, sizeof(*task));
	RpcCode		code;
	const char *problem;

	if (task == NULL)
	{
		rpc_reject(endpoint, protocol, exchange, RPC_RESOURCE_EXHAUSTED, "out of memory");
		return;
	}
	task->method = endpoint->method;
	problem = decode(task, &rpc->settings, message, &code);
	if (problem != NULL)
	{
		rpc_request_free(&task->request);
		free(task);
		rpc_reject(endpoint, protocol, exchange, code, problem);
		return;
	}
	task->server = rpc;
	task->protocol = protocol;
	task->encoding = message->encoding;
	task->exchange = exchange;
	task->started = clock_milliseconds();
	fill_call(task);
	set_deadline(task, timeout_ms);
	exchange_on_closed(exchange, on_closed, task);
	answers_begin(rpc->reads, &task->call);
}

/* ---- routes ---- */

/* By content type: the same path takes them all. */
static void
handle_post(void *context, Exchange *exchange)
{
	const RpcEndpoint *endpoint = context;
	const char		  *type = exchange_header(exchange, "content-type");

	if (type != NULL && grpc_is(type))
		grpc_call(endpoint, exchange);
	else if (type != NULL && rpc_type_is(type, "application/json"))
		connect_post(endpoint, exchange, RPC_JSON);
	else if (type != NULL && rpc_type_is(type, "application/proto"))
		connect_post(endpoint, exchange, RPC_PROTO);
	else
		connect_refuse(exchange, 415, RPC_UNKNOWN,
					   "allowed content types are application/json, application/proto, "
					   "application/grpc and application/grpc-web");
}

/* What the statuses of a server's refusals mean to a client of RPCs. */
static RpcCode
code_of_status(int status)
{
	switch (status)
	{
		case 400:
			return RPC_INVALID_ARGUMENT;
		case 401:
			return RPC_UNAUTHENTICATED;
		case 404:
		case 405:
			return RPC_UNIMPLEMENTED;
		case 413:
		case 431:
			return RPC_RESOURCE_EXHAUSTED;
		case 503:
			return RPC_UNAVAILABLE;
		default:
			return RPC_UNKNOWN;
	}
}

static void
refuse(void *context, Exchange *exchange, int status, const char *message)
{
	const char *type = exchange_header(exchange, "content-type");

	(void) context;
	if (type != NULL && grpc_is(type))
		grpc_fail(exchange, code_of_status(status), message);
	else
		connect_refuse(exchange, status, code_of_status(status), message);
}

RpcServer *
rpc_open(Server *server, Reads *reads, const Store *store, const RpcSettings *settings,
		 Metrics *metrics)
{
	RpcServer *rpc = calloc(1, sizeof(*rpc));

	if (rpc == NULL)
		return NULL;
	rpc->server = server;
	rpc->reads = reads;
	rpc->settings = *settings;
	rpc->metrics = metrics;
	for (int i = 0; i < RPC_METHODS; i++)
	{
		const RpcMethodInfo *method = &rpc_methods[i];
		RpcEndpoint			*endpoint = &rpc->endpoints[i];

		*endpoint = (RpcEndpoint) {.server = rpc, .method = method};
		rpc->seconds[i] = metrics_counter(metrics, "topk_query_request_seconds_total",
										  "Time from an RPC's request to its answer.",
										  (const char *const[]) {"rpc", method->name, NULL});
		server_route(server, "POST", method->path, handle_post, endpoint, SERVER_CORS);
		server_route(server, "GET", method->path, connect_get, endpoint, SERVER_CORS);
	}
	rpc->health = (Health) {.server = server, .store = store};
	health_register(&rpc->health);
	reflection_register(server);
	server_on_refusal(server, refuse, rpc);
	return rpc;
}

void
rpc_close(RpcServer *rpc)
{
	free(rpc);
}
