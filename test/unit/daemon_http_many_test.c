/*
 * daemon_http_many_test.c
 *	  http_many.h against a server that answers what it is told: tags, slots, reuse, waiting, giving up.
 */
#include "daemon/http_many.h"

#include "../support/http_server.h"
#include "daemon/clock.h"
#include "tap.h"

#define SLOTS 3

static const char *const silence[] = {NULL};

/* Wait until an answer is there, five seconds at most. */
static bool
next(HttpMany *many, HttpAnswer *answer)
{
	int64_t deadline = clock_milliseconds() + 5000;

	while (!http_many_next(many, answer))
	{
		if (clock_milliseconds() >= deadline)
			return false;
		http_many_wait(many, NULL, 0, 100);
	}
	return true;
}

static void
test_many_at_once(HttpMany *many)
{
	static const char *const answers[] = {
		"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 3\r\n\r\none",
		"HTTP/1.1 400 No\r\nConnection: close\r\nContent-Length: 3\r\n\r\ntwo",
		"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
	};
	Server		server;
	HttpRequest request = {.body = "{}", .body_length = 2};
	HttpAnswer	answer;
	int			tags[SLOTS] = {0};
	int			answered = 0;
	int			refused = 0;
	size_t		length = 0;
	bool		freed = true;

	server_start(&server, answers);
	request.url = server.url;
	ok(http_many_free_slots(many) == SLOTS, "all slots are free");
	for (int i = 0; i < SLOTS; i++)
		http_many_start(many, &request, &tags[i]);
	ok(http_many_free_slots(many) == 0 && !http_many_next(many, &answer),
	   "none is when so many requests are under way");
	for (int i = 0; i < SLOTS; i++)
	{
		if (!next(many, &answer))
			break;
		answered += answer.status == DAEMON_OK;
		refused += answer.response.status == 400;
		length += answer.response.length;
		++*(int *) answer.tag;
		freed = freed && http_many_free_slots(many) == i + 1;
	}
	ok(answered == SLOTS && refused == 1 && length == 6, "each is answered, whatever the status");
	ok(tags[0] == 1 && tags[1] == 1 && tags[2] == 1, "each answer names its request, once");
	ok(freed, "with its answer a slot is free again");
	server_stop(&server);
}

static void
test_kept_connection(HttpMany *many)
{
	static const char *const answers[] = {
		"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na",
		"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n0123456789x", NULL};
	Server		server;
	HttpRequest request = {.response_limit = 10, .body = "", .body_length = 0};
	HttpAnswer	answer;

	server_start(&server, answers);
	request.url = server.url;
	http_many_start(many, &request, NULL);
	ok(next(many, &answer) && answer.response.length == 1 && answer.response.body[0] == 'a',
	   "an answer is read");
	http_many_start(many, &request, NULL);
	ok(next(many, &answer) && answer.status == DAEMON_RETRY &&
		   strstr(answer.problem, "too long") != NULL,
	   "a longer one than allowed is refused: %s", answer.problem);
	ok(server.connections == 1, "over the same connection");
	server_stop(&server);
}

static void
test_failures(HttpMany *many)
{
	HttpRequest request = {.url = "http://127.0.0.1:1/", .body = "", .body_length = 0};
	HttpAnswer	answer;
	Server		server;
	int			tag;

	http_many_start(many, &request, &tag);
	ok(next(many, &answer) && answer.status == DAEMON_RETRY && answer.tag == &tag &&
		   answer.problem[0] != '\0',
	   "nobody there: %s", answer.problem);
	request.url = "ftp://127.0.0.1/";
	http_many_start(many, &request, &tag);
	ok(next(many, &answer) && answer.status == DAEMON_FATAL && answer.tag == &tag,
	   "what can't be started comes back as well: %s", answer.problem);
	server_start(&server, silence);
	request.url = server.url;
	request.total_timeout_ms = 200;
	http_many_start(many, &request, &tag);
	ok(next(many, &answer) && answer.status == DAEMON_RETRY, "no answer within the time given: %s",
	   answer.problem);
	server_stop(&server);
}

static void
test_waiting(HttpMany *many)
{
	HttpRequest	  request = {.body = "", .body_length = 0};
	Server		  server;
	int			  ends[2];
	struct pollfd fds[2];
	int64_t		  start = clock_milliseconds();

	if (pipe(ends) != 0)
		abort();
	server_start(&server, silence);
	request.url = server.url;
	http_many_start(many, &request, NULL);
	fds[0] = (struct pollfd) {.fd = ends[0], .events = POLLIN};
	fds[1] = (struct pollfd) {.fd = ends[1], .events = POLLIN};
	http_many_wait(many, fds, 2, 50);
	ok(fds[0].revents == 0 && fds[1].revents == 0, "nothing happened");
	if (write(ends[1], "x", 1) != 1)
		abort();
	/* the transfer itself may end a wait, as when it has been sent */
	for (int i = 0; i < 100 && fds[0].revents == 0; i++)
		http_many_wait(many, fds, 2, 5000);
	ok(fds[0].revents == POLLIN && fds[1].revents == 0 && clock_milliseconds() - start < 4000,
	   "a descriptor that is ready ends the wait");
	close(ends[0]);
	close(ends[1]);
	http_many_close(many);
	server_stop(&server);
}

int
main(void)
{
	HttpMany *many;

	/* a proxy of the surroundings is none of the test's business */
	setenv("no_proxy", "*", 1);
	ok(http_many_open("t/1", SLOTS, &many) == DAEMON_OK, "slots are made");
	test_many_at_once(many);
	test_kept_connection(many);
	test_failures(many);
	test_waiting(many); /* closes it with a request under way */
	http_many_close(NULL);
	return done_testing();
}
