/*
 * pipeline.h
 *	  What both feeders ask of topk_pipeline beside taking a batch.
 *
 * Must not know where records come from.
 */
#ifndef FEEDERS_PIPELINE_H
#define FEEDERS_PIPELINE_H

#include "daemon/pg.h"
#include "feed/batch.h"
#include "feed/ingest.h"

/* SQLSTATE of ingest and ingest_records: one of the batch's windows is full, and nothing was counted. */
#define PIPELINE_SQLSTATE_FULL "TK002"

/* The settings of a pipeline.  FATAL, logged with a hint, when there is none of this name. */
extern DaemonStatus pipeline_settings(PgSession *session, const char *pipeline,
									  FeedSettings *settings);

/*
 * After that SQLSTATE: add to full which of the prepared batch's windows are, so that batches made from
 * now on reject what belongs to them.
 */
extern DaemonStatus pipeline_find_full(PgSession *session, const Log *log, const char *pipeline,
									   const FeedIngest *ingest, FeedFullWindows *full);

#endif /* FEEDERS_PIPELINE_H */
