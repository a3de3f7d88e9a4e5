-- Window frames: the final function is called again and again on one state.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS topk;
RESET client_min_messages;

-- a growing frame goes on with its state
SELECT i, topk_agg(item, 2) OVER (ORDER BY i)
FROM unnest('{a,b,b,c,NULL,c,c}'::text[]) WITH ORDINALITY AS v (item, i) ORDER BY i;

-- a sliding one starts again
SELECT i, topk_agg(item, 2) OVER (ORDER BY i ROWS BETWEEN 2 PRECEDING AND CURRENT ROW)
FROM unnest('{a,b,b,c,NULL,NULL,NULL,c}'::text[]) WITH ORDINALITY AS v (item, i) ORDER BY i;

-- each frame says what an aggregate over the same rows says
CREATE TEMP TABLE event AS SELECT i, i % 3 AS g, (i * i % 17)::text AS item, i % 4 AS weight FROM generate_series(1, 200) AS i;
SELECT count(*) AS frames, bool_and(s = (SELECT topk_agg(item, 5) FROM event AS b WHERE b.g = w.g AND b.i <= w.i)) AS same
FROM (SELECT g, i, topk_agg(item, 5) OVER (PARTITION BY g ORDER BY i) AS s FROM event) AS w;
SELECT count(*) AS frames, bool_and(s IS NOT DISTINCT FROM (SELECT topk_weighted_agg(item, weight, 5) FROM event AS b WHERE b.i BETWEEN w.i - 9 AND w.i - 1)) AS same
FROM (SELECT i, topk_weighted_agg(item, weight, 5) OVER (ORDER BY i ROWS BETWEEN 9 PRECEDING AND 1 PRECEDING) AS s FROM event) AS w;

-- the last 7 days, from one summary a day
CREATE TEMP TABLE daily AS SELECT i / 10 AS day, topk_agg(item, 50) AS s FROM event GROUP BY 1;
SELECT count(*) AS frames, bool_and(week = (SELECT topk_agg(item, 50) FROM event WHERE i / 10 BETWEEN day - 6 AND day)) AS same
FROM (SELECT day, topk_merge(s) OVER (ORDER BY day ROWS BETWEEN 6 PRECEDING AND CURRENT ROW) AS week FROM daily) AS w;

-- a state that has been purged goes on undisturbed as well
SELECT bool_and((k + 1) * topk_error(s) <= topk_total(s) AND topk_total(s) = i) AS guarantees_hold
FROM (SELECT i, 4 AS k, topk_agg((i % 1700)::text, 4) OVER (ORDER BY i) AS s FROM generate_series(1, 3000) AS i) AS w;
