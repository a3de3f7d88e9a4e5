/*
 * answer.h
 *	  What Lambda is told of a batch: all counted, or where to start again.
 *
 * Must not know why.
 */
#ifndef LAMBDA_ANSWER_H
#define LAMBDA_ANSWER_H

#include "kinesis.h"

/* Every record was counted or kept as rejected.  Static storage. */
extern const char *answer_success(void);

/*
 * No record was: {"batchItemFailures": [{"itemIdentifier": "495..."}, ...]} with all of them, the
 * lowest number first, from which AWS delivers again.  A new string; NULL when no such answer can
 * be given (a record has no number, there are none, or memory is out): the invocation has to fail,
 * for AWS takes an empty list for success.
 */
extern char *answer_failure(const KinesisEvent *event);

#endif /* LAMBDA_ANSWER_H */
