-- topk_merge, as aggregate, as function and as operator.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS topk;
RESET client_min_messages;

-- two
SELECT topk_merge(topk_build('{a,b,a}'), topk_build('{b,c}'));
SELECT topk_build('{a,b,a}') || topk_build('{b,c}');
SELECT topk_build('{a,b,a}') || '{"k":2,"total":3,"error":0,"items":[["a",3,3]]}' AS smaller_k;

-- NULL changes nothing
SELECT topk_merge(NULL, NULL) IS NULL AS both, topk_merge(s, NULL) = s AS one, topk_merge(NULL, s) = s AS other, s || topk_empty(100) = s AS empty
FROM topk_build('{a,b,a}') AS s;

-- many
SELECT topk_merge(s) FROM (VALUES (topk_build('{a,b,a}')), (NULL), (topk_build('{c,b}', k => 5)), (topk_empty(7))) AS v (s);
SELECT topk_merge(s) IS NULL AS no_rows FROM (SELECT topk_empty() WHERE false) AS v (s);
SELECT topk_merge(s) IS NULL AS only_nulls FROM (VALUES (NULL::topk_summary)) AS v (s);
SELECT topk_merge(s) AS one FROM (VALUES (topk_build('{a,b,a}', k => 2))) AS v (s);

-- an item that one side does not list may have weighed that side's error
SELECT '{"k":1,"total":10,"error":3,"items":[["a",4,6]]}'::topk_summary || '{"k":1,"total":5,"error":0,"items":[["b",5,5]]}';
SELECT t.* FROM topk_merge(topk_summary '{"k":9,"total":100,"error":3,"items":[["a",40,42]]}', '{"k":9,"total":50,"error":2,"items":[["b",20,21]]}') AS s, topk_top(s) AS t;

-- a summary of unknown total makes the total unknown
SELECT topk_build('{a,b,a}') || '{"k":3,"total":null,"error":null,"items":[["a",5,null]]}';
SELECT topk_merge(s) FROM (VALUES (topk_build('{a,b,a}')), ('{"k":3,"total":null,"error":null,"items":[["a",5,null]]}')) AS v (s);

-- days make a week, in any grouping, as long as the items fit
CREATE TEMP TABLE event AS SELECT i % 7 AS day, (i * i % 31)::text AS item FROM generate_series(1, 5000) AS i;
CREATE TEMP TABLE daily AS SELECT day, topk_agg(item) AS s FROM event GROUP BY day;
SELECT (SELECT topk_merge(s) FROM daily) = (SELECT topk_agg(item) FROM event) AS week,
	(SELECT topk_merge(s ORDER BY day DESC) FROM daily) = (SELECT topk_merge(s ORDER BY day) FROM daily) AS any_order,
	(SELECT topk_merge(s) FROM (SELECT topk_merge(s) AS s FROM daily GROUP BY day % 3) AS _) = (SELECT topk_merge(s) FROM daily) AS any_grouping;

-- a running summary in a table
CREATE TEMP TABLE page_day (day int PRIMARY KEY, s topk_summary);
INSERT INTO page_day VALUES (1, topk_build('{a,b}'));
INSERT INTO page_day VALUES (1, topk_build('{b,c}')) ON CONFLICT (day) DO UPDATE SET s = page_day.s || excluded.s;
TABLE page_day;

-- errors
SELECT topk_build('{a}', '{9223372036854775807}') || topk_build('{b}');
SELECT topk_merge(s) FROM (VALUES (topk_build('{a}', '{9223372036854775807}')), (topk_build('{b}'))) AS v (s);
SELECT '{"k":3,"total":null,"error":null,"items":[["a",9223372036854775807,null]]}'::topk_summary || topk_build('{a}');
