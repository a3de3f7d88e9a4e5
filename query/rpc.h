/*
 * rpc.h
 *	  A call of murmur.v1.QueryService, whichever protocol it came by: Connect, gRPC or gRPC-Web.
 *
 * The protocols (rpc_connect.c, rpc_grpc.c) make a call of a request and hand it to answers_begin;
 * that answers it with rpc_answer or rpc_fail, at once or later.  It must not know where answers come from.
 */
#ifndef QUERY_RPC_H
#define QUERY_RPC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum RpcMethod
{
	RPC_GET,
	RPC_GET_MANY,
	RPC_GET_WINDOW,
	RPC_GET_RANGE,
	RPC_GET_WINDOW_MANY,
	RPC_GET_RANGE_MANY,
	RPC_GET_TRAILING,
	RPC_GET_TRAILING_MANY
} RpcMethod;

/* gRPC's status codes, which Connect names in words ("invalid_argument"). */
typedef enum RpcCode
{
	RPC_CANCELED = 1,
	RPC_UNKNOWN = 2,
	RPC_INVALID_ARGUMENT = 3,
	RPC_DEADLINE_EXCEEDED = 4,
	RPC_NOT_FOUND = 5,
	RPC_RESOURCE_EXHAUSTED = 8,
	RPC_UNIMPLEMENTED = 12,
	RPC_INTERNAL = 13,
	RPC_UNAVAILABLE = 14,
	RPC_UNAUTHENTICATED = 16
} RpcCode;

/* UTF-8, may hold a NUL; as long as the call. */
typedef struct RpcEntity
{
	const char *bytes;
	size_t		length;
} RpcEntity;

typedef struct RpcCall
{
	RpcMethod method;
	const RpcEntity
		   *entities; /* one, or those of a ...Many in the request's order, duplicates too */
	int		count;
	int64_t duration_seconds;	  /* GetWindow, GetTrailing */
	int64_t start_unix, end_unix; /* GetRange */
	bool	fresh_read;

	/* for who answers: its own state, and what is called when nobody waits for the answer any more */
	void *state;
	void (*canceled)(struct RpcCall *call);
} RpcCall;

/* data NULL with present false. */
typedef struct RpcValue
{
	bool		present;
	const void *data;
	size_t		length;
} RpcValue;

/* The answer: as many values as entities, in their order.  The values are copied; the call is gone after it. */
extern void rpc_answer(RpcCall *call, const RpcValue *values);

/* The failure, in words for the caller, without internals; the call is gone after it. */
extern void rpc_fail(RpcCall *call, RpcCode code, const char *message);

#endif /* QUERY_RPC_H */
