-- Records that can not be counted are kept, whole.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS topk_pipeline CASCADE;
RESET client_min_messages;
\set SHOW_CONTEXT never

SELECT topk_pipeline.create('rejected');

SELECT topk_pipeline.ingest('rejected', 'kafka:clicks', '{0,1}', '{NULL,NULL}', '{43,8}', '{}', '{}', '{}', '{}',
	'{0,0,1}', '{41,42,7}', ARRAY['2026-11-24 10:00:00Z', '2026-11-24 10:00:01Z', NULL]::timestamptz[],
	'{invalid JSON,no entity,invalid JSON}', ARRAY['unexpected token near end of file', NULL, NULL],
	ARRAY['user-7', NULL, '']::bytea[], ARRAY['{"entity_id":', '{}', NULL]::bytea[]);
-- a Kinesis position has more digits than a bigint
SELECT topk_pipeline.ingest('rejected', 'kinesis:clicks', '{}', '{}', '{}', '{}', '{}', '{}', '{}',
	'{shardId-000000000000}', '{49590338271490256608559692538361571095921575989136588898}', '{NULL}',
	'{not an object}', '{NULL}', '{NULL}', ARRAY['\x00ff'::bytea]);

SELECT source, shard, position, event_time AT TIME ZONE 'UTC' AS event_time, reason, detail, message_key, payload
  FROM topk_pipeline.rejected_record WHERE pipeline = 'rejected' ORDER BY rejected_id;
SELECT pipeline, reason, records, first_rejected_at <= last_rejected_at AS dated
  FROM topk_pipeline.rejected_by_reason WHERE pipeline = 'rejected' ORDER BY reason;
SELECT windows, records, rejected, last_ingest_at FROM topk_pipeline.status WHERE pipeline = 'rejected';
-- the position moved past them
SELECT * FROM topk_pipeline.positions('rejected', 'kafka:clicks', '{0,1}');

-- a record without a reason, or at no position, fails the whole batch
\set VERBOSITY sqlstate
SELECT topk_pipeline.ingest('rejected', 'kafka:clicks', '{0}', '{43}', '{44}', '{}', '{}', '{}', '{}',
	'{0}', '{43}', '{NULL}', '{NULL}', '{NULL}', '{NULL}', '{NULL}');
SELECT topk_pipeline.ingest('rejected', 'kafka:clicks', '{0}', '{43}', '{44}', '{}', '{}', '{}', '{}',
	'{0}', '{here}', '{NULL}', '{odd}', '{NULL}', '{NULL}', '{NULL}');
\set VERBOSITY default
SELECT * FROM topk_pipeline.positions('rejected', 'kafka:clicks', '{0}');

SELECT topk_pipeline.drop('rejected');
