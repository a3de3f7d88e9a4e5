-- Reading: top over keys and days, and the merged windows.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS topk_pipeline CASCADE;
RESET client_min_messages;
\set SHOW_CONTEXT never

SELECT topk_pipeline.create('reading', k => 3, counters => 50);
SELECT topk_pipeline.create('reading_hourly', k => 3, counters => 50, window_length => '1 hour');
SELECT topk_pipeline.create('reading_weekly', k => 3, counters => 50, window_length => '7 days');

-- ago windows before the current one
CREATE FUNCTION pg_temp.count(pipeline text, key text, ago int, items text[]) RETURNS void
RETURN topk_pipeline.ingest(pipeline, 'by hand', '{}', '{}', '{}',
	ARRAY[key], ARRAY[topk_pipeline.bucket(pipeline) - ago], ARRAY[cardinality(items)::bigint],
	ARRAY[(SELECT topk_agg(i, 50) FROM unnest(items) AS i)]);

-- one transaction, so that the current window stays the same
BEGIN;
SELECT pg_temp.count('reading', 'global', 0, '{a,a,a,b,b,c,d}');
SELECT pg_temp.count('reading', 'global', 1, '{b,b,e}');
SELECT pg_temp.count('reading', 'global', 6, '{f,f,f,f,f,f}');
SELECT pg_temp.count('reading', 'global', 7, '{g}');
SELECT pg_temp.count('reading', 'global', -1, '{tomorrow}');
SELECT pg_temp.count('reading', 'eu', 0, '{x}');

SELECT * FROM topk_pipeline.top('reading');
SELECT * FROM topk_pipeline.top('reading', 2);
SELECT * FROM topk_pipeline.top('reading', days => 2);
SELECT * FROM topk_pipeline.top('reading', n => 3, days => 7);
SELECT * FROM topk_pipeline.top('reading', n => 1, days => 8);
SELECT * FROM topk_pipeline.top('reading', key => 'eu', days => 30);
SELECT * FROM topk_pipeline.top('reading', key => 'nowhere');
-- the same of several keys, or of all
SELECT * FROM topk_pipeline.top_keys('reading', '{global,eu,nowhere}', 2);
SELECT * FROM topk_pipeline.top_keys('reading', n => 1, days => 7);
SELECT * FROM topk_pipeline.top_keys('reading', '{}');
SELECT topk_pipeline.summary('reading');
SELECT topk_pipeline.summary('reading', days => 0) = topk_pipeline.summary('reading') AS at_least_one_window;
SELECT topk_pipeline.summary('reading', 'nowhere') IS NULL AS nothing;

-- a day is 24 hours, or the whole week that holds it
SELECT pg_temp.count('reading_hourly', 'global', ago, ARRAY['h' || ago]) FROM unnest('{0,23,24}'::int[]) AS ago;
SELECT item FROM topk_pipeline.top('reading_hourly') ORDER BY item;
SELECT item FROM topk_pipeline.top('reading_hourly', days => 2) ORDER BY item;
SELECT pg_temp.count('reading_weekly', 'global', ago, ARRAY['w' || ago]) FROM unnest('{0,1,2}'::int[]) AS ago;
SELECT item FROM topk_pipeline.top('reading_weekly') ORDER BY item;
SELECT item FROM topk_pipeline.top('reading_weekly', days => 8) ORDER BY item;

SELECT key, topk_pipeline.bucket('reading') - bucket AS ago, summary, records,
	   window_start = topk_pipeline.window_start('reading', bucket) AS starts
  FROM topk_pipeline.window_summary WHERE pipeline = 'reading' ORDER BY ago, key;
-- the same as the mirror publishes them, with the bounds of each item; one of another key, or of no window, is none
SELECT key, topk_pipeline.bucket('reading') - bucket AS ago, version, topk_from_murmur(value) AS published, total, error, slacks,
	   updated_at = floor(extract(epoch FROM now())) AS updated_now
  FROM topk_pipeline.windows('reading', '{eu,global,nowhere,eu}', topk_pipeline.bucket('reading') - 6, topk_pipeline.bucket('reading'));
SELECT count(*) FILTER (WHERE bucket <= topk_pipeline.bucket('reading')) AS windows
  FROM topk_pipeline.windows('reading', '{global}', -9223372036854775808, 9223372036854775807);
SELECT count(*) FROM topk_pipeline.windows('reading', '{}', 0, 9223372036854775807);
COMMIT;
-- past the retention, though not yet expired
INSERT INTO topk_pipeline.slot (pipeline_id, bucket, key, summary, records, last_ingest_at)
SELECT pipeline_id, topk_pipeline.bucket(name) - ago, 'old', topk_build(ARRAY['o' || ago], '{1}', 50), 1, now()
  FROM topk_pipeline.pipeline, unnest('{30,31}'::int[]) AS ago
 WHERE name = 'reading';
SELECT topk_pipeline.bucket('reading') - bucket AS ago
  FROM topk_pipeline.windows('reading', '{old}', 0, topk_pipeline.bucket('reading'));
-- more counters than are published: what the mirror would say of them
INSERT INTO topk_pipeline.slot (pipeline_id, bucket, key, summary, records, last_ingest_at)
SELECT pipeline_id, topk_pipeline.bucket(name), 'bounds',
	   '{"k":50,"total":200,"error":1,"items":[["",40,41],["a",30,31],["b",10,10],["c",9,9],["d",5,6]]}', 200, now()
  FROM topk_pipeline.pipeline WHERE name = 'reading';
SELECT topk_from_murmur(value) AS published, total, error, slacks
  FROM topk_pipeline.windows('reading', '{bounds}', 0, topk_pipeline.bucket('reading'));
UPDATE topk_pipeline.slot SET summary = topk_from_murmur(topk_to_murmur(summary, 3)) WHERE key = 'bounds';
SELECT topk_from_murmur(value) AS published, total, error, slacks
  FROM topk_pipeline.windows('reading', '{bounds}', 0, topk_pipeline.bucket('reading'));
SELECT * FROM topk_pipeline.windows('nobody', '{global}', 0, 1);
SELECT * FROM topk_pipeline.top('nobody');
SELECT * FROM topk_pipeline.top_keys('nobody');
SELECT * FROM topk_pipeline.summary('nobody');

-- the slots of a window are merged for whoever reads
INSERT INTO topk_pipeline.slot (pipeline_id, bucket, key, summary, records, last_ingest_at)
SELECT pipeline_id, 1, 'slots', topk_build(ARRAY['s', 's' || i], '{1,1}', 50), 2, now()
  FROM topk_pipeline.pipeline, generate_series(1, 3) AS i
 WHERE name = 'reading';
SELECT summary, records FROM topk_pipeline.window_summary WHERE pipeline = 'reading' AND key = 'slots';

SELECT topk_pipeline.drop(name) FROM topk_pipeline.pipeline WHERE name LIKE 'reading%';
