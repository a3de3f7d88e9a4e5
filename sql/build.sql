-- Making summaries without an aggregate: topk_empty, topk_build, topk_add, topk_resize.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS topk;
RESET client_min_messages;

-- topk_empty
SELECT topk_empty(), topk_empty(7), topk_empty(NULL) IS NULL AS null_k;
SELECT topk_empty(0);
SELECT topk_empty(100001);

-- topk_build
SELECT topk_build('{a,b,a}');
SELECT topk_build('{a,b,a}', '{1,20,3}');
SELECT topk_build('{a,b,a}', '{1,20,3}', 1);
SELECT topk_build('{a,NULL,b,c}', '{1,2,NULL,0}', 3) AS nulls_and_weight_0;
SELECT topk_build('{}'), topk_build(NULL) IS NULL AS null_items;
SELECT topk_build('{{a,b},{a,c}}') AS two_dimensions;
SELECT topk_build(ARRAY['']) AS empty_item;
SELECT topk_build('{a,b}', '{1}');
SELECT topk_build('{a,b}', '{1,-1}');
SELECT topk_build('{a,b}', k => 0);
SELECT topk_build('{a,b}', k => NULL);
SELECT topk_build(ARRAY[repeat('x', 8193)]);
SELECT topk_build('{a,a}', '{9223372036854775807,1}');
SELECT topk_build(array_agg(i::text), NULL, 5) = topk_agg(i::text, 5) AS as_the_aggregate FROM generate_series(1, 5000) AS i;

-- topk_add
SELECT topk_add(NULL, 'a');
SELECT topk_add(NULL, 'a', 5, 3);
SELECT topk_add(topk_add(topk_add(NULL, 'a'), 'b', 3), 'a');
SELECT topk_add(topk_build('{a}', k => 5), 'b', k => 50) AS k_is_the_summarys;
SELECT topk_add(NULL, NULL) IS NULL AS nothing, topk_add(s, NULL) = s AS null_item, topk_add(s, 'b', NULL) = s AS null_weight, topk_add(s, 'b', 0) = s AS weight_0
FROM topk_build('{a}') AS s;
SELECT topk_add(NULL, 'a', 0);
SELECT topk_add(NULL, 'a', -1);
SELECT topk_add(NULL, 'a', 1, 0);
SELECT topk_add(NULL, 'a', 1, NULL);
SELECT topk_add(topk_build('{a}'), repeat('x', 8193));
SELECT topk_add(topk_build('{a}', '{9223372036854775807}'), 'b');

-- one item after the other: the guarantees hold however small k is
CREATE FUNCTION pg_temp.add_all(items text[], k int) RETURNS topk_summary LANGUAGE plpgsql AS $$
DECLARE
	s topk_summary;
	item text;
BEGIN
	FOREACH item IN ARRAY items LOOP
		s := topk_add(s, item, 1, k);
	END LOOP;
	RETURN s;
END $$;
SELECT topk_total(s), topk_size(s), 4 * topk_error(s) <= topk_total(s) AS error_is_small,
	topk_lower_bound(s, '0') <= 300 AND 300 <= topk_upper_bound(s, '0') AS bounds_hold
FROM (SELECT pg_temp.add_all(array_agg(CASE WHEN i % 2 = 0 THEN '0' ELSE i::text END), 3) AS s FROM generate_series(1, 600) AS i) AS _;

-- topk_resize
SELECT topk_resize(topk_build('{a,b,b,c,c,c}'), 2);
SELECT topk_resize(topk_build('{a,b,b,c,c,c}'), 3), topk_resize(topk_build('{a}', k => 1), 5);
SELECT topk_resize(topk_resize(topk_build('{a,b,b,c,c,c}'), 2), 3) AS dropped_is_dropped;
SELECT topk_resize('{"k":1,"total":2,"error":1,"items":[]}', 2);
SELECT topk_resize(topk_empty(), 0);
SELECT topk_resize(topk_empty(), NULL) IS NULL, topk_resize(NULL, 5) IS NULL;
