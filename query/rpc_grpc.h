/*
 * rpc_grpc.h
 *	  Messages of gRPC and gRPC-Web on an exchange: frames in, frames and a status out.
 *
 * "gRPC over HTTP2" and "gRPC Web" (grpc/grpc, doc/PROTOCOL-HTTP2.md and doc/PROTOCOL-WEB.md): which of
 * the two, and whether in base64, is told by the request's content type.
 */
#ifndef QUERY_RPC_GRPC_H
#define QUERY_RPC_GRPC_H

#include "exchange.h"
#include "rpc.h"

#define GRPC_OK 0

/* Is it a content type of gRPC or gRPC-Web? */
extern bool grpc_is(const char *content_type);

/* A message of a request, where it stands in its bytes. */
typedef struct GrpcMessage
{
	bool				 compressed;
	const unsigned char *bytes;
	size_t				 length;
	size_t				 framed; /* bytes with the frame */
} GrpcMessage;

/* The first message of length bytes; false: more has to come. */
extern bool grpc_find_message(const unsigned char *bytes, size_t length, GrpcMessage *message);

/* A unary request: its one message, or what is wrong, answered. */
extern bool grpc_take_message(Exchange *exchange, GrpcMessage *message);

/* The answer: messages, then the status.  grpc_send answers as exchange_send does. */
extern void grpc_begin(Exchange *exchange);
extern bool grpc_send(Exchange *exchange, const void *bytes, size_t length);
extern void grpc_end(Exchange *exchange, int code, const char *message);

/* The answer is but a status. */
extern void grpc_fail(Exchange *exchange, RpcCode code, const char *message);

#endif /* QUERY_RPC_GRPC_H */
