/*
 * figures.c
 *	  Reads the text format of Prometheus, as far as the daemons here write it: a sample a line, no
 *	  time, labels without escapes.
 */
#include "figures.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LABEL_MAX 100

void
figures_start(Figures *figures)
{
	*figures = (Figures) {.records = NAN,
						  .duplicates = NAN,
						  .lag = NAN,
						  .mirror_age = NAN,
						  .rejected = json_object(),
						  .away = json_array()};
}

void
figures_free(Figures *figures)
{
	json_decref(figures->rejected);
	json_decref(figures->away);
	*figures = (Figures) {0};
}

static double
add_known(double a, double b)
{
	return isnan(a) ? b : isnan(b) ? a : a + b;
}

void
figures_add_rejected(Figures *figures, const char *reason, double number)
{
	double before = json_number_value(json_object_get(figures->rejected, reason));

	json_object_set_new(figures->rejected, reason, json_integer((json_int_t) (before + number)));
}

void
figures_add(Figures *figures, const Figures *others)
{
	const char *reason;
	json_t	   *number;

	figures->records = add_known(figures->records, others->records);
	figures->duplicates = add_known(figures->duplicates, others->duplicates);
	figures->lag = add_known(figures->lag, others->lag);
	figures->mirror_age = fmax(figures->mirror_age, others->mirror_age); /* unless NAN */
	json_object_foreach (others->rejected, reason, number)
		figures_add_rejected(figures, reason, json_number_value(number));
	json_array_extend(figures->away, others->away);
}

/* ---- lines ---- */

/* The value of the sample if the line is one of this family; else NAN. */
static double
sample_of(const char *line, size_t length, const char *family)
{
	size_t		name = strlen(family);
	const char *end = line + length;
	const char *value = end;
	char	   *stop;
	double		number;

	if (length <= name || strncmp(line, family, name) != 0 ||
		(line[name] != ' ' && line[name] != '{'))
		return NAN;
	while (value > line + name && value[-1] != ' ')
		value--;
	number = strtod(value, &stop);
	return stop == end && stop != value && isfinite(number) ? number : NAN;
}

/* What stands between the quotes of the line's label; "" if there is none. */
static void
label_of(const char *line, size_t length, const char *name, char label[LABEL_MAX])
{
	const char *end = line + length;
	const char *start = memmem(line, length, name, strlen(name));
	const char *stop = NULL;

	label[0] = '\0';
	if (start == NULL)
		return;
	start += strlen(name);
	stop = memchr(start, '"', (size_t) (end - start));
	if (stop == NULL || stop - start >= LABEL_MAX)
		return;
	memcpy(label, start, (size_t) (stop - start));
	label[stop - start] = '\0';
}

static void
read_line(Figures *figures, const char *line, size_t length)
{
	char   label[LABEL_MAX];
	double rejected = sample_of(line, length, "topk_feeder_records_rejected_total");
	double up = sample_of(line, length, "topk_dependency_up");

	figures->records =
		add_known(figures->records, sample_of(line, length, "topk_feeder_records_counted_total"));
	figures->duplicates = add_known(figures->duplicates,
									sample_of(line, length, "topk_feeder_records_duplicate_total"));
	figures->lag = add_known(figures->lag, sample_of(line, length, "kafka_consumergroup_lag"));
	figures->mirror_age =
		fmax(figures->mirror_age, sample_of(line, length, "topk_mirror_oldest_unmirrored_seconds"));
	if (!isnan(rejected))
	{
		label_of(line, length, "reason=\"", label);
		figures_add_rejected(figures, label, rejected);
	}
	if (up == 0)
	{
		label_of(line, length, "dependency=\"", label);
		json_array_append_new(figures->away, json_string(label));
	}
}

void
figures_read(Figures *figures, const char *text)
{
	while (*text != '\0')
	{
		size_t length = strcspn(text, "\n");

		if (*text != '#')
			read_line(figures, text, length);
		text += length;
		text += *text == '\n';
	}
}
