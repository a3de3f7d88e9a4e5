/*
 * table.h
 *	  The table's keys: pk (S) and sk (N), and no other.
 *
 * A table keyed by pk alone would take every row, each in the place of the one before.
 */
#ifndef DDB_SYNC_TABLE_H
#define DDB_SYNC_TABLE_H

#include "daemon/backoff.h"
#include "sync.h"

/* Does what DescribeTable answered as Table have just these keys? */
extern bool table_has_keys(const json_t *table);

/*
 * Look at them once.  OK with *checked: they are right, or these credentials may not look, which is logged.  OK without:
 * DynamoDB is away, and after a pause it is time to try again; or a stop was requested.  FATAL: logged.
 */
extern DaemonStatus table_check(const SyncParts *parts, Backoff *backoff, bool *checked);

#endif /* DDB_SYNC_TABLE_H */
