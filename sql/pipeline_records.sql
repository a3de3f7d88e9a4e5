-- Batches of records with ids: each id counts once.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS topk_pipeline CASCADE;
RESET client_min_messages;
\set SHOW_CONTEXT never

SELECT topk_pipeline.create('records', counters => 100);
CREATE TEMP VIEW windows AS
SELECT key, bucket, summary, records FROM topk_pipeline.window_summary WHERE pipeline = 'records' ORDER BY key, bucket;
-- records without positions, at times given in hours from now
CREATE FUNCTION pg_temp.offer(ids text[], hours numeric[], items text[], rejected_ids text[] DEFAULT '{}',
	OUT counted bigint, OUT duplicates bigint, OUT rejected bigint)
RETURN topk_pipeline.ingest_records('records', 'kinesis:clicks', '{}', '{}', '{}',
	ids, ARRAY(SELECT now() + h * interval '1 hour' FROM unnest(hours) AS h),
	array_fill('global'::text, ARRAY[cardinality(ids)]), array_fill(20000::bigint, ARRAY[cardinality(ids)]),
	items, array_fill(1::bigint, ARRAY[cardinality(ids)]),
	array_fill('0'::text, ARRAY[cardinality(rejected_ids)]), array_fill('7'::text, ARRAY[cardinality(rejected_ids)]),
	array_fill(NULL::timestamptz, ARRAY[cardinality(rejected_ids)]), array_fill('odd'::text, ARRAY[cardinality(rejected_ids)]),
	array_fill(NULL::text, ARRAY[cardinality(rejected_ids)]), array_fill(NULL::bytea, ARRAY[cardinality(rejected_ids)]),
	array_fill(NULL::bytea, ARRAY[cardinality(rejected_ids)]),
	rejected_ids, array_fill(now(), ARRAY[cardinality(rejected_ids)]));

-- a batch for three windows, with weights; then again, and overlapping with a new record
SELECT * FROM topk_pipeline.ingest_records('records', 'kinesis:clicks', '{}', '{}', '{}',
	'{r1,r2,r3,r4}', ARRAY[now(), now(), now(), now()], '{global,global,eu,global}', '{20000,20000,20000,20001}',
	'{a,b,a,c}', '{1,2,3,0}');
SELECT * FROM windows;
SELECT * FROM topk_pipeline.ingest_records('records', 'kinesis:clicks', '{}', '{}', '{}',
	'{r1,r2,r3,r4}', ARRAY[now(), now(), now(), now()], '{global,global,eu,global}', '{20000,20000,20000,20001}',
	'{a,b,a,c}', '{1,2,3,0}');
SELECT * FROM topk_pipeline.ingest_records('records', 'kafka:other', '{}', '{}', '{}',
	'{r2,r5}', ARRAY[now(), now()], '{global,global}', '{20000,20000}', '{b,e}', '{2,5}');
SELECT * FROM windows;
SELECT records, duplicates, rejected FROM topk_pipeline.status WHERE pipeline = 'records';

-- twice in one batch: the first counts; nothing at all
SELECT * FROM pg_temp.offer('{r6,r6,r7,r6}', '{0,0,0,0}', '{first,second,other,third}');
SELECT * FROM pg_temp.offer('{}', '{}', '{}');
SELECT topk_estimate(summary, 'first') AS first, topk_estimate(summary, 'second') AS second FROM windows WHERE bucket = 20000 AND key = 'global';
-- a record without an id is always new, and leaves no trace
SELECT * FROM pg_temp.offer(ARRAY[NULL, NULL, 'r8'], '{0,0,0}', '{n,n,n}');
SELECT * FROM pg_temp.offer(ARRAY[NULL, NULL, 'r8'], '{0,0,0}', '{n,n,n}');

-- the copy of an id may have another time, in the next partition or the one before
SELECT * FROM pg_temp.offer('{t1}', '{-20}', '{t}');
SELECT * FROM pg_temp.offer('{t1}', '{0}', '{t}');
SELECT * FROM pg_temp.offer('{t1}', '{3}', '{t}');
SELECT * FROM pg_temp.offer('{t2}', '{20}', '{t}');
SELECT * FROM pg_temp.offer('{t2,t1}', '{0,-23}', '{t,t}');
-- a time that is unknown, or further away than the TTL, is taken as now: no partition for it
SELECT * FROM pg_temp.offer('{u1,u2,u3,u4,u5}', '{-25,-1e5,25,1e5,NULL}', '{u,u,u,u,u}');
SELECT * FROM pg_temp.offer('{u1,u2,u3,u4,u5}', '{-25,-1e5,25,1e5,NULL}', '{u,u,u,u,u}');
SELECT * FROM topk_pipeline.ingest_records('records', 'kafka:other', '{}', '{}', '{}',
	'{u6,u7}', '{-infinity,infinity}', '{global,global}', '{20000,20000}', '{u,u}', '{1,1}');
SELECT min(id_time) > now() - interval '1 day' AS recent, max(id_time) < now() + interval '1 day' AS near,
	   count(DISTINCT s.tableoid) <= 3 AS few_partitions
  FROM topk_pipeline.seen_record AS s JOIN topk_pipeline.pipeline USING (pipeline_id) WHERE name = 'records';

-- rejected records have ids too: kept once, and never counted after
SELECT * FROM pg_temp.offer('{g1}', '{0}', '{g}', '{b1,b2,b1}');
SELECT * FROM pg_temp.offer('{g1}', '{0}', '{g}', '{b1,b2,b3}');
SELECT * FROM pg_temp.offer('{b1,g2}', '{0,0}', '{g,g}');
SELECT count(*) FROM topk_pipeline.rejected_record WHERE pipeline = 'records';
-- without ids they are kept each time
SELECT * FROM topk_pipeline.ingest_records('records', 'by hand', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}',
	'{0}', '{7}', '{NULL}', '{odd}', '{NULL}', '{NULL}', '{NULL}');
SELECT * FROM topk_pipeline.ingest_records('records', 'by hand', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}',
	'{0,0}', '{7,7}', '{NULL,NULL}', '{odd,odd}', '{NULL,NULL}', '{NULL,NULL}', '{NULL,NULL}', '{NULL,NULL}', '{NULL,NULL}');

-- with positions: both must fit; a batch that lost its shard leaves no ids
SELECT * FROM topk_pipeline.ingest_records('records', 'kafka:clicks', '{0}', '{NULL}', '{3}',
	'{k1,k2,k1}', ARRAY[now(), now(), now()], '{global,global,global}', '{20002,20002,20002}', '{k,k,k}', '{1,1,1}');
SELECT * FROM topk_pipeline.ingest_records('records', 'kafka:clicks', '{0}', '{NULL}', '{3}',
	'{k3}', ARRAY[now()], '{global}', '{20002}', '{k}', '{1}');
\echo :LAST_ERROR_SQLSTATE
SELECT * FROM topk_pipeline.ingest_records('records', 'kafka:clicks', '{0}', '{3}', '{5}',
	'{k2,k3}', ARRAY[now(), now()], '{global,global}', '{20002,20002}', '{k,k}', '{1,1}');
SELECT * FROM topk_pipeline.positions('records', 'kafka:clicks', '{0}');
SELECT * FROM windows WHERE bucket = 20002;

-- another pipeline has ids of its own
SELECT topk_pipeline.create('records_other', counters => 100, dedup_ttl => '0');
SELECT * FROM topk_pipeline.ingest_records('records_other', 'kinesis:clicks', '{}', '{}', '{}',
	'{r1,r1}', ARRAY[now(), now()], '{global,global}', '{20000,20000}', '{a,a}', '{1,1}');
SELECT pipeline, records, duplicates FROM topk_pipeline.status WHERE pipeline LIKE 'records%' ORDER BY pipeline;

-- arguments are checked, and then nothing is remembered
SELECT * FROM topk_pipeline.ingest_records('nobody', 'by hand', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}');
SELECT * FROM topk_pipeline.ingest_records('records', 'by hand', '{}', '{}', '{}', '{x}', '{}', '{}', '{}', '{}', '{}');
SELECT * FROM topk_pipeline.ingest_records('records', 'by hand', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', NULL);
SELECT * FROM topk_pipeline.ingest_records('records', 'by hand', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}',
	'{0}', '{7}', '{NULL}', '{odd}', '{NULL}', '{NULL}', '{NULL}', '{x,y}', '{NULL,NULL}');
SELECT * FROM topk_pipeline.ingest_records('records', 'by hand', '{}', '{}', '{}', '{x}', '{NULL}', '{global}', '{20000}', '{NULL}', '{1}');
SELECT * FROM topk_pipeline.ingest_records('records', 'by hand', '{}', '{}', '{}', '{x}', '{NULL}', '{global}', '{20000}', '{x}', '{NULL}');
SELECT * FROM topk_pipeline.ingest_records('records', 'by hand', '{}', '{}', '{}', '{x}', '{NULL}', '{global}', '{20000}', '{x}', '{-1}');
\set VERBOSITY sqlstate
SELECT * FROM pg_temp.offer(ARRAY['x', repeat('y', 1001)], '{0,0}', '{x,x}');
SELECT * FROM pg_temp.offer('{x,""}', '{0,0}', '{x,x}');
\set VERBOSITY default
SELECT * FROM pg_temp.offer('{x}', '{0}', '{x}');
SELECT * FROM pg_temp.offer(ARRAY[repeat('y', 1000)], '{0}', '{x}');

-- ids go with their partition, a TTL after its end; those who still count stay
SELECT id_partitions FROM topk_pipeline.expire('records');
SELECT count(*) > 0 AS remembered FROM topk_pipeline.seen_record JOIN topk_pipeline.pipeline USING (pipeline_id) WHERE name = 'records';
SELECT topk_pipeline.prepare_seen(p, now() - interval '50 hours', now() - interval '50 hours'),
	   topk_pipeline.prepare_seen(p, now() - interval '100 days', now() - interval '100 days')
  FROM topk_pipeline.pipeline AS p WHERE name = 'records';
SELECT id_partitions FROM topk_pipeline.expire('records');
SELECT * FROM pg_temp.offer('{r1}', '{0}', '{a}');

-- nothing is left behind
SELECT topk_pipeline.drop('records'), topk_pipeline.drop('records_other');
SELECT count(*) FROM topk_pipeline.seen_record;
SELECT relname FROM pg_class WHERE relname ~ '^(seen|rejected)_record_\d+_';
