/*
 * rpc_grpc.c
 *	  gRPC's frames and status, and calls that come by them.
 *
 * Must not know what is asked.
 */
#include "rpc_grpc.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "daemon/base64.h"
#include "rpc_internal.h"

#define FRAME_HEAD 5
#define FRAME_COMPRESSED 1
#define FRAME_TRAILERS 0x80

#define GRPC "application/grpc"
#define GRPC_WEB "application/grpc-web"
#define GRPC_WEB_TEXT "application/grpc-web-text"

static void answer(RpcTask *task, const RpcValue *values);

static const RpcProtocol grpc_protocol = {
	.name = "grpc", .index = 1, .answer = answer, .fail = grpc_fail};
static const RpcProtocol grpc_web_protocol = {
	.name = "grpc_web", .index = 2, .answer = answer, .fail = grpc_fail};

/* ---- which of them ---- */

/* The type itself, or with +proto. */
static bool
is_type(const char *content_type, const char *media_type)
{
	size_t length = strlen(media_type);

	return strncasecmp(content_type, media_type, length) == 0 &&
		   (rpc_type_is(content_type + length, "") || rpc_type_is(content_type + length, "+proto"));
}

static const char *
type_of(const Exchange *exchange)
{
	const char *type = exchange_header(exchange, "content-type");

	return type != NULL ? type : GRPC;
}

static bool
is_text(const Exchange *exchange)
{
	return is_type(type_of(exchange), GRPC_WEB_TEXT);
}

static bool
is_web(const Exchange *exchange)
{
	return is_type(type_of(exchange), GRPC_WEB) || is_text(exchange);
}

bool
grpc_is(const char *content_type)
{
	return strncasecmp(content_type, GRPC, strlen(GRPC)) == 0;
}

/* ---- requests ---- */

bool
grpc_find_message(const unsigned char *bytes, size_t length, GrpcMessage *message)
{
	uint32_t size;

	if (length < FRAME_HEAD)
		return false;
	memcpy(&size, bytes + 1, sizeof(size));
	size = ntohl(size);
	if (length - FRAME_HEAD < size)
		return false;
	*message = (GrpcMessage) {.compressed = (bytes[0] & FRAME_COMPRESSED) != 0,
							  .bytes = bytes + FRAME_HEAD,
							  .length = size,
							  .framed = FRAME_HEAD + (size_t) size};
	return true;
}

bool
grpc_take_message(Exchange *exchange, GrpcMessage *message)
{
	size_t				 length;
	const unsigned char *bytes = exchange_body(exchange, &length);

	if (!grpc_find_message(bytes, length, message))
	{
		grpc_fail(exchange, RPC_INTERNAL, "the request has no whole message");
		return false;
	}
	if (message->framed == length)
		return true;
	grpc_fail(exchange, RPC_UNIMPLEMENTED, "the request has more than one message");
	return false;
}

/* "100m" and the like; -1: none.  False if it is nonsense. */
static bool
read_timeout(const Exchange *exchange, int64_t *timeout_ms)
{
	static const char	 units[] = "HMSmun";
	static const int64_t nanoseconds[] = {3600000000000, 60000000000, 1000000000, 1000000, 1000, 1};
	const char			*text = exchange_header(exchange, "grpc-timeout");
	size_t				 digits;
	const char			*unit;

	*timeout_ms = -1;
	if (text == NULL)
		return true;
	digits = strspn(text, "0123456789");
	if (digits == 0 || digits > 8 || text[digits] == '\0' || text[digits + 1] != '\0' ||
		(unit = strchr(units, text[digits])) == NULL)
		return false;
	/* 8 digits of hours are below 2^63 microseconds */
	*timeout_ms =
		(int64_t) ((double) strtoll(text, NULL, 10) * (double) nanoseconds[unit - units] / 1e6);
	return true;
}

/* The bytes of a base64 body as such; NULL, answered, if it is not. */
static unsigned char *
decode_text(const RpcEndpoint *endpoint, Exchange *exchange, size_t *length)
{
	size_t		   text_length;
	const char	  *text = (const char *) exchange_body(exchange, &text_length);
	unsigned char *bytes =
		text_length > 0 ? base64_decode(text, text_length, length) : calloc(1, 1);

	if (bytes == NULL)
		rpc_reject(endpoint, &grpc_web_protocol, exchange, RPC_INVALID_ARGUMENT,
				   "the body is not base64");
	if (text_length == 0)
		*length = 0;
	return bytes;
}

/* How a compressed message was compressed, a header says. */
static void
start_call(const RpcEndpoint *endpoint, const RpcProtocol *protocol, Exchange *exchange,
		   const GrpcMessage *message, int64_t timeout_ms)
{
	const char *compression = exchange_header(exchange, "grpc-encoding");

	if (!message->compressed)
		compression = NULL;
	else if (compression == NULL)
		compression = "unknown";
	rpc_start(endpoint, protocol, exchange,
			  &(RpcMessage) {.encoding = RPC_PROTO,
							 .compression = compression,
							 .bytes = message->bytes,
							 .length = message->length},
			  timeout_ms);
}

static void
start_text_call(const RpcEndpoint *endpoint, Exchange *exchange, int64_t timeout_ms)
{
	size_t		   length;
	unsigned char *bytes = decode_text(endpoint, exchange, &length);
	GrpcMessage	   message;

	if (bytes == NULL)
		return;
	if (grpc_find_message(bytes, length, &message) && message.framed == length)
		start_call(endpoint, &grpc_web_protocol, exchange, &message, timeout_ms);
	else
		rpc_reject(endpoint, &grpc_web_protocol, exchange, RPC_INTERNAL,
				   "the request is not one message");
	free(bytes);
}

void
grpc_call(const RpcEndpoint *endpoint, Exchange *exchange)
{
	bool			   web = is_web(exchange);
	const RpcProtocol *protocol = web ? &grpc_web_protocol : &grpc_protocol;
	int64_t			   timeout_ms;
	GrpcMessage		   message;

	if (!web && !is_type(type_of(exchange), GRPC))
		rpc_reject(endpoint, protocol, exchange, RPC_UNIMPLEMENTED,
				   "messages are to be protobuf: application/grpc or application/grpc+proto");
	else if (!web && !exchange_has_trailers(exchange))
		connect_refuse(exchange, 505, RPC_UNIMPLEMENTED,
					   "gRPC needs HTTP/2; gRPC-Web and Connect do not");
	else if (!read_timeout(exchange, &timeout_ms))
		rpc_reject(endpoint, protocol, exchange, RPC_INVALID_ARGUMENT,
				   "grpc-timeout must be at most 8 digits and one of H, M, S, m, u, n");
	else if (is_text(exchange))
		start_text_call(endpoint, exchange, timeout_ms);
	else if (grpc_take_message(exchange, &message))
		start_call(endpoint, protocol, exchange, &message, timeout_ms);
}

/* ---- answers ---- */

/* A status as headers or trailers have it. */
typedef struct GrpcStatus
{
	char   code[12];
	Buffer message; /* percent-encoded, as a header may not hold everything, with a NUL */
} GrpcStatus;

static GrpcStatus
make_status(int code, const char *message)
{
	GrpcStatus status = {0};

	snprintf(status.code, sizeof(status.code), "%d", code);
	for (; *message != '\0'; message++)
	{
		if (*message >= ' ' && *message <= '~' && *message != '%')
			buffer_append(&status.message, message, 1);
		else
			buffer_printf(&status.message, "%%%02X", (unsigned char) *message);
	}
	buffer_append(&status.message, "", 1);
	return status;
}

/* "" without memory */
static const char *
message_of(const GrpcStatus *status)
{
	return status->message.failed ? "" : buffer_bytes(&status->message);
}

void
grpc_begin(Exchange *exchange)
{
	const ExchangeHeader headers[] = {{"content-type", type_of(exchange)},
									  {"grpc-accept-encoding", "identity,gzip"},
									  {NULL, NULL}};

	exchange_begin(exchange, 200, headers);
}

/* A frame as this client is to get it; without memory it has failed. */
static Buffer
make_frame(const Exchange *exchange, unsigned char flags, const void *bytes, size_t length)
{
	uint32_t size = htonl((uint32_t) length);
	Buffer	 frame = {0};
	Buffer	 encoded = {0};
	char	*text;

	buffer_append(&frame, &flags, 1);
	buffer_append(&frame, &size, sizeof(size));
	buffer_append(&frame, bytes, length);
	if (frame.failed || !is_text(exchange))
		return frame;
	text = base64_encode(buffer_bytes(&frame), frame.length);
	if (text != NULL)
		buffer_append_text(&encoded, text);
	else
		encoded.failed = true;
	free(text);
	buffer_free(&frame);
	return encoded;
}

bool
grpc_send(Exchange *exchange, const void *bytes, size_t length)
{
	Buffer frame = make_frame(exchange, 0, bytes, length);
	bool   sent = !frame.failed && exchange_send(exchange, buffer_bytes(&frame), frame.length);

	buffer_free(&frame);
	return sent;
}

/* gRPC-Web's trailers are the last frame of the body. */
static void
end_web(Exchange *exchange, const GrpcStatus *status)
{
	Buffer trailers = {0};
	Buffer frame;

	buffer_printf(&trailers, "grpc-status: %s\r\n", status->code);
	if (*message_of(status) != '\0')
		buffer_printf(&trailers, "grpc-message: %s\r\n", message_of(status));
	frame = make_frame(exchange, FRAME_TRAILERS, buffer_bytes(&trailers), trailers.length);
	if (!frame.failed)
		exchange_push(exchange, buffer_bytes(&frame), frame.length);
	exchange_end(exchange, NULL);
	buffer_free(&frame);
	buffer_free(&trailers);
}

void
grpc_end(Exchange *exchange, int code, const char *message)
{
	GrpcStatus	   status = make_status(code, message);
	ExchangeHeader trailers[] = {{"grpc-status", status.code}, {NULL, NULL}, {NULL, NULL}};

	if (*message_of(&status) != '\0')
		trailers[1] = (ExchangeHeader) {"grpc-message", message_of(&status)};
	if (is_web(exchange))
		end_web(exchange, &status);
	else
		exchange_end(exchange, trailers);
	buffer_free(&status.message);
}

/* As headers: then there is no body. */
void
grpc_fail(Exchange *exchange, RpcCode code, const char *message)
{
	GrpcStatus	   status = make_status((int) code, message);
	ExchangeHeader headers[] = {{"content-type", type_of(exchange)},
								{"grpc-accept-encoding", "identity,gzip"},
								{"grpc-status", status.code},
								{"grpc-message", message_of(&status)},
								{NULL, NULL}};

	exchange_respond(exchange, 200, headers, NULL, 0);
	buffer_free(&status.message);
}

static void
answer(RpcTask *task, const RpcValue *values)
{
	Exchange *exchange = task->exchange;
	Buffer	  body = {0};
	Buffer	  frame = {0};

	rpc_answer_encode(task->method, RPC_PROTO, values, task->call.count, &body);
	if (!body.failed)
		frame = make_frame(exchange, 0, buffer_bytes(&body), body.length);
	if (body.failed || frame.failed)
		grpc_fail(exchange, RPC_RESOURCE_EXHAUSTED, "out of memory");
	else
	{
		grpc_begin(exchange);
		exchange_push(exchange, buffer_bytes(&frame), frame.length);
		grpc_end(exchange, GRPC_OK, "");
	}
	buffer_free(&frame);
	buffer_free(&body);
}
