-- What is dumped by one version of PostgreSQL and read by another: summaries of every kind, and a pipeline at work.
SET client_min_messages = warning;
CREATE EXTENSION topk_pipeline CASCADE;

CREATE TABLE summary (id int PRIMARY KEY, value topk_summary);
INSERT INTO summary VALUES
	(1, NULL),
	(2, topk_empty(5)),
	(3, topk_build(ARRAY['', E'\t\n\\"', 'Ü𝛑'], '{9223372036854775000,7,1}', 3)),
	(4, topk_from_murmur(topk_to_murmur(topk_build('{a,b,c,a}'), 2))),
	(5, '{"k":2,"total":12,"error":2,"items":[["a",5,6],["b",1,3]]}');
-- purged, merged, and large enough to be stored out of line
INSERT INTO summary SELECT 6, topk_agg('item ' || n % (n % 3000 + 1), 1000) FROM generate_series(1, 100000) AS n;
INSERT INTO summary SELECT 7, topk_merge(value) FROM summary WHERE id IN (5, 6);
CREATE UNIQUE INDEX ON summary (id, topk_total(value));

SELECT topk_pipeline.create('dumped', k => 2, counters => 1000);
SELECT topk_pipeline.ingest('dumped', 'kafka:clicks', '{0,1}', '{NULL,NULL}', '{10,20}',
							'{global,other}', '{20000,20001}', '{3,100000}', ARRAY[topk_build('{a,b,a}', NULL, 1000), value],
							'{0}', '{5}', '{2026-11-24 10:00:00Z}', '{invalid JSON}', '{NULL}', '{key}', '{payload}')
  FROM summary WHERE id = 6;
SELECT topk_pipeline.mirror_done('dumped', key, bucket, version) FROM topk_pipeline.mirror_claim('dumped', max_windows => 1);
