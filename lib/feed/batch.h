/*
 * batch.h
 *	  A batch: the counts, the rejected records and the source positions that
 *	  become one transaction.
 *
 * Must not know Kafka, Lambda or a connection.  Memory is kept from one batch
 * to the next where that is possible.
 */
#ifndef FEED_BATCH_H
#define FEED_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "feed/event.h"
#include "feed/full_windows.h"
#include "mg/mg.h"

/* What the pipeline asks of those who feed it (topk_pipeline.settings). */
typedef struct FeedSettings
{
	int		 k;		   /* published */
	int		 counters; /* held per summary */
	int64_t	 window_seconds;
	int64_t	 retention_seconds;
	int64_t	 max_ahead_seconds; /* how far in the future an event may lie */
	uint32_t summary_type;		/* OID of topk_summary */
} FeedSettings;

/* The weight with which a batch is full: as much as a window that is not full has room for (topk_pipeline.is_full). */
#define FEED_BATCH_WEIGHT_MAX (INT64_C(1) << 56)

/* In which form the counts of a batch go to the server. */
typedef enum FeedForm
{
	FEED_SUMMARIES, /* one summary for each window (topk_pipeline.ingest) */
	FEED_RECORDS /* each record, by whose id the server knows what it has counted (ingest_records) */
} FeedForm;

/* No position is stored yet. */
#define FEED_NO_POSITION INT64_C(-1)

/* Positions of this shard are not stored: nothing but ids protects from counting it twice. */
#define FEED_POSITION_NOT_KEPT INT64_C(-2)

/* Room for a position as text: Kinesis has up to 129 digits. */
#define FEED_POSITION_SIZE 136

/* How far a batch moves one shard (a Kafka partition, a Kinesis shard). */
typedef struct FeedShard
{
	char	name[128];
	int64_t from; /* stored position that the batch builds on, or one of the two above */
	int64_t to;	  /* the next position to read */

	/* The last record in the batch, by which a source is recognised later; FEED_NO_POSITION: there is none. */
	int64_t last;
	int64_t last_time; /* Unix milliseconds, or FEED_NO_TIME */
} FeedShard;

/* What was counted for one (key, bucket). */
typedef struct FeedWindow FeedWindow;
struct FeedWindow
{
	FeedWindow *next;
	MgSummary  *summary; /* NULL with FEED_RECORDS */
	int64_t		records;
	int64_t		bucket; /* floor(unix seconds / window_seconds) */
	size_t		key_length;
	const char *key; /* ends with a NUL */
};

/* With FEED_RECORDS: a record that is to be counted, unless its id was seen before. */
typedef struct FeedCounted FeedCounted;
struct FeedCounted
{
	FeedCounted		 *next;
	const FeedWindow *window;
	int64_t			  weight;
	int64_t			  id_time; /* the record's own: Unix milliseconds, or FEED_NO_TIME */
	const char		 *item;
	const char		 *id; /* NULL: always counted */
	uint32_t		  item_length;
	uint32_t		  id_length;
};

/* A record as it came, before anybody looked into it. */
typedef struct FeedRecord
{
	int			shard; /* from feed_batch_shard */
	int64_t		position;
	const char *sequence; /* the position as text, where it is no 64-bit number; else NULL */
	int64_t		time;	  /* Unix milliseconds, or FEED_NO_TIME */
	const void *key;	  /* the message's own key, may be NULL */
	size_t		key_length;
	const void *payload; /* may be NULL */
	size_t		payload_length;

	/*
	 * With FEED_RECORDS, what the source calls the record, whenever it delivers it: UTF-8 without
	 * NUL, or NULL.  The id in the event, where a field is mapped to it, goes before.
	 */
	const char *id;
	size_t		id_length;
} FeedRecord;

/* A record that can't be counted, whole. */
typedef struct FeedRejected
{
	int		   shard;
	char	   position[FEED_POSITION_SIZE];
	int64_t	   time; /* Unix milliseconds, or FEED_NO_TIME */
	FeedReason reason;
	char	  *detail;
	void	  *key; /* NULL: none */
	size_t	   key_length;
	void	  *payload; /* NULL: none */
	size_t	   payload_length;
	char	  *id; /* of FeedRecord; NULL: none */
	size_t	   id_length;
	int64_t	   id_time; /* the record's own: Unix milliseconds, or FEED_NO_TIME */
} FeedRejected;

/* A header of a message that was rejected; their list is in the order of the records. */
typedef struct FeedHeader
{
	int			rejected; /* index of the record */
	const char *name;
	size_t		name_length;
	const void *value; /* NULL: none */
	size_t		value_length;
} FeedHeader;

typedef struct FeedBatch FeedBatch;

/*
 * An empty batch.  settings, fields and full, the windows that take nothing more, must outlive
 * it, and may change while it is empty.  NULL when out of memory.
 */
extern FeedBatch *feed_batch_create(const FeedSettings *settings, const FeedFields *fields,
									const FeedFullWindows *full, FeedForm form);
extern void		  feed_batch_free(FeedBatch *batch);

/* Make it empty again. */
extern void feed_batch_reset(FeedBatch *batch);

/*
 * Announce a shard, once a batch, with its stored position; returns the
 * number by which records name it, or -1 when out of memory.
 */
extern int feed_batch_shard(FeedBatch *batch, const char *name, int64_t from);

/* The shard was read up to this position, whether its last record is in the batch or there was none. */
extern void feed_batch_advance(FeedBatch *batch, int shard, int64_t position);

/*
 * Count one record, or reject it, and move its shard past it.  now is the
 * time (Unix milliseconds) that the retention is measured against.  Returns
 * false when out of memory; the record is then not in the batch.
 */
extern bool feed_batch_take(FeedBatch *batch, const FeedRecord *record, int64_t now);

/*
 * Keep a header of the message with the record that was rejected last; value may
 * be NULL.  Returns false when out of memory.
 */
extern bool feed_batch_keep_header(FeedBatch *batch, const char *name, size_t name_length,
								   const void *value, size_t value_length);

/*
 * Reject one record without looking into it, because its source already knows that it can't be
 * used, and move its shard past it.  Returns false when out of memory.
 */
extern bool feed_batch_refuse(FeedBatch *batch, const FeedRecord *record, FeedReason reason,
							  const char *detail);

/* ---- what is in it ---- */

extern FeedForm feed_batch_form(const FeedBatch *batch);
extern int64_t	feed_batch_records(const FeedBatch *batch); /* counted and rejected */
extern int64_t	feed_batch_weight(const FeedBatch *batch);	/* of all that is counted */
extern size_t	feed_batch_bytes(const FeedBatch *batch);	/* memory that grows with the records */
extern int		feed_batch_shard_count(const FeedBatch *batch);
extern const FeedShard	  *feed_batch_shards(const FeedBatch *batch);
extern const FeedWindow	  *feed_batch_windows(const FeedBatch *batch); /* a list; NULL: none */
extern const FeedCounted  *feed_batch_counted(const FeedBatch *batch); /* a list; NULL: none */
extern int				   feed_batch_rejected_count(const FeedBatch *batch);
extern const FeedRejected *feed_batch_rejected(const FeedBatch *batch);
extern int				   feed_batch_header_count(const FeedBatch *batch);
extern const FeedHeader	  *feed_batch_headers(const FeedBatch *batch);
extern const FeedSettings *feed_batch_settings(const FeedBatch *batch);

#endif /* FEED_BATCH_H */
