/*
 * daemon_http_test.c
 *	  http.h against a server that answers what it is told: bounds, reuse, errors.
 */
#include "daemon/http.h"

#include <stdlib.h>
#include <string.h>

#include "../support/http_server.h"
#include "daemon/clock.h"
#include "tap.h"

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

/* An answer may go piece by piece, in whole pages. */
static void
test_release(HttpClient *client)
{
	enum
	{
		LENGTH = 300000,
		READ = 200000
	};
	char *answer = malloc(LENGTH + 100);
	int head = sprintf(answer, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n",
					   LENGTH);
	const char *const answers[] = {answer, answer, NULL};
	Server			  server;
	HttpRequest		  request = {0};
	HttpResponse	  response;

	memset(answer + head, 'x', LENGTH);
	answer[head + LENGTH] = '\0';
	server_start(&server, answers);
	request.url = server.url;
	for (int round = 1; round <= 2; round++)
	{
		bool whole = http_get(client, &request, &response) == DAEMON_OK &&
					 response.length == LENGTH && strspn(response.body, "x") == LENGTH;

		for (int end = 0; end <= READ; end += 1000)
		{
			http_release_until(client, response.body + end);
			whole = whole && strspn(response.body + end, "x") == (size_t) (LENGTH - end);
		}
		ok(whole, "what is not released can be read, round %d", round);
		ok(response.body[READ / 2] == '\0', "the rest is gone");
	}
	http_release(client);
	server_stop(&server);
	free(answer);
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

/*
 * AWS's Signature Version 4 test suite (its requests that a client of JSON APIs can send),
 * as published: all are for the same key, time, host, region and service.
 */
typedef struct SigningVector
{
	const char *name;
	const char *method; /* NULL: POST */
	const char *header; /* beside Host; NULL: none */
	const char *body;
	const char *token;
	const char *signed_headers;
	const char *signature;
} SigningVector;

static const SigningVector signing_vectors[] = {
	{"get-vanilla", "GET", NULL, "", NULL, "host;x-amz-date",
	 "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
	{"post-vanilla", NULL, NULL, "", NULL, "host;x-amz-date",
	 "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"},
	{"post-x-www-form-urlencoded", NULL, "Content-Type: application/x-www-form-urlencoded",
	 "Param1=value1", NULL, "content-type;host;x-amz-date",
	 "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"},
	{"post-header-value-case", NULL, "My-Header1: VALUE1", "", NULL, "host;my-header1;x-amz-date",
	 "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d"},
	{"post-header-key-sort", NULL, "My-Header1: value1", "", NULL, "host;my-header1;x-amz-date",
	 "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c"},
	{"post-sts-header-before", NULL, NULL, "",
	 "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIe"
	 "oIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq"
	 "5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC"
	 "9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA==",
	 "host;x-amz-date;x-amz-security-token",
	 "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead"},
};

#define SIGNING_VECTORS ((int) (sizeof(signing_vectors) / sizeof(signing_vectors[0])))

static void
test_signing_vector(HttpClient *client, const SigningVector *vector)
{
	static const char *const answers[] = {
		"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", NULL};
	const char *const headers[] = {"Host: example.amazonaws.com", vector->header, NULL};
	AwsSigning		  signing = {
			   .credentials = {"AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", vector->token},
			   .region = "us-east-1",
			   .service = "service",
			   .timestamp = "20150830T123600Z"};
	char		 expected[512];
	Server		 server;
	HttpRequest	 request = {.method = vector->method,
							.body = vector->body,
							.body_length = strlen(vector->body),
							.headers = headers,
							.signing = &signing};
	HttpResponse response;

	snprintf(expected, sizeof(expected),
			 "Authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/"
			 "aws4_request, SignedHeaders=%s, Signature=%s\r\n",
			 vector->signed_headers, vector->signature);
	server_start(&server, answers);
	request.url = server.url;
	ok(http_call(client, &request, &response) == DAEMON_OK &&
		   strstr(server.request, expected) != NULL,
	   "AWS's test vector %s", vector->name);
	server_stop(&server);
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
	test_release(client);
	test_failures(client);
	for (int i = 0; i < SIGNING_VECTORS; i++)
		test_signing_vector(client, &signing_vectors[i]);
	http_close(client);
	return done_testing();
}
