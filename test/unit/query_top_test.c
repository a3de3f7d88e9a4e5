/*
 * query_top_test.c
 *	  /v1/top, /v1/top/live and the figures of /v1/status, over a store and exchanges made here.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "figures.h"
#include "live.h"
#include "tap.h"
#include "top.h"

/* ---- a store with one item, whose count the test sets ---- */

static StoreRead *pending;
static int		  asked;
static int		  count = 1;
static bool		  hold;
static bool		  away;

static void
answer_store(StoreRead *read)
{
	Window window = {
		.bucket = read->range.last, .version = 1, .error = 2, .total = 9, .updated_at = 7};

	window.length = 21;
	window.value = calloc(1, window.length);
	memcpy(window.value, "\40\0\0\0\1\0\0\0", 8);
	window.value[8] = (unsigned char) count;
	window.value[16] = 1;
	window.value[20] = 'a';
	windows_add(&read->windows[0], &window);
	read->done(read, away ? STORE_AWAY : STORE_READ);
}

static void
begin(Store *store, StoreRead *read)
{
	(void) store;
	asked++;
	if (hold)
		pending = read;
	else
		answer_store(read);
}

/* All is on its way. */
static bool
forget(Store *store, StoreRead *read)
{
	(void) store;
	(void) read;
	return false;
}

static Store store = {.begin = begin, .forget = forget, .name = "test"};

/* ---- exchanges ---- */

struct Exchange
{
	const char *parameters[10]; /* name, value, ...; NULL */
	const char *method;			/* NULL: GET */
	int			status;
	char		body[100000];
	bool		ended;
	bool		full; /* the client does not read */
	void (*closed)(void *context);
	void *context;
};

const char *
exchange_method(const Exchange *exchange)
{
	return exchange->method != NULL ? exchange->method : "GET";
}

const char *
exchange_parameter(Exchange *exchange, const char *name)
{
	for (int i = 0; exchange->parameters[i] != NULL; i += 2)
		if (strcmp(exchange->parameters[i], name) == 0)
			return exchange->parameters[i + 1];
	return NULL;
}

void
exchange_respond(Exchange *exchange, int status, const ExchangeHeader *headers, const void *body,
				 size_t length)
{
	(void) headers;
	exchange->status = status;
	memcpy(exchange->body, body, length);
	exchange->body[length] = '\0';
	exchange->ended = true;
}

void
exchange_begin(Exchange *exchange, int status, const ExchangeHeader *headers)
{
	(void) headers;
	exchange->status = status;
}

bool
exchange_make_room(Exchange *exchange, size_t length)
{
	return !exchange->full && length > 0;
}

bool
exchange_send(Exchange *exchange, const void *bytes, size_t length)
{
	if (!exchange->full)
		strncat(exchange->body, bytes, length);
	return !exchange->full;
}

void
exchange_end(Exchange *exchange, const ExchangeHeader *trailers)
{
	(void) trailers;
	exchange->ended = true;
}

void
exchange_on_closed(Exchange *exchange, void (*closed)(void *context), void *context)
{
	exchange->closed = closed;
	exchange->context = context;
}

#define EXCHANGE(...) ((Exchange) {.parameters = {__VA_ARGS__}})

/* ---- tests ---- */

static const Log		   silent = {.fd = -1, .program = "test", .level = LOG_LEVEL_ERROR};
static const ReadsSettings no_cache = {0};

static void
check_refusal(Top *top, Exchange exchange, int status, const char *words)
{
	top_answer(top, &exchange);
	ok(exchange.status == status && strstr(exchange.body, words) != NULL, "%d: %s", status,
	   exchange.body);
}

static void
test_top(void)
{
	Reads	*reads = reads_open(&no_cache, &store, &silent, NULL);
	Top		*top = top_open(reads, 50);
	Exchange exchange = EXCHANGE("entity", "eu", "days", "7", "n", "3");

	check_refusal(top, EXCHANGE(NULL), 503, "unavailable");
	store.shape = (Shape) {.window_seconds = 86400, .retention_seconds = 30 * 86400, .k = 32};
	top_answer(top, &exchange);
	ok(exchange.status == 200 && strstr(exchange.body, "\"item\":\"a\",\"estimate\":1,") != NULL,
	   "it answers: %.200s", exchange.body);
	check_refusal(top, EXCHANGE("n", "0"), 400, "n \\\"0\\\" is not a number from 1 to 1000");
	check_refusal(top, EXCHANGE("n", "1x"), 400, "invalid_argument");
	check_refusal(top, EXCHANGE("days", "32"), 400, "longer than the retention");
	check_refusal(top, EXCHANGE("days", "9223372036854775807"), 400, "days");
	check_refusal(top, EXCHANGE("entity", ""), 400, "empty");
	check_refusal(top, EXCHANGE("start", "5"), 400, "both start and end");
	check_refusal(top, EXCHANGE("start", "5", "end", "4"), 400, "before");
	check_refusal(top, EXCHANGE("start", "5", "end", "6", "days", "1"), 400, "either");
	check_refusal(top, (Exchange) {.full = true}, 429, "too many answers wait");
	away = true;
	check_refusal(top, EXCHANGE(NULL), 503, "the store can not be reached");
	away = false;

	hold = true;
	exchange = EXCHANGE(NULL);
	top_answer(top, &exchange);
	ok(!exchange.ended && exchange.closed != NULL, "it waits for the store");
	exchange.closed(exchange.context);
	answer_store(pending);
	ok(!exchange.ended, "and forgets who has gone away");
	top_answer(top, &exchange);
	usleep(60000);
	top_dispatch(top);
	ok(exchange.status == 504, "it does not wait for ever");
	answer_store(pending);
	hold = false;
	top_close(top);
	reads_close(reads);
}

static void
tick(Live *live)
{
	usleep(11000);
	live_dispatch(live);
}

static bool
has(const Exchange *exchange, const char *text)
{
	return strstr(exchange->body, text) != NULL;
}

static void
test_live(void)
{
	static Exchange first, second, other, third;
	Reads		   *reads = reads_open(&no_cache, &store, &silent, NULL);
	Live		   *live = live_open(reads, 10, 3, NULL);

	asked = 0, count = 1;
	first = second = third = EXCHANGE("days", "7");
	other = EXCHANGE("days", "1");
	live_follow(live, &first);
	ok(first.status == 200 && has(&first, "retry: 1000\n\nevent: top\ndata: {"),
	   "a stream begins with the list");
	live_follow(live, &second);
	ok(asked == 1 && has(&second, "event: top\n"), "the next one costs nothing");
	live_follow(live, &other);
	ok(asked == 2 && has(&other, "event: top\n"), "but for another question");
	live_follow(live, &third);
	ok(third.status == 429 && has(&third, "resource_exhausted"), "there are only so many");

	third = EXCHANGE("days", "7");
	third.method = "HEAD";
	live_follow(live, &third);
	ok(third.status == 200 && third.ended && third.body[0] == '\0',
	   "HEAD is answered, however many there are, and follows nothing");

	first.body[0] = second.body[0] = '\0';
	tick(live);
	ok(asked == 4 && first.body[0] == '\0', "nothing is sent while nothing changes");
	count = 2;
	second.full = true;
	tick(live);
	ok(asked == 6 && has(&first, "\"estimate\":2"), "what changes is sent");
	first.body[0] = '\0';
	second.full = false;
	tick(live);
	ok(has(&second, "\"estimate\":2") && first.body[0] == '\0',
	   "who did not read gets the last one, and nobody gets it twice");
	away = true;
	tick(live);
	ok(!first.ended && first.body[0] == '\0', "a store that is away ends no stream");
	away = false;

	other.closed(other.context);
	asked = 0;
	tick(live);
	tick(live);
	ok(asked == 2, "a question that nobody follows is not asked");
	live_drain(live);
	ok(first.ended && second.ended, "they end with the service");
	third = EXCHANGE("days", "7");
	live_follow(live, &third);
	ok(third.status == 503, "which takes no more then");
	live_close(live);
	reads_close(reads);
}

static void
test_figures(void)
{
	Figures figures, other;

	figures_start(&figures);
	figures_read(&figures, "# HELP topk_feeder_records_counted_total x\nnothing 1\n\nhalf");
	ok(isnan(figures.records) && isnan(figures.lag) && isnan(figures.mirror_age),
	   "what nobody says is not known");
	figures_read(&figures, "topk_feeder_records_counted_total 12\n"
						   "topk_feeder_records_duplicate_total 3\n"
						   "kafka_consumergroup_lag{topic=\"t\",partition=\"0\"} 5\n"
						   "kafka_consumergroup_lag{topic=\"t\",partition=\"1\"} 6\n"
						   "topk_feeder_records_rejected_total{reason=\"missing_entity\"} 2\n"
						   "topk_dependency_up{dependency=\"kafka\"} 0\n"
						   "topk_dependency_up{dependency=\"postgresql\"} 1\n"
						   "topk_mirror_oldest_unmirrored_seconds 1.5\n"
						   "topk_mirror_oldest_unmirrored_seconds_more 99");
	ok(figures.records == 12 && figures.duplicates == 3 && figures.lag == 11 &&
		   figures.mirror_age == 1.5,
	   "families are told apart, and their samples added up");
	ok(json_integer_value(json_object_get(figures.rejected, "missing_entity")) == 2, "reasons too");
	ok(json_array_size(figures.away) == 1 &&
		   strcmp(json_string_value(json_array_get(figures.away, 0)), "kafka") == 0,
	   "and what a daemon does not reach");
	figures_start(&other);
	figures_read(&other, "topk_feeder_records_counted_total 1\n"
						 "topk_feeder_records_counted_total NaN\n"
						 "topk_feeder_records_counted_total\n"
						 "topk_feeder_records_rejected_total{reason=\"missing_entity");
	figures_add(&figures, &other);
	ok(figures.records == 13 && figures.lag == 11, "several daemons add up, nonsense adds nothing");
	figures_free(&other);
	figures_free(&figures);
}

int
main(void)
{
	test_top();
	test_live();
	test_figures();
	return done_testing();
}
