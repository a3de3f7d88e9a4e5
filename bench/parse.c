/*
 * parse.c
 *	  How long reading one event takes, beside jansson building a tree of the same text.
 *
 * usage: parse
 * Prints the name of the event, both in nanoseconds of CPU, and their ratio.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

#include "feed/event.h"

#define ROUNDS 5
#define EVENTS 100000

typedef struct Sample
{
	const char *name;
	const char *entity; /* where it lies */
	const char *text;
} Sample;

static const Sample samples[] = {
	{"100 bytes", "/entity_id",
	 "{\"entity_id\":\"product-012345\",\"user_id\":\"user-01234\",\"source\":\"kafka\","
	 "\"session\":\"00000000000000123456\"}"},
	{"escapes", "/entity_id",
	 "{\"entity_id\":\"caf\\u00e9 \\ud83d\\ude00 \\\"012345\\\"\",\"user_id\":\"user-01234\","
	 "\"url\":\"https:\\/\\/shop.example\\/p\\/12345\"}"},
	{"Segment track", "/properties/product_id",
	 "{\"anonymousId\":\"23adfd82-aa0f-45a7-a756-24f2a7a4c895\",\"context\":{\"library\":{\"name\":"
	 "\"analytics.js\",\"version\":\"2.11.1\"},\"page\":{\"path\":\"/products/12345\",\"referrer\":"
	 "\"\",\"search\":\"\",\"title\":\"Crème brûlée\",\"url\":\"https://shop.example/products/"
	 "12345\"},\"userAgent\":\"Mozilla/5.0 (X11; Linux x86_64)\",\"ip\":\"192.0.2.10\"},\"event\":"
	 "\"Product Viewed\",\"integrations\":{},\"messageId\":\"ajs-f8ca1e4de5024d9430b3928bd8ac6b96\""
	 ",\"properties\":{\"product_id\":\"012345\",\"price\":12.5,\"quantity\":1},\"timestamp\":"
	 "\"2026-01-31T23:59:59.500Z\",\"type\":\"track\",\"userId\":\"u-7\"}"},
};

static double
cpu_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double) now.tv_sec + (double) now.tv_nsec / 1e9;
}

static void
fail(const char *problem)
{
	fprintf(stderr, "parse: %s\n", problem);
	exit(1);
}

static void
read_event(const FeedFields *fields, const char *text, size_t length)
{
	char	  detail[FEED_DETAIL_SIZE];
	FeedEvent event;

	if (feed_event_parse(fields, text, length, 0, &event, detail) != FEED_ACCEPTED)
		fail(detail);
	feed_event_free(&event);
}

static void
build_tree(const FeedFields *fields, const char *text, size_t length)
{
	json_t *document = json_loadb(text, length, 0, NULL);
	json_t *value = document;

	for (int i = 0; i < fields->entity.count; i++)
		value = json_object_get(value, fields->entity.tokens[i].name);
	if (!json_is_string(value))
		fail("no entity");
	json_decref(document);
}

/* The best round's nanoseconds an event. */
static double
measure(void (*read)(const FeedFields *, const char *, size_t), const FeedFields *fields,
		const char *text)
{
	size_t length = strlen(text);
	double best = 0;

	for (int round = 0; round < ROUNDS; round++)
	{
		double start = cpu_seconds();
		double taken;

		for (int i = 0; i < EVENTS; i++)
			read(fields, text, length);
		taken = (cpu_seconds() - start) / EVENTS * 1e9;
		if (round == 0 || taken < best)
			best = taken;
	}
	return best;
}

int
main(void)
{
	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++)
	{
		FeedFields fields = {0};
		double	   ours;
		double	   tree;

		if (feed_pointer_parse(samples[i].entity, &fields.entity) != NULL)
			fail("bad pointer");
		ours = measure(read_event, &fields, samples[i].text);
		tree = measure(build_tree, &fields, samples[i].text);
		printf("%-14s %4zu bytes   lib/feed %5.0f ns   jansson %5.0f ns   ratio %.2f\n",
			   samples[i].name, strlen(samples[i].text), ours, tree, tree / ours);
		feed_pointer_free(&fields.entity);
	}
	return 0;
}
