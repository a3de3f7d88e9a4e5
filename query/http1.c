/*
 * http1.c
 *	  HTTP/1.1 (RFC 9112) through http-parser: one request after the other on a connection.
 *
 * Must not know routes, nor sockets.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <http_parser.h>

#include "connection.h"
#include "daemon/clock.h"
#include "exchange_internal.h"

typedef struct Http1
{
	http_parser parser;
	Exchange   *exchange; /* the one at hand, from its first byte to the end of its answer */
	Buffer		target, name, value; /* parts of the head, as they come */
	bool		in_value;			 /* the part that came last is of a header's value */
	bool		in_body;			 /* the head has come */
	bool		whole;				 /* the request has come */
	bool		last;				 /* no request after this one */
} Http1;

static const ExchangeCarrier http1_carrier;

static Http1 *
http1_of(const http_parser *parser)
{
	return ((Connection *) parser->data)->state;
}

/* ---- requests ---- */

static bool
is_1_1(const http_parser *parser)
{
	return parser->http_major == 1 && parser->http_minor >= 1;
}

static int
on_message_begin(http_parser *parser)
{
	Connection *connection = parser->data;
	Http1	   *http1 = connection->state;

	connection->served = true;
	http1->in_body = http1->whole = false;
	http1->exchange = exchange_create(&http1_carrier, connection);
	return http1->exchange != NULL ? 0 : -1;
}

/* Parts of the head are kept up to a length at which the request will be refused anyhow. */
static int
keep(Buffer *part, const char *at, size_t length)
{
	if (part->length <= EXCHANGE_HEAD_BYTES_MAX)
		buffer_append(part, at, length);
	return part->failed ? -1 : 0;
}

static int
on_url(http_parser *parser, const char *at, size_t length)
{
	return keep(&http1_of(parser)->target, at, length);
}

/* The header that was read is complete.  Those after a body are of no interest. */
static void
end_header(Http1 *http1)
{
	if (http1->name.length > 0 && !http1->in_body)
		exchange_add_header(http1->exchange, buffer_bytes(&http1->name), http1->name.length,
							buffer_bytes(&http1->value), http1->value.length);
	buffer_clear(&http1->name);
	buffer_clear(&http1->value);
	http1->in_value = false;
}

static int
on_header_field(http_parser *parser, const char *at, size_t length)
{
	Http1 *http1 = http1_of(parser);

	if (http1->in_value)
		end_header(http1);
	return keep(&http1->name, at, length);
}

static int
on_header_value(http_parser *parser, const char *at, size_t length)
{
	Http1 *http1 = http1_of(parser);

	http1->in_value = true;
	return keep(&http1->value, at, length);
}

/* RFC 9112, 3.2: one Host, which may be empty; several have been joined, and a host has no space. */
static void
check_host(const http_parser *parser, Exchange *exchange)
{
	const char *host = exchange_header(exchange, "host");

	if (host == NULL ? is_1_1(parser) : strchr(host, ' ') != NULL)
		exchange_refuse(exchange, 400, "the request needs one Host header");
}

/* Is the client to send the body?  One that waits to be told, or that would be too long, need not, if it is refused. */
static bool
wants_body(const http_parser *parser, Connection *connection, Exchange *exchange)
{
	const char *expected = exchange_header(exchange, "expect");
	bool		waits = expected != NULL && strcasecmp(expected, "100-continue") == 0;
	bool		too_long = parser->content_length != ULLONG_MAX &&
					parser->content_length > (uint64_t) connection->server->settings.body_max;

	if (too_long)
		exchange_refuse(exchange, 413, "the body of the request is too long");
	if (exchange->refusal != 0)
		return !waits && !too_long;
	if (waits && is_1_1(parser))
		buffer_append_text(&connection->out, "HTTP/1.1 100 Continue\r\n\r\n");
	return true;
}

/* Answers 1 for a request that ends here, without its body. */
static int
on_headers_complete(http_parser *parser)
{
	Connection *connection = parser->data;
	Http1	   *http1 = connection->state;
	Exchange   *exchange = http1->exchange;

	end_header(http1);
	http1->in_body = true;
	exchange_set_target(exchange, http_method_str((enum http_method) parser->method),
						buffer_bytes(&http1->target), http1->target.length);
	buffer_clear(&http1->target);
	parser->upgrade = 0; /* we stay with this protocol */
	http1->last = http1->last || !http_should_keep_alive(parser);
	exchange->chunked = is_1_1(parser);
	check_host(parser, exchange);
	route_head(exchange);
	if (wants_body(parser, connection, exchange))
		return 0;
	http1->last = true; /* what may still come of the body would be taken for the next request */
	return 1;
}

static int
on_body(http_parser *parser, const char *at, size_t length)
{
	Exchange *exchange = http1_of(parser)->exchange;

	route_body(exchange, at, length);
	/* too much to read to its end only to refuse it */
	return exchange->body_seen > (size_t) exchange->connection->server->settings.body_max +
									 EXCHANGE_HEAD_BYTES_MAX
			   ? -1
			   : 0;
}

static int
on_message_complete(http_parser *parser)
{
	Http1 *http1 = http1_of(parser);

	end_header(http1);
	http1->whole = true;
	http_parser_pause(parser, 1);
	return 0;
}

static const http_parser_settings parser_settings = {
	.on_message_begin = on_message_begin,
	.on_url = on_url,
	.on_header_field = on_header_field,
	.on_header_value = on_header_value,
	.on_headers_complete = on_headers_complete,
	.on_body = on_body,
	.on_message_complete = on_message_complete,
};

static bool
http1_open(Connection *connection)
{
	Http1 *http1 = calloc(1, sizeof(*http1));

	connection->state = http1;
	if (http1 == NULL)
		return false;
	http_parser_init(&http1->parser, HTTP_REQUEST);
	http1->parser.data = connection;
	return true;
}

/* The bytes are no HTTP, or more than we want to read: answer that if there was no answer yet. */
static ssize_t
give_up(Connection *connection, Http1 *http1)
{
	http1->last = true;
	if (http1->exchange == NULL)
		http1->exchange = exchange_create(&http1_carrier, connection);
	if (http1->exchange != NULL && !http1->exchange->begun)
	{
		exchange_refuse(http1->exchange, 400, "the request is not well-formed HTTP/1.1");
		route_end(http1->exchange);
	}
	return -1;
}

static ssize_t
http1_receive(Connection *connection, const char *bytes, size_t length)
{
	Http1 *http1 = connection->state;
	size_t taken;

	if (http1->whole && http1->exchange != NULL)
		return 0; /* one after the other */
	http_parser_pause(&http1->parser, 0);
	taken = http_parser_execute(&http1->parser, &parser_settings, bytes, length);
	if (http1->whole && HTTP_PARSER_ERRNO(&http1->parser) == HPE_PAUSED)
		route_end(http1->exchange);
	else if (HTTP_PARSER_ERRNO(&http1->parser) != HPE_OK)
		return give_up(connection, http1);
	return (ssize_t) taken;
}

static void
http1_fill(Connection *connection)
{
	(void) connection; /* answers go to out at once */
}

static void
http1_drain(Connection *connection)
{
	Http1 *http1 = connection->state;

	http1->last = true;
	if (http1->exchange == NULL)
		connection->closing = true;
	else if (http1->exchange->begun)
		connection_drop(connection);
}

static void
http1_close(Connection *connection)
{
	Http1 *http1 = connection->state;

	if (http1 != NULL)
	{
		buffer_free(&http1->target);
		buffer_free(&http1->name);
		buffer_free(&http1->value);
	}
	free(http1);
	connection->state = NULL;
}

const ConnectionProtocol http1_protocol = {
	.open = http1_open,
	.receive = http1_receive,
	.fill = http1_fill,
	.drain = http1_drain,
	.close = http1_close,
};

/* ---- answers ---- */

static void
carrier_begin(Exchange *exchange, int status, const ExchangeHeader *headers, int64_t length)
{
	Http1  *http1 = exchange->connection->state;
	Buffer *out = &exchange->connection->out;

	/* what is still to come of the request would be taken for the next one */
	if (!http1->whole)
		http1->last = true;
	buffer_printf(out, "HTTP/1.1 %d %s\r\n", status, http_status_str((enum http_status) status));
	for (; headers->name != NULL; headers++)
		buffer_printf(out, "%s: %s\r\n", headers->name, headers->value);
	if (length >= 0)
		exchange->chunked = false;
	if (length >= 0 && status != 204 && status != 304)
		buffer_printf(out, "content-length: %lld\r\n", (long long) length);
	else if (exchange->chunked)
		buffer_append_text(out, "transfer-encoding: chunked\r\n");
	else if (length < 0)
		http1->last = true; /* HTTP/1.0: the end of the connection ends the answer */
	buffer_append_text(out, http1->last ? "connection: close\r\n\r\n" : "\r\n");
}

static void
carrier_send(Exchange *exchange, const void *bytes, size_t length)
{
	Buffer *out = &exchange->connection->out;

	if (exchange->chunked && length > 0)
		buffer_printf(out, "%zx\r\n", length);
	buffer_append(out, bytes, length);
	if (exchange->chunked && length > 0)
		buffer_append_text(out, "\r\n");
}

static void
carrier_end(Exchange *exchange, const ExchangeHeader *trailers)
{
	Connection *connection = exchange->connection;
	Http1	   *http1 = connection->state;

	(void) trailers;
	if (exchange->chunked && exchange_sends_body(exchange))
		buffer_append_text(&connection->out, "0\r\n\r\n");
	http1->exchange = NULL;
	exchange_free(exchange);
	if (http1->last)
		connection->closing = true;
}

static size_t
carrier_waiting(const Exchange *exchange)
{
	return exchange->connection->out.length;
}

static void
carrier_abort(Exchange *exchange)
{
	connection_drop(exchange->connection);
}

static const ExchangeCarrier http1_carrier = {
	.begin = carrier_begin,
	.send = carrier_send,
	.end = carrier_end,
	.waiting = carrier_waiting,
	.abort = carrier_abort,
};
