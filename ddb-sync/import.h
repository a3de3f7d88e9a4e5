/*
 * import.h
 *	  --import: rows that Murmur wrote, taken over into the pipeline.
 */
#ifndef DDB_SYNC_IMPORT_H
#define DDB_SYNC_IMPORT_H

#include "sync.h"

/*
 * Read the whole table, and add each row that no topk wrote and that is within the retention
 * to its window, once.  OK: all that could be is in PostgreSQL.  RETRY: a stop was requested; what
 * was imported until then is.  FATAL, logged: some rows could not be read, or a lasting error.
 */
extern DaemonStatus import_run(const SyncParts *parts);

#endif /* DDB_SYNC_IMPORT_H */
