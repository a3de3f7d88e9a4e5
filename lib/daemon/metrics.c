/*
 * metrics.c
 *	  The metrics themselves and how they are written; metrics_http.c serves them.
 *
 * Must not know HTTP, nor what is counted.
 */
#include "daemon/metrics_internal.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/clock.h"

#define METRICS_DEPENDENCIES_MAX 8

struct Metric
{
	const char	  *name;
	const char	  *help;
	const char	  *type;   /* "counter" or "gauge" */
	char		  *labels; /* {name="value"} as it is written, or "" */
	_Atomic double value;
	Metric		  *next;
};

typedef struct Dependency
{
	const char *name;
	bool		reached;
} Dependency;

struct MetricsState
{
	pthread_mutex_t lock; /* of all but the values */
	Metric		   *first;
	Dependency		dependencies[METRICS_DEPENDENCIES_MAX];
	int				dependency_count;
	int64_t			stall_ms;
	_Atomic int64_t progress; /* clock_milliseconds of the last metrics_progress */
};

MetricsState *
metrics_state_create(int stall_seconds)
{
	MetricsState *state = calloc(1, sizeof(*state));

	if (state == NULL)
		return NULL;
	pthread_mutex_init(&state->lock, NULL);
	state->stall_ms = (int64_t) stall_seconds * 1000;
	state->progress = clock_milliseconds();
	return state;
}

static void
metric_free(Metric *metric)
{
	free(metric->labels);
	free(metric);
}

void
metrics_state_free(MetricsState *state)
{
	while (state->first != NULL)
	{
		Metric *metric = state->first;

		state->first = metric->next;
		metric_free(metric);
	}
	pthread_mutex_destroy(&state->lock);
	free(state);
}

/* ---- registering ---- */

static void
write_label_value(FILE *file, const char *value)
{
	for (; *value != '\0'; value++)
		switch (*value)
		{
			case '\\':
			case '"':
				fprintf(file, "\\%c", *value);
				break;
			case '\n':
				fputs("\\n", file);
				break;
			default:
				fputc(*value, file);
		}
}

/* A new string, or NULL without memory. */
static char *
format_labels(const char *const *labels)
{
	char  *text = NULL;
	size_t length;
	FILE  *file;

	if (labels == NULL || labels[0] == NULL)
		return strdup("");
	file = open_memstream(&text, &length);
	if (file == NULL)
		return NULL;
	for (int i = 0; labels[i] != NULL; i += 2)
	{
		fprintf(file, "%c%s=\"", i == 0 ? '{' : ',', labels[i]);
		write_label_value(file, labels[i + 1]);
		fputc('"', file);
	}
	fputc('}', file);
	fclose(file);
	return text;
}

/* A new metric at the end of the list; takes over labels. */
static Metric *
append_metric(MetricsState *state, const char *type, const char *name, const char *help,
			  char *labels)
{
	Metric	*metric = calloc(1, sizeof(*metric));
	Metric **end = &state->first;

	if (metric == NULL)
	{
		free(labels);
		return NULL;
	}
	*metric = (Metric) {.name = name, .help = help, .type = type, .labels = labels};
	while (*end != NULL)
		end = &(*end)->next;
	*end = metric;
	return metric;
}

static Metric *
find_or_add(Metrics *metrics, const char *type, const char *name, const char *help,
			const char *const *labels)
{
	MetricsState *state = metrics_state(metrics);
	char		 *text = state != NULL ? format_labels(labels) : NULL;
	Metric		 *metric;

	if (text == NULL)
		return NULL;
	pthread_mutex_lock(&state->lock);
	for (metric = state->first; metric != NULL; metric = metric->next)
		if (strcmp(metric->name, name) == 0 && strcmp(metric->labels, text) == 0)
			break;
	if (metric != NULL)
		free(text);
	else
		metric = append_metric(state, type, name, help, text);
	pthread_mutex_unlock(&state->lock);
	return metric;
}

Metric *
metrics_counter(Metrics *metrics, const char *name, const char *help, const char *const *labels)
{
	return find_or_add(metrics, "counter", name, help, labels);
}

Metric *
metrics_gauge(Metrics *metrics, const char *name, const char *help, const char *const *labels)
{
	return find_or_add(metrics, "gauge", name, help, labels);
}

void
metrics_remove(Metrics *metrics, Metric *metric)
{
	MetricsState *state = metrics_state(metrics);

	if (state == NULL || metric == NULL)
		return;
	pthread_mutex_lock(&state->lock);
	for (Metric **link = &state->first; *link != NULL; link = &(*link)->next)
		if (*link == metric)
		{
			*link = metric->next;
			metric_free(metric);
			break;
		}
	pthread_mutex_unlock(&state->lock);
}

void
metric_add(Metric *metric, double amount)
{
	double seen;

	if (metric == NULL)
		return;
	/* += on an atomic double would need libatomic */
	seen = atomic_load(&metric->value);
	while (!atomic_compare_exchange_weak(&metric->value, &seen, seen + amount))
		;
}

void
metric_set(Metric *metric, double value)
{
	if (metric != NULL)
		metric->value = value;
}

/* ---- health ---- */

void
metrics_progress(Metrics *metrics)
{
	MetricsState *state = metrics_state(metrics);

	if (state != NULL)
		state->progress = clock_milliseconds();
}

void
metrics_ready(Metrics *metrics, const char *dependency, bool reached)
{
	MetricsState *state = metrics_state(metrics);
	int			  i;

	if (state == NULL)
		return;
	pthread_mutex_lock(&state->lock);
	for (i = 0; i < state->dependency_count; i++)
		if (strcmp(state->dependencies[i].name, dependency) == 0)
			break;
	if (i < METRICS_DEPENDENCIES_MAX)
	{
		state->dependencies[i] = (Dependency) {.name = dependency, .reached = reached};
		if (i == state->dependency_count)
			state->dependency_count++;
	}
	pthread_mutex_unlock(&state->lock);
}

/* ---- writing ---- */

bool
metrics_write_health(MetricsState *state, FILE *file)
{
	int64_t idle = clock_milliseconds() - state->progress;
	bool	healthy = idle <= state->stall_ms;

	fprintf(file, "%s: last progress %.1f s ago\n", healthy ? "ok" : "stalled",
			(double) idle / 1000);
	return healthy;
}

bool
metrics_write_readiness(MetricsState *state, FILE *file)
{
	bool ready;

	pthread_mutex_lock(&state->lock);
	ready = state->dependency_count > 0;
	for (int i = 0; i < state->dependency_count; i++)
	{
		ready = ready && state->dependencies[i].reached;
		fprintf(file, "%s: %s\n", state->dependencies[i].name,
				state->dependencies[i].reached ? "reached" : "not reached");
	}
	pthread_mutex_unlock(&state->lock);
	return ready;
}

/* Was the name written with an earlier metric? */
static bool
is_first_of_family(const MetricsState *state, const Metric *metric)
{
	const Metric *earlier = state->first;

	while (earlier != metric && strcmp(earlier->name, metric->name) != 0)
		earlier = earlier->next;
	return earlier == metric;
}

static void
write_dependencies(const MetricsState *state, FILE *file)
{
	if (state->dependency_count > 0)
		fputs("# HELP topk_dependency_up 1 if the dependency is reached, 0 if it is waited for.\n"
			  "# TYPE topk_dependency_up gauge\n",
			  file);
	for (int i = 0; i < state->dependency_count; i++)
		fprintf(file, "topk_dependency_up{dependency=\"%s\"} %d\n", state->dependencies[i].name,
				state->dependencies[i].reached);
}

void
metrics_write_text(MetricsState *state, FILE *file)
{
	pthread_mutex_lock(&state->lock);
	for (const Metric *family = state->first; family != NULL; family = family->next)
	{
		if (!is_first_of_family(state, family))
			continue;
		fprintf(file, "# HELP %s %s\n# TYPE %s %s\n", family->name, family->help, family->name,
				family->type);
		for (const Metric *metric = family; metric != NULL; metric = metric->next)
			if (strcmp(metric->name, family->name) == 0)
				fprintf(file, "%s%s %.17g\n", metric->name, metric->labels, metric->value);
	}
	write_dependencies(state, file);
	pthread_mutex_unlock(&state->lock);
}
