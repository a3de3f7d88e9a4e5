/*
 * http2.c
 *	  HTTP/2 (RFC 9113) through nghttp2: many requests at once on a connection.
 *
 * nghttp2 bounds what a client can make it do for nothing: acknowledgements that wait to be sent, and
 * streams that are opened only to be reset (CVE-2023-44487).
 * Must not know routes, nor sockets.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <nghttp2/nghttp2.h>

#include "connection.h"
#include "daemon/clock.h"
#include "exchange_internal.h"

/* As much is made ready before it is written. */
#define FILL_BYTES 65536
#define ANSWER_HEADERS_MAX 40

typedef struct Http2
{
	nghttp2_session *session;
	Buffer			 method, target; /* of the head that is being read */
} Http2;

static const ExchangeCarrier http2_carrier;

static nghttp2_session *
session_of(const Exchange *exchange)
{
	return ((Http2 *) exchange->connection->state)->session;
}

static Exchange *
exchange_of(nghttp2_session *session, int32_t stream)
{
	return nghttp2_session_get_stream_user_data(session, stream);
}

/* ---- requests ---- */

static bool
is_request_head(const nghttp2_frame *frame)
{
	return frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST;
}

static int
on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *context)
{
	Connection *connection = context;
	Http2	   *http2 = connection->state;
	Exchange   *exchange;

	if (!is_request_head(frame))
		return 0;
	exchange = exchange_create(&http2_carrier, connection);
	if (exchange == NULL)
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	connection->served = true;
	exchange->stream = frame->hd.stream_id;
	nghttp2_session_set_stream_user_data(session, exchange->stream, exchange);
	buffer_clear(&http2->method);
	buffer_clear(&http2->target);
	return 0;
}

static bool
is_name(const char *wanted, const uint8_t *name, size_t length)
{
	return strlen(wanted) == length && memcmp(wanted, name, length) == 0;
}

/* nghttp2 has seen to it that names and values are well-formed, and that there is one of each ":" header. */
static int
on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
		  size_t name_length, const uint8_t *value, size_t value_length, uint8_t flags,
		  void *context)
{
	Http2	 *http2 = ((Connection *) context)->state;
	Exchange *exchange = exchange_of(session, frame->hd.stream_id);

	(void) flags;
	if (!is_request_head(frame) || exchange == NULL)
		return 0;
	if (is_name(":method", name, name_length))
	{
		buffer_append(&http2->method, value, value_length);
		buffer_append(&http2->method, "", 1);
	}
	else if (is_name(":path", name, name_length))
		buffer_append(&http2->target, value, value_length);
	else if (is_name(":authority", name, name_length))
		exchange_add_header(exchange, "host", 4, (const char *) value, value_length);
	else if (name[0] != ':')
		exchange_add_header(exchange, (const char *) name, name_length, (const char *) value,
							value_length);
	return http2->method.failed || http2->target.failed ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

static void
take_head(Connection *connection, Exchange *exchange)
{
	Http2 *http2 = connection->state;

	/* CONNECT has no path: it is refused as a target that is none */
	exchange_set_target(exchange, http2->method.length > 0 ? buffer_bytes(&http2->method) : "",
						http2->target.length > 0 ? buffer_bytes(&http2->target) : "",
						http2->target.length);
	route_head(exchange);
}

/* A refusal need not wait for the end of the body. */
static void
answer_refused(nghttp2_session *session, int32_t stream)
{
	Exchange *exchange = exchange_of(session, stream);

	if (exchange != NULL && exchange->refusal != 0 && !exchange->begun)
		route_end(exchange);
}

static int
on_frame_recv(nghttp2_session *session, const nghttp2_frame *frame, void *context)
{
	int32_t	  stream = frame->hd.stream_id;
	Exchange *exchange = exchange_of(session, stream);

	if (exchange == NULL || (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA))
		return 0;
	if (is_request_head(frame))
		take_head(context, exchange);
	if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM)
	{
		exchange = exchange_of(session, stream);
		if (exchange != NULL && !exchange->ended)
			route_end(exchange);
	}
	else
		answer_refused(session, stream);
	return 0;
}

static int
on_data_chunk_recv(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *bytes,
				   size_t length, void *context)
{
	Exchange *exchange = exchange_of(session, stream);

	(void) flags;
	(void) context;
	if (exchange == NULL || exchange->ended)
		return 0;
	route_body(exchange, bytes, length);
	answer_refused(session, stream);
	return 0;
}

/* The answer is out: what is still to come of the request is not wanted (RFC 9113, 8.1). */
static int
on_frame_send(nghttp2_session *session, const nghttp2_frame *frame, void *context)
{
	(void) context;
	if ((frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) &&
		(frame->hd.flags & NGHTTP2_FLAG_END_STREAM) &&
		nghttp2_session_get_stream_remote_close(session, frame->hd.stream_id) == 0)
		nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id,
								  NGHTTP2_NO_ERROR);
	return 0;
}

static int
on_stream_close(nghttp2_session *session, int32_t stream, uint32_t code, void *context)
{
	Exchange *exchange = exchange_of(session, stream);

	(void) code;
	(void) context;
	if (exchange != NULL)
		exchange_free(exchange);
	return 0;
}

/* ---- the connection ---- */

static int
make_session(Connection *connection, nghttp2_session **session)
{
	nghttp2_session_callbacks *callbacks;
	int						   failed = nghttp2_session_callbacks_new(&callbacks);

	if (failed != 0)
		return failed;
	nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
	nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
	nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame_recv);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data_chunk_recv);
	nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_send);
	nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
	failed = nghttp2_session_server_new(session, callbacks, connection);
	nghttp2_session_callbacks_del(callbacks);
	return failed;
}

static bool
http2_open(Connection *connection)
{
	const nghttp2_settings_entry settings[] = {
		{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS,
		 (uint32_t) connection->server->settings.streams_max},
		{NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, EXCHANGE_HEAD_BYTES_MAX},
	};
	Http2 *http2 = calloc(1, sizeof(*http2));

	connection->state = http2;
	return http2 != NULL && make_session(connection, &http2->session) == 0 &&
		   nghttp2_submit_settings(http2->session, NGHTTP2_FLAG_NONE, settings,
								   sizeof(settings) / sizeof(settings[0])) == 0;
}

static ssize_t
http2_receive(Connection *connection, const char *bytes, size_t length)
{
	Http2  *http2 = connection->state;
	ssize_t taken = nghttp2_session_mem_recv(http2->session, (const uint8_t *) bytes, length);

	if (taken < 0)
		connection_drop(connection);
	return taken < 0 ? -1 : taken;
}

static void
http2_fill(Connection *connection)
{
	Http2		  *http2 = connection->state;
	const uint8_t *bytes;
	ssize_t		   length = 1;

	while (length > 0 && connection->out.length < FILL_BYTES)
	{
		length = nghttp2_session_mem_send(http2->session, &bytes);
		if (length > 0)
			buffer_append(&connection->out, bytes, (size_t) length);
	}
	if (length < 0 ||
		(!nghttp2_session_want_read(http2->session) && !nghttp2_session_want_write(http2->session)))
		connection->closing = true;
}

static void
http2_drain(Connection *connection)
{
	Http2	 *http2 = connection->state;
	Exchange *next;

	nghttp2_submit_goaway(http2->session, NGHTTP2_FLAG_NONE,
						  nghttp2_session_get_last_proc_stream_id(http2->session), NGHTTP2_NO_ERROR,
						  NULL, 0);
	for (Exchange *exchange = connection->exchanges; exchange != NULL; exchange = next)
	{
		next = exchange->next;
		if (exchange->begun && !exchange->ended)
			http2_carrier.abort(exchange);
	}
}

static void
http2_close(Connection *connection)
{
	Http2 *http2 = connection->state;

	if (http2 != NULL)
	{
		nghttp2_session_del(http2->session);
		buffer_free(&http2->method);
		buffer_free(&http2->target);
	}
	free(http2);
	connection->state = NULL;
}

const ConnectionProtocol http2_protocol = {
	.open = http2_open,
	.receive = http2_receive,
	.fill = http2_fill,
	.drain = http2_drain,
	.close = http2_close,
};

/* ---- answers ---- */

static nghttp2_nv
make_header(const char *name, const char *value)
{
	return (nghttp2_nv) {.name = (uint8_t *) name,
						 .value = (uint8_t *) value,
						 .namelen = strlen(name),
						 .valuelen = strlen(value)};
}

static int
submit_trailers(nghttp2_session *session, const Exchange *exchange)
{
	nghttp2_nv	headers[ANSWER_HEADERS_MAX];
	const char *at = buffer_bytes(&exchange->trailers.text);
	int			count = 0;

	for (; count < exchange->trailers.count && count < ANSWER_HEADERS_MAX; count++)
	{
		const char *value = at + strlen(at) + 1;

		headers[count] = make_header(at, value);
		at = value + strlen(value) + 1;
	}
	return nghttp2_submit_trailer(session, exchange->stream, headers, (size_t) count);
}

/* nghttp2 asks for more of an answer. */
static ssize_t
read_answer(nghttp2_session *session, int32_t stream, uint8_t *room, size_t size, uint32_t *flags,
			nghttp2_data_source *source, void *context)
{
	Exchange *exchange = source->ptr;
	size_t	  length = exchange->output.length < size ? exchange->output.length : size;

	(void) stream;
	(void) context;
	if (length == 0 && !exchange->ended)
		return NGHTTP2_ERR_DEFERRED;
	if (length > 0)
	{
		memcpy(room, buffer_bytes(&exchange->output), length);
		buffer_take(&exchange->output, length);
	}
	if (exchange->ended && exchange->output.length == 0)
	{
		*flags |= NGHTTP2_DATA_FLAG_EOF;
		if (exchange->trailers.count > 0)
		{
			*flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
			if (submit_trailers(session, exchange) != 0)
				return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
		}
	}
	return (ssize_t) length;
}

static void
carrier_begin(Exchange *exchange, int status, const ExchangeHeader *headers, int64_t length)
{
	nghttp2_data_provider provider = {.source.ptr = exchange, .read_callback = read_answer};
	nghttp2_nv			  all[ANSWER_HEADERS_MAX];
	char				  status_text[16];
	char				  length_text[24];
	size_t				  count = 0;

	snprintf(status_text, sizeof(status_text), "%d", status);
	snprintf(length_text, sizeof(length_text), "%lld", (long long) length);
	all[count++] = make_header(":status", status_text);
	if (length >= 0 && status != 204 && status != 304)
		all[count++] = make_header("content-length", length_text);
	for (; headers->name != NULL && count < ANSWER_HEADERS_MAX; headers++)
		all[count++] = make_header(headers->name, headers->value);
	if (nghttp2_submit_response(session_of(exchange), exchange->stream, all, count,
								length == 0 ? NULL : &provider) != 0)
		connection_drop(exchange->connection);
}

static void
carrier_send(Exchange *exchange, const void *bytes, size_t length)
{
	buffer_append(&exchange->output, bytes, length);
	if (exchange->output.failed)
		connection_drop(exchange->connection);
	nghttp2_session_resume_data(session_of(exchange), exchange->stream);
}

/* The exchange ends with its stream. */
static void
carrier_end(Exchange *exchange, const ExchangeHeader *trailers)
{
	for (; trailers != NULL && trailers->name != NULL; trailers++)
	{
		buffer_append(&exchange->trailers.text, trailers->name, strlen(trailers->name) + 1);
		buffer_append(&exchange->trailers.text, trailers->value, strlen(trailers->value) + 1);
		exchange->trailers.count++;
	}
	if (exchange->trailers.text.failed)
		connection_drop(exchange->connection);
	nghttp2_session_resume_data(session_of(exchange), exchange->stream);
}

static size_t
carrier_waiting(const Exchange *exchange)
{
	return exchange->output.length;
}

static void
carrier_abort(Exchange *exchange)
{
	nghttp2_submit_rst_stream(session_of(exchange), NGHTTP2_FLAG_NONE, exchange->stream,
							  NGHTTP2_CANCEL);
	connection_touch(exchange->connection);
}

static const ExchangeCarrier http2_carrier = {
	.begin = carrier_begin,
	.send = carrier_send,
	.end = carrier_end,
	.waiting = carrier_waiting,
	.abort = carrier_abort,
	.trailers = true,
};
