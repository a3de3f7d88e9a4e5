-- What is past the retention goes; windows that are over need one slot.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS topk_pipeline CASCADE;
RESET client_min_messages;
\set SHOW_CONTEXT never

SELECT topk_pipeline.create('expire', counters => 50, retention => '2 days');
SELECT topk_pipeline.create('expire_other', counters => 50);

-- two windows of each day, in two slots each
CREATE FUNCTION pg_temp.fill(name text) RETURNS void
BEGIN ATOMIC
	INSERT INTO topk_pipeline.slot (pipeline_id, bucket, key, summary, records, last_ingest_at, changed_at)
	SELECT pipeline_id, topk_pipeline.bucket(fill.name) - ago, key, topk_build(ARRAY['a', 's' || slot], '{1,1}', 50), 2,
		   now() - slot * interval '1 hour', CASE WHEN slot = 2 THEN now() END
	  FROM topk_pipeline.pipeline AS p, generate_series(0, 4) AS ago, unnest('{eu,us}'::text[]) AS key, generate_series(1, 2) AS slot
	 WHERE p.name = fill.name;
	INSERT INTO topk_pipeline.mirror (pipeline_id, bucket, key)
	SELECT DISTINCT s.pipeline_id, s.bucket, s.key
	  FROM topk_pipeline.slot AS s JOIN topk_pipeline.pipeline AS p USING (pipeline_id) WHERE p.name = fill.name;
	SELECT topk_pipeline.add_partition('rejected_record', pipeline_id, p.name, topk_pipeline.rejected_day(now()) - ago, 86400)
	  FROM topk_pipeline.pipeline AS p, generate_series(0, 4) AS ago WHERE p.name = fill.name;
	INSERT INTO topk_pipeline.rejected_record (pipeline, source, shard, position, reason, rejected_at)
	SELECT fill.name, 'kafka:clicks', '0', ago, 'invalid JSON', now() - ago * interval '1 day'
	  FROM generate_series(0, 4) AS ago;
END;

BEGIN;
SELECT pg_temp.fill('expire');
SELECT pg_temp.fill('expire_other');

-- a window is kept until its end is as old as the retention
SELECT * FROM topk_pipeline.expire('expire');
SELECT topk_pipeline.bucket('expire') - bucket AS ago, count(*) AS windows, sum(records) AS records, min(summary::text) AS summary
  FROM topk_pipeline.window_summary WHERE pipeline = 'expire' GROUP BY 1 ORDER BY 1;
SELECT topk_pipeline.bucket('expire') - bucket AS ago, count(*) AS slots, count(changed_at) AS changed,
	   min(now() - last_ingest_at) AS last_ingest
  FROM topk_pipeline.slot JOIN topk_pipeline.pipeline USING (pipeline_id) WHERE name = 'expire' GROUP BY 1 ORDER BY 1;
SELECT topk_pipeline.bucket('expire') - bucket AS ago, count(*) AS mirrored
  FROM topk_pipeline.mirror JOIN topk_pipeline.pipeline USING (pipeline_id) WHERE name = 'expire' GROUP BY 1 ORDER BY 1;
SELECT position AS ago FROM topk_pipeline.rejected_record WHERE pipeline = 'expire' ORDER BY position;

-- the other one was not touched; all at once, and again
SELECT windows, slots, rejected FROM topk_pipeline.status WHERE pipeline = 'expire_other';
SELECT * FROM topk_pipeline.expire() WHERE name LIKE 'expire%';
SELECT * FROM topk_pipeline.expire() WHERE name LIKE 'expire%';
COMMIT;

SELECT * FROM topk_pipeline.expire('nobody');
SELECT topk_pipeline.drop('expire'), topk_pipeline.drop('expire_other');
