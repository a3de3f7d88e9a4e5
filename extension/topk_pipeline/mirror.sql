/*
 * mirror.sql
 *	  The mirror: changed windows, with a new version each, for whoever stores them elsewhere.
 */

/*
 * What the mirror has of each window.  A version is offered by mirror_claim()
 * and open until mirror_done() says that it is stored: due_at is then when to
 * offer the window again, with a newer version, should nobody say so.
 */
CREATE SEQUENCE topk_pipeline.mirror_version;
COMMENT ON SEQUENCE topk_pipeline.mirror_version IS 'versions of mirrored windows: only ever grows, never repeats';

CREATE TABLE topk_pipeline.mirror
(
	pipeline_id			int NOT NULL REFERENCES topk_pipeline.pipeline ON DELETE CASCADE,
	bucket				bigint NOT NULL,
	key					text COLLATE "C" NOT NULL,
	checked_at			timestamptz,
	version				bigint,
	offered_digest		bytea,
	due_at				timestamptz,
	unmirrored_since	timestamptz,
	mirrored_version	bigint,
	mirrored_digest		bytea,
	mirrored_at			timestamptz,
	failures			int NOT NULL DEFAULT 0,
	problem				text,
	PRIMARY KEY (pipeline_id, bucket, key)
)
WITH (fillfactor = 70);
CREATE INDEX mirror_due ON topk_pipeline.mirror (pipeline_id, due_at) WHERE due_at IS NOT NULL;
COMMENT ON TABLE topk_pipeline.mirror IS 'what the mirror has of each window; read mirror_status instead';
COMMENT ON COLUMN topk_pipeline.mirror.checked_at IS 'when mirror_claim() last looked at the window';
COMMENT ON COLUMN topk_pipeline.mirror.version IS 'the last version offered';
COMMENT ON COLUMN topk_pipeline.mirror.offered_digest IS 'SHA-256 of its value';
COMMENT ON COLUMN topk_pipeline.mirror.due_at IS 'when to offer it again; null when it is stored';
COMMENT ON COLUMN topk_pipeline.mirror.unmirrored_since IS 'oldest change in it that is not stored';
COMMENT ON COLUMN topk_pipeline.mirror.mirrored_version IS 'the last version stored';

CREATE FUNCTION topk_pipeline.mirror_lock(pipeline text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT
AS $$
DECLARE
	p			topk_pipeline.pipeline := find(mirror_lock.pipeline);
BEGIN
	IF NOT pg_try_advisory_lock('topk_pipeline'::regnamespace::oid::int, p.pipeline_id) THEN
		RETURN false;
	END IF;
	/* what the worker before left open, this one takes over at once */
	UPDATE mirror AS m SET due_at = now()
	 WHERE m.pipeline_id = p.pipeline_id AND m.due_at > now();
	RETURN true;
END
$$;
COMMENT ON FUNCTION topk_pipeline.mirror_lock IS
	'become the one mirror worker of a pipeline until the session ends; false if there is one; call it once a session';

/*
 * Cut to k items, a summary knows: looking at all that it holds takes ten times
 * as long.  It has to, where the cut is not the list: when the empty item, which
 * is left out, made room for the (k + 1)th, or the cut took others away.
 */
CREATE FUNCTION topk_pipeline.absent_bound(summary topk_summary, k int) RETURNS bigint
LANGUAGE sql IMMUTABLE
RETURN CASE
	WHEN topk_error(summary) IS NULL THEN NULL
	WHEN topk_estimate(summary, '') = 0 AND topk_size(summary) <= k THEN topk_error(summary)
	ELSE (SELECT CASE
			WHEN topk_estimate(summary, '') = 0 AND topk_to_murmur(c.cut, k) = topk_to_murmur(summary, k) THEN topk_error(c.cut)
			ELSE (SELECT greatest(topk_error(summary), max(t.upper_bound))
					FROM topk_top(summary, topk_k(summary))
						 WITH ORDINALITY AS t (item, estimate, lower_bound, upper_bound, place)
				   WHERE t.item = ''
					  OR t.place > k + (SELECT count(*) FROM topk_top(summary, k) AS b WHERE b.item = ''))
			END
			FROM (SELECT topk_resize(summary, least(k, topk_k(summary))) AS cut OFFSET 0) AS c)
END;
COMMENT ON FUNCTION topk_pipeline.absent_bound IS
	'internal: no item weighs more that is not among the first k, the empty one left out; null if unknown';

CREATE FUNCTION topk_pipeline.slack_bytes(summary topk_summary) RETURNS int
LANGUAGE sql IMMUTABLE
RETURN CASE WHEN topk_error(summary) > 0 THEN 1 + length(topk_error(summary)::text) ELSE 0 END;
COMMENT ON FUNCTION topk_pipeline.slack_bytes IS 'internal: what an item''s slack takes at most, as text with a comma';

/*
 * 400 kB is what DynamoDB takes as a row; beside the value it holds the slacks, the key,
 * the pipeline's name, and names and numbers of less than 400 bytes.
 */
CREATE FUNCTION topk_pipeline.items_that_fit(summary topk_summary, k int, others int) RETURNS int
LANGUAGE sql IMMUTABLE
BEGIN ATOMIC
	SELECT count(*)::int
	  FROM (SELECT sum(12 + octet_length(t.item) + topk_pipeline.slack_bytes(summary)) OVER (ORDER BY t.place) AS bytes
			  FROM topk_top(summary, topk_k(summary))
				   WITH ORDINALITY AS t (item, estimate, lower_bound, upper_bound, place)
			 WHERE t.item <> '' ORDER BY t.place LIMIT k) AS i
	 WHERE i.bytes <= 400 * 1024 - 400 - 8 - others;
END;
COMMENT ON FUNCTION topk_pipeline.items_that_fit IS
	'internal: how many of the first k items a row has room for, beside so many bytes of texts';

CREATE FUNCTION topk_pipeline.mirror_candidates(pipeline_id int, asked_at timestamptz,
	min_interval interval, max_windows int)
RETURNS TABLE (bucket bigint, key text)
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
#variable_conflict use_column
BEGIN
	RETURN QUERY
	SELECT c.bucket, c.key
	  FROM (
			(SELECT s.bucket, s.key, s.changed_at AS since
			   FROM slot AS s
			   LEFT JOIN mirror AS m USING (pipeline_id, bucket, key)
			  WHERE s.pipeline_id = mirror_candidates.pipeline_id AND s.changed_at IS NOT NULL
				AND (m.due_at IS NULL OR m.due_at <= asked_at)
				AND (m.checked_at BETWEEN asked_at - min_interval AND asked_at) IS NOT TRUE
			  ORDER BY s.changed_at LIMIT max_windows)
			UNION ALL
			(SELECT m.bucket, m.key, m.due_at
			   FROM mirror AS m
			  WHERE m.pipeline_id = mirror_candidates.pipeline_id AND m.due_at <= asked_at
				AND (m.checked_at BETWEEN asked_at - min_interval AND asked_at) IS NOT TRUE
			  ORDER BY m.due_at LIMIT max_windows)
		   ) AS c
	 GROUP BY c.bucket, c.key
	 ORDER BY min(c.since), c.bucket, c.key
	 LIMIT max_windows;
END
$$;
COMMENT ON FUNCTION topk_pipeline.mirror_candidates IS
	'internal: windows with a change or with an offer that is due, longest waiting first';

/* Fewer items go under the same K, which readers know. */
CREATE FUNCTION topk_pipeline.mirror_value(summary topk_summary, k int, others int)
RETURNS TABLE (value bytea, items int, left_out int)
LANGUAGE sql IMMUTABLE
BEGIN ATOMIC
	SELECT CASE WHEN f.fit IS NULL THEN f.whole
				ELSE substring(f.whole FROM 1 FOR 4) || substring(topk_to_murmur(summary, f.fit) FROM 5) END,
		   coalesce(f.fit, k),
		   CASE WHEN f.fit IS NULL THEN 0
				ELSE get_byte(f.whole, 4) + get_byte(f.whole, 5) * 256 + get_byte(f.whole, 6) * 65536 - f.fit END
	  FROM (SELECT w.whole, CASE WHEN octet_length(w.whole) + others
									  + least(k, topk_size(summary)) * topk_pipeline.slack_bytes(summary) > 400 * 1024 - 400
								 THEN topk_pipeline.items_that_fit(summary, k, others) END AS fit
			  FROM (SELECT topk_to_murmur(summary, k) AS whole OFFSET 0) AS w
			OFFSET 0 /* computed once */) AS f;
END;
COMMENT ON FUNCTION topk_pipeline.mirror_value IS
	'internal: the value of a row, and of how many items at most, beside so many bytes of texts';

/*
 * The locks on the slots come first: one that a writer has locked is read as it
 * was last committed and stays changed, so the window comes up again once the
 * writer has committed.  Only then, by a newer snapshot, are they read.
 */
CREATE FUNCTION topk_pipeline.mirror_offer(p topk_pipeline.pipeline, keys text[], buckets bigint[], asked_at timestamptz)
RETURNS TABLE (key text, bucket bigint, version bigint, value bytea, total bigint, error bigint,
	slacks bigint[], ttl bigint, updated_at bigint, writer text, left_out int)
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
#variable_conflict use_column
DECLARE
	open_for	CONSTANT interval := '1 minute';
	changed		bigint[];
BEGIN
	SELECT array_agg(s.slot_id) INTO changed
	  FROM unnest(keys, buckets) AS c (key, bucket),
		   LATERAL (SELECT l.slot_id FROM slot AS l
					 WHERE l.pipeline_id = p.pipeline_id AND l.bucket = c.bucket AND l.key = c.key
					   AND num_nonnulls(l.changed_at) = 1 /* by slot_window, not through all that changed */
					   FOR UPDATE SKIP LOCKED) AS s;

	RETURN QUERY
	WITH looked_at AS MATERIALIZED
	(
		SELECT c.key, c.bucket, c.place, s.*, v.*, sha256(v.value) AS digest,
			   CASE WHEN s.merged IS NOT NULL AND (m.due_at IS NULL AND m.mirrored_digest = sha256(v.value)) IS NOT TRUE
					THEN nextval('mirror_version')
			   END AS version
		  FROM unnest(keys, buckets) WITH ORDINALITY AS c (key, bucket, place)
		  LEFT JOIN mirror AS m ON m.pipeline_id = p.pipeline_id AND m.bucket = c.bucket AND m.key = c.key,
			   LATERAL (SELECT topk_merge(l.summary) AS merged, max(l.last_ingest_at) AS last_ingest, min(l.changed_at) AS since
						  FROM slot AS l
						 WHERE l.pipeline_id = p.pipeline_id AND l.bucket = c.bucket AND l.key = c.key) AS s,
			   LATERAL mirror_value(s.merged, p.k, octet_length(c.key) + octet_length(p.name)) AS v
	),
	kept AS
	(
		INSERT INTO mirror AS m (pipeline_id, bucket, key, checked_at, version, offered_digest, due_at, unmirrored_since)
		SELECT p.pipeline_id, l.bucket, l.key, asked_at, l.version, l.digest, asked_at + open_for, l.since
		  FROM looked_at AS l WHERE l.version IS NOT NULL
			ON CONFLICT ON CONSTRAINT mirror_pkey
			DO UPDATE SET checked_at = excluded.checked_at, version = excluded.version, offered_digest = excluded.offered_digest,
				due_at = excluded.due_at, unmirrored_since = least(m.unmirrored_since, excluded.unmirrored_since)
	),
	as_before AS
	(
		UPDATE mirror AS m SET checked_at = asked_at FROM looked_at AS l
		 WHERE m.pipeline_id = p.pipeline_id AND m.bucket = l.bucket AND m.key = l.key
		   AND l.merged IS NOT NULL AND l.version IS NULL
	),
	gone AS
	(
		DELETE FROM mirror AS m USING looked_at AS l
		 WHERE m.pipeline_id = p.pipeline_id AND m.bucket = l.bucket AND m.key = l.key AND l.merged IS NULL
	)
	SELECT l.key, l.bucket, l.version, l.value, topk_total(l.merged), absent_bound(l.merged, l.items), slacks(l.merged, l.items),
		   (l.bucket + 1) * p.window_seconds + p.retention_seconds, floor(extract(epoch FROM l.last_ingest))::bigint,
		   p.writer::text, l.left_out
	  FROM looked_at AS l WHERE l.version IS NOT NULL ORDER BY l.place;

	UPDATE slot SET changed_at = NULL WHERE slot_id = ANY (changed);
END
$$;
COMMENT ON FUNCTION topk_pipeline.mirror_offer IS 'internal: offer windows, but for those whose value is the one that is mirrored';

/*
 * Claims of one pipeline take turns, under the lock on its row.  checked_at
 * keeps a window from coming up twice in one call, so the loop ends.  As in
 * ingest(), plans go by index, here in the order of waiting.
 */
CREATE FUNCTION topk_pipeline.mirror_claim(pipeline text,
	min_interval interval DEFAULT '1 second', max_windows int DEFAULT 100)
RETURNS TABLE (key text, bucket bigint, version bigint, value bytea, total bigint, error bigint,
	slacks bigint[], ttl bigint, updated_at bigint, writer text, left_out int)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET enable_bitmapscan = off
SET enable_material = off
SET jit = off
AS $$
DECLARE
	p			topk_pipeline.pipeline := find(mirror_claim.pipeline);
	asked_at	timestamptz;
	keys		text[];
	buckets		bigint[];
	offered		int;
	claimed		int := 0;
BEGIN
	/* a version that is stored elsewhere must not be issued again after a crash */
	IF current_setting('synchronous_commit') = 'off' THEN
		PERFORM set_config('synchronous_commit', 'on', true);
	END IF;
	PERFORM FROM pipeline AS l WHERE l.pipeline_id = p.pipeline_id FOR NO KEY UPDATE;
	asked_at := clock_timestamp();
	LOOP
		SELECT array_agg(c.key ORDER BY c.place), array_agg(c.bucket ORDER BY c.place) INTO keys, buckets
		  FROM mirror_candidates(p.pipeline_id, asked_at, min_interval, max_windows - claimed)
			   WITH ORDINALITY AS c (bucket, key, place);
		EXIT WHEN keys IS NULL;
		RETURN QUERY SELECT * FROM mirror_offer(p, keys, buckets, asked_at);
		GET DIAGNOSTICS offered = ROW_COUNT;
		claimed := claimed + offered;
		EXIT WHEN claimed >= max_windows;
	END LOOP;
END
$$;
COMMENT ON FUNCTION topk_pipeline.mirror_claim IS
	'the changed windows that are to be stored now, with a new version each; report on each with mirror_done() or mirror_failed()';

CREATE FUNCTION topk_pipeline.mirror_report(pipeline text, keys text[], buckets bigint[], versions bigint[], problems text[])
RETURNS SETOF bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
#variable_conflict use_column
DECLARE
	p			topk_pipeline.pipeline := find(mirror_report.pipeline);
BEGIN
	PERFORM check_lengths('keys, buckets, versions and problems',
		cardinality(keys), cardinality(buckets), cardinality(versions), cardinality(problems));
	UPDATE mirror AS m
	   SET mirrored_version = m.version, mirrored_digest = m.offered_digest, mirrored_at = now(),
		   due_at = NULL, unmirrored_since = NULL, failures = 0, problem = NULL
	  FROM unnest(keys, buckets, versions, problems) AS r (key, bucket, version, problem)
	 WHERE m.pipeline_id = p.pipeline_id AND m.bucket = r.bucket AND m.key = r.key
	   AND m.version = r.version AND r.problem IS NULL;
	RETURN QUERY
	UPDATE mirror AS m
	   SET failures = m.failures + 1, problem = r.problem,
		   due_at = clock_timestamp() + least(2 ^ least(m.failures, 10), 300) * interval '1 second'
	  FROM unnest(keys, buckets, versions, problems) AS r (key, bucket, version, problem)
	 WHERE m.pipeline_id = p.pipeline_id AND m.bucket = r.bucket AND m.key = r.key
	   AND m.version = r.version AND r.problem IS NOT NULL AND m.due_at IS NOT NULL
	RETURNING m.version;
END
$$;
COMMENT ON FUNCTION topk_pipeline.mirror_report IS
	'what became of offers: stored where the problem is null, else offered again later; without effect when a newer one was made since; returns the versions that failed';

CREATE FUNCTION topk_pipeline.mirror_done(pipeline text, key text, bucket bigint, version bigint) RETURNS void
LANGUAGE sql SECURITY DEFINER
BEGIN ATOMIC
	SELECT topk_pipeline.mirror_report(pipeline, ARRAY[key], ARRAY[bucket], ARRAY[version], ARRAY[NULL::text]);
END;
COMMENT ON FUNCTION topk_pipeline.mirror_done IS 'this version is stored; without effect when a newer one was offered since';

CREATE FUNCTION topk_pipeline.mirror_failed(pipeline text, key text, bucket bigint, version bigint, problem text)
RETURNS void
LANGUAGE sql SECURITY DEFINER
BEGIN ATOMIC
	SELECT topk_pipeline.mirror_report(pipeline, ARRAY[key], ARRAY[bucket], ARRAY[version], ARRAY[coalesce(problem, 'unknown')]);
END;
COMMENT ON FUNCTION topk_pipeline.mirror_failed IS
	'this version could not be stored: offered again after 1, 2, 4, … up to 300 seconds, shown in mirror_status';

/* By the two partial indexes, so it costs next to nothing. */
CREATE FUNCTION topk_pipeline.mirror_oldest(pipeline text) RETURNS float8
LANGUAGE sql STABLE SECURITY DEFINER
BEGIN ATOMIC
	SELECT extract(epoch FROM now() - least(
			(SELECT s.changed_at FROM topk_pipeline.slot AS s
			  WHERE s.pipeline_id = p.pipeline_id AND s.changed_at IS NOT NULL ORDER BY s.changed_at LIMIT 1),
			(SELECT min(m.unmirrored_since) FROM topk_pipeline.mirror AS m
			  WHERE m.pipeline_id = p.pipeline_id AND m.due_at IS NOT NULL)))::float8
	  FROM topk_pipeline.find(pipeline) AS p;
END;
COMMENT ON FUNCTION topk_pipeline.mirror_oldest IS 'age in seconds of the oldest change that is not mirrored, null if there is none';

CREATE FUNCTION topk_pipeline.mirror_issued(pipeline text) RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER
BEGIN ATOMIC
	SELECT CASE WHEN s.is_called THEN s.last_value ELSE 0 END
	  FROM topk_pipeline.find(pipeline), topk_pipeline.mirror_version AS s;
END;
COMMENT ON FUNCTION topk_pipeline.mirror_issued IS
	'the highest version ever issued: a stored row of ours with a higher one comes from before a restore';

CREATE FUNCTION topk_pipeline.mirror_take_over(pipeline text, key text, bucket bigint, above_version bigint)
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT
AS $$
#variable_conflict use_column
DECLARE
	p			topk_pipeline.pipeline := find(mirror_take_over.pipeline);
BEGIN
	/* nobody claims meanwhile, so the sequence can't pass above_version and be set back to it */
	PERFORM FROM pipeline AS l ORDER BY l.pipeline_id FOR NO KEY UPDATE;
	IF above_version > mirror_issued(p.name) THEN
		PERFORM setval('mirror_version', above_version);
	END IF;

	INSERT INTO mirror (pipeline_id, bucket, key, due_at, unmirrored_since)
	VALUES (p.pipeline_id, mirror_take_over.bucket, mirror_take_over.key, now(), now())
		ON CONFLICT ON CONSTRAINT mirror_pkey
		DO UPDATE SET due_at = now(), checked_at = NULL, failures = 0, problem = NULL;
END
$$;
COMMENT ON FUNCTION topk_pipeline.mirror_take_over IS
	'overwrite a row that someone else wrote: versions from now on are above above_version, and the window is offered at once';

CREATE FUNCTION topk_pipeline.mirror_expected(pipeline text,
	after_bucket bigint DEFAULT NULL, after_key text DEFAULT NULL, max_windows int DEFAULT 100)
RETURNS TABLE (key text, bucket bigint, version bigint, digest bytea, ttl bigint, writer text, open boolean)
LANGUAGE sql STABLE SECURITY DEFINER
SET plan_cache_mode = force_generic_plan
BEGIN ATOMIC
	SELECT w.key, w.bucket, m.mirrored_version, m.mirrored_digest,
		   (w.bucket + 1) * w.window_seconds + w.retention_seconds, w.writer::text,
		   w.changed OR m.due_at IS NOT NULL
	  FROM (SELECT p.pipeline_id, p.writer, p.window_seconds, p.retention_seconds, s.bucket, s.key,
				   bool_or(s.changed_at IS NOT NULL) AS changed
			  FROM topk_pipeline.find(pipeline) AS p JOIN topk_pipeline.slot AS s USING (pipeline_id)
			 WHERE (s.bucket, s.key) > (coalesce(after_bucket, -9223372036854775808), coalesce(after_key, '') COLLATE "C")
			 GROUP BY p.pipeline_id, p.writer, p.window_seconds, p.retention_seconds, s.bucket, s.key
			 ORDER BY s.bucket, s.key
			 LIMIT max_windows) AS w
	  LEFT JOIN topk_pipeline.mirror AS m USING (pipeline_id, bucket, key)
	 ORDER BY w.bucket, w.key;
END;
COMMENT ON FUNCTION topk_pipeline.mirror_expected IS
	'what the mirrored rows should be, by bucket and key, after one of them: version, SHA-256 of the value; open: a change is yet to be mirrored';
