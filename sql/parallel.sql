-- Parallel plans: partial states keep every counter until they are combined.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS topk;
RESET client_min_messages;

CREATE TABLE topk_parallel AS
SELECT i AS id, i % 7 AS g, (CASE WHEN i % 4 = 0 THEN i % 8 ELSE i % 500 END)::text AS item, i % 10 AS weight FROM generate_series(1, 20000) AS i;
ALTER TABLE topk_parallel SET (parallel_workers = 2);
ANALYZE topk_parallel;

CREATE FUNCTION pg_temp.is_partial(command text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	plan text;
BEGIN
	EXECUTE 'EXPLAIN (FORMAT json) ' || command INTO plan;
	RETURN plan LIKE '%"Partial Mode": "Partial"%' AND plan LIKE '%"Node Type": "Gather%';
END $$;

-- in one process
SET max_parallel_workers_per_gather = 0;
CREATE TEMP TABLE serial AS
SELECT topk_agg(item, 10) AS a, topk_weighted_agg(item, weight, 10) AS w, topk_agg(item) AS d FROM topk_parallel;
CREATE TEMP TABLE serial_groups AS
SELECT g, topk_agg(item, 10) AS a FROM topk_parallel GROUP BY g;

-- in several: with 500 distinct items nothing is purged before the end, so the answer is the same
SET max_parallel_workers_per_gather = 2;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SELECT pg_temp.is_partial('SELECT topk_agg(item, 10), topk_weighted_agg(item, weight, 10), topk_agg(item) FROM topk_parallel');
SELECT a = topk_agg(item, 10) AS agg, w = topk_weighted_agg(item, weight, 10) AS weighted, d = topk_agg(item) AS k_100
FROM topk_parallel, serial GROUP BY a, w, d;
SET parallel_leader_participation = off;
SELECT (SELECT topk_agg(item, 10) FROM topk_parallel) = a AS agg FROM serial;
RESET parallel_leader_participation;

-- groups
SELECT pg_temp.is_partial('SELECT g, topk_agg(item, 10) FROM topk_parallel GROUP BY g');
SELECT count(*), bool_and(s.a = p.a) AS same
FROM (SELECT g, topk_agg(item, 10) AS a FROM topk_parallel GROUP BY g) AS p JOIN serial_groups AS s USING (g);
SET enable_hashagg = off;
SELECT count(*), bool_and(s.a = p.a) AS same
FROM (SELECT g, topk_agg(item, 10) AS a FROM topk_parallel GROUP BY g) AS p JOIN serial_groups AS s USING (g);
RESET enable_hashagg;

-- as Citus does it: the partial state of each node travels as text
CREATE AGGREGATE pg_temp.on_node(item text, k integer) (SFUNC = topk_agg_transition, STYPE = topk_summary);
CREATE AGGREGATE pg_temp.on_coordinator(topk_summary) (SFUNC = topk_agg_combine, STYPE = topk_summary, FINALFUNC = topk_agg_final);
SELECT max(topk_size(state::topk_summary)) > 10 AS all_counters, pg_temp.on_coordinator(state::topk_summary) = a AS agg
FROM (SELECT pg_temp.on_node(item, 10)::text AS state FROM topk_parallel GROUP BY id % 4) AS node, serial GROUP BY a;

-- workers without a row that counts
SELECT topk_agg(item, 10) FILTER (WHERE id = 17) FROM topk_parallel;
SELECT topk_agg(item, 10) FILTER (WHERE id = 0) IS NULL AS nothing FROM topk_parallel;

-- k changes as little between workers as between rows
SELECT topk_agg(item, CASE WHEN id = 1 THEN 10 ELSE 11 END) FROM topk_parallel;

-- topk_merge
CREATE TABLE topk_parallel_merge AS
SELECT id % 100 AS part, topk_agg(item, 600) AS s FROM topk_parallel GROUP BY 1;
ALTER TABLE topk_parallel_merge SET (parallel_workers = 2);
ANALYZE topk_parallel_merge;
SELECT pg_temp.is_partial('SELECT topk_merge(s) FROM topk_parallel_merge');
SELECT topk_resize(topk_merge(s), 10) = a AS same FROM topk_parallel_merge, serial GROUP BY a;

-- partitions
CREATE TABLE topk_partitioned (id int, item text) PARTITION BY RANGE (id);
CREATE TABLE topk_partitioned_1 PARTITION OF topk_partitioned FOR VALUES FROM (0) TO (10000);
CREATE TABLE topk_partitioned_2 PARTITION OF topk_partitioned FOR VALUES FROM (10000) TO (30000);
INSERT INTO topk_partitioned SELECT id, item FROM topk_parallel;
ANALYZE topk_partitioned;
SET enable_partitionwise_aggregate = on;
SELECT (SELECT topk_agg(item, 10) FROM topk_partitioned) = a AS agg FROM serial;
RESET enable_partitionwise_aggregate;

-- many distinct items: the heavy ones are found, and the bounds hold
SELECT topk_total(s), topk_size(s), (k + 1) * topk_error(s) <= topk_total(s) AS error_is_small,
	topk_lower_bound(s, '0') <= truth AND truth <= topk_upper_bound(s, '0') AS bounds_hold
FROM (SELECT topk_agg(CASE WHEN id % 9 = 0 THEN '0' ELSE id::text END, 20) AS s, 20 AS k, count(*) FILTER (WHERE id % 9 = 0) AS truth FROM topk_parallel) AS _;

DROP TABLE topk_parallel, topk_parallel_merge, topk_partitioned;
