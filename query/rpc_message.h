/*
 * rpc_message.h
 *	  The eight methods' requests and answers as protobuf and as JSON.
 *
 * Protocol Buffers' encoding, and its JSON mapping (protobuf.dev, "ProtoJSON Format").
 * Must not know what carries the messages.
 */
#ifndef QUERY_RPC_MESSAGE_H
#define QUERY_RPC_MESSAGE_H

#include <protobuf-c/protobuf-c.h>

#include "buffer.h"
#include "rpc.h"

#define RPC_METHODS 8
#define RPC_SERVICE "murmur.v1.QueryService"

typedef struct RpcMethodInfo
{
	RpcMethod						  method;
	const char						 *name; /* "GetWindow" */
	const char						 *path; /* "/murmur.v1.QueryService/GetWindow" */
	const ProtobufCMessageDescriptor *request;
	bool							  many; /* the answer has values, not a value */
} RpcMethodInfo;

/* Index: RpcMethod. */
extern const RpcMethodInfo rpc_methods[RPC_METHODS];

typedef enum RpcEncoding
{
	RPC_PROTO,
	RPC_JSON
} RpcEncoding;

/* A request; all zero is none. */
typedef struct RpcRequest
{
	RpcEntity *entities; /* UTF-8 */
	int		   count;
	int64_t	   duration_seconds, start_unix, end_unix;
	bool	   fresh_read;
	void	  *message; /* private: what the entities' bytes belong to */
	void	  *json;
} RpcRequest;

/*
 * NULL, or what is wrong with the bytes, in static storage; at most entities_max entities are taken.
 * Free it in either case.
 */
extern const char *rpc_request_decode(const RpcMethodInfo *method, RpcEncoding encoding,
									  const void *bytes, size_t length, int entities_max,
									  RpcRequest *request);
extern void		   rpc_request_free(RpcRequest *request);

/* Append the answer; count is 1 for a method that is not many. */
extern void rpc_answer_encode(const RpcMethodInfo *method, RpcEncoding encoding,
							  const RpcValue *values, int count, Buffer *out);

#endif /* QUERY_RPC_MESSAGE_H */
