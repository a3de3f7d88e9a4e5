/*
 * emf.c
 *	  Metrics of one invocation in CloudWatch's embedded metric format: a line of JSON in the log.
 *
 * Must not know how the numbers come about.
 */
#include "emf.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct Metric
{
	const char *name;
	const char *unit;
	int64_t		value;
} Metric;

/* A metric: its definition into one, its value into the other. */
static bool
add_metric(json_t *definitions, json_t *document, const Metric *metric)
{
	return json_array_append_new(definitions, json_pack("{s:s, s:s}", "Name", metric->name, "Unit",
														metric->unit)) == 0 &&
		   json_object_set_new(document, metric->name, json_integer(metric->value)) == 0;
}

static json_t *
make_document(const EmfScope *scope, int64_t now, const Metric *metrics, int count)
{
	json_t *definitions = json_array();
	json_t *dimensions = json_pack("[s]", "Pipeline");
	json_t *document;
	bool	complete = true;

	if (scope->function != NULL)
		json_array_append_new(dimensions, json_string("FunctionName"));
	document = json_pack("{s:{s:I, s:[{s:s, s:[o], s:o}]}, s:s, s:s*}", "_aws", "Timestamp",
						 (json_int_t) now, "CloudWatchMetrics", "Namespace", scope->name_space,
						 "Dimensions", dimensions, "Metrics", definitions, "Pipeline",
						 scope->pipeline, "FunctionName", scope->function);
	for (int i = 0; document != NULL && i < count; i++)
		complete = complete && add_metric(definitions, document, &metrics[i]);
	if (complete)
		return document;
	json_decref(document);
	return NULL;
}

void
emf_write(const EmfScope *scope, int64_t unix_milliseconds, const EmfNumbers *numbers)
{
	Metric metrics[] = {
		{"Records", "Count", numbers->records},
		{"Counted", "Count", numbers->counted},
		{"Duplicates", "Count", numbers->duplicates},
		{"Rejected", "Count", numbers->rejected},
		{"Failed", "Count", numbers->failed},
		{"Duration", "Milliseconds", numbers->milliseconds},
		{"Age", "Milliseconds", numbers->age}, /* the last: it may be unknown */
	};
	int		count = (int) (sizeof(metrics) / sizeof(metrics[0])) - (numbers->age < 0 ? 1 : 0);
	json_t *document = make_document(scope, unix_milliseconds, metrics, count);
	char   *text = document != NULL ? json_dumps(document, JSON_COMPACT) : NULL;
	char   *line = NULL;
	int		length = text != NULL ? asprintf(&line, "%s\n", text) : -1;

	if (length > 0 && write(scope->fd, line, (size_t) length) < 0)
		length = 0; /* nobody to tell */
	if (length >= 0)
		free(line);
	free(text);
	json_decref(document);
}
