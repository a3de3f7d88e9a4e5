/*
 * kpl.h
 *	  Records that the Kinesis Producer Library packed into one, taken apart.
 *
 * Must not know what they hold.  Format: 4 bytes F3 89 9A C2, the protobuf message of
 * kpl.proto, and the MD5 of that message.
 */
#ifndef LAMBDA_KPL_H
#define LAMBDA_KPL_H

#include <stddef.h>

typedef struct KplRecord
{
	const char *partition_key; /* ends with a NUL */
	const void *data;
	size_t		length;
} KplRecord;

typedef enum KplOutcome
{
	KPL_PLAIN, /* not packed by the library, or not whole: a record like any other */
	KPL_AGGREGATED,
	KPL_OUT_OF_MEMORY /* no verdict */
} KplOutcome;

typedef struct KplAggregate KplAggregate;

/* Look at a record's data.  *aggregate is set on KPL_AGGREGATED only, and owns its records. */
extern KplOutcome kpl_open(const void *data, size_t length, KplAggregate **aggregate);
extern void		  kpl_close(KplAggregate *aggregate);

/* How many there are (at least one), and each of them. */
extern size_t	 kpl_count(const KplAggregate *aggregate);
extern KplRecord kpl_record(const KplAggregate *aggregate, size_t number);

#endif /* LAMBDA_KPL_H */
