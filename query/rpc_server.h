/*
 * rpc_server.h
 *	  The RPCs as routes of the server: murmur.v1.QueryService by Connect, gRPC and gRPC-Web, and gRPC's
 *	  health checking and reflection.
 */
#ifndef QUERY_RPC_SERVER_H
#define QUERY_RPC_SERVER_H

#include "answers.h"
#include "server.h"

typedef struct RpcServer RpcServer;

typedef struct RpcSettings
{
	int		entities_max; /* of a request */
	size_t	body_max;	  /* bytes of a request, decompressed */
	int64_t timeout_ms;	  /* for a request; a client may ask for less */
} RpcSettings;

/* All arguments must outlive it.  Also words the server's refusals.  NULL without memory. */
extern RpcServer *rpc_open(Server *server, Reads *reads, const Store *store,
						   const RpcSettings *settings, Metrics *metrics);

/* After server_close, which gives up the calls under way. */
extern void rpc_close(RpcServer *rpc);

#endif /* QUERY_RPC_SERVER_H */
