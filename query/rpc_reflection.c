/*
 * rpc_reflection.c
 *	  gRPC's server reflection: which services there are, and how they are defined.
 *
 * "GRPC Server Reflection Protocol" (grpc/grpc, doc/server-reflection.md), v1 and v1alpha, which differ in
 * their names only.
 */
#include <stdlib.h>
#include <string.h>

#include "embed.h"
#include "grpc/reflection/v1/reflection.pb-c.h"
#include "rpc_grpc.h"
#include "rpc_internal.h"
#include "rpc_symbols.h"

typedef Grpc__Reflection__V1__ServerReflectionRequest  Request;
typedef Grpc__Reflection__V1__ServerReflectionResponse Response;

#define RESPONSE(kind) GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_##kind
#define REQUEST(kind) GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_##kind

/* As protoc writes them: a FileDescriptorSet with one file. */
EMBED(proto_query, "build/proto/query/murmur/v1/query.bin");
EMBED(proto_health, "build/proto/query/grpc/health/v1/health.bin");
EMBED(proto_reflection, "build/proto/query/grpc/reflection/v1/reflection.bin");
EMBED(proto_reflection_alpha, "build/proto/query/grpc/reflection/v1alpha/reflection.bin");

typedef struct ProtoFile
{
	const char *name;
	const char *service;
	const char *bytes, *end;
} ProtoFile;

static const ProtoFile files[] = {
	{"murmur/v1/query.proto", RPC_SERVICE, proto_query, proto_query_end},
	{"grpc/health/v1/health.proto", "grpc.health.v1.Health", proto_health, proto_health_end},
	{"grpc/reflection/v1/reflection.proto", "grpc.reflection.v1.ServerReflection", proto_reflection,
	 proto_reflection_end},
	{"grpc/reflection/v1alpha/reflection.proto", "grpc.reflection.v1alpha.ServerReflection",
	 proto_reflection_alpha, proto_reflection_alpha_end},
};

#define FILES (sizeof(files) / sizeof(files[0]))

/* The set's one file: what follows the field's tag and length (a varint). */
static ProtobufCBinaryData
descriptor_of(const ProtoFile *file)
{
	const char *at = file->bytes + 1;

	while (*at++ & 0x80)
		;
	return (ProtobufCBinaryData) {.data = (uint8_t *) at, .len = (size_t) (file->end - at)};
}

static bool
is_text(const ProtobufCBinaryData *data, const char *text)
{
	return data->len == strlen(text) && memcmp(data->data, text, data->len) == 0;
}

static const ProtoFile *
find_by_name(const ProtobufCBinaryData *name)
{
	for (size_t i = 0; i < FILES; i++)
		if (is_text(name, files[i].name))
			return &files[i];
	return NULL;
}

static const ProtoFile *
find_by_symbol(const ProtobufCBinaryData *symbol)
{
	for (size_t i = 0; i < FILES; i++)
	{
		ProtobufCBinaryData descriptor = descriptor_of(&files[i]);

		if (symbols_has(&descriptor, symbol))
			return &files[i];
	}
	return NULL;
}

/* ---- responses: false if the client does not read them ---- */

static bool
send_response(Exchange *exchange, Response *response, Request *request)
{
	size_t	 size;
	uint8_t *packed;
	bool	 sent = false;

	response->original_request = request;
	size = grpc__reflection__v1__server_reflection_response__get_packed_size(response);
	packed = malloc(size + 1);
	if (packed != NULL)
	{
		grpc__reflection__v1__server_reflection_response__pack(response, packed);
		sent = grpc_send(exchange, packed, size);
	}
	free(packed);
	return sent;
}

static bool
send_services(Exchange *exchange, Request *request)
{
	Grpc__Reflection__V1__ListServiceResponse list =
		GRPC__REFLECTION__V1__LIST_SERVICE_RESPONSE__INIT;
	Grpc__Reflection__V1__ServiceResponse  services[FILES];
	Grpc__Reflection__V1__ServiceResponse *pointers[FILES];
	Response response = GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__INIT;

	for (size_t i = 0; i < FILES; i++)
	{
		grpc__reflection__v1__service_response__init(&services[i]);
		services[i].name.data = (uint8_t *) files[i].service;
		services[i].name.len = strlen(files[i].service);
		pointers[i] = &services[i];
	}
	list.n_service = FILES;
	list.service = pointers;
	response.message_response_case = RESPONSE(LIST_SERVICES_RESPONSE);
	response.list_services_response = &list;
	return send_response(exchange, &response, request);
}

static bool
send_error(Exchange *exchange, Request *request, RpcCode code, const char *message)
{
	Grpc__Reflection__V1__ErrorResponse error = GRPC__REFLECTION__V1__ERROR_RESPONSE__INIT;
	Response response = GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__INIT;

	error.error_code = code;
	error.error_message.data = (uint8_t *) message;
	error.error_message.len = strlen(message);
	response.message_response_case = RESPONSE(ERROR_RESPONSE);
	response.error_response = &error;
	return send_response(exchange, &response, request);
}

static bool
send_file(Exchange *exchange, Request *request, const ProtoFile *file)
{
	Grpc__Reflection__V1__FileDescriptorResponse found =
		GRPC__REFLECTION__V1__FILE_DESCRIPTOR_RESPONSE__INIT;
	Response			response = GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__INIT;
	ProtobufCBinaryData descriptor;

	if (file == NULL)
		return send_error(exchange, request, RPC_NOT_FOUND, "there is no such file or symbol");
	descriptor = descriptor_of(file);
	found.n_file_descriptor_proto = 1;
	found.file_descriptor_proto = &descriptor;
	response.message_response_case = RESPONSE(FILE_DESCRIPTOR_RESPONSE);
	response.file_descriptor_response = &found;
	return send_response(exchange, &response, request);
}

static bool
answer_request(Exchange *exchange, Request *request)
{
	switch (request->message_request_case)
	{
		case REQUEST(LIST_SERVICES):
			return send_services(exchange, request);
		case REQUEST(FILE_BY_FILENAME):
			return send_file(exchange, request, find_by_name(&request->file_by_filename));
		case REQUEST(FILE_CONTAINING_SYMBOL):
			return send_file(exchange, request, find_by_symbol(&request->file_containing_symbol));
		case REQUEST(FILE_CONTAINING_EXTENSION):
		case REQUEST(ALL_EXTENSION_NUMBERS_OF_TYPE):
			return send_error(exchange, request, RPC_NOT_FOUND, "there are no extensions");
		default:
			return send_error(exchange, request, RPC_INVALID_ARGUMENT, "nothing is asked for");
	}
}

/* ---- the stream ---- */

/* Answer the requests that have come; the stream ends with the client's last. */
static void
take_requests(void *context)
{
	Exchange   *exchange = context;
	GrpcMessage message;

	for (;;)
	{
		size_t				 length;
		const unsigned char *bytes = exchange_body(exchange, &length);
		Request				*request;
		bool				 answered;

		if (!grpc_find_message(bytes, length, &message))
			break;
		if (message.compressed)
		{
			grpc_end(exchange, RPC_UNIMPLEMENTED, "compression is not supported; identity is");
			return;
		}
		request = grpc__reflection__v1__server_reflection_request__unpack(NULL, message.length,
																		  message.bytes);
		if (request == NULL)
		{
			grpc_end(exchange, RPC_INVALID_ARGUMENT, "the message is not valid protobuf");
			return;
		}
		answered = answer_request(exchange, request);
		grpc__reflection__v1__server_reflection_request__free_unpacked(request, NULL);
		if (!answered)
		{
			grpc_end(exchange, RPC_RESOURCE_EXHAUSTED, "answers wait for who does not read them");
			return;
		}
		exchange_consume(exchange, message.framed);
	}
	if (exchange_body_whole(exchange))
		grpc_end(exchange, GRPC_OK, "");
}

static void
begin(void *context, Exchange *exchange)
{
	(void) context;
	grpc_begin(exchange);
	exchange_on_body(exchange, take_requests, exchange);
}

void
reflection_register(Server *server)
{
	server_route(server, "POST", "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", begin,
				 NULL, SERVER_STREAM);
	server_route(server, "POST", "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
				 begin, NULL, SERVER_STREAM);
}
