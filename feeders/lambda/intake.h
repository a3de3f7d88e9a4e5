/*
 * intake.h
 *	  The records of an event into a batch: taken apart, identified, rejected where need be.
 *
 * Must not know invocations, nor a connection.
 */
#ifndef LAMBDA_INTAKE_H
#define LAMBDA_INTAKE_H

#include <stdbool.h>

#include "feed/batch.h"
#include "kinesis.h"

#define INTAKE_SOURCE_SIZE 256

/*
 * One record of Kinesis, or every one within an aggregate, into the batch: counted or rejected at the time now (Unix
 * milliseconds).  Its id is ARN/SHARD/SEQUENCE, followed by /NUMBER within an aggregate.  False when out of memory.
 */
extern bool intake_take(FeedBatch *batch, const KinesisRecord *record, int64_t now);

/* The name of the stream that the event is of, for people; "kinesis" where it says none. */
extern void intake_source(const KinesisEvent *event, char source[INTAKE_SOURCE_SIZE]);

#endif /* LAMBDA_INTAKE_H */
