/*
 * route.c
 *	  From a request's path to its handler: routes, tokens, pages of other origins, refusals.
 *
 * Must not know versions of HTTP, nor what handlers do.
 */
#include <stdio.h>
#include <string.h>

#include "connection.h"
#include "daemon/clock.h"
#include "exchange_internal.h"

/* Bytes of request bodies in all connections together. */
#define BODIES_MAX (64 * 1024 * 1024)
#define PREFLIGHT_SECONDS "7200"

/* ---- routes ---- */

void
server_route(Server *server, const char *method, const char *path, ServerHandler handler,
			 void *context, int flags)
{
	if (server->route_count < SERVER_ROUTES_MAX)
		server->routes[server->route_count++] = (Route) {
			.method = method, .path = path, .handler = handler, .context = context, .flags = flags};
}

void
server_on_refusal(Server *server, ServerRefuser refuser, void *context)
{
	server->refuser = refuser;
	server->refuser_context = context;
}

/* Any route of the path: of the method, or else with *found false the first of another. */
static const Route *
find_route(const Server *server, const char *method, const char *path, bool *found)
{
	const Route *other = NULL;

	if (strcmp(method, "HEAD") == 0)
		method = "GET";
	*found = true;
	for (int i = 0; i < server->route_count; i++)
	{
		const Route *route = &server->routes[i];

		if (strcmp(route->path, path) != 0)
			continue;
		if (strcmp(route->method, method) == 0)
			return route;
		other = other != NULL ? other : route;
	}
	*found = false;
	return other;
}

void
route_methods(const Exchange *exchange, char *allow, size_t size)
{
	const Server *server = exchange->connection->server;
	const char	 *path = exchange_path(exchange);
	size_t		  length = 0;

	allow[0] = '\0';
	for (int i = 0; i < server->route_count && length < size; i++)
		if (strcmp(server->routes[i].path, path) == 0)
			length +=
				(size_t) snprintf(allow + length, size - length, "%s%s%s", length > 0 ? ", " : "",
								  server->routes[i].method,
								  strcmp(server->routes[i].method, "GET") == 0 ? ", HEAD" : "");
}

/* ---- pages of other origins (the Fetch standard's CORS) ---- */

/* Is it one of the list's? */
static bool
origin_allowed(const char *origins, const char *origin)
{
	size_t length = strlen(origin);

	if (origins == NULL)
		return false;
	if (strcmp(origins, "*") == 0)
		return true;
	while (*origins != '\0')
	{
		size_t item = strcspn(origins, ", ");

		if (item == length && memcmp(origins, origin, length) == 0)
			return true;
		origins += item;
		origins += strspn(origins, ", ");
	}
	return false;
}

/* A browser asks whether it may ask. */
static bool
is_preflight(const Exchange *exchange)
{
	return strcmp(exchange_method(exchange), "OPTIONS") == 0 &&
		   exchange_header(exchange, "access-control-request-method") != NULL;
}

static void
answer_preflight(Exchange *exchange)
{
	const ExchangeHeader headers[] = {
		{"access-control-allow-methods", "GET, POST"},
		{"access-control-allow-headers",
		 "authorization, content-type, connect-protocol-version, connect-timeout-ms, grpc-timeout, "
		 "x-grpc-web, x-user-agent"},
		{"access-control-max-age", PREFLIGHT_SECONDS},
		{NULL, NULL}};

	exchange_respond(exchange, 204, headers, NULL, 0);
}

/* ---- a request's way ---- */

void
route_head(Exchange *exchange)
{
	Server		*server = exchange->connection->server;
	const char	*origin = exchange_header(exchange, "origin");
	const Route *route;
	bool		 found;

	if (exchange->refusal != 0)
		return;
	route = find_route(server, exchange_method(exchange), exchange_path(exchange), &found);
	exchange->route = route;
	exchange->cors = origin != NULL && route != NULL && (route->flags & SERVER_CORS) &&
					 origin_allowed(server->settings.origins, origin);
	if (exchange->cors && is_preflight(exchange))
		return;
	if (server->draining)
		exchange_refuse(exchange, 503, "the server is about to stop");
	else if (!(route != NULL && (route->flags & SERVER_PUBLIC)) && server->tokens != NULL &&
			 !tokens_admit(server->tokens, exchange_header(exchange, "authorization")))
		exchange_refuse(exchange, 401, "a bearer token is needed");
	else if (route == NULL)
		exchange_refuse(exchange, 404, "there is nothing at this path");
	else if (!found)
		exchange_refuse(exchange, 405, "the path does not take this method");
	else if ((route->flags & SERVER_STREAM) && !exchange->carrier->trailers)
		/* and over HTTP/1.1 an answer that ends before its request takes the exchange along */
		exchange_refuse(exchange, 505, "streams of requests need HTTP/2");
	else if (route->flags & SERVER_STREAM)
	{
		timer_stop(&exchange->timer);
		route->handler(route->context, exchange);
	}
}

void
route_body(Exchange *exchange, const void *bytes, size_t length)
{
	Server *server = exchange->connection->server;

	exchange->body_seen += length;
	if (exchange->refusal != 0)
		return;
	if (exchange->body.length + length > (size_t) server->settings.body_max)
		exchange_refuse(exchange, 413, "the body of the request is too long");
	else if (server->body_bytes + length > BODIES_MAX)
		exchange_refuse(exchange, 503, "too many requests are being received");
	else
		buffer_append(&exchange->body, bytes, length);
	if (exchange->body.failed)
		exchange_refuse(exchange, 503, "out of memory");
	else if (exchange->more != NULL && exchange->refusal == 0)
		exchange->more(exchange->more_context);
}

/* The words of one that has no refuser. */
static void
refuse_in_text(void *context, Exchange *exchange, int status, const char *message)
{
	const ExchangeHeader headers[] = {{"content-type", "text/plain; charset=utf-8"}, {NULL, NULL}};

	(void) context;
	exchange_respond(exchange, status, headers, message, strlen(message));
}

static void
refuse(Exchange *exchange)
{
	Server		 *server = exchange->connection->server;
	ServerRefuser refuser = server->refuser != NULL ? server->refuser : refuse_in_text;

	metric_add(server->refused_total, 1);
	refuser(server->refuser_context, exchange, exchange->refusal, exchange->refusal_message);
}

void
route_end(Exchange *exchange)
{
	const Route *route = exchange->route;
	bool		 stream = route != NULL && (route->flags & SERVER_STREAM);

	exchange->body_whole = true;
	timer_stop(&exchange->timer);
	if (exchange->begun && (!stream || exchange->refusal != 0))
		return;
	if (exchange->refusal != 0)
		refuse(exchange);
	else if (exchange->cors && is_preflight(exchange))
		answer_preflight(exchange);
	else if (route != NULL && !stream)
		route->handler(route->context, exchange);
	else if (exchange->more != NULL)
		exchange->more(exchange->more_context);
}
