/*
 * exchange.c
 *	  What a request says, and an answer on its way to whatever carries it.
 *
 * Must not know versions of HTTP, nor routes.
 */
#include "exchange_internal.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include <http_parser.h>

#include "connection.h"
#include "daemon/clock.h"
#include "utf8.h"

#define EXCHANGE_ANSWER_HEADERS_MAX 32

/* Bytes of answers in all connections together. */
#define ANSWERS_MAX (64 * 1024 * 1024)

static void
expire(void *context)
{
	Exchange *exchange = context;

	exchange->carrier->abort(exchange);
}

Exchange *
exchange_create(const ExchangeCarrier *carrier, Connection *connection)
{
	Exchange *exchange = calloc(1, sizeof(*exchange));

	if (exchange == NULL)
		return NULL;
	exchange->carrier = carrier;
	exchange->connection = connection;
	exchange->body.total = &connection->server->body_bytes;
	exchange->output.total = &connection->server->answer_bytes;
	exchange->timer.fire = expire;
	exchange->timer.context = exchange;
	exchange->link = &connection->exchanges;
	exchange->next = *exchange->link;
	if (exchange->next != NULL)
		exchange->next->link = &exchange->next;
	*exchange->link = exchange;
	timer_set(&connection->server->timers, &exchange->timer,
			  clock_milliseconds() + connection->server->settings.request_read_ms);
	return exchange;
}

void
exchange_free(Exchange *exchange)
{
	*exchange->link = exchange->next;
	if (exchange->next != NULL)
		exchange->next->link = exchange->link;
	timer_stop(&exchange->timer);
	if (!exchange->ended && exchange->closed != NULL)
		exchange->closed(exchange->closed_context);
	buffer_free(&exchange->text);
	buffer_free(&exchange->parameters);
	buffer_free(&exchange->body);
	buffer_free(&exchange->output);
	buffer_free(&exchange->trailers.text);
	free(exchange);
}

void
exchange_refuse(Exchange *exchange, int status, const char *message)
{
	if (exchange->refusal != 0)
		return;
	exchange->refusal = status;
	exchange->refusal_message = message;
	buffer_free(&exchange->body);
	if (exchange->begun)
		exchange->carrier->abort(exchange);
}

/* ---- the head of the request ---- */

/* Add a part to the text; where it is. */
static size_t
add_text(Exchange *exchange, const char *bytes, size_t length)
{
	size_t at = exchange->text.length;

	buffer_append(&exchange->text, bytes, length);
	buffer_append(&exchange->text, "", 1);
	if (exchange->text.failed)
		exchange_refuse(exchange, 503, "out of memory");
	else if (exchange->text.length > EXCHANGE_HEAD_BYTES_MAX)
		exchange_refuse(exchange, 431, "the head of the request is too long");
	return exchange->refusal == 0 ? at : 0;
}

static const char *
text_at(const Exchange *exchange, size_t at)
{
	return exchange->text.length > at ? buffer_bytes(&exchange->text) + at : "";
}

static ExchangeField *
find_field(Exchange *exchange, const char *name)
{
	for (int i = 0; i < exchange->field_count; i++)
		if (strcmp(text_at(exchange, exchange->fields[i].name), name) == 0)
			return &exchange->fields[i];
	return NULL;
}

void
exchange_add_header(Exchange *exchange, const char *name, size_t name_length, const char *value,
					size_t value_length)
{
	size_t		   at;
	ExchangeField *earlier;
	char		  *joined;

	if (exchange->refusal != 0)
		return;
	if (exchange->field_count == EXCHANGE_HEADERS_MAX)
	{
		exchange_refuse(exchange, 431, "the request has too many headers");
		return;
	}
	at = add_text(exchange, name, name_length);
	if (exchange->refusal != 0)
		return;
	for (char *c = buffer_bytes(&exchange->text) + at; *c != '\0'; c++)
		*c = (char) tolower((unsigned char) *c);
	earlier = find_field(exchange, text_at(exchange, at));
	if (earlier == NULL)
	{
		exchange->fields[exchange->field_count].name = at;
		exchange->fields[exchange->field_count++].value = add_text(exchange, value, value_length);
		return;
	}
	if (asprintf(&joined, "%s, %.*s", text_at(exchange, earlier->value), (int) value_length,
				 value) < 0)
	{
		exchange_refuse(exchange, 503, "out of memory");
		return;
	}
	earlier->value = add_text(exchange, joined, strlen(joined));
	free(joined);
}

static int
hexadecimal(char digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	if (digit >= 'a' && digit <= 'f')
		return digit - 'a' + 10;
	return digit >= 'A' && digit <= 'F' ? digit - 'A' + 10 : -1;
}

/* Decode to the end of the parameters, with a NUL; false unless it is UTF-8 without NUL. */
static bool
add_decoded(Buffer *parameters, const char *text, size_t length)
{
	size_t start = parameters->length;

	for (size_t i = 0; i < length; i++)
	{
		char c = text[i] == '+' ? ' ' : text[i];

		if (c == '%')
		{
			int high = length - i > 2 ? hexadecimal(text[i + 1]) : -1;
			int low = high >= 0 ? hexadecimal(text[i + 2]) : -1;

			if (low < 0)
				return false;
			c = (char) (high * 16 + low);
			i += 2;
		}
		if (c == '\0')
			return false;
		buffer_append(parameters, &c, 1);
	}
	buffer_append(parameters, "", 1);
	if (parameters->failed)
		return false;
	return utf8_valid(buffer_bytes(parameters) + start, parameters->length - start - 1);
}

static bool
add_parameters(Buffer *parameters, const char *query, size_t length)
{
	const char *end = query + length;

	while (query < end)
	{
		const char *pair_end = memchr(query, '&', (size_t) (end - query));
		const char *equals;

		if (pair_end == NULL)
			pair_end = end;
		equals = memchr(query, '=', (size_t) (pair_end - query));
		if (equals == NULL)
			equals = pair_end;
		if (!add_decoded(parameters, query, (size_t) (equals - query)) ||
			!add_decoded(parameters, equals + (equals < pair_end ? 1 : 0),
						 (size_t) (pair_end - equals - (equals < pair_end ? 1 : 0))))
			return false;
		query = pair_end + 1;
	}
	return true;
}

void
exchange_set_target(Exchange *exchange, const char *method, const char *target,
					size_t target_length)
{
	struct http_parser_url url;

	exchange->method = add_text(exchange, method, strlen(method));
	http_parser_url_init(&url);
	if (exchange->refusal != 0)
		return;
	if (http_parser_parse_url(target, target_length, 0, &url) != 0 ||
		!(url.field_set & (1 << UF_PATH)) ||
		!add_parameters(&exchange->parameters, target + url.field_data[UF_QUERY].off,
						url.field_data[UF_QUERY].len))
	{
		exchange_refuse(exchange, 400, "the target is not a path with percent-encoded UTF-8");
		return;
	}
	exchange->path =
		add_text(exchange, target + url.field_data[UF_PATH].off, url.field_data[UF_PATH].len);
}

const char *
exchange_method(const Exchange *exchange)
{
	return text_at(exchange, exchange->method);
}

const char *
exchange_path(const Exchange *exchange)
{
	return text_at(exchange, exchange->path);
}

const char *
exchange_parameter(Exchange *exchange, const char *name)
{
	const char *at = buffer_bytes(&exchange->parameters);
	const char *end = at + exchange->parameters.length;

	while (at < end)
	{
		const char *value = at + strlen(at) + 1;

		if (strcmp(at, name) == 0)
			return value;
		at = value + strlen(value) + 1;
	}
	return NULL;
}

const char *
exchange_header(const Exchange *exchange, const char *name)
{
	ExchangeField *field = find_field((Exchange *) exchange, name);

	return field != NULL ? text_at(exchange, field->value) : NULL;
}

/* ---- the body of the request ---- */

const unsigned char *
exchange_body(const Exchange *exchange, size_t *length)
{
	*length = exchange->body.length;
	return (const unsigned char *) buffer_bytes(&exchange->body);
}

void
exchange_on_body(Exchange *exchange, void (*more)(void *context), void *context)
{
	exchange->more = more;
	exchange->more_context = context;
}

void
exchange_consume(Exchange *exchange, size_t length)
{
	buffer_take(&exchange->body, length);
}

bool
exchange_body_whole(const Exchange *exchange)
{
	return exchange->body_whole;
}

/* ---- the answer ---- */

bool
exchange_sends_body(const Exchange *exchange)
{
	return strcmp(exchange_method(exchange), "HEAD") != 0;
}

bool
exchange_has_trailers(const Exchange *exchange)
{
	return exchange->carrier->trailers;
}

/* What every answer says, before what this one says. */
static void
begin(Exchange *exchange, int status, const ExchangeHeader *headers, int64_t length)
{
	ExchangeHeader all[EXCHANGE_ANSWER_HEADERS_MAX] = {
		{"date", server_date(exchange->connection->server)}};
	char allow[64];
	int	 count = 1;

	if (exchange->refusal == 401)
		all[count++] = (ExchangeHeader) {"www-authenticate", "Bearer"};
	if (status == 405)
	{
		route_methods(exchange, allow, sizeof(allow));
		all[count++] = (ExchangeHeader) {"allow", allow};
	}

	if (exchange->cors)
	{
		all[count++] =
			(ExchangeHeader) {"access-control-allow-origin", exchange_header(exchange, "origin")};
		all[count++] = (ExchangeHeader) {"access-control-expose-headers",
										 "grpc-status, grpc-message, connect-protocol-version"};
		all[count++] = (ExchangeHeader) {"vary", "origin"};
	}
	while (headers != NULL && headers->name != NULL && count < EXCHANGE_ANSWER_HEADERS_MAX - 1)
		all[count++] = *headers++;
	all[count] = (ExchangeHeader) {NULL, NULL};
	exchange->begun = true;
	exchange->carrier->begin(exchange, status, all, length);
	connection_touch(exchange->connection);
}

void
exchange_begin(Exchange *exchange, int status, const ExchangeHeader *headers)
{
	begin(exchange, status, headers, -1);
}

/* Whose client lets most answers wait; more counts for the connection that is about to add so much. */
static Connection *
find_laggard(const Server *server, const Connection *adding, size_t more)
{
	Connection *laggard = NULL;
	size_t		most = 0;

	for (Connection *connection = server->connections; connection != NULL;
		 connection = connection->next)
	{
		size_t waiting = connection->out.length + (connection == adding ? more : 0);

		for (const Exchange *other = connection->exchanges; other != NULL; other = other->next)
			waiting += other->output.length;
		if (waiting > most)
		{
			most = waiting;
			laggard = connection;
		}
	}
	return laggard;
}

bool
exchange_make_room(Exchange *exchange, size_t length)
{
	const Server *server = exchange->connection->server;

	while (server->answer_bytes + length > ANSWERS_MAX)
	{
		Connection *laggard = find_laggard(server, exchange->connection, length);

		if (laggard == exchange->connection)
			return false;
		connection_drop(laggard);
		buffer_free(&laggard->out);
		for (Exchange *other = laggard->exchanges; other != NULL; other = other->next)
			buffer_free(&other->output);
	}
	return true;
}

bool
exchange_send(Exchange *exchange, const void *bytes, size_t length)
{
	size_t waiting = exchange->carrier->waiting(exchange);

	if (exchange_sends_body(exchange) && ((waiting > 0 && waiting + length > EXCHANGE_BACKLOG) ||
										  !exchange_make_room(exchange, length)))
		return false;
	exchange_push(exchange, bytes, length);
	return true;
}

void
exchange_push(Exchange *exchange, const void *bytes, size_t length)
{
	if (!exchange_sends_body(exchange))
		return;
	exchange->carrier->send(exchange, bytes, length);
	connection_touch(exchange->connection);
}

void
exchange_end(Exchange *exchange, const ExchangeHeader *trailers)
{
	Connection *connection = exchange->connection;

	exchange->ended = true;
	exchange->closed = NULL;
	timer_set(&connection->server->timers, &exchange->timer,
			  clock_milliseconds() + connection->server->settings.write_stall_ms);
	exchange->carrier->end(exchange, trailers); /* may be its end */
	connection_touch(connection);
}

void
exchange_respond(Exchange *exchange, int status, const ExchangeHeader *headers, const void *body,
				 size_t length)
{
	begin(exchange, status, headers, (int64_t) length);
	if (length > 0)
		exchange_push(exchange, body, length);
	exchange_end(exchange, NULL);
}

void
exchange_on_closed(Exchange *exchange, void (*closed)(void *context), void *context)
{
	exchange->closed = closed;
	exchange->closed_context = context;
}
