/*
 * query_message_fuzz.c
 *	  Any bytes as the request of an RPC, in JSON or in protobuf: refused with a reason, or a request
 *	  whose entities are all there, in UTF-8 and not more than allowed.
 *
 * The first byte tells which RPC, and which of the two.
 */
#include "fuzz.h"

#include <string.h>

#include <jansson.h>

#include "rpc_message.h"

#define ENTITIES_MAX 8

/* An answer with as many values as there are entities, which are their data. */
static void
encode(const RpcMethodInfo *method, RpcEncoding encoding, const RpcRequest *request)
{
	RpcValue values[ENTITIES_MAX + 1] = {0};
	Buffer	 out = {0};

	for (int i = 0; i < request->count; i++)
		values[i] = (RpcValue) {true, request->entities[i].bytes, request->entities[i].length};
	rpc_answer_encode(method, encoding, values, request->count, &out);
	require(!out.failed);
	if (encoding == RPC_JSON)
	{
		json_t *read = json_loadb(buffer_bytes(&out), out.length, 0, NULL);

		require(json_is_object(read));
		json_decref(read);
	}
	buffer_free(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const RpcMethodInfo *method;
	RpcEncoding			 encoding;
	RpcRequest			 request;

	if (size < 1)
		return 0;
	method = &rpc_methods[data[0] % RPC_METHODS];
	encoding = data[0] & 0x80 ? RPC_JSON : RPC_PROTO;
	if (rpc_request_decode(method, encoding, data + 1, size - 1, ENTITIES_MAX, &request) == NULL)
	{
		require(request.count >= 0 && request.count <= ENTITIES_MAX);
		require(method->many || request.count == 1);
		for (int i = 0; i < request.count; i++)
		{
			json_t *text = json_stringn(request.entities[i].bytes, request.entities[i].length);

			require(text != NULL);
			json_decref(text);
		}
		encode(method, encoding, &request);
	}
	rpc_request_free(&request);
	return 0;
}
