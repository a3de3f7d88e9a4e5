/*
 * replay.sql
 *	  Rejected records, looked at and counted after all.
 */

CREATE FUNCTION topk_pipeline.readable(payload bytea) RETURNS text
LANGUAGE plpgsql STABLE
SET search_path FROM CURRENT
AS $$
BEGIN
	RETURN convert_from(payload, 'UTF8');
EXCEPTION
	WHEN character_not_in_repertoire OR untranslatable_character THEN
		RETURN encode(payload, 'escape');
END
$$;
COMMENT ON FUNCTION topk_pipeline.readable IS 'bytes as text, with escapes if they are no UTF-8';

CREATE VIEW topk_pipeline.rejected AS
SELECT pipeline, rejected_at, source, shard, position, event_time, reason, detail,
	   topk_pipeline.readable(payload) AS payload,
	   (SELECT string_agg(topk_pipeline.readable(h.name) || coalesce(': ' || topk_pipeline.readable(h.value), ''), E'\n' ORDER BY h.place)
		  FROM unnest(header_names, header_values) WITH ORDINALITY AS h (name, value, place)) AS headers
  FROM topk_pipeline.rejected_record;
COMMENT ON VIEW topk_pipeline.rejected IS 'rejected records, their payloads and headers as text';

CREATE FUNCTION topk_pipeline.pointer_path(pointer text) RETURNS text[]
LANGUAGE plpgsql IMMUTABLE STRICT
SET search_path FROM CURRENT
AS $$
BEGIN
	IF pointer !~ '^(/([^~]|~[01])*)?$' THEN
		RAISE EXCEPTION '"%" is not a JSON Pointer', pointer
			USING ERRCODE = 'invalid_parameter_value',
				  HINT = 'A field of the object is /name, a field of an object in it /outer/inner.';
	END IF;
	RETURN ARRAY(SELECT replace(replace(step, '~1', '/'), '~0', '~')
				   FROM unnest((string_to_array(pointer, '/'))[2:]) WITH ORDINALITY AS s (step, place)
				  ORDER BY place);
END
$$;
COMMENT ON FUNCTION topk_pipeline.pointer_path IS 'internal: a JSON Pointer (RFC 6901) as a path for #>';

CREATE FUNCTION topk_pipeline.read_time(value jsonb) RETURNS timestamptz
LANGUAGE sql STABLE STRICT
BEGIN ATOMIC
	SELECT CASE WHEN jsonb_typeof(value) = 'number' AND (value #>> '{}')::numeric % 1 = 0
				THEN to_timestamp((value #>> '{}')::numeric / 1000.0)
				WHEN jsonb_typeof(value) = 'string'
					AND value #>> '{}' ~ '^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$'
				THEN (value #>> '{}')::timestamptz
		   END;
END;
COMMENT ON FUNCTION topk_pipeline.read_time IS 'internal: Unix milliseconds or an RFC 3339 time in an event; null if it is neither';

/*
 * As the feeders read an event; a path that is null takes the default.  Whoever
 * calls this has to know that item is null if nothing can be counted.
 */
CREATE FUNCTION topk_pipeline.read_event(payload bytea, record_time timestamptz,
	item_path text[], key_path text[], weight_path text[], time_path text[], id_path text[],
	OUT item text, OUT key text, OUT weight bigint, OUT at timestamptz, OUT id text)
LANGUAGE plpgsql STABLE
SET search_path FROM CURRENT
AS $$
DECLARE
	event		jsonb;
	number		numeric;
BEGIN
	event := convert_from(payload, 'UTF8');
	IF jsonb_typeof(event) <> 'object' OR jsonb_typeof(event #> item_path) IS DISTINCT FROM 'string' THEN
		RETURN;
	END IF;
	IF key_path IS NULL THEN
		key := 'global';
	ELSIF jsonb_typeof(event #> key_path) = 'string' AND octet_length(event #>> key_path) BETWEEN 1 AND 2048 THEN
		key := event #>> key_path;
	END IF;
	IF weight_path IS NULL THEN
		weight := 1;
	ELSIF jsonb_typeof(event #> weight_path) = 'number' THEN
		number := event #>> weight_path;
		weight := CASE WHEN number BETWEEN 0 AND 1e12 AND number = trunc(number) THEN number END;
	END IF;
	at := CASE WHEN time_path IS NULL THEN record_time ELSE read_time(event #> time_path) END;
	IF jsonb_typeof(event #> id_path) = 'string' AND octet_length(event #>> id_path) BETWEEN 1 AND 1000
		OR jsonb_typeof(event #> id_path) = 'number' AND event #>> id_path ~ '^-?\d{1,999}$'
	THEN
		id := event #>> id_path;
	END IF;
	IF num_nulls(key, weight, at) = 0 AND (id_path IS NULL OR id IS NOT NULL)
		AND octet_length(event #>> item_path) BETWEEN 1 AND 8192
	THEN
		item := event #>> item_path;
	END IF;
EXCEPTION
	WHEN data_exception OR program_limit_exceeded THEN
		item := NULL;
END
$$;
COMMENT ON FUNCTION topk_pipeline.read_event IS 'internal: what to count of an event, and when; item is null if nothing can be';

/* Ids take the time of the replay, which is within the TTL of all that are remembered. */
CREATE FUNCTION topk_pipeline.replay(pipeline text, reason text DEFAULT NULL,
	entity text DEFAULT '/entity_id', key text DEFAULT NULL, weight text DEFAULT NULL,
	event_time text DEFAULT NULL, id text DEFAULT NULL,
	OUT counted bigint, OUT duplicates bigint, OUT remaining bigint)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT
AS $$
#variable_conflict use_column
DECLARE
	p			topk_pipeline.pipeline := find(replay.pipeline);
	item_path	CONSTANT text[] := pointer_path(replay.entity);
	key_path	CONSTANT text[] := pointer_path(replay.key);
	weight_path	CONSTANT text[] := pointer_path(replay.weight);
	time_path	CONSTANT text[] := pointer_path(replay.event_time);
	id_path		CONSTANT text[] := pointer_path(replay.id);
	events		record;
	fresh		boolean[] := '{}';
BEGIN
	IF id_path IS NOT NULL THEN
		PERFORM prepare_seen(p, now(), now());
	END IF;
	WITH usable AS MATERIALIZED
	(
		SELECT r.rejected_id, e.*, bucket(p.name, e.at) AS bucket
		  FROM rejected_record AS r,
			   read_event(r.payload, r.event_time, item_path, key_path, weight_path, time_path, id_path) AS e
		 WHERE r.pipeline = p.name AND (replay.reason IS NULL OR r.reason = replay.reason)
		   AND e.item IS NOT NULL
		   AND e.at BETWEEN now() - p.retention_seconds * interval '1 second'
						AND now() + p.max_ahead_seconds * interval '1 second'
	),
	closed AS MATERIALIZED
	(
		SELECT f.key, f.bucket
		  FROM full_windows(p.name, ARRAY(SELECT u.key FROM usable AS u ORDER BY u.rejected_id),
							ARRAY(SELECT u.bucket FROM usable AS u ORDER BY u.rejected_id)) AS f
	),
	taken AS
	(
		DELETE FROM rejected_record AS r USING usable AS u
		 WHERE r.pipeline = p.name AND r.rejected_id = u.rejected_id
		   AND (u.key, u.bucket) NOT IN (SELECT c.key, c.bucket FROM closed AS c)
		RETURNING u.*
	)
	SELECT array_agg(t.key) AS keys, array_agg(t.item) AS items, array_agg(t.weight) AS weights,
		   array_agg(t.id) AS ids, array_agg(t.bucket) AS buckets, count(*) AS records
	  INTO events
	  FROM taken AS t;

	IF id_path IS NOT NULL AND events.records > 0 THEN
		fresh := remember(p, events.ids, array_fill(now(), ARRAY[events.records::int]), now(), now());
	END IF;
	counted := count_records(p, events.keys, events.buckets, events.items, events.weights, fresh);
	duplicates := events.records - counted;
	IF duplicates > 0 THEN
		PERFORM count_duplicates(p.pipeline_id, duplicates);
	END IF;
	SELECT count(*) INTO remaining FROM rejected_record AS r
	 WHERE r.pipeline = p.name AND (replay.reason IS NULL OR r.reason = replay.reason);
END
$$;
COMMENT ON FUNCTION topk_pipeline.replay IS
	'count rejected records that can be counted now, with their fields at these JSON Pointers, and forget them; the others stay';
