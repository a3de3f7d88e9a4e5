-- One batch: counts and positions, all or nothing.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS topk_pipeline CASCADE;
RESET client_min_messages;
\set SHOW_CONTEXT never

SELECT topk_pipeline.create('ingest', counters => 100);

-- a batch for two windows, from two shards
SELECT topk_pipeline.ingest('ingest', 'kafka:clicks', '{1,0}', '{NULL,NULL}', '{12,5}',
							'{global,global}', '{20000,20001}', '{3,2}',
							ARRAY[topk_build('{a,b}', '{2,1}', 100), topk_build('{c}', '{2}', 100)]);
SELECT key, bucket, summary, records FROM topk_pipeline.window_summary WHERE pipeline = 'ingest' ORDER BY bucket;
SELECT * FROM topk_pipeline.positions('ingest', 'kafka:clicks', '{0,1,2}');
SELECT * FROM topk_pipeline.positions('ingest', 'kafka:other', '{0,1,2}');

-- the next one adds to them; a shard may join, another rest
SELECT topk_pipeline.ingest('ingest', 'kafka:clicks', '{0,2}', '{5,NULL}', '{6,1}',
							'{global,eu}', '{20000,20000}', '{1,4}',
							ARRAY[topk_build('{b}', '{1}', 100), topk_build('{z}', '{4}', 100)]);
SELECT key, bucket, summary, records FROM topk_pipeline.window_summary WHERE pipeline = 'ingest' ORDER BY bucket, key;
SELECT source, shard, position FROM topk_pipeline.source_status WHERE pipeline = 'ingest' ORDER BY shard;
SELECT windows, slots, records, rejected, last_ingest_at <= now() AS dated FROM topk_pipeline.status WHERE pipeline = 'ingest';

-- compare and set: whoever lost a shard changes nothing
SELECT topk_pipeline.ingest('ingest', 'kafka:clicks', '{0,1}', '{6,11}', '{7,13}',
							'{global}', '{20000}', '{1}', ARRAY[topk_build('{lost}', '{1}', 100)],
							'{0}', '{6}', '{NULL}', '{lost}', '{NULL}', '{NULL}', '{NULL}');
\echo :LAST_ERROR_SQLSTATE
SELECT topk_pipeline.ingest('ingest', 'kafka:clicks', '{0}', '{NULL}', '{7}', '{}', '{}', '{}', '{}');
\echo :LAST_ERROR_SQLSTATE
SELECT topk_pipeline.ingest('ingest', 'kafka:clicks', '{9}', '{3}', '{7}', '{}', '{}', '{}', '{}');
\echo :LAST_ERROR_SQLSTATE
SELECT topk_pipeline.ingest('ingest', 'kafka:clicks', '{0,0}', '{6,6}', '{7,7}', '{}', '{}', '{}', '{}');
SELECT topk_pipeline.ingest('ingest', 'kafka:clicks', '{0}', '{6}', '{5}', '{}', '{}', '{}', '{}');
SELECT shard, position FROM topk_pipeline.source_status WHERE pipeline = 'ingest' ORDER BY shard;
SELECT sum(records) FROM topk_pipeline.window_summary WHERE pipeline = 'ingest';
SELECT count(*) FROM topk_pipeline.rejected_record WHERE pipeline = 'ingest';

-- another source, or pipeline, has positions of its own
SELECT topk_pipeline.ingest('ingest', 'kafka:other', '{0}', '{NULL}', '{100}', '{}', '{}', '{}', '{}');
SELECT source, shard, position FROM topk_pipeline.source_status WHERE pipeline = 'ingest' ORDER BY source, shard;

-- a batch may have neither positions nor counts
SELECT topk_pipeline.ingest('ingest', 'by hand', '{}', '{}', '{}', '{global}', '{20001}', '{1}',
							ARRAY[topk_build('{c}', '{1}', 100)]);
SELECT topk_pipeline.ingest('ingest', 'by hand', '{}', '{}', '{}', '{}', '{}', '{}', '{}');
SELECT summary, records FROM topk_pipeline.window_summary WHERE pipeline = 'ingest' AND bucket = 20001;

-- arguments are checked
SELECT * FROM topk_pipeline.positions('nobody', 'by hand', '{}');
SELECT topk_pipeline.ingest('nobody', 'by hand', '{}', '{}', '{}', '{}', '{}', '{}', '{}');
SELECT topk_pipeline.ingest('ingest', 'kafka:clicks', '{0}', '{6}', '{}', '{}', '{}', '{}', '{}');
SELECT topk_pipeline.ingest('ingest', 'kafka:clicks', '{0}', '{6}', '{7}', '{global}', '{1,2}', '{1}', '{}');
SELECT topk_pipeline.ingest('ingest', 'kafka:clicks', '{0}', '{6}', '{7}', '{}', '{}', '{}', NULL);
SELECT topk_pipeline.ingest('ingest', 'kafka:clicks', '{0}', '{6}', '{7}', '{}', '{}', '{}', '{}', '{0}', '{6}');
SELECT topk_pipeline.ingest('ingest', 'by hand', '{}', '{}', '{}', '{global}', '{20000}', '{1}',
							ARRAY[topk_build('{c}', '{1}', 10)]);
SELECT topk_pipeline.ingest('ingest', 'by hand', '{}', '{}', '{}', '{global,global}', '{20000,20000}', '{1,1}',
							ARRAY[topk_build('{c}', '{1}', 100), topk_build('{d}', '{1}', 100)]);
\set VERBOSITY terse
SELECT topk_pipeline.ingest('ingest', 'by hand', '{}', '{}', '{}', '{""}', '{20000}', '{1}',
							ARRAY[topk_build('{c}', '{1}', 100)]);
SELECT topk_pipeline.ingest('ingest', 'by hand', '{}', '{}', '{}', '{global}', '{20000}', '{-1}',
							ARRAY[topk_build('{c}', '{1}', 100)]);
SELECT topk_pipeline.ingest('ingest', 'by hand', '{}', '{}', '{}', '{global}', '{20000}', '{1}', '{NULL}');
SELECT topk_pipeline.ingest('ingest', 'by hand', '{}', '{}', '{}', '{global}', '{20000}', '{NULL}',
							ARRAY[topk_build('{c}', '{1}', 100)]);
\set VERBOSITY default
SELECT sum(records) FROM topk_pipeline.window_summary WHERE pipeline = 'ingest';

-- a stored summary never holds more than the pipeline's counters, and its bounds hold
SELECT topk_pipeline.ingest('ingest', 'by hand', '{}', '{}', '{}', '{many}', '{20002}', '{100}',
							ARRAY[(SELECT topk_agg('item ' || i, 100) FROM generate_series(batch, batch + 99) AS i)])
  FROM generate_series(1, 901, 100) AS batch;
SELECT records, topk_k(summary), topk_size(summary), topk_total(summary), topk_error(summary) > 0 AS inexact,
	   101 * topk_error(summary) <= topk_total(summary) AS bounded
  FROM topk_pipeline.window_summary WHERE pipeline = 'ingest' AND key = 'many';
SELECT slots - windows AS spare_slots FROM topk_pipeline.status WHERE pipeline = 'ingest';

-- a window that holds 2^56 takes nothing more, whatever else is in the batch; one that holds less does
INSERT INTO topk_pipeline.slot (pipeline_id, bucket, key, summary, records, last_ingest_at)
SELECT p.pipeline_id, 20003, w.key, w.summary, 1, now()
  FROM topk_pipeline.pipeline AS p,
	   (VALUES ('full', topk_build('{a}', ARRAY[72057594037927936], 100)),
			   ('brim', topk_build('{a}', ARRAY[9223372036854775807], 100)),
			   ('room', topk_build('{a}', ARRAY[72057594037927935], 100)),
			   ('murmur', topk_resize(topk_from_murmur(topk_to_murmur(topk_build('{a}', ARRAY[72057594037927936], 100), 100)), 100)))
		 AS w (key, summary)
 WHERE p.name = 'ingest';
SELECT topk_pipeline.ingest('ingest', 'by hand', '{}', '{}', '{}', '{room,full}', '{20003,20003}', '{1,1}',
							ARRAY[topk_build('{b}', '{1}', 100), topk_build('{b}', '{1}', 100)]);
SELECT topk_pipeline.ingest_records('ingest', 'by hand', '{}', '{}', '{}', '{full-1}', ARRAY[now()], '{full}', '{20003}', '{b}', '{1}');
\set VERBOSITY terse
SELECT topk_pipeline.ingest('ingest', 'by hand', '{}', '{}', '{}', '{brim}', '{20003}', '{1}', ARRAY[topk_build('{b}', '{1}', 100)]);
SELECT topk_pipeline.ingest('ingest', 'by hand', '{}', '{}', '{}', '{murmur}', '{20003}', '{1}', ARRAY[topk_build('{b}', '{1}', 100)]);
\set VERBOSITY default
SELECT topk_pipeline.ingest('ingest', 'by hand', '{}', '{}', '{}', '{room}', '{20003}', '{1}', ARRAY[topk_build('{b}', '{1}', 100)]);
SELECT key, records FROM topk_pipeline.window_summary WHERE pipeline = 'ingest' AND bucket = 20003 ORDER BY key;
SELECT * FROM topk_pipeline.full_windows('ingest', '{full,brim,room,murmur,nobody,full,global}', '{20003,20003,20003,20003,20003,20003,20000}')
 ORDER BY key;
SELECT * FROM topk_pipeline.full_windows('nobody', '{full}', '{20003}');

-- the record that was read last is remembered, until another was, or the position is set by hand
SELECT topk_pipeline.ingest('ingest', 'last', '{0,1}', '{NULL,NULL}', '{10,20}', '{}', '{}', '{}', '{}',
							last_positions => '{9,18}', last_times => '{2026-11-24 10:00:00.123Z,NULL}');
SELECT shard, position, last_position, last_time AT TIME ZONE 'UTC' AS last_time FROM topk_pipeline.positions('ingest', 'last', '{0,1}');
SELECT topk_pipeline.ingest('ingest', 'last', '{1,0}', '{20,10}', '{23,12}', '{}', '{}', '{}', '{}',
							last_positions => '{22,NULL}', last_times => '{2026-11-24 11:00:00Z,NULL}');
SELECT topk_pipeline.ingest('ingest', 'last', '{0}', '{12}', '{13}', '{}', '{}', '{}', '{}');
SELECT shard, position, last_position, last_time AT TIME ZONE 'UTC' AS last_time FROM topk_pipeline.positions('ingest', 'last', '{0,1}');
SELECT topk_pipeline.reset_position('ingest', 'last', '0', 11);
SELECT shard, position, last_position, last_time FROM topk_pipeline.positions('ingest', 'last', '{0}');
SELECT topk_pipeline.ingest('ingest', 'last', '{0,1}', '{11,23}', '{12,24}', '{}', '{}', '{}', '{}', last_positions => '{11}', last_times => '{NULL}');

-- a position can be set back, forward, or forgotten, by hand
SELECT topk_pipeline.ingest('ingest', 'reset', '{0,1}', '{NULL,NULL}', '{10,20}', '{}', '{}', '{}', '{}');
SELECT topk_pipeline.reset_position('ingest', 'reset', '0', 4);
SELECT topk_pipeline.reset_position('ingest', 'reset', '1');
SELECT topk_pipeline.reset_position('ingest', 'reset', '2', 7);
SELECT topk_pipeline.reset_position('ingest', 'reset', '3');
SELECT * FROM topk_pipeline.positions('ingest', 'reset', '{0,1,2,3}');
SELECT topk_pipeline.ingest('ingest', 'reset', '{0}', '{10}', '{11}', '{}', '{}', '{}', '{}');
SELECT topk_pipeline.ingest('ingest', 'reset', '{0,1}', '{4,NULL}', '{5,3}', '{}', '{}', '{}', '{}');
SELECT topk_pipeline.reset_position('ingest', 'reset', '0', -1);
SELECT topk_pipeline.reset_position('nobody', 'reset', '0');

SELECT topk_pipeline.drop('ingest');
