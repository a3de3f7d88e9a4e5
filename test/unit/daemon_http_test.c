/*
 * daemon_http_test.c
 *	  http.h against a server that answers what it is told: bounds, reuse, errors.
 */
#include "daemon/http.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/clock.h"
#include "tap.h"

/* A server that reads one request after the other and answers each with the next answer. */
typedef struct Server
{
	int				   fd;
	char			   url[64];
	const char *const *answers; /* NULL: be silent until the client goes */
	char			   request[65536];
	int				   connections;
	pthread_t		   thread;
} Server;

/* Read until the body that Content-Length announces is there; false when the client is gone. */
static bool
read_request(Server *server, int client)
{
	size_t used = 0;

	for (;;)
	{
		ssize_t received = read(client, server->request + used, sizeof(server->request) - 1 - used);
		const char *head_end;
		const char *length;

		if (received <= 0)
			return false;
		used += (size_t) received;
		server->request[used] = '\0';
		head_end = strstr(server->request, "\r\n\r\n");
		length = strstr(server->request, "Content-Length: ");
		if (head_end != NULL && strncmp(server->request, "GET ", 4) == 0)
			return true;
		if (head_end != NULL && length != NULL &&
			used >= (size_t) (head_end + 4 - server->request) + (size_t) atol(length + 16))
			return true;
	}
}

static void *
serve(void *context)
{
	Server *server = context;
	int		client;

	while ((client = accept(server->fd, NULL, NULL)) >= 0)
	{
		server->connections++;
		while (read_request(server, client))
		{
			size_t length = *server->answers != NULL ? strlen(*server->answers) : 0;

			if (*server->answers == NULL)
				continue;
			if (write(client, *server->answers, length) != (ssize_t) length)
				break;
			server->answers++;
		}
		close(client);
	}
	return NULL;
}

static void
server_start(Server *server, const char *const *answers)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t		   length = sizeof(address);

	*server = (Server) {.fd = socket(AF_INET, SOCK_STREAM, 0), .answers = answers};
	if (bind(server->fd, (struct sockaddr *) &address, length) != 0 || listen(server->fd, 8) != 0 ||
		getsockname(server->fd, (struct sockaddr *) &address, &length) != 0)
		abort();
	snprintf(server->url, sizeof(server->url), "http://127.0.0.1:%d/", ntohs(address.sin_port));
	pthread_create(&server->thread, NULL, serve, server);
}

static void
server_stop(Server *server)
{
	shutdown(server->fd, SHUT_RDWR);
	pthread_join(server->thread, NULL);
	close(server->fd);
}

static void
test_answers(HttpClient *client)
{
	static const char *const answers[] = {
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
		"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789",
		"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n0123456789x",
		NULL,
	};
	static const char *const headers[] = {"X-Test: yes", NULL};
	AwsSigning				 signing = {
					  .credentials = {"AKID", "secret", "token"}, .region = "eu-west-1", .service = "dynamodb"};
	Server		server;
	HttpRequest request = {
		.body = "{}", .body_length = 2, .headers = headers, .response_limit = 10};
	HttpResponse response;

	server_start(&server, answers);
	request.url = server.url;
	ok(http_post(client, &request, &response) == DAEMON_OK && response.status == 200 &&
		   response.length == 5 && strcmp(response.body, "hello") == 0,
	   "an answer is read");
	ok(strncmp(server.request, "POST / HTTP/1.1\r\n", 17) == 0 &&
		   strstr(server.request, "X-Test: yes\r\n") != NULL &&
		   strstr(server.request, "\r\n\r\n{}") != NULL &&
		   strstr(server.request, "Authorization") == NULL,
	   "the request is what was asked for");

	request.signing = &signing;
	ok(http_post(client, &request, &response) == DAEMON_OK && response.status == 503 &&
		   response.length == 0 && response.body[0] == '\0',
	   "an error status is an answer too");
	ok(strstr(server.request, "Credential=AKID/") != NULL &&
		   strstr(server.request, "/eu-west-1/dynamodb/aws4_request") != NULL &&
		   strstr(server.request, "X-Amz-Security-Token: token\r\n") != NULL &&
		   strstr(server.request, "secret") == NULL,
	   "a signed request names key, scope and token, not the secret");
	request.signing = NULL;
	ok(http_post(client, &request, &response) == DAEMON_OK && response.length == 10,
	   "an answer of the limit is read");
	ok(strstr(server.request, "Authorization") == NULL && strstr(server.request, "Amz") == NULL,
	   "nothing of the signed request is left");
	ok(server.connections == 1, "all over one connection");
	ok(http_post(client, &request, &response) == DAEMON_RETRY &&
		   strstr(http_problem(client), "too long") != NULL,
	   "a longer answer is refused: %s", http_problem(client));
	server_stop(&server);
}

/* What http_get adds: no body, headers of the answer, patience, and no proxy. */
static void
test_get(HttpClient *client)
{
	static const char *const answers[] = {
		"HTTP/1.1 200 OK\r\nLambda-Id: one\r\nContent-Length: 5\r\n\r\nhello",
		"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
		NULL,
	};
	Server		 server;
	HttpRequest	 request = {.total_timeout_ms = HTTP_NO_TIMEOUT, .direct = true};
	HttpResponse response;

	server_start(&server, answers);
	request.url = server.url;
	unsetenv("no_proxy");
	setenv("http_proxy", "http://127.0.0.1:1", 1);
	ok(http_get(client, &request, &response) == DAEMON_OK && response.length == 5 &&
		   strncmp(server.request, "GET / HTTP/1.1\r\n", 16) == 0 &&
		   strstr(server.request, "Content-Length") == NULL,
	   "GET sends no body, and goes past the proxy");
	ok(http_header(client, "lambda-id") != NULL &&
		   strcmp(http_header(client, "lambda-id"), "one") == 0 &&
		   http_header(client, "Lambda-Other") == NULL,
	   "headers are found, whatever their case");
	ok(http_post(client, &request, &response) == DAEMON_OK &&
		   http_header(client, "Lambda-Id") == NULL && server.connections == 1,
	   "those of the last answer, over the same connection");
	request.direct = false;
	ok(http_get(client, &request, &response) == DAEMON_RETRY, "else the proxy is asked");
	unsetenv("http_proxy");
	setenv("no_proxy", "*", 1);
	server_stop(&server);
}

static void
test_failures(HttpClient *client)
{
	static const char *const silence[] = {NULL};
	static const char *const bad_urls[] = {"http://", "ftp://127.0.0.1/", "file:///etc/passwd",
										   "not a url"};
	Server					 server;
	HttpRequest				 request = {.url = "http://127.0.0.1:1/", .total_timeout_ms = 200};
	HttpResponse			 response;
	int64_t					 start = clock_milliseconds();

	ok(http_post(client, &request, &response) == DAEMON_RETRY && http_problem(client)[0] != '\0',
	   "nobody there: %s", http_problem(client));
	server_start(&server, silence);
	request.url = server.url;
	ok(http_post(client, &request, &response) == DAEMON_RETRY, "no answer: %s",
	   http_problem(client));
	ok(clock_milliseconds() - start < 2000, "within the time given");
	server_stop(&server);

	for (size_t i = 0; i < sizeof(bad_urls) / sizeof(bad_urls[0]); i++)
	{
		request.url = bad_urls[i];
		ok(http_post(client, &request, &response) == DAEMON_FATAL, "\"%s\" can't be asked: %s",
		   bad_urls[i], http_problem(client));
	}
}

int
main(void)
{
	HttpClient *client;

	/* a proxy of the surroundings is none of the test's business */
	setenv("no_proxy", "*", 1);
	ok(http_open("t/1", &client) == DAEMON_OK, "a client is made");
	test_answers(client);
	test_get(client);
	test_failures(client);
	http_close(client);
	return done_testing();
}
