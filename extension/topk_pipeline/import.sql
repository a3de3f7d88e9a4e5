/*
 * import.sql
 *	  Windows taken over from another system.
 */

CREATE TABLE topk_pipeline.imported_window
(
	pipeline_id			int NOT NULL REFERENCES topk_pipeline.pipeline ON DELETE CASCADE,
	bucket				bigint NOT NULL,
	key					text COLLATE "C" NOT NULL,
	version				bigint NOT NULL,
	imported_at			timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (pipeline_id, bucket, key)
);
COMMENT ON TABLE topk_pipeline.imported_window IS 'windows that were taken over from another system, so that none is taken twice';
COMMENT ON COLUMN topk_pipeline.imported_window.version IS 'the row''s version there';

/*
 * Its counts never exceed what the other system counted.  What it counted in
 * all, nobody knows; whoever does gives it as total: each of the decrements
 * that K counters have seen took the same from K + 1 items, so none of them
 * lost more than (total - sum of the counts) / (K + 1).
 */
CREATE FUNCTION topk_pipeline.summary_with_total(murmur bytea, total bigint) RETURNS topk_summary
LANGUAGE plpgsql IMMUTABLE
SET search_path FROM CURRENT
AS $$
DECLARE
	summary		topk_summary := topk_from_murmur(murmur);
	counted		numeric := (SELECT coalesce(sum(t.estimate), 0) FROM topk_top(summary, topk_k(summary)) AS t);
	error		bigint;
BEGIN
	IF total < counted THEN
		RAISE EXCEPTION 'total % is less than the sum of the counts, %', total, counted
			USING ERRCODE = 'invalid_parameter_value';
	END IF;
	error := floor((total - counted) / (topk_k(summary) + 1));
	RETURN json_build_object('k', topk_k(summary), 'total', total, 'error', error, 'items',
		(SELECT coalesce(json_agg(json_build_array(t.item, t.estimate, t.estimate + error) ORDER BY t.place), '[]')
		   FROM topk_top(summary, topk_k(summary))
				WITH ORDINALITY AS t (item, estimate, lower_bound, upper_bound, place)))::text::topk_summary;
END
$$;
COMMENT ON FUNCTION topk_pipeline.summary_with_total IS 'internal: a summary in Murmur''s format, of which the total is known';

CREATE FUNCTION topk_pipeline.import_window(pipeline text, key text, bucket bigint, murmur bytea,
	version bigint DEFAULT 0, total bigint DEFAULT NULL)
RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT
AS $$
#variable_conflict use_column
DECLARE
	p			topk_pipeline.pipeline := find(import_window.pipeline);
	summary		topk_summary := CASE WHEN total IS NULL THEN topk_resize(topk_from_murmur(murmur), p.counters)
									 ELSE summary_with_total(murmur, total) END;
	earlier		bigint;
BEGIN
	IF (import_window.bucket + 1) * p.window_seconds + p.retention_seconds <= extract(epoch FROM now())
		OR import_window.bucket > topk_pipeline.bucket(p.name) THEN
		RAISE EXCEPTION 'bucket % is past the retention or in the future', import_window.bucket
			USING ERRCODE = 'invalid_parameter_value';
	END IF;

	IF is_full(summary) THEN
		RAISE EXCEPTION 'total of the imported summary is 2^56, or above'
			USING ERRCODE = 'numeric_value_out_of_range';
	END IF;

	/* claims wait, so the sequence can't be set back; and so do other imports */
	PERFORM FROM pipeline AS l ORDER BY l.pipeline_id FOR NO KEY UPDATE;
	INSERT INTO imported_window (pipeline_id, bucket, key, version)
	VALUES (p.pipeline_id, import_window.bucket, import_window.key, import_window.version)
		ON CONFLICT DO NOTHING;
	IF NOT FOUND THEN
		SELECT i.version INTO earlier FROM imported_window AS i
		 WHERE i.pipeline_id = p.pipeline_id AND i.bucket = import_window.bucket AND i.key = import_window.key;
		IF earlier <> import_window.version THEN
			RAISE EXCEPTION 'window % of "%" was imported with version %, and has version % now',
				import_window.bucket, import_window.key, earlier, import_window.version
				USING ERRCODE = 'object_not_in_prerequisite_state',
					  HINT = 'Somebody went on writing it. Stop that, and import into a new pipeline.';
		END IF;
		RETURN false;
	END IF;

	IF import_window.version > mirror_issued(p.name) THEN
		PERFORM setval('mirror_version', import_window.version);
	END IF;
	INSERT INTO slot (pipeline_id, bucket, key, summary, records, last_ingest_at, changed_at)
	VALUES (p.pipeline_id, import_window.bucket, import_window.key, summary, 0, now(), now());
	PERFORM pg_notify('topk_pipeline', p.name);
	RETURN true;
END
$$;
COMMENT ON FUNCTION topk_pipeline.import_window IS
	'add the row of another system to a window, once; versions from now on are above the row''s; false if it was added before';
