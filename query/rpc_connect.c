/*
 * rpc_connect.c
 *	  Connect's unary calls: POST, and GET as all of these methods change nothing.
 *
 * "Connect Protocol Reference" (connectrpc.com).  Must not know what is asked.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base64.h"
#include "rpc_code.h"
#include "rpc_internal.h"

#define TIMEOUT_DIGITS_MAX 10

static void answer(RpcTask *task, const RpcValue *values);
static void fail(Exchange *exchange, RpcCode code, const char *message);

static const RpcProtocol connect_protocol = {
	.name = "connect", .index = 0, .answer = answer, .fail = fail};

/* ---- answers ---- */

static void
answer(RpcTask *task, const RpcValue *values)
{
	const ExchangeHeader headers[] = {
		{"content-type", task->encoding == RPC_JSON ? "application/json" : "application/proto"},
		{NULL, NULL}};
	Buffer body = {0};

	rpc_answer_encode(task->method, task->encoding, values, task->call.count, &body);
	if (body.failed)
		fail(task->exchange, RPC_RESOURCE_EXHAUSTED, "out of memory");
	else
		exchange_respond(task->exchange, 200, headers, buffer_bytes(&body), body.length);
	buffer_free(&body);
}

void
connect_refuse(Exchange *exchange, int status, RpcCode code, const char *message)
{
	const ExchangeHeader headers[] = {{"content-type", "application/json"}, {NULL, NULL}};
	char				*body = rpc_code_json(code, message);

	exchange_respond(exchange, status, headers, body, body != NULL ? strlen(body) : 0);
	free(body);
}

static void
fail(Exchange *exchange, RpcCode code, const char *message)
{
	connect_refuse(exchange, rpc_code_status(code), code, message);
}

/* ---- requests ---- */

/* Milliseconds that the client waits; -1: it does not say.  False if it says nonsense. */
static bool
read_timeout(const Exchange *exchange, int64_t *timeout_ms)
{
	const char *text = exchange_header(exchange, "connect-timeout-ms");

	*timeout_ms = -1;
	if (text == NULL)
		return true;
	if (*text == '\0' || strlen(text) > TIMEOUT_DIGITS_MAX ||
		strspn(text, "0123456789") != strlen(text))
		return false;
	*timeout_ms = strtoll(text, NULL, 10);
	return true;
}

/* A message that has come, whichever way. */
static void
take_message(const RpcEndpoint *endpoint, Exchange *exchange, bool version_known,
			 const RpcMessage *message)
{
	int64_t timeout_ms;

	if (!version_known)
		rpc_reject(endpoint, &connect_protocol, exchange, RPC_INVALID_ARGUMENT,
				   "the version of the Connect protocol must be 1");
	else if (!read_timeout(exchange, &timeout_ms))
		rpc_reject(endpoint, &connect_protocol, exchange, RPC_INVALID_ARGUMENT,
				   "connect-timeout-ms must be milliseconds in at most 10 digits");
	else
		rpc_start(endpoint, &connect_protocol, exchange, message, timeout_ms);
}

void
connect_post(const RpcEndpoint *endpoint, Exchange *exchange, RpcEncoding encoding)
{
	RpcMessage	message = {.encoding = encoding,
						   .compression = exchange_header(exchange, "content-encoding")};
	const char *version = exchange_header(exchange, "connect-protocol-version");

	message.bytes = exchange_body(exchange, &message.length);
	take_message(endpoint, exchange, version == NULL || strcmp(version, "1") == 0, &message);
}

/* URL-safe base64, with padding or without; the caller frees.  NULL if it is not. */
static unsigned char *
decode_url_base64(const char *text, size_t *length)
{
	size_t		   digits = strcspn(text, "=");
	char		  *padded = calloc(digits + 4, 1);
	unsigned char *bytes;

	if (padded == NULL)
		return NULL;
	for (size_t i = 0; i < digits; i++)
		padded[i] = (char) (text[i] == '-' ? '+' : text[i] == '_' ? '/' : text[i]);
	memset(padded + digits, '=', (4 - digits % 4) % 4);
	bytes = base64_decode(padded, strlen(padded), length);
	free(padded);
	return bytes;
}

void
connect_get(void *context, Exchange *exchange)
{
	const RpcEndpoint *endpoint = context;
	const char		  *encoding = exchange_parameter(exchange, "encoding");
	const char		  *message = exchange_parameter(exchange, "message");
	const char		  *base64 = exchange_parameter(exchange, "base64");
	const char		  *version = exchange_parameter(exchange, "connect");
	unsigned char	  *decoded = NULL;
	size_t			   length = 0;

	if (encoding == NULL || message == NULL)
	{
		connect_refuse(exchange, 405, RPC_UNIMPLEMENTED,
					   "POST, or GET with the parameters encoding and message");
		return;
	}
	if (strcmp(encoding, "json") != 0 && strcmp(encoding, "proto") != 0)
	{
		connect_refuse(exchange, 415, RPC_UNKNOWN, "allowed encodings are json and proto");
		return;
	}
	if (base64 != NULL && strcmp(base64, "1") == 0)
	{
		decoded = decode_url_base64(message, &length);
		if (decoded == NULL)
		{
			rpc_reject(endpoint, &connect_protocol, exchange, RPC_INVALID_ARGUMENT,
					   "the message is not base64");
			return;
		}
	}
	take_message(endpoint, exchange, version == NULL || strcmp(version, "v1") == 0,
				 &(RpcMessage) {
					 .encoding = strcmp(encoding, "json") == 0 ? RPC_JSON : RPC_PROTO,
					 .compression = exchange_parameter(exchange, "compression"),
					 .bytes = decoded != NULL ? decoded : (const unsigned char *) message,
					 .length = decoded != NULL ? length : strlen(message),
				 });
	free(decoded);
}
