/*
 * emf.h
 *	  Metrics of one invocation in CloudWatch's embedded metric format: a line of JSON in the log.
 *
 * Must not know how the numbers come about.  Follows "Specification: Embedded metric format" of the
 * Amazon CloudWatch User Guide.
 */
#ifndef LAMBDA_EMF_H
#define LAMBDA_EMF_H

#include <stdint.h>

/* Where metrics go, and what tells them apart. */
typedef struct EmfScope
{
	int			fd;
	const char *name_space;
	const char *function; /* NULL: no dimension */
	const char *pipeline;
} EmfScope;

typedef struct EmfNumbers
{
	int64_t records; /* in the batch, those within aggregates each */
	int64_t counted;
	int64_t duplicates;
	int64_t rejected;
	int64_t failed;		  /* records of Kinesis that will be delivered again */
	int64_t milliseconds; /* from the invocation to its answer */
	int64_t age;		  /* milliseconds since the oldest arrived; negative: unknown */
} EmfNumbers;

/* Write one line, in one write(2).  Errors are ignored, as a log's are. */
extern void emf_write(const EmfScope *scope, int64_t unix_milliseconds, const EmfNumbers *numbers);

#endif /* LAMBDA_EMF_H */
