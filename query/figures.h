/*
 * figures.h
 *	  The few figures of a daemon's /metrics that tell how a pipeline is.
 *
 * Must not know where the text comes from.
 */
#ifndef QUERY_FIGURES_H
#define QUERY_FIGURES_H

#include <jansson.h>

/* NAN is what nobody says.  Counters count since their daemon started. */
typedef struct Figures
{
	double	records;
	double	duplicates;
	double	lag;		/* records between the stored positions and the ends of the partitions */
	double	mirror_age; /* seconds since the oldest change that is not mirrored */
	json_t *rejected;	/* object: reason and number */
	json_t *away;		/* array: names of dependencies that a daemon does not reach */
} Figures;

extern void figures_start(Figures *figures);
extern void figures_free(Figures *figures);

/* Add what a text in the Prometheus format says; lines that say nothing of interest are passed over. */
extern void figures_read(Figures *figures, const char *text);

/* Add others; ages do not add up, the largest counts. */
extern void figures_add(Figures *figures, const Figures *others);

extern void figures_add_rejected(Figures *figures, const char *reason, double number);

#endif /* QUERY_FIGURES_H */
