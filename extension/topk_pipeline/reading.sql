/*
 * reading.sql
 *	  What people and topk-query read.
 */

CREATE VIEW topk_pipeline.window_summary AS
SELECT p.name AS pipeline, s.key, s.bucket,
	   to_timestamp(s.bucket * p.window_seconds) AS window_start,
	   topk_merge(s.summary) AS summary,
	   sum(s.records)::bigint AS records,
	   max(s.last_ingest_at) AS last_ingest_at
  FROM topk_pipeline.slot AS s
  JOIN topk_pipeline.pipeline AS p USING (pipeline_id)
 GROUP BY p.name, s.key, s.bucket, p.window_seconds;
COMMENT ON VIEW topk_pipeline.window_summary IS 'each window with its merged summary';

CREATE FUNCTION topk_pipeline.recent_buckets(pipeline text, days int) RETURNS bigint[]
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT ARRAY(SELECT generate_series(r.newest - r.length + 1, r.newest))
	  FROM (SELECT topk_pipeline.bucket(pipeline) AS newest,
				   greatest(1, ceil(days * 86400.0 / p.window_seconds))::bigint AS length
			  FROM topk_pipeline.find(pipeline) AS p) AS r;
END;
COMMENT ON FUNCTION topk_pipeline.recent_buckets IS 'internal: the windows of the last days, ending with the current one';

CREATE FUNCTION topk_pipeline.summary(pipeline text, key text DEFAULT 'global', days int DEFAULT 1)
RETURNS topk_summary
LANGUAGE sql STABLE SECURITY DEFINER
BEGIN ATOMIC
	SELECT topk_merge(s.summary)
	  FROM topk_pipeline.slot AS s
	 WHERE s.pipeline_id = (SELECT p.pipeline_id FROM topk_pipeline.find(pipeline) AS p)
	   AND s.bucket = ANY ((SELECT topk_pipeline.recent_buckets(pipeline, days))::bigint[])
	   AND s.key = summary.key;
END;
COMMENT ON FUNCTION topk_pipeline.summary IS 'the merged summary of the last days, ending with the current window; null if there is none';

CREATE FUNCTION topk_pipeline.top(pipeline text, n int DEFAULT 10, key text DEFAULT 'global', days int DEFAULT 1)
RETURNS TABLE (item text, estimate bigint, lower_bound bigint, upper_bound bigint)
LANGUAGE sql STABLE SECURITY DEFINER
BEGIN ATOMIC
	SELECT t.item, t.estimate, t.lower_bound, t.upper_bound
	  FROM topk_top(topk_pipeline.summary(pipeline, key, days), n) AS t;
END;
COMMENT ON FUNCTION topk_pipeline.top IS 'the most frequent items of the last days, highest first';

CREATE FUNCTION topk_pipeline.top_keys(pipeline text, keys text[] DEFAULT NULL, n int DEFAULT 10, days int DEFAULT 1)
RETURNS TABLE (key text, item text, estimate bigint, lower_bound bigint, upper_bound bigint)
LANGUAGE sql STABLE SECURITY DEFINER
BEGIN ATOMIC
	SELECT w.key, t.item, t.estimate, t.lower_bound, t.upper_bound
	  FROM (SELECT s.key, topk_merge(s.summary) AS summary
			  FROM topk_pipeline.slot AS s
			 WHERE s.pipeline_id = (SELECT p.pipeline_id FROM topk_pipeline.find(pipeline) AS p)
			   AND s.bucket = ANY ((SELECT topk_pipeline.recent_buckets(pipeline, days))::bigint[])
			   AND (keys IS NULL OR s.key = ANY (keys))
			 GROUP BY s.key) AS w,
		   topk_top(w.summary, n) WITH ORDINALITY AS t (item, estimate, lower_bound, upper_bound, place)
	 ORDER BY w.key, t.place;
END;
COMMENT ON FUNCTION topk_pipeline.top_keys IS 'top() of each of several keys, or of all';

CREATE FUNCTION topk_pipeline.slacks(summary topk_summary, k int) RETURNS bigint[]
LANGUAGE sql IMMUTABLE
RETURN CASE
	WHEN topk_error(summary) > 0 THEN
		(WITH listed AS
		 (
			SELECT t.place, t.upper_bound - t.lower_bound AS slack
			  FROM topk_top(summary, k + 1)
				   WITH ORDINALITY AS t (item, estimate, lower_bound, upper_bound, place)
			 WHERE t.item <> '' ORDER BY t.place LIMIT k
		 )
		 SELECT coalesce(array_agg(l.slack ORDER BY l.place), '{}')
		   FROM listed AS l WHERE l.place <= (SELECT max(place) FROM listed WHERE slack > 0))
	WHEN topk_error(summary) = 0 THEN '{}'::bigint[]
END;
COMMENT ON FUNCTION topk_pipeline.slacks IS
	'internal: upper minus lower bound of each of the first k items, the empty one left out, without the zeros at the end; null if unknown';

/*
 * What a reader gets of each window is what the mirror stores of it, so that
 * who reads here and who reads there sees the same.  Buckets are enumerated,
 * so that each window is one probe of slot_window, and clamped to those that
 * there may be, so that they are few.
 */
CREATE FUNCTION topk_pipeline.windows(pipeline text, keys text[], from_bucket bigint, to_bucket bigint)
RETURNS TABLE (key text, bucket bigint, version bigint, value bytea, total bigint, error bigint,
	slacks bigint[], updated_at bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path FROM CURRENT
SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
DECLARE
	p			topk_pipeline.pipeline := find(windows.pipeline);
	oldest		bigint := topk_pipeline.bucket(p.name, now() - p.retention_seconds * interval '1 second');
	newest		bigint := topk_pipeline.bucket(p.name, now() + p.max_ahead_seconds * interval '1 second');
BEGIN
	RETURN QUERY
	SELECT w.key, w.bucket, w.records, topk_to_murmur(w.summary, p.k), topk_total(w.summary), absent_bound(w.summary, p.k),
		   slacks(w.summary, p.k),
		   floor(extract(epoch FROM w.last_ingest_at))::bigint
	  FROM (SELECT s.key, s.bucket, topk_merge(s.summary) AS summary, sum(s.records)::bigint AS records,
				   max(s.last_ingest_at) AS last_ingest_at
			  FROM slot AS s
			 WHERE s.pipeline_id = p.pipeline_id
			   AND s.bucket = ANY (ARRAY(SELECT generate_series(greatest(from_bucket, oldest), least(to_bucket, newest))))
			   AND s.key = ANY (keys)
			 GROUP BY s.key, s.bucket) AS w
	 ORDER BY w.key, w.bucket;
END
$$;
COMMENT ON FUNCTION topk_pipeline.windows IS
	'the published windows of some keys, those that exist: value, total and error as mirror_claim() has them; slacks: upper minus lower bound of each item of value, without the zeros at the end, null where unknown; version: events counted';
