-- Making and dropping pipelines; where events fall into windows.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS topk_pipeline CASCADE;
RESET client_min_messages;
\set SHOW_CONTEXT never

SELECT topk_pipeline.create('create_daily');
SELECT topk_pipeline.create('create_hourly', k => 10, counters => 200, window_length => '1 hour',
							retention => '2 days', dedup_ttl => '6 hours', max_ahead => '5 minutes');

SELECT name, k, counters, window_seconds, retention_seconds, dedup_ttl_seconds, max_ahead_seconds
  FROM topk_pipeline.pipeline WHERE name LIKE 'create\_%' ORDER BY name;
SELECT count(DISTINCT writer) FROM topk_pipeline.pipeline WHERE name LIKE 'create\_%';

-- what a feeder asks for
SELECT k, counters, window_seconds, retention_seconds, max_ahead_seconds, summary_type::regtype, version
  FROM topk_pipeline.settings('create_hourly');
SELECT * FROM topk_pipeline.settings('nobody''s');
\echo :LAST_ERROR_SQLSTATE
SELECT topk_pipeline.bucket('nobody');

-- windows are aligned to the epoch, in UTC, before 1970 too
SELECT at, topk_pipeline.bucket('create_daily', at), topk_pipeline.bucket('create_hourly', at)
  FROM (VALUES (timestamptz '1970-01-01 00:00:00Z'), ('1970-01-01 23:59:59.999999Z'),
			   ('1969-12-31 23:59:59Z'), ('2026-03-29 01:30:00+02')) AS t (at);
SELECT topk_pipeline.window_start('create_daily', 20541), topk_pipeline.window_start('create_hourly', -1);

-- what makes no sense is refused
\set VERBOSITY terse
SELECT topk_pipeline.create('create_daily');
SELECT topk_pipeline.create('');
SELECT topk_pipeline.create('bad', k => 0);
SELECT topk_pipeline.create('bad', k => 50, counters => 49);
SELECT topk_pipeline.create('bad', counters => 100001);
SELECT topk_pipeline.create('bad', window_length => '0');
SELECT topk_pipeline.create('bad', window_length => '1.5 seconds');
SELECT topk_pipeline.create('bad', retention => '1 hour');
SELECT topk_pipeline.create('bad', max_ahead => '-1 hour');
SELECT topk_pipeline.create(NULL);
\set VERBOSITY default

-- dropping one leaves the others
SELECT topk_pipeline.ingest(name, 'test', '{0}', '{NULL}', '{7}', '{global}', '{1}', '{1}',
							ARRAY[topk_build('{a}', '{1}', counters)],
							'{0}', '{5}', '{NULL}', '{odd}', '{NULL}', '{NULL}', '{NULL}')
  FROM topk_pipeline.pipeline WHERE name LIKE 'create\_%' ORDER BY name;
SELECT count(key) FROM topk_pipeline.mirror_claim('create_daily');
SELECT topk_pipeline.drop('create_daily');
SELECT pipeline, windows, rejected FROM topk_pipeline.status WHERE pipeline LIKE 'create\_%';
SELECT pipeline, source, shard, position FROM topk_pipeline.source_status WHERE pipeline LIKE 'create\_%';
SELECT pipeline, reason, records FROM topk_pipeline.rejected_by_reason WHERE pipeline LIKE 'create\_%';
SELECT topk_pipeline.drop('create_hourly');
SELECT topk_pipeline.drop('create_daily');

-- its schema is its own
ALTER EXTENSION topk_pipeline SET SCHEMA public;
