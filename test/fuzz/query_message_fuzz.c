/*
 * query_message_fuzz.c
 *	  Any bytes as the request of an RPC, in JSON or in protobuf: refused with a reason, or a request
 *	  whose entities are all there, in UTF-8 and not more than allowed, and which is the same request when
 *	  it is said in JSON.
 *
 * The first byte tells which RPC, and which of the two.
 */
#include "fuzz.h"

#include <stdlib.h>
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

/* The request in JSON; the names and forms of its fields vary with it. */
static char *
say_in_json(const RpcMethodInfo *method, const RpcRequest *request)
{
	bool	camel = request->fresh_read;
	json_t *entities = json_array();
	json_t *object;
	char   *text;

	for (int i = 0; i < request->count; i++)
		json_array_append_new(
			entities, json_stringn(request->entities[i].bytes, request->entities[i].length));
	object = json_pack("{s:O, s:I, s:I, s:I, s:b}", method->many ? "entities" : "entity",
					   method->many ? entities : json_array_get(entities, 0),
					   camel ? "durationSeconds" : "duration_seconds",
					   (json_int_t) request->duration_seconds, camel ? "startUnix" : "start_unix",
					   (json_int_t) request->start_unix, camel ? "endUnix" : "end_unix",
					   (json_int_t) request->end_unix, camel ? "freshRead" : "fresh_read",
					   (int) request->fresh_read);
	require(object != NULL);
	text = json_dumps(object, camel ? JSON_ENSURE_ASCII : 0);
	require(text != NULL);
	json_decref(object);
	json_decref(entities);
	return text;
}

static void
require_same(const RpcRequest *one, const RpcRequest *other)
{
	require(one->count == other->count && one->fresh_read == other->fresh_read &&
			one->duration_seconds == other->duration_seconds &&
			one->start_unix == other->start_unix && one->end_unix == other->end_unix);
	for (int i = 0; i < one->count; i++)
		require(one->entities[i].length == other->entities[i].length &&
				memcmp(one->entities[i].bytes, other->entities[i].bytes, one->entities[i].length) ==
					0);
}

static void
repeat_in_json(const RpcMethodInfo *method, const RpcRequest *request)
{
	char	  *text = say_in_json(method, request);
	RpcRequest again;

	require(rpc_request_decode(method, RPC_JSON, text, strlen(text), ENTITIES_MAX, &again) == NULL);
	require_same(request, &again);
	rpc_request_free(&again);
	free(text);
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
		repeat_in_json(method, &request);
	}
	rpc_request_free(&request);
	return 0;
}
