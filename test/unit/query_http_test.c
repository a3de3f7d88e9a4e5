/*
 * query_http_test.c
 *	  HTTP/1.1 and HTTP/2 of the query service: requests in any pieces, one after the other, to their answers.
 *
 * The client is the other end of a pair of sockets; nobody listens.
 */
#include "server.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <nghttp2/nghttp2.h>

#include "buffer.h"
#include "connection.h"
#include "tap.h"

static Server	*server;
static Exchange *waiting; /* of /later */
static int		 closed;

/* ---- what the server has ---- */

static void
echo(void *context, Exchange *exchange)
{
	size_t				 length;
	const unsigned char *body = exchange_body(exchange, &length);

	(void) context;
	exchange_respond(exchange, 200, NULL, body, length);
}

static void
parameter(void *context, Exchange *exchange)
{
	const char *value = exchange_parameter(exchange, "q");

	(void) context;
	exchange_respond(exchange, 200, NULL, value, value != NULL ? strlen(value) : 0);
}

static void
pieces(void *context, Exchange *exchange)
{
	const ExchangeHeader trailers[] = {{"after", "all"}, {NULL, NULL}};

	(void) context;
	exchange_begin(exchange, 200, NULL);
	exchange_send(exchange, "one ", 4);
	exchange_send(exchange, "", 0);
	exchange_send(exchange, "two", 3);
	exchange_end(exchange, trailers);
}

static void
count_closed(void *context)
{
	(void) context;
	waiting = NULL;
	closed++;
}

static void
later(void *context, Exchange *exchange)
{
	(void) context;
	waiting = exchange;
	exchange_on_closed(exchange, count_closed, NULL);
}

static void
open_server(void)
{
	static const Log			log = {.fd = -1, .program = "test", .level = LOG_LEVEL_ERROR};
	static const ServerSettings settings = {.connections_max = 4,
											.streams_max = 2,
											.body_max = 100,
											.request_read_ms = 60000,
											.idle_ms = 60000,
											.write_stall_ms = 60000};

	server_open(&settings, &log, NULL, &server);
	server_route(server, "POST", "/echo", echo, NULL, 0);
	server_route(server, "GET", "/parameter", parameter, NULL, 0);
	server_route(server, "GET", "/pieces", pieces, NULL, 0);
	server_route(server, "GET", "/later", later, NULL, 0);
}

/* ---- a client ---- */

typedef struct Client
{
	int	   fd;
	Buffer received;
	bool   ended; /* the server has closed */
} Client;

static void
client_connect(Client *client)
{
	int ends[2];

	*client = (Client) {.fd = -1};
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0 ||
		connection_open(server, ends[0]) == NULL)
		abort();
	client->fd = ends[1];
}

/* All that the server says to what it has. */
static void
client_read(Client *client)
{
	char	bytes[4096];
	ssize_t length;

	server_dispatch(server);
	while ((length = recv(client->fd, bytes, sizeof(bytes), 0)) > 0)
		buffer_append(&client->received, bytes, (size_t) length);
	client->ended = client->ended || length == 0;
}

static void
client_send(Client *client, const char *bytes, size_t length)
{
	if (length > 0 && send(client->fd, bytes, length, MSG_NOSIGNAL) != (ssize_t) length)
		client->ended = true;
	client_read(client);
}

static void
client_close(Client *client)
{
	close(client->fd);
	buffer_free(&client->received);
	for (int i = 0; i < 3; i++)
		server_dispatch(server);
}

/* What was received, as a string, without the dates. */
static const char *
client_text(Client *client)
{
	static char text[16384];
	char	   *date;
	size_t		length =
		 client->received.length < sizeof(text) - 1 ? client->received.length : sizeof(text) - 1;

	if (length > 0)
		memcpy(text, buffer_bytes(&client->received), length);
	text[length] = '\0';
	while ((date = strstr(text, "date: ")) != NULL)
		memmove(date, strstr(date, "\r\n") + 2, strlen(strstr(date, "\r\n") + 2) + 1);
	return text;
}

/* The answer to these bytes, sent in two pieces; what is compared stays until the next call. */
static const char *
answer_split(const char *request, size_t length, size_t at, bool *ended)
{
	Client		client;
	const char *text;

	client_connect(&client);
	client_send(&client, request, at);
	client_send(&client, request + at, length - at);
	client_read(&client);
	text = client_text(&client);
	*ended = client.ended;
	client_close(&client);
	return text;
}

/* It is so wherever the request is split, and the connection stays or is closed afterwards. */
static bool
answers(const char *request, const char *expected, bool expect_end)
{
	size_t length = strlen(request);
	bool   ended;

	for (size_t at = 0; at <= length; at++)
	{
		const char *text = answer_split(request, length, at, &ended);

		if (strcmp(text, expected) == 0 && ended == expect_end && server_connections(server) == 0 &&
			server->body_bytes == 0)
			continue;
		printf("# split at %zu, %s: %s\n", at, ended ? "closed" : "open", text);
		return false;
	}
	return true;
}

/* A refusal: this status, and the connection is closed or not. */
static bool
refuses(const char *request, const char *status, bool expect_end)
{
	bool		ended;
	const char *text = answer_split(request, strlen(request), 0, &ended);

	if (strncmp(text, "HTTP/1.1 ", 9) == 0 && strncmp(text + 9, status, 3) == 0 &&
		strstr(text + 9, "HTTP/1.1 ") == NULL && ended == expect_end)
		return true;
	printf("# %s: %s\n", ended ? "closed" : "open", text);
	return false;
}

#define OK "HTTP/1.1 200 OK\r\n"
#define HEAD_OF(length) OK "content-length: " length "\r\n\r\n"

static void
test_http1(void)
{
	ok(answers("POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nhello",
			   HEAD_OF("5") "hello", false),
	   "a body of a length");
	ok(answers("POST /echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
			   "3;a=b\r\nhel\r\n002\r\nlo\r\n0\r\nafter: all\r\n\r\n",
			   HEAD_OF("5") "hello", false),
	   "a body in chunks, with an extension and trailers");
	ok(answers("\r\nGET /parameter?a=b&q=%c3%a4+b HTTP/1.1\r\nhost: x\r\n\r\n",
			   HEAD_OF("4") "\xc3\xa4 b", false),
	   "a parameter, after an empty line");
	ok(answers(
		   "GET /parameter?q=1 HTTP/1.1\r\nhost: x\r\n\r\nPOST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\n\r\n2"
		   "GET /parameter?q=3 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\nGET /parameter?q=4 HTTP/1.1\r\nhost: x\r\n\r\n",
		   HEAD_OF("1") "1" HEAD_OF("1") "2" OK "content-length: 1\r\nconnection: close\r\n\r\n3",
		   true),
	   "three at once in their order, the last one is the last");
	ok(answers("GET /pieces HTTP/1.1\r\nhost: x\r\n\r\n",
			   OK "transfer-encoding: chunked\r\n\r\n4\r\none \r\n3\r\ntwo\r\n0\r\n\r\n", false),
	   "an answer in pieces");
	ok(answers("GET /pieces HTTP/1.0\r\n\r\n", OK "connection: close\r\n\r\none two", true),
	   "the same in HTTP/1.0, which knows no chunks");
	ok(answers("POST /echo HTTP/1.0\r\ncontent-length: 2\r\n\r\nhi",
			   OK "content-length: 2\r\nconnection: close\r\n\r\nhi", true),
	   "HTTP/1.0 closes");
	ok(answers(
		   "POST /echo HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\nhi",
		   "HTTP/1.1 100 Continue\r\n\r\n" HEAD_OF("2") "hi", false),
	   "100-continue");
	ok(refuses(
		   "POST /echo HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 4000\r\n\r\n",
		   "413", true) &&
		   refuses("POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 4000\r\n\r\n"
				   "GET /parameter HTTP/1.1\r\nhost: x\r\n\r\n",
				   "413", true),
	   "a body whose length is too long is refused before it comes");
	ok(refuses(
		   "POST /nothing HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n",
		   "404", true) &&
		   refuses("POST /nothing HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\nhi", "404",
				   false),
	   "so is one that waits to be asked for; one that comes is read");
	ok(refuses("GET /parameter?q=1 HTTP/1.1\r\n\r\n", "400", false) &&
		   refuses("GET /parameter?q=1 HTTP/1.1\r\nhost: x\r\nhost: x\r\n\r\n", "400", false) &&
		   answers("GET /parameter?q=1 HTTP/1.1\r\nhost:\r\n\r\n", HEAD_OF("1") "1", false),
	   "HTTP/1.1 has one Host, which may be empty");
	ok(answers("PRI", "", false), "the begin of HTTP/2's preface is waited with");
	ok(answers(
		   "PRIX / HTTP/1.1\r\nhost: x\r\n\r\n",
		   "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\n"
		   "content-length: 39\r\nconnection: close\r\n\r\nthe request is not well-formed HTTP/1.1",
		   true),
	   "and what then is no preface is no HTTP/1.1");
}

static void
test_head(void)
{
	ok(answers(
		   "HEAD /parameter?q=abc HTTP/1.1\r\nhost: x\r\n\r\nHEAD /parameter HTTP/1.1\r\nhost: x\r\n\r\n",
		   HEAD_OF("3") HEAD_OF("0"), false),
	   "HEAD has the length, and no body");
	ok(answers(
		   "HEAD /pieces HTTP/1.1\r\nhost: x\r\n\r\nGET /parameter?q=1 HTTP/1.1\r\nhost: x\r\n\r\n",
		   OK "transfer-encoding: chunked\r\n\r\n" HEAD_OF("1") "1", false),
	   "nor has it one in pieces, which the next answer would begin with");
}

static void
test_refusals(void)
{
	char long_head[20000];
	char long_body[400];

	snprintf(long_head, sizeof(long_head), "GET /pieces HTTP/1.1\r\nhost: x\r\nx: %017000d\r\n\r\n",
			 0);
	snprintf(
		long_body, sizeof(long_body),
		"POST /echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n65\r\n%0101d\r\n0\r\n\r\n",
		0);
	ok(refuses("GET /nothing HTTP/1.1\r\nhost: x\r\n\r\n", "404", false), "no such path");
	ok(refuses("GET /echo HTTP/1.1\r\nhost: x\r\n\r\n", "405", false), "another method");
	ok(refuses("GET ?q=1 HTTP/1.1\r\nhost: x\r\n\r\n", "400", true), "a target that is no path");
	ok(refuses("GET /parameter?q=%zz HTTP/1.1\r\nhost: x\r\n\r\n", "400", false) &&
		   refuses("GET /parameter?q=%00 HTTP/1.1\r\nhost: x\r\n\r\n", "400", false) &&
		   refuses("GET /parameter?q=%ff HTTP/1.1\r\nhost: x\r\n\r\n", "400", false),
	   "a parameter that is no text");
	ok(refuses(long_body, "413", false), "a body that is too long");
	ok(refuses(long_head, "431", false), "a header that is too long");
	ok(refuses(
		   "POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n"
		   "0\r\n\r\nGET /parameter HTTP/1.1\r\nhost: x\r\n\r\n",
		   "400", true) &&
		   refuses(
			   "POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\nabcd",
			   "400", true),
	   "two lengths of one body");
}

/* One after the other, and the client may go away. */
static void
test_later(void)
{
	Client		client;
	const char *two =
		"GET /later HTTP/1.1\r\nhost: x\r\n\r\nGET /parameter?q=2 HTTP/1.1\r\nhost: x\r\n\r\n";

	client_connect(&client);
	client_send(&client, two, strlen(two));
	ok(waiting != NULL && client.received.length == 0, "the second waits for the first");
	exchange_on_closed(waiting, NULL, NULL);
	exchange_respond(waiting, 200, NULL, "1", 1);
	client_read(&client);
	ok(strcmp(client_text(&client), HEAD_OF("1") "1" HEAD_OF("1") "2") == 0, "then both answers");
	client_close(&client);

	closed = 0;
	client_connect(&client);
	client_send(&client, two, strlen(two));
	client_close(&client);
	ok(closed == 1 && server_connections(server) == 0, "a client that goes away is told of once");
}

/* ---- HTTP/2 ---- */

#define STREAMS 4

/* What a client was told. */
typedef struct Told
{
	char status[STREAMS][4]; /* by stream: 1, 3, ... */
	char body[STREAMS][64];
	char trailer[STREAMS][16];
	int	 ended, refused;
} Told;

static int
on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
		  size_t name_length, const uint8_t *value, size_t value_length, uint8_t flags,
		  void *context)
{
	Told *told = context;
	int	  index = frame->hd.stream_id / 2;

	(void) session;
	(void) flags;
	if (name_length == 7 && memcmp(name, ":status", 7) == 0)
		snprintf(told->status[index], 4, "%.*s", (int) value_length, value);
	if (name_length == 5 && memcmp(name, "after", 5) == 0)
		snprintf(told->trailer[index], 16, "%.*s", (int) value_length, value);
	return 0;
}

static int
on_data(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *bytes,
		size_t length, void *context)
{
	char  *body = ((Told *) context)->body[stream / 2];
	size_t before = strlen(body);

	(void) session;
	(void) flags;
	snprintf(body + before, 64 - before, "%.*s", (int) length, bytes);
	return 0;
}

static int
on_end(nghttp2_session *session, int32_t stream, uint32_t code, void *context)
{
	(void) session;
	(void) stream;
	((Told *) context)->ended += code == NGHTTP2_NO_ERROR;
	((Told *) context)->refused += code == NGHTTP2_REFUSED_STREAM;
	return 0;
}

static ssize_t
read_body(nghttp2_session *session, int32_t stream, uint8_t *room, size_t size, uint32_t *flags,
		  nghttp2_data_source *source, void *context)
{
	(void) session;
	(void) stream;
	(void) size;
	(void) context;
	*flags |= NGHTTP2_DATA_FLAG_EOF;
	memcpy(room, source->ptr, strlen(source->ptr));
	return (ssize_t) strlen(source->ptr);
}

static void
submit(nghttp2_session *session, const char *method, const char *path, const char *body)
{
	nghttp2_data_provider provider = {.source.ptr = (void *) body, .read_callback = read_body};
	const char *const	  fields[] = {":method", method, ":scheme",	   "http",
									  ":path",	 path,	 ":authority", "x"};
	nghttp2_nv			  headers[4];

	for (int i = 0; i < 4; i++)
		headers[i] = (nghttp2_nv) {.name = (uint8_t *) fields[2 * i],
								   .value = (uint8_t *) fields[2 * i + 1],
								   .namelen = strlen(fields[2 * i]),
								   .valuelen = strlen(fields[2 * i + 1])};
	nghttp2_submit_request(session, NULL, headers, 4, body != NULL ? &provider : NULL, NULL);
}

static nghttp2_session *
open_session(Told *told)
{
	nghttp2_session_callbacks *callbacks;
	nghttp2_session			  *session;

	nghttp2_session_callbacks_new(&callbacks);
	nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
	nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_end);
	nghttp2_session_client_new(&session, callbacks, told);
	nghttp2_session_callbacks_del(callbacks);
	nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, NULL, 0);
	return session;
}

/* What the session has to say. */
static void
say(nghttp2_session *session, Buffer *bytes)
{
	const uint8_t *piece;
	ssize_t		   length;

	while ((length = nghttp2_session_mem_send(session, &piece)) > 0)
		buffer_append(bytes, piece, (size_t) length);
}

/* What the client has received is told to the session. */
static void
hear(nghttp2_session *session, Client *client)
{
	if (client->received.length > 0)
		nghttp2_session_mem_recv(session, (uint8_t *) buffer_bytes(&client->received),
								 client->received.length);
	buffer_clear(&client->received);
}

/* Two requests at once, split there; how many bytes they were. */
static size_t
ask_two(size_t at, Told *told)
{
	Client			 client;
	Buffer			 bytes = {0};
	nghttp2_session *session = open_session(told);
	size_t			 length;

	submit(session, "GET", "/pieces", NULL);
	submit(session, "POST", "/echo", "hello");
	say(session, &bytes);
	length = bytes.length;
	client_connect(&client);
	client_send(&client, buffer_bytes(&bytes), at < length ? at : length);
	if (at < length)
		client_send(&client, buffer_bytes(&bytes) + at, length - at);
	hear(session, &client);
	client_close(&client);
	nghttp2_session_del(session);
	buffer_free(&bytes);
	return length;
}

static void
test_http2(void)
{
	size_t length = 1;
	bool   same = true;

	for (size_t at = 0; at <= length && same; at++)
	{
		Told told = {0};

		length = ask_two(at, &told);
		same = told.ended == 2 && strcmp(told.status[0], "200") == 0 &&
			   strcmp(told.body[0], "one two") == 0 && strcmp(told.trailer[0], "all") == 0 &&
			   strcmp(told.status[1], "200") == 0 && strcmp(told.body[1], "hello") == 0 &&
			   server_connections(server) == 0 && server->body_bytes == 0;
		if (!same)
			printf("# split at %zu: %d, %s %s\n", at, told.ended, told.status[0], told.status[1]);
	}
	ok(same && length > 60, "two at once, with trailers, wherever they are split");
}

static void
test_http2_refusals(void)
{
	Client			 client;
	Told			 told = {0};
	Buffer			 bytes = {0};
	char			 long_body[102];
	nghttp2_session *session = open_session(&told);

	memset(long_body, 'x', 101);
	long_body[101] = '\0';
	submit(session, "HEAD", "/pieces", NULL);
	submit(session, "POST", "/echo", long_body);
	submit(session, "GET", "/parameter", NULL);
	say(session, &bytes);
	client_connect(&client);
	client_send(&client, buffer_bytes(&bytes), bytes.length);
	hear(session, &client);
	ok(strcmp(told.status[0], "200") == 0 && told.body[0][0] == '\0' && told.ended == 2,
	   "HEAD has no body, and ends well");
	ok(strcmp(told.status[1], "413") == 0, "a body that is too long");
	ok(told.status[2][0] == '\0' && told.refused == 1, "more streams at once than allowed");
	client_close(&client);
	nghttp2_session_del(session);
	buffer_free(&bytes);
}

/* A server that stops: what is under way is answered, then the connection ends. */
static void
test_drain(void)
{
	Client		client, idle;
	const char *request = "GET /later HTTP/1.1\r\nhost: x\r\n\r\n";
	const char *other = "GET /parameter HTTP/1.1\r\nhost: x\r\n\r\n";

	closed = 0;
	client_connect(&client);
	client_connect(&idle);
	client_send(&client, request, strlen(request));
	client_send(&idle, other, strlen(other));
	server_drain(server);
	client_read(&client);
	client_read(&idle);
	ok(idle.ended && !client.ended && waiting != NULL, "an idle client is left, another one not");
	exchange_on_closed(waiting, NULL, NULL);
	exchange_respond(waiting, 200, NULL, "1", 1);
	client_read(&client);
	ok(client.ended && closed == 0 &&
		   strcmp(client_text(&client), OK "content-length: 1\r\nconnection: close\r\n\r\n1") == 0,
	   "before it has its answer");
	client_close(&client);
	client_close(&idle);
	ok(server_connections(server) == 0, "and nobody is left");
}

int
main(void)
{
	open_server();
	test_http1();
	test_head();
	test_refusals();
	test_later();
	test_http2();
	test_http2_refusals();
	test_drain();
	server_close(server);
	return done_testing();
}
