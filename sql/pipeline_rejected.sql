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

-- headers stay with their record, in their order, as bytes
SELECT topk_pipeline.ingest('rejected', 'kafka:clicks', '{0,1}', '{43,8}', '{46,10}', '{}', '{}', '{}', '{}',
	'{0,0,1,0,1}', '{43,44,8,45,9}', '{NULL,NULL,NULL,NULL,NULL}', '{a,b,c,d,e}', '{NULL,NULL,NULL,NULL,NULL}',
	'{NULL,NULL,NULL,NULL,NULL}', ARRAY['43', '44', '8', '45', '9']::bytea[],
	'{4,2,2,2}', ARRAY['trace', 'b', 'a', 'b']::bytea[], ARRAY['\x00ff', 'one', NULL, '']::bytea[]);
SELECT reason, header_names, header_values FROM topk_pipeline.rejected_record WHERE pipeline = 'rejected' AND reason <= 'f' ORDER BY rejected_id;
SELECT reason, headers FROM topk_pipeline.rejected WHERE pipeline = 'rejected' AND headers IS NOT NULL ORDER BY reason;
-- ingest_records takes them, too, and leaves out those of a record that is a duplicate
SELECT * FROM topk_pipeline.ingest_records('rejected', 'kinesis:clicks', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}',
	'{0,0}', '{1,2}', '{NULL,NULL}', '{f,g}', '{NULL,NULL}', '{NULL,NULL}', '{NULL,NULL}',
	'{id,id}', ARRAY[now(), now()], '{1,2}', ARRAY['h', 'h']::bytea[], ARRAY['f', 'g']::bytea[]);
SELECT reason, headers FROM topk_pipeline.rejected WHERE pipeline = 'rejected' AND source = 'kinesis:clicks' AND headers IS NOT NULL;
-- arrays that do not fit together
SELECT topk_pipeline.ingest('rejected', 'kafka:clicks', '{}', '{}', '{}', '{}', '{}', '{}', '{}', rejected_header_records => '{1}');

-- dead letters: each shard's in their order, until they are reported as sent
CREATE FUNCTION pg_temp.letters(shards text[], max_records int DEFAULT 1000, max_bytes bigint DEFAULT 1000)
RETURNS TABLE (shard text, "position" text, reason text, key bytea, payload bytea, header_names bytea[]) AS
$$ SELECT shard, "position", reason, message_key, payload, header_names
	 FROM topk_pipeline.dead_letters('rejected', 'kafka:clicks', shards, max_records, max_bytes) $$ LANGUAGE sql;
SELECT * FROM pg_temp.letters('{0,1}');
SELECT shard, position FROM pg_temp.letters('{0}', max_records => 2);
SELECT shard, position FROM pg_temp.letters('{0,1}', max_bytes => 15);
SELECT shard, position FROM pg_temp.letters('{2}');
CREATE FUNCTION pg_temp.sent(shard text, "position" int) RETURNS void AS
$$ SELECT topk_pipeline.dead_letters_sent('rejected', 'kafka:clicks', ARRAY[$1, $1], ARRAY[r.rejected_id, 1])
	 FROM topk_pipeline.rejected_record AS r
	WHERE r.pipeline = 'rejected' AND r.source = 'kafka:clicks' AND r.shard = $1 AND r.position = $2 $$ LANGUAGE sql;
SELECT pg_temp.sent('0', 43);
SELECT shard, position FROM pg_temp.letters('{1,0}');
-- what comes late changes nothing
SELECT pg_temp.sent('0', 41);
SELECT shard, position FROM pg_temp.letters('{0}');
SELECT pg_temp.sent('0', 45), pg_temp.sent('1', 9);
SELECT shard, position FROM pg_temp.letters('{0,1}');
SELECT topk_pipeline.ingest('rejected', 'kafka:clicks', '{1}', '{10}', '{11}', '{}', '{}', '{}', '{}',
	'{1}', '{10}', '{NULL}', '{late}', '{NULL}', '{NULL}', '{NULL}');
SELECT shard, position FROM pg_temp.letters('{0,1}');
SELECT pipeline, source, shard, last_sent_at <= now() AS sent, waiting, waiting_since <= now() AS since
  FROM topk_pipeline.dead_letter_status WHERE pipeline = 'rejected' ORDER BY shard;
SELECT * FROM topk_pipeline.dead_letters('nobody', 'kafka:clicks', '{0}');

SELECT topk_pipeline.drop('rejected');
SELECT count(*) FROM topk_pipeline.dead_letter_position;
