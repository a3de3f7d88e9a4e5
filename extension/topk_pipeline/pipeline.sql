/*
 * pipeline.sql
 *	  Pipelines: their settings, and where in time their windows are.
 */

CREATE TABLE topk_pipeline.pipeline
(
	pipeline_id			int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	name				text COLLATE "C" NOT NULL UNIQUE,
	k					int NOT NULL,
	counters			int NOT NULL,
	window_seconds		bigint NOT NULL,
	retention_seconds	bigint NOT NULL,
	dedup_ttl_seconds	bigint NOT NULL,
	max_ahead_seconds	bigint NOT NULL,
	writer				uuid NOT NULL DEFAULT gen_random_uuid(),
	created_at			timestamptz NOT NULL DEFAULT now(),
	CONSTRAINT "name has 1 to 200 characters" CHECK (length(name) BETWEEN 1 AND 200),
	CONSTRAINT "k is between 1 and 100000" CHECK (k BETWEEN 1 AND 100000),
	CONSTRAINT "counters is between k and 100000" CHECK (counters BETWEEN k AND 100000),
	CONSTRAINT "window length is at least 1 second" CHECK (window_seconds >= 1),
	CONSTRAINT "retention is at least one window" CHECK (retention_seconds >= window_seconds),
	CONSTRAINT "dedup TTL is not negative" CHECK (dedup_ttl_seconds >= 0),
	CONSTRAINT "max ahead is not negative" CHECK (max_ahead_seconds >= 0)
);
COMMENT ON TABLE topk_pipeline.pipeline IS 'one row a pipeline; made by topk_pipeline.create()';
COMMENT ON COLUMN topk_pipeline.pipeline.k IS 'items published';
COMMENT ON COLUMN topk_pipeline.pipeline.counters IS 'counters held in each stored summary';
COMMENT ON COLUMN topk_pipeline.pipeline.writer IS 'marks the mirrored rows that this pipeline wrote';

CREATE FUNCTION topk_pipeline.whole_seconds(length interval) RETURNS bigint
LANGUAGE plpgsql IMMUTABLE
SET search_path FROM CURRENT
AS $$
BEGIN
	IF extract(epoch FROM length) % 1 <> 0 THEN
		RAISE EXCEPTION 'interval "%" is not a whole number of seconds', length
			USING ERRCODE = 'invalid_parameter_value';
	END IF;
	RETURN extract(epoch FROM length);
END
$$;
COMMENT ON FUNCTION topk_pipeline.whole_seconds IS 'internal: an interval in seconds';

CREATE FUNCTION topk_pipeline.create(name text,
	k int DEFAULT 32, counters int DEFAULT 1000,
	window_length interval DEFAULT '1 day', retention interval DEFAULT '30 days',
	dedup_ttl interval DEFAULT '24 hours', max_ahead interval DEFAULT '1 hour')
RETURNS void
LANGUAGE sql SECURITY DEFINER
BEGIN ATOMIC
	INSERT INTO topk_pipeline.pipeline
		   (name, k, counters, window_seconds,
			retention_seconds, dedup_ttl_seconds, max_ahead_seconds)
	VALUES ("create".name, "create".k, "create".counters, topk_pipeline.whole_seconds(window_length),
			topk_pipeline.whole_seconds(retention), topk_pipeline.whole_seconds(dedup_ttl),
			topk_pipeline.whole_seconds(max_ahead));
END;
COMMENT ON FUNCTION topk_pipeline.create IS 'make a pipeline';

CREATE FUNCTION topk_pipeline.find(pipeline text) RETURNS topk_pipeline.pipeline
LANGUAGE plpgsql STABLE
SET search_path FROM CURRENT
AS $$
DECLARE
	result		topk_pipeline.pipeline;
BEGIN
	SELECT p.* INTO result FROM topk_pipeline.pipeline AS p WHERE p.name = find.pipeline;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'pipeline "%" does not exist', find.pipeline
			USING ERRCODE = 'undefined_object',
				  HINT = format('Create it with: SELECT topk_pipeline.create(%L);', find.pipeline);
	END IF;
	RETURN result;
END
$$;
COMMENT ON FUNCTION topk_pipeline.find IS 'internal: the row of a pipeline, or an error that says how to create it';

CREATE FUNCTION topk_pipeline.settings(pipeline text)
RETURNS TABLE (k int, counters int, window_seconds bigint, retention_seconds bigint,
	max_ahead_seconds bigint, summary_type oid, version text)
LANGUAGE sql STABLE SECURITY DEFINER
BEGIN ATOMIC
	SELECT p.k, p.counters, p.window_seconds, p.retention_seconds,
		   p.max_ahead_seconds, 'topk_summary'::regtype::oid, e.extversion
	  FROM topk_pipeline.find(pipeline) AS p, pg_extension AS e
	 WHERE e.extname = 'topk_pipeline';
END;
COMMENT ON FUNCTION topk_pipeline.settings IS 'what a feeder needs to know of a pipeline';

CREATE FUNCTION topk_pipeline.bucket(pipeline text, at timestamptz DEFAULT now()) RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER
BEGIN ATOMIC
	SELECT floor(extract(epoch FROM at) / p.window_seconds)::bigint
	  FROM topk_pipeline.find(pipeline) AS p;
END;
COMMENT ON FUNCTION topk_pipeline.bucket IS 'the window in which an event of that time counts';

CREATE FUNCTION topk_pipeline.window_start(pipeline text, bucket bigint) RETURNS timestamptz
LANGUAGE sql STABLE SECURITY DEFINER
BEGIN ATOMIC
	SELECT to_timestamp(bucket * p.window_seconds)
	  FROM topk_pipeline.find(pipeline) AS p;
END;
COMMENT ON FUNCTION topk_pipeline.window_start IS 'when a window begins';

CREATE FUNCTION topk_pipeline.check_lengths(names text, VARIADIC lengths int[]) RETURNS void
LANGUAGE plpgsql IMMUTABLE
SET search_path FROM CURRENT
AS $$
BEGIN
	IF (lengths[1] = ALL (lengths)) IS NOT TRUE THEN
		RAISE EXCEPTION 'arrays % must be equally long', names
			USING ERRCODE = 'invalid_parameter_value',
				  DETAIL = format('They have %s elements.', array_to_string(lengths, ', ', 'no'));
	END IF;
END
$$;
COMMENT ON FUNCTION topk_pipeline.check_lengths IS 'internal: arrays that belong together must be equally long, and not null';
