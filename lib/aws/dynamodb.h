/*
 * dynamodb.h
 *	  Many requests to DynamoDB at once, and what its answers mean.
 *
 *	dynamodb_start(dynamodb, "PutItem", body, tag);		... as often as dynamodb_free_slots allows
 *	dynamodb_wait(dynamodb, fds, count, timeout);
 *	while (dynamodb_next(dynamodb, &answer))
 *		...
 *
 * Must not know PostgreSQL, what is in a request, nor when to try again.
 */
#ifndef AWS_DYNAMODB_H
#define AWS_DYNAMODB_H

#include <poll.h>
#include <stdint.h>

#include <jansson.h>

#include "aws/credentials.h"
#include "aws/items.h"
#include "daemon/log.h"
#include "daemon/status.h"

typedef struct DynamoDb DynamoDb;

typedef struct DynamoDbSettings
{
	const char *program;
	const char *endpoint; /* NULL: AWS's for the region */
	const char *region;
	const char *table;
	int			slots;		/* requests under way at most */
	int			timeout_ms; /* for one request; 0: HttpRequest's */
	bool		items;		/* those of answers are wanted as items, not in the json */
} DynamoDbSettings;

typedef enum DynamoDbVerdict
{
	DYNAMODB_DONE,
	DYNAMODB_CONDITION, /* the condition does not hold; json has the Item in the way */
	DYNAMODB_REFUSED,	/* this request will never be taken; type says why */
	DYNAMODB_THROTTLED, /* try again later */
	DYNAMODB_AWAY,		/* so too; whether it was carried out is unknown */
	DYNAMODB_FATAL		/* only a person can mend it */
} DynamoDbVerdict;

typedef struct DynamoDbAnswer
{
	void		   *tag; /* what dynamodb_start was given */
	DynamoDbVerdict verdict;
	double			seconds; /* since dynamodb_start */
	/* these live until the next answer, or the next call of dynamodb_start, dynamodb_wait or dynamodb_dispatch */
	const json_t *json;	   /* NULL unless DONE, CONDITION or REFUSED */
	const Items	 *items;   /* none unless the settings want them */
	const char	 *type;	   /* the error's name, "" if it has none */
	const char	 *problem; /* one line, without a full stop; "" with DONE */
	const char	 *hint;	   /* what to do, with FATAL */
} DynamoDbAnswer;

/* All arguments must outlive it.  FATAL, logged, without memory. */
extern DaemonStatus dynamodb_open(const DynamoDbSettings *settings, Credentials *credentials,
								  const Log *log, DynamoDb **dynamodb);
extern void			dynamodb_close(DynamoDb *dynamodb);

extern int dynamodb_free_slots(const DynamoDb *dynamodb);

/* Begin an operation ("PutItem", a constant); body, malloc'ed, is taken over.  There must be a free slot. */
extern void dynamodb_start(DynamoDb *dynamodb, const char *operation, char *body, void *tag);

/* As http_many_wait. */
extern void dynamodb_wait(DynamoDb *dynamodb, struct pollfd *fds, int count, int timeout_ms);

/* As http_many_fd, http_many_timeout and http_many_dispatch, in place of it. */
extern int	dynamodb_fd(const DynamoDb *dynamodb);
extern int	dynamodb_timeout(const DynamoDb *dynamodb);
extern void dynamodb_dispatch(DynamoDb *dynamodb);

/* The next answer; false if there is none. */
extern bool dynamodb_next(DynamoDb *dynamodb, DynamoDbAnswer *answer);

/* Capacity units that it says the request took, if that was asked for. */
extern double dynamodb_consumed_units(const DynamoDbAnswer *answer);

/* The table that it was opened for. */
extern const char *dynamodb_table(const DynamoDb *dynamodb);

#endif /* AWS_DYNAMODB_H */
