/*
 * status.c
 *	  Asks the daemons and PostgreSQL every few seconds, and tells what they said.
 */
#include "status.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "daemon/clock.h"
#include "daemon/http_many.h"
#include "status_database.h"

#define ASK_MS 5000
#define ANSWER_MS 3000
#define ANSWER_BYTES (1024 * 1024)
#define SOURCES_MAX 16

/* A daemon that serves /metrics. */
typedef struct Source
{
	char   *name;
	char   *url;
	bool	asked;
	bool	heard; /* at least once, that it is up or not */
	bool	up;
	Figures figures; /* while it is up */
} Source;

struct Status
{
	const StatusSettings *settings;
	const Store			 *store;
	const Log			 *log;
	HttpMany			 *http;
	Source				  sources[SOURCES_MAX];
	int					  count;
	int64_t				  next; /* when to ask the sources */
	bool				  has_database;
	StatusDatabase		  database;
	double				  counted;	   /* by the sources, when last looked at; NAN: never */
	int64_t				  last_ingest; /* when that grew, Unix seconds; 0: not seen */
};

/* ---- the sources' URLs ---- */

static bool
is_url(const char *text)
{
	return strncmp(text, "http://", 7) == 0 || strncmp(text, "https://", 8) == 0;
}

/* What a source is called that has no name: host and port of its URL. */
static char *
name_of(const char *url)
{
	const char *host = strstr(url, "://") + 3;
	size_t		length = strcspn(host, "/?");
	const char *at = memrchr(host, '@', length);

	if (at != NULL)
	{
		length -= (size_t) (at + 1 - host);
		host = at + 1;
	}
	return strndup(host, length);
}

/* NAME=URL or URL, of this length; what is wrong with it, or NULL. */
static const char *
parse_source(const char *text, size_t length, Source *source)
{
	const char *equals = is_url(text) ? NULL : memchr(text, '=', length);
	const char *url = equals != NULL ? equals + 1 : text;

	if (!is_url(url) || (size_t) (url - text) + strlen("http://x") > length)
		return "each is to be http://HOST:PORT/metrics, or NAME=http://HOST:PORT/metrics";
	source->url = strndup(url, length - (size_t) (url - text));
	if (source->url != NULL)
		source->name =
			equals != NULL ? strndup(text, (size_t) (equals - text)) : name_of(source->url);
	return source->name != NULL ? NULL : "out of memory";
}

static void
free_source(Source *source)
{
	free(source->name);
	free(source->url);
	figures_free(&source->figures);
}

static const char *
parse_sources(const char *urls, Source sources[SOURCES_MAX], int *count)
{
	const char *wrong = NULL;

	*count = 0;
	for (const char *text = urls; text != NULL && *text != '\0' && wrong == NULL;)
	{
		size_t length = strcspn(text, ",");

		if (*count == SOURCES_MAX)
			return "there are more than 16";
		sources[*count] = (Source) {0};
		wrong = parse_source(text, length, &sources[(*count)++]);
		text += length;
		text += *text == ',';
	}
	return wrong;
}

const char *
status_check_urls(const char *metrics_urls)
{
	Source		sources[SOURCES_MAX];
	int			count;
	const char *wrong = parse_sources(metrics_urls, sources, &count);

	for (int i = 0; i < count; i++)
		free_source(&sources[i]);
	return wrong;
}

/* ---- asking ---- */

Status *
status_open(const StatusSettings *settings, const Store *store, const Log *log, Signals *signals)
{
	Status *status = calloc(1, sizeof(*status));

	if (status == NULL)
		return NULL;
	status->settings = settings;
	status->store = store;
	status->log = log;
	status->counted = NAN;
	if (parse_sources(settings->metrics_urls, status->sources, &status->count) != NULL ||
		http_many_open(settings->program, SOURCES_MAX, &status->http) != DAEMON_OK)
		goto failed;
	for (int i = 0; i < status->count; i++)
		figures_start(&status->sources[i].figures);
	status->has_database = settings->pg != NULL;
	if (status->has_database && status_database_open(&status->database, settings->pg,
													 settings->pipeline, log, signals) != DAEMON_OK)
		goto failed;
	return status;

failed:
	status_close(status);
	return NULL;
}

void
status_close(Status *status)
{
	if (status == NULL)
		return;
	http_many_close(status->http);
	for (int i = 0; i < status->count; i++)
		free_source(&status->sources[i]);
	if (status->has_database)
		status_database_close(&status->database);
	free(status);
}

static void
ask_sources(Status *status)
{
	status->next = clock_milliseconds() + ASK_MS;
	for (int i = 0; i < status->count; i++)
	{
		Source	   *source = &status->sources[i];
		HttpRequest request = {.method = "GET",
							   .url = source->url,
							   .total_timeout_ms = ANSWER_MS,
							   .response_limit = ANSWER_BYTES};

		if (source->asked)
			continue;
		source->asked = true;
		http_many_start(status->http, &request, source);
	}
}

static void
take_answer(Status *status, const HttpAnswer *answer)
{
	Source *source = answer->tag;
	bool	up = answer->status == DAEMON_OK && answer->response.status == 200;

	source->asked = false;
	if (!up && source->up)
		log_warning(status->log, "a daemon does not tell its metrics",
					LOG_TEXT("source", source->name), LOG_TEXT("problem", answer->problem));
	source->heard = true;
	source->up = up;
	figures_free(&source->figures);
	figures_start(&source->figures);
	if (up)
		figures_read(&source->figures, answer->response.body);
}

static void
sum_up(const Status *status, Figures *figures)
{
	figures_start(figures);
	for (int i = 0; i < status->count; i++)
		figures_add(figures, &status->sources[i].figures);
}

/* Daemons count since they started; that the count has grown tells of an ingest. */
static void
watch_ingest(Status *status)
{
	Figures figures;

	sum_up(status, &figures);
	if (figures.records > status->counted)
		status->last_ingest = time(NULL);
	if (!isnan(figures.records))
		status->counted = figures.records;
	figures_free(&figures);
}

/* ---- telling ---- */

static json_t *
known_number(double number)
{
	return isnan(number) ? json_null() : json_integer((json_int_t) number);
}

/* What PostgreSQL keeps counts more than what daemons have counted since they started. */
static void
prefer_database(const Status *status, Figures *figures, double *last_ingest)
{
	const StatusDatabase *database = &status->database;

	if (!status->has_database || !database->known)
		return;
	figures->records = database->figures.records;
	figures->duplicates = database->figures.duplicates;
	figures->mirror_age = database->figures.mirror_age;
	json_decref(figures->rejected);
	figures->rejected = json_incref(database->figures.rejected);
	*last_ingest = database->last_ingest;
}

static void
add_problem(json_t *problems, const char *format, const char *name)
{
	char text[256];

	snprintf(text, sizeof(text), format, name);
	json_array_append_new(problems, json_string(text));
}

static json_t *
make_problems(const Status *status)
{
	json_t *problems = json_array();

	if (!status->store->up)
		add_problem(problems, "the store, %s, can not be reached", status->store->name);
	if (status->has_database && status->database.failed)
		add_problem(problems, "%s does not tell how the pipeline is", "PostgreSQL");
	for (int i = 0; i < status->count; i++)
	{
		const Source *source = &status->sources[i];
		json_t		 *away;
		size_t		  number;

		if (source->heard && !source->up)
			add_problem(problems, "%s does not answer", source->name);
		json_array_foreach (source->figures.away, number, away)
		{
			char text[256];

			snprintf(text, sizeof(text), "%.100s does not reach %.100s", source->name,
					 json_string_value(away));
			json_array_append_new(problems, json_string(text));
		}
	}
	return problems;
}

static json_t *
make_sources(const Status *status)
{
	json_t *sources = json_array();

	for (int i = 0; i < status->count; i++)
		json_array_append_new(sources, json_pack("{s:s, s:b}", "name", status->sources[i].name,
												 "up", status->sources[i].up));
	return sources;
}

static json_t *
make_status(const Status *status)
{
	double	last_ingest = status->last_ingest != 0 ? (double) status->last_ingest : NAN;
	Figures figures;
	json_t *answer;

	sum_up(status, &figures);
	prefer_database(status, &figures, &last_ingest);
	answer = json_pack(
		"{s:s, s:b, s:I, s:s?, s:o, s:o, s:o, s:o, s:o, s:O, s:o, s:o}", "store",
		status->store->name, "store_up", status->store->up, "now", (json_int_t) time(NULL),
		"pipeline", status->has_database ? status->settings->pipeline : NULL, "last_ingest",
		known_number(last_ingest), "lag_records", known_number(figures.lag), "mirror_age_seconds",
		isnan(figures.mirror_age) ? json_null() : json_real(figures.mirror_age), "records",
		known_number(figures.records), "duplicates", known_number(figures.duplicates), "rejected",
		figures.rejected, "sources", make_sources(status), "problems", make_problems(status));
	figures_free(&figures);
	return answer;
}

void
status_answer(void *context, Exchange *exchange)
{
	static const ExchangeHeader headers[] = {
		{"content-type", "application/json"}, {"cache-control", "no-store"}, {NULL, NULL}};
	json_t *answer = make_status(context);
	char   *text = answer != NULL ? json_dumps(answer, JSON_COMPACT) : NULL;

	if (text != NULL)
		exchange_respond(exchange, 200, headers, text, strlen(text));
	else
		exchange_respond(exchange, 500, NULL, "", 0);
	free(text);
	json_decref(answer);
}

/* ---- the loop ---- */

void
status_prepare(const Status *status, Wait *wait)
{
	int timeout = http_many_timeout(status->http);

	if (status->has_database)
		status_database_prepare(&status->database, wait);
	if (status->count == 0)
		return;
	wait_on(wait, http_many_fd(status->http), POLLIN);
	wait_until(wait, status->next);
	if (timeout >= 0)
		wait_until(wait, clock_milliseconds() + timeout);
}

void
status_dispatch(Status *status)
{
	HttpAnswer answer;
	bool	   any = false;

	if (status->has_database)
		status_database_dispatch(&status->database);
	if (status->count == 0)
		return;
	http_many_dispatch(status->http);
	for (; http_many_next(status->http, &answer); any = true)
		take_answer(status, &answer);
	if (any)
		watch_ingest(status);
	if (clock_left(status->next) == 0)
		ask_sources(status);
}
