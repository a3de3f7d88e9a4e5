/*
 * sync.h
 *	  The loop of topk-ddb-sync: changed windows from PostgreSQL to DynamoDB.
 */
#ifndef DDB_SYNC_SYNC_H
#define DDB_SYNC_SYNC_H

#include "aws/credentials.h"
#include "config.h"
#include "daemon/metrics.h"
#include "daemon/pg.h"
#include "daemon/signals.h"
#include "daemon/status.h"
#include "aws/dynamodb.h"

/* What the loop works with; owned by the caller. */
typedef struct SyncParts
{
	const Config *config;
	const Log	 *log;
	Signals		 *signals;
	Metrics		 *metrics;
	PgSession	 *session; /* calls mirror_prepare on connecting */
	Credentials	 *credentials;
	DynamoDb	 *dynamodb; /* not used with --dry-run */
} SyncParts;

/*
 * Run until a stop is requested or, with --once and --dry-run, until nothing
 * is left to do: OK.  FATAL (logged) on an error that no waiting mends, and with
 * --once when a window could not be mirrored.
 */
extern DaemonStatus sync_run(const SyncParts *parts);

#endif /* DDB_SYNC_SYNC_H */
