/*
 * rpc_internal.h
 *	  Between calls (rpc.c) and the protocols that they come by (rpc_connect.c, rpc_grpc.c).
 */
#ifndef QUERY_RPC_INTERNAL_H
#define QUERY_RPC_INTERNAL_H

#include "rpc_message.h"
#include "rpc_server.h"

typedef struct RpcTask RpcTask;

/* One of the protocols. */
typedef struct RpcProtocol
{
	const char *name; /* "grpc", for the metrics */
	int			index;
	void (*answer)(RpcTask *task, const RpcValue *values);
	void (*fail)(Exchange *exchange, RpcCode code, const char *message);
} RpcProtocol;

#define RPC_PROTOCOLS 3

/* A call, and what is needed to answer it. */
struct RpcTask
{
	RpcCall				 call; /* first: an RpcCall is an RpcTask */
	RpcServer			*server;
	const RpcMethodInfo *method;
	const RpcProtocol	*protocol;
	RpcEncoding			 encoding;
	Exchange			*exchange;
	RpcRequest			 request;
	Timer				 timer;
	int64_t				 started;
};

/* Of one of the eight methods, for the handlers of its routes. */
typedef struct RpcEndpoint
{
	RpcServer			*server;
	const RpcMethodInfo *method;
} RpcEndpoint;

/* A message as it came. */
typedef struct RpcMessage
{
	RpcEncoding encoding;
	const char *compression; /* NULL, "identity", or "gzip" */
	const void *bytes;
	size_t		length;
} RpcMessage;

/* Decode a request and have it answered; timeout_ms of the client, -1: none.  What is wrong with it is answered, too. */
extern void rpc_start(const RpcEndpoint *endpoint, const RpcProtocol *protocol, Exchange *exchange,
					  const RpcMessage *message, int64_t timeout_ms);

/* A request that did not become a call, counted. */
extern void rpc_reject(const RpcEndpoint *endpoint, const RpcProtocol *protocol, Exchange *exchange,
					   RpcCode code, const char *message);

/* Is the media type of a Content-Type this one, parameters aside? */
extern bool rpc_type_is(const char *content_type, const char *media_type);

/* ---- handlers of routes; context is the RpcEndpoint ---- */

extern void connect_post(const RpcEndpoint *endpoint, Exchange *exchange, RpcEncoding encoding);
extern void connect_get(void *context, Exchange *exchange);
extern void connect_refuse(Exchange *exchange, int status, RpcCode code, const char *message);
extern void grpc_call(const RpcEndpoint *endpoint, Exchange *exchange);

/* What gRPC's health checking tells of. */
typedef struct Health
{
	Server		*server;
	const Store *store;
} Health;

extern void health_register(Health *health);
extern void reflection_register(Server *server);

#endif /* QUERY_RPC_INTERNAL_H */
