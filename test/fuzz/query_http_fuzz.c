/*
 * query_http_fuzz.c
 *	  Any bytes from a client of topk-query, in pieces of any size: through HTTP/1.1 or HTTP/2, routes
 *	  and all protocols to calls and back, without a socket.
 *
 * The first byte is the size of the pieces, the second how calls are answered.  Nothing may be left over
 * when the client has gone, whenever that is.
 */
#include "fuzz.h"

#include <string.h>

#include "connection.h"
#include "page.h"
#include "rpc_server.h"

#define UNDER_WAY_MAX 64

/* Stands in for the answers: takes calls, and answers them at once, later, or not at all. */
struct Reads
{
	int		 way;
	RpcCall *under_way[UNDER_WAY_MAX];
	int		 count;
};

static void
forget(RpcCall *call)
{
	Reads *answers = call->state;

	for (int i = 0; i < answers->count; i++)
		if (answers->under_way[i] == call)
		{
			answers->under_way[i] = answers->under_way[--answers->count];
			return;
		}
	require(!"a call is canceled once");
}

static void
answer(RpcCall *call, int way)
{
	RpcValue *values = calloc((size_t) call->count + 1, sizeof(*values));

	require(values != NULL && call->count >= 0);
	for (int i = 0; i < call->count; i++)
	{
		/* all of the entity is there to be read */
		values[i] = (RpcValue) {.present = i % 2 == 0,
								.data = call->entities[i].bytes,
								.length = call->entities[i].length};
		require(call->entities[i].length == 0 || call->entities[i].bytes != NULL);
	}
	if (way & 4)
		rpc_fail(call, RPC_UNAVAILABLE, "100 % away, \"\xc3\xa4\"");
	else
		rpc_answer(call, values);
	free(values);
}

void
answers_begin(Reads *answers, RpcCall *call)
{
	if ((answers->way & 3) == 0 || answers->count == UNDER_WAY_MAX)
	{
		answer(call, answers->way);
		return;
	}
	call->state = answers;
	call->canceled = forget;
	answers->under_way[answers->count++] = call;
}

static void
answer_all(Reads *answers)
{
	while (answers->count > 0)
		answer(answers->under_way[--answers->count], answers->way);
}

/* Stands in for the live list: pieces at once, and an end or none. */
static void
follow(void *context, Exchange *exchange)
{
	const Reads *answers = context;

	exchange_begin(exchange, 200, NULL);
	exchange_send(exchange, "one ", 4);
	exchange_send(exchange, "two", 3);
	if ((answers->way & 3) != 3)
		exchange_end(exchange, NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const Log			log = {.fd = -1, .program = "fuzz", .level = LOG_LEVEL_ERROR};
	static const ServerSettings settings = {.connections_max = 4,
											.streams_max = 8,
											.body_max = 2000,
											.request_read_ms = 10000,
											.idle_ms = 10000,
											.write_stall_ms = 10000};
	static const RpcSettings	rpc_settings = {
		   .entities_max = 20, .body_max = 2000, .timeout_ms = 2000};
	static const Store store = {.up = true};
	static Reads	   answers;
	static Server	  *server;
	static RpcServer  *rpc;
	Connection		  *connection;
	size_t			   step;

	if (server == NULL)
	{
		require(server_open(&settings, &log, NULL, &server) == DAEMON_OK);
		page_register(server);
		server_route(server, "GET", "/v1/top/live", follow, &answers, SERVER_CORS);
		require((rpc = rpc_open(server, &answers, &store, &rpc_settings, NULL)) != NULL);
	}
	if (size < 2)
		return 0;
	step = data[0] > 0 ? data[0] : size;
	answers.way = data[1];
	require((connection = connection_open(server, -1)) != NULL);
	for (size_t at = 2; at < size && server_connections(server) > 0; at += step)
	{
		connection_receive(connection, (const char *) data + at,
						   step < size - at ? step : size - at);
		server_dispatch(server);
		if ((answers.way & 3) == 1)
			answer_all(&answers);
	}
	if (server_connections(server) > 0 && (answers.way & 3) == 2)
		answer_all(&answers);
	server_dispatch(server);
	if (server_connections(server) > 0)
		connection_drop(connection);
	server_dispatch(server);
	require(answers.count == 0 && server_connections(server) == 0 && server->body_bytes == 0);
	return 0;
}
