-- Equality, DISTINCT, GROUP BY, indexes.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS topk;
RESET client_min_messages;

CREATE TEMP TABLE summary (id int, s topk_summary);
INSERT INTO summary VALUES
	(1, topk_build('{a,b,a}')), (2, topk_build('{b,a,a}')), (3, topk_build('{a,b}', '{2,1}')),
	(4, topk_build('{a,b,a}', k => 7)), (5, topk_build('{a,b}')), (6, NULL), (7, NULL);

SELECT a.id, b.id, a.s = b.s AS eq, a.s <> b.s AS ne, a.s < b.s AS lt, a.s <= b.s AS le, a.s > b.s AS gt, a.s >= b.s AS ge
FROM summary AS a, summary AS b WHERE a.id = 1 ORDER BY b.id;

SET enable_hashagg = on; SET enable_sort = off;
SELECT count(*) FROM (SELECT DISTINCT s FROM summary) AS _;
SELECT array_agg(id ORDER BY id) FROM summary GROUP BY s ORDER BY 1;
SET enable_hashagg = off; SET enable_sort = on;
SELECT count(*) FROM (SELECT DISTINCT s FROM summary) AS _;
SELECT array_agg(id ORDER BY id) FROM summary GROUP BY s ORDER BY 1;
RESET enable_hashagg; RESET enable_sort;

SET enable_mergejoin = off; SET enable_nestloop = off;
SELECT count(*) FROM summary AS a JOIN summary AS b USING (s);
SET enable_mergejoin = on; SET enable_hashjoin = off;
SELECT count(*) FROM summary AS a JOIN summary AS b USING (s);
RESET enable_mergejoin; RESET enable_nestloop; RESET enable_hashjoin;

CREATE INDEX ON summary USING btree (s);
CREATE INDEX ON summary USING hash (s);
SET enable_seqscan = off;
SELECT id FROM summary WHERE s = topk_build('{a,b}');
SELECT id FROM summary WHERE s IN (topk_build('{a,b}'), topk_build('{a,b,a}', k => 7)) ORDER BY id;
RESET enable_seqscan;

SELECT topk_summary_cmp(s, s) AS cmp, topk_summary_hash(s) = topk_summary_hash(s::text::topk_summary) AS hash,
	(topk_summary_hash_extended(s, 0) & x'ffffffff'::bigint)::bit(32) = topk_summary_hash(s)::bit(32) AS hash_extended
FROM topk_build('{a,b,a}') AS s;
CREATE TEMP TABLE partitioned (s topk_summary) PARTITION BY HASH (s);
CREATE TEMP TABLE partitioned_0 PARTITION OF partitioned FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TEMP TABLE partitioned_1 PARTITION OF partitioned FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO partitioned SELECT topk_build(ARRAY[i::text]) FROM generate_series(1, 100) AS i;
SELECT count(*), count(DISTINCT tableoid) AS partitions FROM partitioned;
