/*
 * query_rpc_test.c
 *	  Calls by Connect and gRPC-Web over HTTP/1.1, and by gRPC over HTTP/2, from a client's bytes to the call and back.
 *
 * Without sockets: bytes are handed to a connection, and what it would send is looked at.
 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include <nghttp2/nghttp2.h>
#include <zlib.h>

#include "connection.h"
#include "daemon/base64.h"
#include "daemon/clock.h"
#include "rpc_server.h"
#include "tap.h"

#define SERVICE "/murmur.v1.QueryService/"
#define REFLECTION "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
#define BODY_MAX 4096
#define LARGE (EXCHANGE_BACKLOG + 100000)
#define ENTITY_ROOM 64
#define PIPELINED 500
#define WINDOW (1 << 20) /* that a client of HTTP/2 allows: no answer here is longer */

/* Stands in for the answers, and keeps what was asked. */
struct Reads
{
	int		 calls, canceled;
	RpcCall	 last; /* its entities are gone */
	char	 entity[ENTITY_ROOM];
	size_t	 entity_length;
	bool	 later;
	RpcCall *waiting;
	RpcCode	 failure;
	size_t	 value_length; /* of each value's zeros; 0: absent */
};

static Reads	  answers;
static Server	 *server;
static const char zeros[LARGE];

static void
answer(RpcCall *call)
{
	RpcValue *values = calloc((size_t) call->count + 1, sizeof(*values));

	for (int i = 0; values != NULL && i < call->count; i++)
		values[i] = (RpcValue) {.present = answers.value_length > 0,
								.data = answers.value_length > 0 ? zeros : NULL,
								.length = answers.value_length};
	if (answers.failure != 0)
		rpc_fail(call, answers.failure, "100 % \"so\"");
	else
		rpc_answer(call, values);
	free(values);
}

static void
on_canceled(RpcCall *call)
{
	if (call == answers.waiting)
		answers.waiting = NULL;
	answers.canceled++;
}

void
answers_begin(Reads *context, RpcCall *call)
{
	context->calls++;
	context->last = *call;
	context->entity_length = call->count > 0 ? call->entities[0].length : 0;
	if (context->entity_length > 0 && context->entity_length < ENTITY_ROOM)
		memcpy(context->entity, call->entities[0].bytes, context->entity_length);
	if (!context->later)
	{
		answer(call);
		return;
	}
	context->waiting = call;
	call->canceled = on_canceled;
}

static bool
asked(int calls, RpcMethod method, int count)
{
	return answers.calls == calls && answers.last.method == method && answers.last.count == count;
}

static bool
entity_is(const char *bytes, size_t length)
{
	return answers.entity_length == length && memcmp(answers.entity, bytes, length) == 0;
}

/* ---- HTTP/1.1 ---- */

static Buffer response; /* what the connection said, ended with NUL */

/* One connection, one request; the connection is left to the caller. */
static Connection *
send_request(const char *method, const char *target, const char *headers, const void *body,
			 size_t length)
{
	Connection *connection = connection_open(server, -1);
	Buffer		request = {0};

	buffer_printf(&request, "%s %s HTTP/1.1\r\nhost: a\r\n%scontent-length: %zu\r\n\r\n", method,
				  target, headers, length);
	buffer_append(&request, body, length);
	connection_receive(connection, buffer_bytes(&request), request.length);
	buffer_free(&request);
	return connection;
}

static void
keep_response(Connection *connection)
{
	buffer_clear(&response);
	buffer_append(&response, buffer_bytes(&connection->out), connection->out.length);
	buffer_append(&response, "", 1);
}

static void
request(const char *method, const char *target, const char *headers, const void *body,
		size_t length)
{
	Connection *connection;

	answers.calls = 0;
	connection = send_request(method, target, headers, body, length);
	keep_response(connection);
	connection_drop(connection);
	server_dispatch(server);
}

/* A call by Connect in JSON. */
static void
post(const char *name, const char *json)
{
	char target[128];

	snprintf(target, sizeof(target), SERVICE "%s", name);
	request("POST", target, "content-type: application/json\r\n", json, strlen(json));
}

static const char *
response_body(void)
{
	const char *end = strstr(buffer_bytes(&response), "\r\n\r\n");

	return end != NULL ? end + 4 : "";
}

static size_t
response_body_length(void)
{
	return response.length - 1 - (size_t) (response_body() - buffer_bytes(&response));
}

static bool
says(const char *status, const char *body)
{
	const char *bytes = buffer_bytes(&response);

	return strncmp(bytes, "HTTP/1.1 ", 9) == 0 && strncmp(bytes + 9, status, 3) == 0 &&
		   strstr(response_body(), body) != NULL;
}

static bool
refused(const char *words)
{
	return says("400", "\"invalid_argument\"") && strstr(response_body(), words) != NULL &&
		   answers.calls == 0;
}

/* What messages say is query_message_test's; here they have come by Connect. */
static void
test_messages(void)
{
	static const char proto[] = "content-type: application/proto\r\n";

	post("Get", "{\"entity\":\"a\\u0000b\",\"freshRead\":true}");
	ok(asked(1, RPC_GET, 1) && entity_is("a\0b", 3) && answers.last.fresh_read, "a call in JSON");
	ok(says("200", "{\"value\":{}}"), "an absent value is empty");
	answers.value_length = 3;
	post("GetMany", "{\"entities\":[\"a\",\"b\",\"a\"]}");
	ok(asked(1, RPC_GET_MANY, 3), "twice the same entity");
	ok(strcmp(response_body(), "{\"values\":[{\"present\":true,\"data\":\"AAAA\"},"
							   "{\"present\":true,\"data\":\"AAAA\"},"
							   "{\"present\":true,\"data\":\"AAAA\"}]}") == 0,
	   "a value for each, in base64");
	answers.value_length = 0;
	post("GetRange", "{\"entity\":\"a\",\"startUnix\":1e3,\"endUnix\":\"2000\"}");
	ok(asked(1, RPC_GET_RANGE, 1) && answers.last.start_unix == 1000 &&
		   answers.last.end_unix == 2000,
	   "numbers come to the call");
	post("GetWindow", "{\"entity\":\"a\",\"durationSeconds\":1,\"duration_seconds\":1}");
	ok(refused("both of its names"), "what is wrong in JSON is refused");
	post("GetMany", "{\"entities\":[\"1\",\"2\",\"3\",\"4\"]}");
	ok(refused("too many entities"), "so are more entities than allowed");
	request("POST", SERVICE "GetWindow", proto, "\x0a\x01\x61\x10\x80\xa3\x05\x18\x01", 9);
	ok(asked(1, RPC_GET_WINDOW, 1) && entity_is("a", 1) && answers.last.duration_seconds == 86400 &&
		   answers.last.fresh_read,
	   "a call in protobuf");
	ok(strstr(buffer_bytes(&response), "content-type: application/proto\r\n") != NULL &&
		   response_body_length() == 2 && memcmp(response_body(), "\x0a\0", 2) == 0,
	   "is answered so");
	request("POST", SERVICE "Get", proto, "\x0a\x05\x61", 3);
	ok(refused("not valid protobuf"), "what is wrong in protobuf is refused");
}

static void
test_connect(void)
{
	static const char json[] = "content-type: application/json\r\n";

	request("GET", SERVICE "Get?connect=v1&encoding=json&message=%7B%22entity%22%3A%22a%22%7D", "",
			"", 0);
	ok(asked(1, RPC_GET, 1) && says("200", "{\"value\":{}}"), "GET");
	request("GET", SERVICE "Get?encoding=json&base64=1&message=eyJlbnRpdHkiOiJhIn0", "", "", 0);
	ok(asked(1, RPC_GET, 1) && entity_is("a", 1), "GET in base64 without padding");
	request("GET", SERVICE "Get?encoding=proto&base64=1&message=CgQ_Pz8-", "", "", 0);
	ok(asked(1, RPC_GET, 1) && entity_is("?\?\?>", 4), "GET of protobuf in base64 for URLs");
	request("GET", SERVICE "Get?encoding=json&base64=1&message=a", "", "", 0);
	ok(refused("not base64"), "GET of what is not");
	request("GET", SERVICE "Get?encoding=json&connect=v2&message=%7B%7D", "", "", 0);
	ok(refused("version"), "GET of another version");
	request("GET", SERVICE "Get", "", "", 0);
	ok(says("405", "\"code\"") && answers.calls == 0, "GET without a message");
	request("GET", SERVICE "Get?encoding=xml&message=a", "", "", 0);
	ok(says("415", "json and proto"), "GET of another encoding");
	request("POST", SERVICE "Get", "content-type: text/plain\r\n", "{}", 2);
	ok(says("415", "application/json") && answers.calls == 0, "another content type");
	request("POST", SERVICE "Get", "", "{}", 2);
	ok(says("415", "application/json"), "no content type");
	request("POST", SERVICE "Get", "content-type: APPLICATION/JSON; charset=utf-8\r\n", "{}", 2);
	ok(asked(1, RPC_GET, 1), "a content type in capitals and with a parameter");
	request("POST", SERVICE "Get", "content-type: application/json\r\ncontent-encoding: br\r\n",
			"{}", 2);
	ok(says("501", "\"unimplemented\"") && answers.calls == 0, "another compression");
	request("POST", SERVICE "Get",
			"content-type: application/json\r\nconnect-protocol-version: 2\r\n", "{}", 2);
	ok(refused("version"), "another version");
	request("POST", SERVICE "Get", "content-type: application/json\r\nconnect-timeout-ms: -1\r\n",
			"{}", 2);
	ok(refused("connect-timeout-ms"), "a timeout that is none");
	request("POST", SERVICE "Nothing", json, "{}", 2);
	ok(says("404", "\"unimplemented\""), "another method");
	request("POST", SERVICE "Get", json, zeros, BODY_MAX + 1);
	ok(says("413", "\"resource_exhausted\""), "a body that is too long");
	answers.failure = RPC_UNAVAILABLE;
	post("Get", "{\"entity\":\"a\"}");
	ok(says("503", "{\"code\":\"unavailable\",\"message\":\"100 % \\\"so\\\"\"}"), "a failure");
	answers.failure = 0;
}

/* The bytes as gzip, in how many. */
static size_t
gzip(const void *bytes, size_t length, unsigned char *out, size_t room)
{
	z_stream stream = {.next_in = (Bytef *) bytes, .avail_in = (uInt) length};

	if (deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		return 0;
	stream.next_out = out;
	stream.avail_out = (uInt) room;
	deflate(&stream, Z_FINISH);
	deflateEnd(&stream);
	return room - stream.avail_out;
}

static void
test_gzip(void)
{
	static const char headers[] = "content-type: application/json\r\ncontent-encoding: gzip\r\n";
	unsigned char	  compressed[BODY_MAX];
	size_t			  length = gzip("{\"entity\":\"abc\"}", 16, compressed, sizeof(compressed));

	request("POST", SERVICE "Get", headers, compressed, length);
	ok(asked(1, RPC_GET, 1) && entity_is("abc", 3), "a request in gzip");
	request("POST", SERVICE "Get", headers, compressed, length - 1);
	ok(refused("not whole gzip"), "one that ends early");
	compressed[length] = 'x';
	request("POST", SERVICE "Get", headers, compressed, length + 1);
	ok(refused("not whole gzip"), "one with something after it");
	length = gzip(zeros, sizeof(zeros), compressed, sizeof(compressed));
	ok(length > 0 && length < BODY_MAX, "a lot becomes little");
	request("POST", SERVICE "Get", headers, compressed, length);
	ok(refused("too long"), "what is too long when decompressed");
}

static bool
fires_within(int64_t milliseconds)
{
	bool fires = false;

	for (const Timer *timer = server_timers(server)->first; timer != NULL; timer = timer->next)
		fires = fires || timer->deadline <= clock_milliseconds() + milliseconds;
	return fires;
}

static void
test_deadlines(void)
{
	Connection *connection;

	answers.later = true;
	answers.canceled = 0;
	connection =
		send_request("POST", SERVICE "Get",
					 "content-type: application/json\r\nconnect-timeout-ms: 99999\r\n", "{}", 2);
	ok(answers.waiting != NULL && fires_within(2000) && !fires_within(1000),
	   "a client may ask for less time, not for more");
	answer(answers.waiting);
	keep_response(connection);
	ok(says("200", "value") && answers.canceled == 0, "an answer that comes later");
	connection_drop(connection);
	server_dispatch(server);

	connection =
		send_request("POST", SERVICE "Get",
					 "content-type: application/json\r\nconnect-timeout-ms: 0\r\n", "{}", 2);
	ok(answers.waiting != NULL, "no time at all");
	timers_fire(server_timers(server));
	keep_response(connection);
	ok(says("504", "\"deadline_exceeded\"") && answers.canceled == 1 && answers.waiting == NULL,
	   "is over at once: the client is told, and the call is canceled");
	connection_drop(connection);
	server_dispatch(server);

	connection = send_request("POST", SERVICE "Get", "content-type: application/json\r\n", "{}", 2);
	connection_drop(connection);
	server_dispatch(server);
	ok(answers.canceled == 2 && answers.waiting == NULL, "so is that of a client who goes away");
	answers.later = false;
}

/* Requests wait while answers wait to be sent; then it is their turn, though no more bytes come. */
static void
test_pipeline(void)
{
	static const char one[] = "POST " SERVICE "Get HTTP/1.1\r\nhost: a\r\n"
							  "content-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
	Connection		 *connection = connection_open(server, -1);
	Buffer			  requests = {0};

	answers.calls = 0;
	answers.value_length = 1000;
	for (int i = 0; i < PIPELINED; i++)
		buffer_append(&requests, one, sizeof(one) - 1);
	connection_receive(connection, buffer_bytes(&requests), requests.length);
	ok(answers.calls > 0 && answers.calls < PIPELINED, "requests wait for answers to be sent");
	server_dispatch(server);
	ok(answers.calls == PIPELINED && connection->in.length == 0, "but not for ever (%d answered)",
	   answers.calls);
	answers.value_length = 0;
	connection_drop(connection);
	server_dispatch(server);
	buffer_free(&requests);
}

/* ---- gRPC-Web ---- */

/* The chunks of a body put together, as gRPC-Web's answers come in several. */
static void
join_chunks(Buffer *body)
{
	const char *at = response_body();
	size_t		size;

	while ((size = strtoul(at, NULL, 16)) > 0)
	{
		at = strstr(at, "\r\n") + 2;
		buffer_append(body, at, size);
		at += size + 2;
	}
}

/* Frames: a message of this length, and trailers with this status. */
static bool
frames_are(const Buffer *body, size_t message_length, const char *trailers)
{
	const char *at = buffer_bytes(body);
	uint32_t	size;

	if (body->length < 10 + message_length || at[0] != 0)
		return false;
	memcpy(&size, at + 1, 4);
	if (ntohl(size) != message_length)
		return false;
	at += 5 + message_length;
	memcpy(&size, at + 1, 4);
	return (unsigned char) at[0] == 0x80 && ntohl(size) == strlen(trailers) &&
		   body->length == 10 + message_length + strlen(trailers) &&
		   memcmp(at + 5, trailers, strlen(trailers)) == 0;
}

static void
test_grpc_web(void)
{
	static const char binary[] = "content-type: application/grpc-web+proto\r\n";
	static const char text[] = "content-type: application/grpc-web-text\r\n";
	static const char get_a[] = "\0\0\0\0\x03\x0a\x01\x61";
	Buffer			  body = {0};

	request("POST", SERVICE "Get", binary, get_a, 8);
	join_chunks(&body);
	ok(asked(1, RPC_GET, 1) && frames_are(&body, 2, "grpc-status: 0\r\n"),
	   "gRPC-Web: a message, and trailers after it");
	buffer_clear(&body);
	request("POST", SERVICE "Get", text, "AAAAAAMKAWE=", 12);
	join_chunks(&body);
	ok(asked(1, RPC_GET, 1) && body.length > 12 &&
		   memcmp(buffer_bytes(&body), "AAAAAAIKAA==", 12) == 0,
	   "so in base64");
	buffer_clear(&body);
	answers.value_length = LARGE;
	request("POST", SERVICE "Get", binary, get_a, 8);
	join_chunks(&body);
	/* tag and length of the value, tag and value of present, tag and length of data */
	ok(frames_are(&body, 4 + 2 + 4 + LARGE, "grpc-status: 0\r\n"),
	   "an answer longer than what may wait for a client that does not read");
	answers.value_length = 0;
	request("POST", SERVICE "Get", binary, get_a, 6);
	ok(says("200", "") && strstr(buffer_bytes(&response), "grpc-status: 13") != NULL,
	   "a message that is not whole");
	request("POST", SERVICE "Nothing", binary, get_a, 8);
	ok(strstr(buffer_bytes(&response), "grpc-status: 12") != NULL, "another method");
	request("POST", SERVICE "Get", "content-type: application/grpc\r\n", get_a, 8);
	ok(says("505", "HTTP/2"), "gRPC itself is not for HTTP/1.1");
	answers.failure = RPC_UNAVAILABLE;
	request("POST", SERVICE "Get", binary, get_a, 8);
	ok(strstr(buffer_bytes(&response), "grpc-message: 100 %25 \"so\"\r\n") != NULL,
	   "words of a failure in percent-encoding");
	answers.failure = 0;
	buffer_free(&body);
}

/* ---- gRPC over HTTP/2: nghttp2 is the client, too ---- */

typedef struct Client
{
	Connection		*connection;
	nghttp2_session *session;
	Buffer			 body, sent;  /* of one call: what came, what is to be sent */
	bool			 half_closed; /* nothing follows what is to be sent */
	char			 status[8];
	bool			 closed;
	uint32_t		 error;
} Client;

static int
client_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
			  size_t name_length, const uint8_t *value, size_t value_length, uint8_t flags,
			  void *context)
{
	Client *client = context;

	(void) session;
	(void) frame;
	(void) flags;
	if (name_length == 11 && memcmp(name, "grpc-status", 11) == 0)
		snprintf(client->status, sizeof(client->status), "%.*s", (int) value_length,
				 (const char *) value);
	return 0;
}

static int
client_data(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *bytes,
			size_t length, void *context)
{
	(void) session;
	(void) flags;
	(void) stream;
	buffer_append(&((Client *) context)->body, bytes, length);
	return 0;
}

static int
client_closed(nghttp2_session *session, int32_t stream, uint32_t code, void *context)
{
	Client *client = context;

	(void) session;
	(void) stream;
	client->closed = true;
	client->error = code;
	return 0;
}

static ssize_t
client_read(nghttp2_session *session, int32_t stream, uint8_t *room, size_t size, uint32_t *flags,
			nghttp2_data_source *source, void *context)
{
	Client *client = context;
	size_t	length = client->sent.length < size ? client->sent.length : size;

	(void) session;
	(void) stream;
	(void) source;
	if (length == 0 && !client->half_closed)
		return NGHTTP2_ERR_DEFERRED;
	if (length > 0)
		memcpy(room, buffer_bytes(&client->sent), length);
	buffer_take(&client->sent, length);
	if (client->half_closed && client->sent.length == 0)
		*flags |= NGHTTP2_DATA_FLAG_EOF;
	return (ssize_t) length;
}

static nghttp2_nv
header(const char *name, const char *value)
{
	return (nghttp2_nv) {(uint8_t *) name, (uint8_t *) value, strlen(name), strlen(value), 0};
}

/* Let the client say what it has to say, without listening.  Was there anything? */
static bool
say(Client *client)
{
	const uint8_t *bytes;
	ssize_t		   length;
	bool		   said = false;

	while ((length = nghttp2_session_mem_send(client->session, &bytes)) > 0)
	{
		connection_receive(client->connection, (const char *) bytes, (size_t) length);
		said = true;
	}
	return said;
}

/* Let both say what they have to say. */
static void
talk(Client *client)
{
	bool more = true;

	while (more)
	{
		more = say(client);
		if (client->connection->protocol != NULL)
			client->connection->protocol->fill(client->connection);
		if (client->connection->out.length > 0)
		{
			nghttp2_session_mem_recv(client->session,
									 (const uint8_t *) buffer_bytes(&client->connection->out),
									 client->connection->out.length);
			buffer_take(&client->connection->out, client->connection->out.length);
			connection_receive(client->connection, "", 0);
			more = true;
		}
	}
}

static void
client_open(Client *client, const char *path, const char *content_type)
{
	nghttp2_session_callbacks *callbacks;
	nghttp2_data_provider	   provider = {.read_callback = client_read};
	nghttp2_settings_entry	   window = {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, WINDOW};
	const nghttp2_nv		   headers[] = {header(":method", "POST"),
											header(":scheme", "http"),
											header(":authority", "a"),
											header(":path", path),
											header("content-type", content_type),
											header("te", "trailers")};

	nghttp2_session_callbacks_new(&callbacks);
	nghttp2_session_callbacks_set_on_header_callback(callbacks, client_header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, client_data);
	nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, client_closed);
	nghttp2_session_client_new(&client->session, callbacks, client);
	nghttp2_session_callbacks_del(callbacks);
	nghttp2_submit_settings(client->session, NGHTTP2_FLAG_NONE, &window, 1);
	nghttp2_session_set_local_window_size(client->session, NGHTTP2_FLAG_NONE, 0, WINDOW);
	nghttp2_submit_request(client->session, NULL, headers, 6, &provider, NULL);
	client->connection = connection_open(server, -1);
	answers.calls = 0;
}

static void
client_close(Client *client)
{
	nghttp2_session_del(client->session);
	buffer_free(&client->body);
	buffer_free(&client->sent);
	connection_drop(client->connection);
	server_dispatch(server);
}

static void
append_frame(Buffer *out, int flags, const void *bytes, size_t length)
{
	uint32_t	  size = htonl((uint32_t) length);
	unsigned char flag = (unsigned char) flags;

	buffer_append(out, &flag, 1);
	buffer_append(out, &size, 4);
	buffer_append(out, bytes, length);
}

/* A unary call of these bytes. */
static void
call(Client *client, const char *path, const char *content_type, int flags, const void *bytes,
	 size_t length)
{
	*client = (Client) {.half_closed = true};
	append_frame(&client->sent, flags, bytes, length);
	client_open(client, path, content_type);
	talk(client);
}

static void
test_grpc(void)
{
	Client client;

	call(&client, SERVICE "Get", "application/grpc", 0, "\x0a\x01\x61", 3);
	ok(asked(1, RPC_GET, 1) && client.closed && client.body.length == 7 &&
		   strcmp(client.status, "0") == 0,
	   "gRPC: a message, and the status in trailers");
	client_close(&client);
	answers.value_length = LARGE;
	call(&client, SERVICE "Get", "application/grpc+proto", 0, "\x0a\x01\x61", 3);
	ok(client.body.length == 5 + 10 + LARGE && strcmp(client.status, "0") == 0, "a long answer");
	client_close(&client);
	call(&client, SERVICE "Get", "application/grpc-web+proto", 0, "\x0a\x01\x61", 3);
	ok(frames_are(&client.body, 10 + LARGE, "grpc-status: 0\r\n"), "so by gRPC-Web over HTTP/2");
	client_close(&client);
	client = (Client) {.half_closed = true};
	append_frame(&client.sent, 0, "\x0a\x01\x61", 3);
	client_open(&client, SERVICE "Get", "application/grpc");
	while (say(&client))
		;
	server_dispatch(server);
	ok(answers.calls == 1 && client.connection->exchanges == NULL,
	   "one round sends all of it that the client takes");
	client_close(&client);
	answers.value_length = 0;
	call(&client, SERVICE "Get", "application/grpc", 1, "\x0a\x01\x61", 3);
	ok(client.closed && strcmp(client.status, "12") == 0, "a compression that is not named");
	client_close(&client);
	call(&client, SERVICE "Get", "application/grpc+json", 0, "{}", 2);
	ok(client.closed && strcmp(client.status, "12") == 0, "messages that are not protobuf");
	client_close(&client);
	call(&client, SERVICE "Nothing", "application/grpc", 0, "", 0);
	ok(client.closed && strcmp(client.status, "12") == 0, "another method");
	client_close(&client);
	call(&client, SERVICE "Get", "application/grpc", 0, zeros, BODY_MAX);
	ok(client.closed && strcmp(client.status, "8") == 0, "a message that is too long");
	client_close(&client);
}

#define ROUNDS 6
#define REQUESTS 500

static int
count_frames(const Buffer *body)
{
	size_t at = 0;
	int	   count = 0;

	for (; at + 5 <= body->length; count++)
	{
		uint32_t size;

		memcpy(&size, buffer_bytes(body) + at + 1, 4);
		at += 5 + ntohl(size);
	}
	return at == body->length ? count : -1;
}

static void
test_streams(void)
{
	Client client;

	call(&client, REFLECTION, "application/grpc", 0, "\x3a\0", 2);
	ok(client.closed && strcmp(client.status, "0") == 0 && client.body.length > 5 &&
		   memmem(buffer_bytes(&client.body), client.body.length, "murmur.v1.QueryService", 22) !=
			   NULL,
	   "reflection lists the services");
	client_close(&client);

	client = (Client) {0};
	append_frame(&client.sent, 0, "\x3a\0", 2);
	client_open(&client, REFLECTION, "application/grpc");
	talk(&client);
	ok(!client.closed && client.body.length > 5, "its stream goes on");
	append_frame(&client.sent, 0, zeros, BODY_MAX);
	nghttp2_session_resume_data(client.session, 1);
	talk(&client);
	ok(client.closed && client.error == NGHTTP2_CANCEL, "until a request is too long: it is cut");
	client_close(&client);

	client = (Client) {.half_closed = true};
	append_frame(&client.sent, 0, zeros, BODY_MAX);
	client_open(&client, REFLECTION, "application/grpc");
	talk(&client);
	ok(client.closed && client.error == NGHTTP2_CANCEL, "so if it is the last one");
	client_close(&client);

	/* more answers than may wait for a client that does not read */
	client = (Client) {0};
	client_open(&client, REFLECTION, "application/grpc");
	talk(&client);
	for (int round = 0; round < ROUNDS; round++)
	{
		for (int i = 0; i < REQUESTS; i++)
			append_frame(&client.sent, 0, "\x3a\0", 2);
		nghttp2_session_resume_data(client.session, 1);
		say(&client);
	}
	client.half_closed = true;
	nghttp2_session_resume_data(client.session, 1);
	talk(&client);
	ok(client.closed && client.body.length > EXCHANGE_BACKLOG / 2 &&
		   count_frames(&client.body) < ROUNDS * REQUESTS && strcmp(client.status, "8") == 0,
	   "a client that does not read is told that answers are missing");
	client_close(&client);
}

int
main(void)
{
	static const Log			log = {.fd = -1, .program = "test", .level = LOG_LEVEL_ERROR};
	static const ServerSettings settings = {.connections_max = 4,
											.streams_max = 8,
											.body_max = BODY_MAX,
											.request_read_ms = 10000,
											.idle_ms = 10000,
											.write_stall_ms = 10000};
	static const RpcSettings	rpc_settings = {
		   .entities_max = 3, .body_max = BODY_MAX, .timeout_ms = 2000};
	static const Store store = {.up = true};
	RpcServer		  *rpc;

	if (server_open(&settings, &log, NULL, &server) != DAEMON_OK ||
		(rpc = rpc_open(server, &answers, &store, &rpc_settings, NULL)) == NULL)
		return 1;
	test_messages();
	test_connect();
	test_gzip();
	test_deadlines();
	test_pipeline();
	test_grpc_web();
	test_grpc();
	test_streams();
	ok(server->body_bytes == 0 && server_connections(server) == 0, "nothing is left over");
	server_close(server);
	rpc_close(rpc);
	buffer_free(&response);
	return done_testing();
}
