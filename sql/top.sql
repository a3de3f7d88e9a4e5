-- Reading: topk_top, topk_heavy_hitters, the bounds of one item, the accessors.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS topk;
RESET client_min_messages;

CREATE TEMP TABLE summary (name text, s topk_summary);
INSERT INTO summary VALUES
	('exact', topk_build('{a,b,b,c,c,c}')),
	('inexact', '{"k":3,"total":104,"error":10,"items":[["a",40,41],["b",25,35],["c",8,18]]}'),
	('empty', topk_empty()),
	('unknown', '{"k":3,"total":null,"error":null,"items":[["a",5,null],["b",4,null]]}'),
	('null', NULL);

SELECT name, topk_k(s), topk_size(s), topk_total(s), topk_error(s), topk_is_exact(s) FROM summary ORDER BY name;
SELECT name, item, topk_estimate(s, item), topk_lower_bound(s, item), topk_upper_bound(s, item)
FROM summary, (VALUES ('a'), ('z'), (''), (NULL)) AS v (item) ORDER BY name, item;
SELECT topk_k(s), topk_size(s), topk_total(s), topk_error(s), pg_column_size(s) > 100000 AS is_large
FROM (SELECT topk_agg(repeat(md5(i::text), 50), 1000) AS s FROM generate_series(1, 500) AS i) AS _;

-- topk_top
SELECT name, t.* FROM summary, topk_top(s) AS t ORDER BY name, lower_bound DESC;
SELECT * FROM topk_top(topk_build('{a,b,b,c,c,c}'), 2);
SELECT * FROM topk_top(topk_build('{a,b,b,c,c,c}'), 0);
SELECT * FROM topk_top(topk_build('{a,b,b,c,c,c}'), NULL);
SELECT (topk_top(topk_build('{a,b,b,c,c,c}'), 2)).*;
SELECT item FROM topk_top(topk_build('{z,a,m,b}')) AS ties;
SELECT count(*) FROM topk_top((SELECT topk_agg(i::text) FROM generate_series(1, 20) AS i));
SELECT count(*) FROM topk_top((SELECT topk_agg(i::text) FROM generate_series(1, 20) AS i), 1000000);
SELECT * FROM topk_top(topk_build('{a}'), -1);
SELECT topk_top(topk_build('{a,b,b}')) LIMIT 1;

-- topk_heavy_hitters: only items above the share, or all of them
SELECT * FROM topk_heavy_hitters((SELECT s FROM summary WHERE name = 'exact'), 0.3);
SELECT * FROM topk_heavy_hitters((SELECT s FROM summary WHERE name = 'exact'), 0.5);
SELECT * FROM topk_heavy_hitters((SELECT s FROM summary WHERE name = 'exact'), 0.3, 'no_false_negatives');
SELECT * FROM topk_heavy_hitters((SELECT s FROM summary WHERE name = 'inexact'), 0.3);
SELECT * FROM topk_heavy_hitters((SELECT s FROM summary WHERE name = 'inexact'), 0.3, 'no_false_negatives');
SELECT * FROM topk_heavy_hitters((SELECT s FROM summary WHERE name = 'inexact'), 0.1, guarantee => 'no_false_negatives');
SELECT * FROM topk_heavy_hitters((SELECT s FROM summary WHERE name = 'inexact'), 0);
SELECT * FROM topk_heavy_hitters((SELECT s FROM summary WHERE name = 'inexact'), 1);
SELECT * FROM topk_heavy_hitters((SELECT s FROM summary WHERE name = 'empty'), 0.1, 'no_false_negatives');
SELECT * FROM topk_heavy_hitters(NULL, 0.1);
-- what is not listed may weigh more than that
SELECT * FROM topk_heavy_hitters((SELECT s FROM summary WHERE name = 'inexact'), 0.05, 'no_false_negatives');
SELECT * FROM topk_heavy_hitters((SELECT s FROM summary WHERE name = 'unknown'), 0.1);
SELECT * FROM topk_heavy_hitters(topk_empty(), 1.1);
SELECT * FROM topk_heavy_hitters(topk_empty(), -0.1);
SELECT * FROM topk_heavy_hitters(topk_empty(), 'NaN');
SELECT * FROM topk_heavy_hitters(topk_empty(), 0.1, 'both');

-- the planner knows how many rows come
CREATE FUNCTION planned_rows(query text) RETURNS float8 LANGUAGE plpgsql AS $$
DECLARE
	plan json;
BEGIN
	EXECUTE 'EXPLAIN (FORMAT JSON) ' || query INTO plan;
	RETURN plan->0->'Plan'->'Plan Rows';
END $$;
SELECT planned_rows($$SELECT * FROM topk_top(topk_empty())$$) AS by_default,
	planned_rows($$SELECT * FROM topk_top(topk_empty(), 300)$$) AS n,
	planned_rows($$SELECT * FROM topk_top(n => 30, summary => topk_empty())$$) AS by_name,
	planned_rows($$SELECT * FROM topk_top(topk_empty(), -1)$$) AS negative,
	planned_rows($$SELECT * FROM topk_top(topk_empty(), (random() * 9)::int)$$) AS unknown;
SELECT planned_rows($$SELECT * FROM topk_heavy_hitters(topk_empty(), 0.01)$$) AS share,
	planned_rows($$SELECT * FROM topk_heavy_hitters(topk_empty(), 1e-300)$$) AS small,
	planned_rows($$SELECT * FROM topk_heavy_hitters(topk_empty(), 1)$$) AS whole,
	planned_rows($$SELECT * FROM topk_heavy_hitters(topk_empty(), 'NaN')$$) AS not_a_number,
	planned_rows($$SELECT * FROM topk_heavy_hitters(topk_empty(), 0)$$) AS nothing;
SELECT planned_rows($$SELECT name, t.* FROM summary, topk_top(s, 7) AS t WHERE name = 'exact'$$)
	/ planned_rows($$SELECT name FROM summary WHERE name = 'exact'$$) AS "lateral";
