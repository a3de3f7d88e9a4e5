/*
 * verify.h
 *	  --verify: are the rows what PostgreSQL says they should be?
 */
#ifndef DDB_SYNC_VERIFY_H
#define DDB_SYNC_VERIFY_H

#include "sync.h"

/*
 * Compare all windows with their rows; log each that differs, and with
 * take_over have it offered again.  A window with a change that is yet to be mirrored
 * is counted apart.  OK: none differs, or all that do were offered again.
 * FATAL, logged: some differ, or a lasting error.
 */
extern DaemonStatus verify_run(const SyncParts *parts);

#endif /* DDB_SYNC_VERIFY_H */
