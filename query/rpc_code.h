/*
 * rpc_code.h
 *	  What RPC codes are called, and which HTTP status says the same.
 *
 * "Connect Protocol Reference" (connectrpc.com), which names gRPC's codes.
 */
#ifndef QUERY_RPC_CODE_H
#define QUERY_RPC_CODE_H

#include "rpc.h"

/* RpcCode and 0, which is ok. */
#define RPC_CODES 17

extern const char *rpc_code_name(int code); /* "invalid_argument" */
extern int		   rpc_code_status(RpcCode code);

/* {"code": "invalid_argument", "message": ...}, malloc'ed; NULL without memory. */
extern char *rpc_code_json(RpcCode code, const char *message);

#endif /* QUERY_RPC_CODE_H */
