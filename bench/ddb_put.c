/*
 * ddb_put.c
 *	  The least that a concurrent client of DynamoDB can do: PutItems that are ready made.
 *
 *	build/bench/ddb_put ENDPOINT CONCURRENCY <FILE
 *
 * FILE has the body of each PutItem in a line.  It prints the seconds that they took.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/clock.h"
#include "daemon/http_many.h"

typedef struct Bodies
{
	char **lines;
	int	   count;
	int	   started;
	int	   ended;
} Bodies;

static void
fail(const char *what)
{
	fprintf(stderr, "ddb_put: %s\n", what);
	exit(1);
}

static void
read_bodies(Bodies *bodies)
{
	char  *line = NULL;
	size_t size = 0;

	while (getline(&line, &size, stdin) > 0)
	{
		line[strcspn(line, "\n")] = '\0';
		bodies->lines =
			realloc(bodies->lines, sizeof(*bodies->lines) * (size_t) (bodies->count + 1));
		if (bodies->lines == NULL)
			fail("out of memory");
		bodies->lines[bodies->count++] = strdup(line);
	}
	free(line);
}

static void
start_puts(HttpMany *many, Bodies *bodies, const char *endpoint)
{
	static const char *const headers[] = {"Content-Type: application/x-amz-json-1.0",
										  "X-Amz-Target: DynamoDB_20120810.PutItem", NULL};
	AwsSigning				 signing = {
					  .credentials = {"local", "local", NULL}, .region = "us-east-1", .service = "dynamodb"};

	while (bodies->started < bodies->count && http_many_free_slots(many) > 0)
	{
		const char *body = bodies->lines[bodies->started++];
		HttpRequest request = {.url = endpoint,
							   .headers = headers,
							   .body = body,
							   .body_length = strlen(body),
							   .signing = &signing};

		http_many_start(many, &request, NULL);
	}
}

int
main(int argc, char **argv)
{
	HttpMany  *many;
	HttpAnswer answer;
	Bodies	   bodies = {0};
	int64_t	   start;

	if (argc != 3 || http_many_open("ddb_put", atoi(argv[2]), &many) != DAEMON_OK)
		fail("usage: ddb_put ENDPOINT CONCURRENCY <FILE");
	read_bodies(&bodies);
	start = clock_milliseconds();
	while (bodies.ended < bodies.count)
	{
		start_puts(many, &bodies, argv[1]);
		http_many_wait(many, NULL, 0, 1000);
		for (; http_many_next(many, &answer); bodies.ended++)
			if (answer.status != DAEMON_OK || answer.response.status != 200)
				fail(answer.status != DAEMON_OK ? answer.problem : answer.response.body);
	}
	printf("%.3f\n", (double) (clock_milliseconds() - start) / 1000);
	http_many_close(many);
	return 0;
}
