/*
 * create_table.h
 *	  --create-table: the table as the mirror needs it.
 */
#ifndef DDB_SYNC_CREATE_TABLE_H
#define DDB_SYNC_CREATE_TABLE_H

#include "sync.h"

/*
 * Create the table, unless it exists; wait until it can be used; check its keys; have it forget
 * rows after their ttl.  OK also when all that was so before.  RETRY: a stop was
 * requested.  FATAL, logged.
 */
extern DaemonStatus create_table_run(const SyncParts *parts);

#endif /* DDB_SYNC_CREATE_TABLE_H */
