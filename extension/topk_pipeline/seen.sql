/*
 * seen.sql
 *	  Ids of records: which ones were seen before.
 */

/*
 * The ids of the records that came, for as long as a copy may come again.  An
 * id stands in the partition of its record's own time, so a redelivery, which
 * has the same time, meets its first copy there and waits for it if need be.
 *
 * A partition is as long as the TTL, so an id whose copy has another time is
 * at most one partition away.
 */
CREATE TABLE topk_pipeline.seen_record
(
	id_time				timestamptz NOT NULL,
	pipeline_id			int NOT NULL,
	id					text COLLATE "C" NOT NULL,
	CONSTRAINT "id has 1 to 1000 bytes" CHECK (octet_length(id) BETWEEN 1 AND 1000)
)
PARTITION BY RANGE (pipeline_id, id_time);
COMMENT ON TABLE topk_pipeline.seen_record IS
	'ids of records that were counted or rejected, kept for the dedup TTL; a partition for each length of it';
COMMENT ON COLUMN topk_pipeline.seen_record.id_time IS
	'the record''s own time, or when it came if that is unknown or further away than the TTL';

CREATE FUNCTION topk_pipeline.seen_seconds(p topk_pipeline.pipeline) RETURNS bigint
LANGUAGE sql IMMUTABLE
RETURN greatest(p.dedup_ttl_seconds, 3600);
COMMENT ON FUNCTION topk_pipeline.seen_seconds IS 'internal: the length of a partition of seen_record';

CREATE FUNCTION topk_pipeline.seen_partition(p topk_pipeline.pipeline, at timestamptz) RETURNS bigint
LANGUAGE sql IMMUTABLE
RETURN floor(extract(epoch FROM at) / topk_pipeline.seen_seconds(p));
COMMENT ON FUNCTION topk_pipeline.seen_partition IS 'internal: the partition of seen_record for that time';

CREATE FUNCTION topk_pipeline.plausible_times(p topk_pipeline.pipeline, times timestamptz[]) RETURNS timestamptz[]
LANGUAGE plpgsql STABLE
SET search_path FROM CURRENT
AS $$
DECLARE
	earliest	CONSTANT timestamptz := now() - p.dedup_ttl_seconds * interval '1 second';
	latest		CONSTANT timestamptz := now() + p.dedup_ttl_seconds * interval '1 second';
BEGIN
	RETURN ARRAY(SELECT CASE WHEN t.at BETWEEN earliest AND latest THEN t.at ELSE now() END
				   FROM unnest(times) WITH ORDINALITY AS t (at, place) ORDER BY t.place);
END
$$;
COMMENT ON FUNCTION topk_pipeline.plausible_times IS
	'internal: times as they are, or now; so a batch touches few partitions, and none that expires soon';

CREATE FUNCTION topk_pipeline.prepare_seen(p topk_pipeline.pipeline, earliest timestamptz, latest timestamptz) RETURNS void
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
BEGIN
	FOR number IN seen_partition(p, earliest) .. seen_partition(p, latest) LOOP
		PERFORM add_partition('seen_record', p.pipeline_id, p.pipeline_id::text, number, seen_seconds(p), ', UNIQUE (id)');
	END LOOP;
END
$$;
COMMENT ON FUNCTION topk_pipeline.prepare_seen IS 'internal: make room for ids of those times';

/*
 * Which records are new?  Ids go in in sorted order, so that two batches which
 * share some can't deadlock; the second waits for the first to commit and then
 * finds them.
 *
 * A copy in the same partition is a conflict.  One in another partition has to
 * be looked for; the LIMIT keeps that a probe of one or two indexes for each id.
 */
CREATE FUNCTION topk_pipeline.remember(p topk_pipeline.pipeline, ids text[], times timestamptz[],
	earliest timestamptz, latest timestamptz)
RETURNS boolean[]
LANGUAGE plpgsql
SET search_path FROM CURRENT
SET enable_hashjoin = on
AS $$
#variable_conflict use_column
DECLARE
	ttl			CONSTANT interval := p.dedup_ttl_seconds * interval '1 second';
	own			CONSTANT bigint := seen_partition(p, earliest);
	own_start	timestamptz := 'infinity';
	own_end		timestamptz := 'infinity';
	fresh		boolean[];
BEGIN
	IF own = seen_partition(p, latest) THEN
		own_start := to_timestamp(own * seen_seconds(p));
		own_end := to_timestamp((own + 1) * seen_seconds(p));
	END IF;
	WITH offered AS MATERIALIZED
	(
		SELECT o.id COLLATE "C" AS id, o.at, o.place,
			   row_number() OVER (PARTITION BY o.id COLLATE "C" ORDER BY o.place) AS copy
		  FROM unnest(ids, times) WITH ORDINALITY AS o (id, at, place)
	),
	added AS
	(
		INSERT INTO seen_record (id_time, pipeline_id, id)
		SELECT o.at, p.pipeline_id, o.id
		  FROM offered AS o
		  LEFT JOIN LATERAL (SELECT true AS seen FROM seen_record AS s
							  WHERE s.pipeline_id = p.pipeline_id AND s.id = o.id
								AND s.id_time BETWEEN earliest - ttl AND latest + ttl
								AND (s.id_time < own_start OR s.id_time >= own_end)
							  LIMIT 1) AS s ON true
		 WHERE o.id IS NOT NULL AND o.copy = 1 AND s.seen IS NULL
		 ORDER BY o.id
			ON CONFLICT DO NOTHING
		RETURNING id
	)
	SELECT array_agg(o.id IS NULL OR a.id IS NOT NULL ORDER BY o.place) INTO fresh
	  FROM offered AS o LEFT JOIN added AS a ON a.id = o.id AND o.copy = 1;
	RETURN coalesce(fresh, '{}');
END
$$;
COMMENT ON FUNCTION topk_pipeline.remember IS
	'internal: remember ids with times from earliest to latest, and tell for each whether it is new; one that is null always is';

/* One row is enough unless writers would have to wait for each other. */
CREATE TABLE topk_pipeline.duplicate_count
(
	duplicate_count_id	bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	pipeline_id			int NOT NULL REFERENCES topk_pipeline.pipeline ON DELETE CASCADE,
	records				bigint NOT NULL
)
WITH (fillfactor = 50);
COMMENT ON TABLE topk_pipeline.duplicate_count IS 'parts of each pipeline''s number of duplicates; read status instead';

CREATE FUNCTION topk_pipeline.count_duplicates(pipeline_id int, records bigint) RETURNS void
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
#variable_conflict use_column
BEGIN
	UPDATE duplicate_count AS d SET records = d.records + count_duplicates.records
	 WHERE d.duplicate_count_id = (SELECT f.duplicate_count_id FROM duplicate_count AS f
									WHERE f.pipeline_id = count_duplicates.pipeline_id
									ORDER BY f.duplicate_count_id LIMIT 1
									  FOR UPDATE SKIP LOCKED);
	IF NOT FOUND THEN
		INSERT INTO duplicate_count (pipeline_id, records) VALUES (count_duplicates.pipeline_id, count_duplicates.records);
	END IF;
END
$$;
COMMENT ON FUNCTION topk_pipeline.count_duplicates IS 'internal: add to a pipeline''s number of duplicates, waiting for nobody';
