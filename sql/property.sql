-- The guarantees, on random streams, against exact SQL.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS topk;
RESET client_min_messages;

-- 160 streams of up to 3,000 rows: few or many distinct items, skewed or not, weights, a change half way; each in up to 4 parts
SELECT setseed(0.5);
CREATE TEMP TABLE stream AS
SELECT trial, 1 + trial % 13 AS k, i, floor(random() * (1 + trial % 4))::int AS part,
	CASE trial % 5
		WHEN 0 THEN floor(random() * (2 + trial))::text
		WHEN 1 THEN floor(1 / (0.0002 + random()))::text
		WHEN 2 THEN CASE WHEN random() < 0.6 THEN 'new ' || i ELSE 'old ' || i / 500 % 3 END
		WHEN 3 THEN CASE WHEN i < 1500 THEN 'early ' || i % 40 WHEN random() < 0.3 THEN 'late' ELSE i::text END
		ELSE i::text
	END AS item,
	CASE WHEN trial % 3 = 0 THEN floor(random() * 50)::bigint ELSE 1 END AS weight
FROM generate_series(1, 160) AS trial, generate_series(1, 3000) AS i
WHERE i % (1 + trial % 7) = 0;

CREATE TEMP TABLE truth AS SELECT trial, item, sum(weight)::bigint AS weight FROM stream GROUP BY trial, item;
CREATE INDEX ON truth (trial, item);
ANALYZE truth;
CREATE TEMP TABLE whole AS SELECT trial, sum(weight)::bigint AS weight FROM truth GROUP BY trial;

-- which of the guarantees does a summary break, of the stream of a trial?
CREATE FUNCTION pg_temp.violations(of_trial int, s topk_summary) RETURNS bigint LANGUAGE sql AS $$
	SELECT (SELECT count(*) FROM whole WHERE trial = of_trial AND (weight <> topk_total(s) OR (topk_k(s) + 1) * topk_error(s) > weight))
		+ (topk_size(s) > topk_k(s))::int
		+ (SELECT count(*) FROM truth AS t LEFT JOIN topk_top(s, 2000000) AS l USING (item)
			WHERE t.trial = of_trial AND (t.weight < coalesce(l.lower_bound, 0) OR t.weight > coalesce(l.upper_bound, topk_error(s))))
		+ (SELECT count(*) FROM topk_top(s, 2000000) AS l WHERE NOT EXISTS (SELECT FROM truth AS t WHERE t.trial = of_trial AND t.item = l.item))
		+ (SELECT count(*) FROM topk_heavy_hitters(s, 0.1) AS h, truth AS t, whole AS w
			WHERE t.trial = of_trial AND w.trial = of_trial AND t.item = h.item AND t.weight <= 0.1 * w.weight)
		+ (SELECT count(*) FROM whole AS w, truth AS t LEFT JOIN topk_heavy_hitters(s, 0.5, 'no_false_negatives') AS h USING (item)
			WHERE t.trial = of_trial AND w.trial = of_trial AND h.item IS NULL AND t.weight > 0.5 * w.weight)
		+ (s::text::topk_summary <> s)::int
$$;

-- the checks work: a summary of another stream breaks them
SELECT pg_temp.violations(5, topk_weighted_agg(item, weight, 10)) > 0 AS checks_work FROM stream WHERE trial = 4;

CREATE TEMP TABLE direct AS SELECT trial, topk_weighted_agg(item, weight, k) AS s FROM stream GROUP BY trial;
SELECT count(*) AS summaries, sum(pg_temp.violations(trial, s)) AS violations, sum((topk_error(s) > 0)::int) > 50 AS many_are_inexact FROM direct;

-- parts of different k, merged in one go, one by one, and in two steps
CREATE TEMP TABLE part AS SELECT trial, part, topk_weighted_agg(item, weight, k + part) AS s FROM stream GROUP BY trial, part, k;
SELECT count(*) AS summaries, sum(pg_temp.violations(trial, s)) AS violations, bool_and(topk_k(s) = k) AS smallest_k
FROM (SELECT trial, topk_merge(s) AS s, min(topk_k(s)) AS k FROM part GROUP BY trial) AS _;

CREATE FUNCTION pg_temp.merge_all(parts topk_summary[]) RETURNS topk_summary LANGUAGE plpgsql AS $$
DECLARE
	s topk_summary;
	part topk_summary;
BEGIN
	FOREACH part IN ARRAY parts LOOP
		s := s || part;
	END LOOP;
	RETURN s;
END $$;
SELECT count(*) AS summaries, sum(pg_temp.violations(trial, pg_temp.merge_all(parts))) AS violations
FROM (SELECT trial, array_agg(s ORDER BY part DESC) AS parts FROM part GROUP BY trial) AS _;

SELECT count(*) AS summaries, sum(pg_temp.violations(trial, s)) AS violations
FROM (SELECT trial, topk_merge(s) AS s FROM (SELECT trial, topk_merge(s) AS s FROM part GROUP BY trial, part % 2) AS _ GROUP BY trial) AS _;

-- cut to less, and counted on
SELECT count(*) AS summaries, sum(pg_temp.violations(trial, topk_resize(s, greatest(1, topk_k(s) / 2)))) AS violations FROM direct;
SELECT count(*) AS summaries, sum(pg_temp.violations(trial, s)) AS violations
FROM (SELECT trial, topk_merge(s) AS s FROM (
	SELECT trial, topk_resize(topk_weighted_agg(item, weight, 50), 3) AS s FROM stream WHERE i % 2 = 0 GROUP BY trial
	UNION ALL SELECT trial, topk_weighted_agg(item, weight, 5) FROM stream WHERE i % 2 = 1 GROUP BY trial) AS _ GROUP BY trial) AS _;
