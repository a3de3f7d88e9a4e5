-- topk_agg and topk_weighted_agg.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS topk;
RESET client_min_messages;

-- the simplest things
SELECT topk_agg(item) FROM unnest('{a,b,a,c,a,b}'::text[]) AS item;
SELECT topk_agg(item, 2) FROM unnest('{a,b,a,c,a,b}'::text[]) AS item;
SELECT topk_weighted_agg(item, weight) FROM (VALUES ('a', 5), ('b', 7), ('a', 4)) AS v (item, weight);
SELECT topk_weighted_agg(item, weight, 1) FROM (VALUES ('a', 5), ('b', 7), ('a', 4)) AS v (item, weight);

-- no rows, and rows that don't count, give NULL; the empty string is an item
SELECT topk_agg(item) IS NULL AS no_rows FROM unnest('{}'::text[]) AS item;
SELECT topk_agg(item) IS NULL AS only_nulls FROM unnest('{NULL,NULL}'::text[]) AS item;
SELECT topk_agg(item) FROM unnest('{NULL,a,NULL,"",a,NULL}'::text[]) AS item;
SELECT topk_weighted_agg(item, weight) FROM (VALUES ('a', NULL), (NULL, 7), ('a', 4)) AS v (item, weight);
SELECT topk_weighted_agg(item, weight) AS weight_0 FROM (VALUES ('a', 0)) AS v (item, weight);

-- items: longest, toasted, as other types
SELECT topk_k(s), topk_size(s), topk_total(s), topk_estimate(s, repeat('x', 8192)) FROM (SELECT topk_agg(repeat('x', 8192)) AS s FROM generate_series(1, 3)) AS _;
SELECT topk_agg(number::text) FROM (VALUES (1.50), (2), (1.50)) AS v (number);
SELECT topk_agg(word::varchar(5), 3) FROM (VALUES ('alpha'), ('beta'), ('alpha')) AS v (word);

-- groups, FILTER, DISTINCT, ORDER BY, HAVING, grouping sets
CREATE TEMP TABLE visit AS
SELECT i % 3 AS day, 'page ' || (i % 7 + i % 11) AS page, i % 5 AS seconds FROM generate_series(1, 1000) AS i;
SELECT day, topk_agg(page, 3) FROM visit GROUP BY day ORDER BY day;
SELECT topk_agg(page, 3) FILTER (WHERE day = 1) = (SELECT topk_agg(page, 3) FROM visit WHERE day = 1) AS filter FROM visit;
SELECT topk_agg(DISTINCT page ORDER BY page) FROM visit WHERE page < 'page 12';
SELECT day, t.* FROM (SELECT day, topk_agg(page, 100) AS s FROM visit GROUP BY GROUPING SETS ((day), ()) HAVING topk_agg(page) IS NOT NULL) AS _,
	topk_top(s, 2) AS t ORDER BY day NULLS LAST, t.estimate DESC, t.item;
SELECT topk_weighted_agg(page, seconds, 2) = topk_weighted_agg(page, seconds, 2) AS shared FROM visit;

-- the same as exact SQL as long as the items fit
SELECT count(*) AS differences FROM
	((SELECT t.item, t.estimate, t.lower_bound, t.upper_bound FROM (SELECT topk_agg(page) AS s FROM visit) AS _, topk_top(s, 100) AS t)
	EXCEPT SELECT page, count(*), count(*), count(*) FROM visit GROUP BY page) AS _;
SELECT count(*) AS differences FROM
	((SELECT page, sum(seconds), sum(seconds) FROM visit GROUP BY page)
	EXCEPT SELECT t.item, t.lower_bound, t.upper_bound FROM (SELECT topk_weighted_agg(page, seconds) AS s FROM visit) AS _, topk_top(s, 100) AS t) AS _;

-- groups by hash, on disk, and by sorting give the same
CREATE TEMP TABLE many AS SELECT i % 2000 AS g, (i * 7919 % 13)::text AS item FROM generate_series(1, 40000) AS i;
ANALYZE many;
SET work_mem = '64kB';
SET enable_sort = off;
CREATE TEMP TABLE by_hash AS SELECT g, topk_agg(item, 5) AS s FROM many GROUP BY g;
RESET enable_sort;
RESET work_mem;
SET enable_hashagg = off;
CREATE TEMP TABLE by_sort AS SELECT g, topk_agg(item, 5) AS s FROM many GROUP BY g;
RESET enable_hashagg;
SELECT count(*), bool_and(by_hash.s = by_sort.s) AS same FROM by_hash JOIN by_sort USING (g);

-- more items than k: what is heavy is found, and the bounds say how good the rest is
SELECT topk_k(s), topk_size(s), topk_total(s), topk_error(s), topk_is_exact(s)
FROM (SELECT topk_agg(i::text, 10) AS s FROM generate_series(1, 100000) AS i) AS _;
SELECT t.* FROM (SELECT topk_agg(CASE WHEN i % 3 = 0 THEN 'often' WHEN i % 5 = 0 THEN 'sometimes' ELSE i::text END, 10) AS s
	FROM generate_series(1, 100000) AS i) AS _, topk_top(s, 2) AS t;

-- errors
\set VERBOSITY default
SELECT topk_agg('a', 0);
SELECT topk_agg('a', -1);
SELECT topk_agg('a', 100001);
SELECT topk_agg('a', NULL);
SELECT topk_k(topk_agg('a', 1)), topk_k(topk_agg('a', 100000));
SELECT topk_agg(item, k) FROM (VALUES ('a', 2), ('b', 3)) AS v (item, k);
SELECT topk_agg(item, k) AS k_of_a_null_item FROM (VALUES ('a', 2), (NULL, 3), ('b', 2)) AS v (item, k);
SELECT k, topk_agg(item, k) FROM (VALUES ('a', 2), ('b', 3)) AS v (item, k) GROUP BY k ORDER BY k;
SELECT topk_weighted_agg('a', -1);
SELECT topk_weighted_agg('a', 9223372036854775807);
SELECT topk_weighted_agg('a', 9223372036854775807) FROM generate_series(1, 2);
SELECT topk_weighted_agg(i::text, 9223372036854775807) FROM generate_series(1, 2) AS i;
SELECT topk_agg(repeat('x', 8193));
SELECT topk_agg_transition(NULL, 'a');
SELECT topk_agg_combine(NULL, topk_empty());
SELECT topk_merge_transition(topk_empty(), topk_empty());
