/*
 * topk_pipeline--1.0.sql
 *	  The pipeline: windows of summaries, source positions, rejected records,
 *	  and what has to be mirrored.
 *
 * It must not know how a summary works (that is topk), nor Kafka, Kinesis or
 * DynamoDB: sources are text, positions are numbers, the mirror is whoever
 * calls mirror_claim().
 *
 * Every function runs as the owner of the extension (SECURITY DEFINER) and
 * PUBLIC may execute none, so a role can do exactly what it was granted:
 * docs/pipeline.md has the GRANTs for a writer, a reader and a mirror.
 *
 * topk may live in any schema.  While this script runs, search_path is this
 * schema, then topk's, then pg_temp; "SET search_path FROM CURRENT" keeps just
 * that for each PL/pgSQL function.  SQL functions with a standard body and
 * views are bound when they are created and need no search_path.
 */

\echo Use "CREATE EXTENSION topk_pipeline CASCADE" to load this file. \quit

/* ---- pipelines ---- */

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

/* ---- partitions ---- */

/*
 * What grows with the stream and is forgotten as it ages is partitioned by
 * pipeline and time, so that forgetting drops a partition.  Partition n of a
 * pipeline begins n lengths after the Unix epoch, and is made when a batch
 * first needs it.
 *
 * Keys belong to each partition, not to the parent: pg_dump attaches a
 * partition before it makes its keys, and could not make them if the parent,
 * which comes with the extension, had done so already.
 */
CREATE FUNCTION topk_pipeline.partitions(parent text, pipeline_id int, before bigint DEFAULT NULL) RETURNS text[]
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT coalesce(array_agg(c.relname::text), '{}')
	  FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
	 WHERE i.inhparent = ('topk_pipeline.' || parent)::regclass
	   AND starts_with(c.relname, format('%s_%s_', parent, pipeline_id))
	   AND (before IS NULL OR substring(c.relname FROM '[0-9]+$')::bigint < before);
END;
COMMENT ON FUNCTION topk_pipeline.partitions IS 'internal: the partitions of a pipeline, or those before a number';

/*
 * Writers go on meanwhile, but those who need the same new partition wait for
 * our commit.  So this comes before anything that others could wait for.
 */
CREATE FUNCTION topk_pipeline.add_partition(parent text, pipeline_id int, member text, number bigint, seconds bigint,
	keys text DEFAULT '')
RETURNS void
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
DECLARE
	name		text := format('%s_%s_%s', parent, pipeline_id, number);
BEGIN
	IF to_regclass(format('topk_pipeline.%I', name)) IS NOT NULL THEN
		RETURN;
	END IF;
	EXECUTE format('LOCK TABLE topk_pipeline.%I IN SHARE UPDATE EXCLUSIVE MODE', parent);
	IF to_regclass(format('topk_pipeline.%I', name)) IS NOT NULL THEN
		RETURN;
	END IF;
	/* what is dropped before long need not be vacuumed */
	EXECUTE format('CREATE TABLE topk_pipeline.%I (LIKE topk_pipeline.%I INCLUDING CONSTRAINTS INCLUDING DEFAULTS %s)
					WITH (autovacuum_enabled = off)', name, parent, keys);
	EXECUTE format('ALTER TABLE topk_pipeline.%I ATTACH PARTITION topk_pipeline.%I FOR VALUES FROM (%L, %L) TO (%L, %L)',
				   parent, name, member, to_timestamp(number * seconds), member, to_timestamp((number + 1) * seconds));
END
$$;
COMMENT ON FUNCTION topk_pipeline.add_partition IS 'internal: make a partition unless it is there';

/*
 * The parent has to be locked against everybody.  Who waits for that lock
 * makes others wait, so give up soon.
 */
CREATE FUNCTION topk_pipeline.drop_partitions(names text[]) RETURNS boolean
LANGUAGE plpgsql
SET search_path FROM CURRENT
SET lock_timeout = '200ms'
AS $$
BEGIN
	IF names <> '{}' THEN
		EXECUTE (SELECT 'DROP TABLE ' || string_agg(format('topk_pipeline.%I', n), ', ') FROM unnest(names) AS n);
	END IF;
	RETURN true;
EXCEPTION
	WHEN lock_not_available THEN
		RETURN false;
END
$$;
COMMENT ON FUNCTION topk_pipeline.drop_partitions IS
	'internal: drop partitions, or none and return false if they or their parent are in use for long';

/* ---- windows and their slots ---- */

/*
 * A window is (pipeline, key, bucket); its summary is the merge of its slots.
 * A writer takes a slot that nobody has locked, or adds one, so writers never
 * wait for each other.  changed_at is the oldest change that no mirror has
 * claimed; keeping it until then keeps most updates HOT.
 */
CREATE TABLE topk_pipeline.slot
(
	slot_id				bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	pipeline_id			int NOT NULL REFERENCES topk_pipeline.pipeline ON DELETE CASCADE,
	bucket				bigint NOT NULL,
	key					text COLLATE "C" NOT NULL,
	summary				topk_summary NOT NULL,
	records				bigint NOT NULL,
	last_ingest_at		timestamptz NOT NULL,
	changed_at			timestamptz,
	/* 2048 bytes is what DynamoDB takes as a partition key */
	CONSTRAINT "key has 1 to 2048 bytes" CHECK (octet_length(key) BETWEEN 1 AND 2048)
)
/* every batch rewrites a slot: leave room in the page, and clean up soon */
WITH (fillfactor = 50,
	autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 500,
	toast.autovacuum_vacuum_scale_factor = 0.05, toast.autovacuum_vacuum_threshold = 2000);
/* rewritten with every batch: time spent on compressing it would be wasted */
ALTER TABLE topk_pipeline.slot ALTER COLUMN summary SET STORAGE EXTERNAL;
CREATE INDEX slot_window ON topk_pipeline.slot (pipeline_id, bucket, key, slot_id);
CREATE INDEX slot_changed ON topk_pipeline.slot (pipeline_id, changed_at) WHERE changed_at IS NOT NULL;
COMMENT ON TABLE topk_pipeline.slot IS 'parts of the windows'' summaries; read window_summary instead';
COMMENT ON COLUMN topk_pipeline.slot.records IS 'events counted in this part';
COMMENT ON COLUMN topk_pipeline.slot.changed_at IS 'oldest change not yet claimed by the mirror, null if none';

/* ---- source positions ---- */

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

CREATE TABLE topk_pipeline.source_position
(
	pipeline_id			int NOT NULL REFERENCES topk_pipeline.pipeline ON DELETE CASCADE,
	source				text COLLATE "C" NOT NULL,
	shard				text COLLATE "C" NOT NULL,
	position			bigint NOT NULL,
	updated_at			timestamptz NOT NULL,
	PRIMARY KEY (pipeline_id, source, shard)
)
WITH (fillfactor = 50);
COMMENT ON TABLE topk_pipeline.source_position IS 'the next position to read of each shard of each source';

CREATE FUNCTION topk_pipeline.positions(pipeline text, source text, shards text[])
RETURNS TABLE (shard text, "position" bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path FROM CURRENT
AS $$
#variable_conflict use_column
DECLARE
	p			topk_pipeline.pipeline := find(positions.pipeline);
BEGIN
	RETURN QUERY
	SELECT s.shard, s.position FROM source_position AS s
	 WHERE s.pipeline_id = p.pipeline_id AND s.source = positions.source AND s.shard = ANY (shards)
	 ORDER BY s.shard;
END
$$;
COMMENT ON FUNCTION topk_pipeline.positions IS 'the next position to read, for the shards that have one';

/*
 * Compare and set, one shard after the other in sorted order, so that two
 * writers of the same shards can't deadlock.  The update of a position that
 * another transaction is moving waits for it and then finds another position.
 */
CREATE FUNCTION topk_pipeline.move_positions(pipeline_id int, source text,
	shards text[], from_positions bigint[], to_positions bigint[])
RETURNS void
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
#variable_conflict use_column
DECLARE
	move		record;
	stored		bigint;
BEGIN
	PERFORM check_lengths('shards, from_positions, to_positions',
		cardinality(shards), cardinality(from_positions), cardinality(to_positions));
	FOR move IN
		SELECT * FROM unnest(shards, from_positions, to_positions) AS m (shard, expected, target)
		 ORDER BY m.shard COLLATE "C"
	LOOP
		IF move.target < move.expected THEN
			RAISE EXCEPTION 'position of shard "%" would go back from % to %', move.shard, move.expected, move.target
				USING ERRCODE = 'invalid_parameter_value';
		ELSIF move.expected IS NULL THEN
			INSERT INTO source_position (pipeline_id, source, shard, position, updated_at)
			VALUES (move_positions.pipeline_id, move_positions.source, move.shard, move.target, now())
				ON CONFLICT DO NOTHING;
		ELSE
			UPDATE source_position AS s
			   SET position = move.target, updated_at = now()
			 WHERE s.pipeline_id = move_positions.pipeline_id AND s.source = move_positions.source
			   AND s.shard = move.shard AND s.position = move.expected;
		END IF;
		CONTINUE WHEN FOUND;

		SELECT s.position INTO stored FROM source_position AS s
		 WHERE s.pipeline_id = move_positions.pipeline_id AND s.source = move_positions.source
		   AND s.shard = move.shard;
		RAISE EXCEPTION 'position of source "%" shard "%" is %, expected %', move_positions.source, move.shard,
			coalesce(stored::text, 'not stored'), coalesce(move.expected::text, 'none')
			USING ERRCODE = 'TK001',
				  HINT = 'Another consumer has this shard now, or had it meanwhile. Read topk_pipeline.positions() again.';
	END LOOP;
END
$$;
COMMENT ON FUNCTION topk_pipeline.move_positions IS 'internal: move positions by compare-and-set, or fail with SQLSTATE TK001';

CREATE FUNCTION topk_pipeline.reset_position(pipeline text, source text, shard text, "position" bigint DEFAULT NULL)
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT
AS $$
#variable_conflict use_column
DECLARE
	p			topk_pipeline.pipeline := find(reset_position.pipeline);
BEGIN
	IF reset_position.position < 0 THEN
		RAISE EXCEPTION 'position % is negative', reset_position.position
			USING ERRCODE = 'invalid_parameter_value';
	ELSIF reset_position.position IS NULL THEN
		DELETE FROM source_position AS s
		 WHERE s.pipeline_id = p.pipeline_id AND s.source = reset_position.source AND s.shard = reset_position.shard;
	ELSE
		INSERT INTO source_position (pipeline_id, source, shard, position, updated_at)
		VALUES (p.pipeline_id, reset_position.source, reset_position.shard, reset_position.position, now())
			ON CONFLICT ON CONSTRAINT source_position_pkey
			DO UPDATE SET position = excluded.position, updated_at = excluded.updated_at;
	END IF;
END
$$;
COMMENT ON FUNCTION topk_pipeline.reset_position IS
	'where to read a shard next, whatever was read before; null: as if it was never read; what is read again counts again';

/* ---- rejected records ---- */

CREATE TABLE topk_pipeline.rejected_record
(
	rejected_id			bigint GENERATED ALWAYS AS IDENTITY,
	pipeline			text COLLATE "C" NOT NULL,
	source				text COLLATE "C" NOT NULL,
	shard				text COLLATE "C" NOT NULL,
	position			numeric NOT NULL,
	event_time			timestamptz,
	reason				text NOT NULL,
	detail				text,
	message_key			bytea,
	payload				bytea,
	header_names		bytea[],
	header_values		bytea[],
	rejected_at			timestamptz NOT NULL DEFAULT now()
)
PARTITION BY RANGE (pipeline, rejected_at);
COMMENT ON TABLE topk_pipeline.rejected_record IS
	'records that could not be counted, whole, kept for the retention; a partition a day';
COMMENT ON COLUMN topk_pipeline.rejected_record.position IS 'where it stands in its shard; numeric, since Kinesis has positions of 185 bits';
COMMENT ON COLUMN topk_pipeline.rejected_record.header_names IS 'the message''s headers, in their order, as bytes; null if it has none';

CREATE FUNCTION topk_pipeline.rejected_day(at timestamptz) RETURNS bigint
LANGUAGE sql IMMUTABLE
RETURN floor(extract(epoch FROM at) / 86400);
COMMENT ON FUNCTION topk_pipeline.rejected_day IS 'internal: the partition of rejected_record for that time';

/* Before anything that others could wait for: see add_partition(). */
CREATE FUNCTION topk_pipeline.prepare_rejected(p topk_pipeline.pipeline) RETURNS void
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
BEGIN
	PERFORM add_partition('rejected_record', p.pipeline_id, p.name, rejected_day(now()), 86400,
		', UNIQUE (source, shard, rejected_id)');
END
$$;
COMMENT ON FUNCTION topk_pipeline.prepare_rejected IS 'internal: make room for today''s rejected records';

CREATE FUNCTION topk_pipeline.reject(pipeline text, source text,
	shards text[], positions text[], times timestamptz[],
	reasons text[], details text[], keys bytea[], payloads bytea[],
	header_records bigint[], header_names bytea[], header_values bytea[], fresh boolean[] DEFAULT '{}')
RETURNS bigint
LANGUAGE plpgsql
SET search_path FROM CURRENT
SET enable_hashjoin = on
AS $$
#variable_conflict use_column
DECLARE
	kept		bigint;
BEGIN
	PERFORM check_lengths('rejected_*',
		cardinality(shards), cardinality(positions), cardinality(times),
		cardinality(reasons), cardinality(details), cardinality(keys), cardinality(payloads));
	PERFORM check_lengths('rejected_header_*',
		cardinality(header_records), cardinality(reject.header_names), cardinality(reject.header_values));
	INSERT INTO rejected_record
		   (pipeline, source, shard, position, event_time, reason, detail, message_key, payload, header_names, header_values)
	SELECT reject.pipeline, reject.source,
		   r.shard, r.position::numeric, r.event_time, r.reason, r.detail, r.message_key, r.payload, h.names, h.values
	  FROM unnest(shards, positions, times, reasons, details, keys, payloads, fresh)
		   WITH ORDINALITY AS r (shard, position, event_time, reason, detail, message_key, payload, fresh, place)
	  LEFT JOIN (SELECT o.record, array_agg(o.name ORDER BY o.place) AS names, array_agg(o.value ORDER BY o.place) AS values
				   FROM unnest(header_records, reject.header_names, reject.header_values)
						WITH ORDINALITY AS o (record, name, value, place)
				  GROUP BY o.record) AS h ON h.record = r.place
	 WHERE r.fresh IS NOT FALSE
	 ORDER BY r.place;
	GET DIAGNOSTICS kept = ROW_COUNT;
	RETURN kept;
END
$$;
COMMENT ON FUNCTION topk_pipeline.reject IS 'internal: keep records that can not be counted, but for those that are not fresh';

/* ---- ids of records ---- */

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

/* ---- ingest ---- */

/*
 * A slot that holds 2^56 takes nothing more.  A batch adds no more than that
 * to a window (lib/feed), so 63 slots together, of one window or of many, stay
 * below 2^63, which no total may pass.  Where the total is not known, the
 * highest count tells.
 */
CREATE FUNCTION topk_pipeline.is_full(summary topk_summary) RETURNS boolean
LANGUAGE sql IMMUTABLE
RETURN coalesce(topk_total(summary), (summary::jsonb #>> '{items,0,1}')::bigint, 0) >= 72057594037927936;
COMMENT ON FUNCTION topk_pipeline.is_full IS 'internal: has a slot with this summary no room for more?';

/* A feeder asks this after SQLSTATE TK002, and rejects what it has for these windows. */
CREATE FUNCTION topk_pipeline.full_windows(pipeline text, keys text[], buckets bigint[])
RETURNS TABLE (key text, bucket bigint)
LANGUAGE sql STABLE SECURITY DEFINER
SET plan_cache_mode = force_generic_plan
BEGIN ATOMIC
	SELECT DISTINCT s.key, s.bucket
	  FROM (SELECT DISTINCT u.key COLLATE "C" AS key, u.bucket FROM unnest(keys, buckets) AS u (key, bucket)) AS w
	  JOIN topk_pipeline.slot AS s ON s.bucket = w.bucket AND s.key = w.key
	 WHERE s.pipeline_id = (SELECT p.pipeline_id FROM topk_pipeline.find(pipeline) AS p)
	   AND topk_pipeline.is_full(s.summary);
END;
COMMENT ON FUNCTION topk_pipeline.full_windows IS 'those of these windows that have no room for more: their total is 2^56, or above';

/*
 * Merge each summary into the first free slot of its window, else add a slot.
 * Slots are only taken when free, and new ones conflict with nothing, so this
 * waits for nobody, in whatever order the windows come.
 *
 * The listeners are told only when a slot changes that was clean: NOTIFY makes
 * commits queue up, so it must not come with every batch.
 */
CREATE FUNCTION topk_pipeline.count_windows(p topk_pipeline.pipeline,
	keys text[], buckets bigint[], records bigint[], summaries topk_summary[])
RETURNS void
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
#variable_conflict use_column
DECLARE
	slots		bigint[];
	news		boolean;
	merged		bigint;
	full_place	bigint;
BEGIN
	SELECT array_agg(s.slot_id ORDER BY w.place), bool_or(s.changed_at IS NULL), min(w.place) FILTER (WHERE is_full(s.summary))
	  INTO slots, news, full_place
	  FROM unnest(keys, buckets) WITH ORDINALITY AS w (key, bucket, place)
	  LEFT JOIN LATERAL (SELECT slot_id, changed_at, summary FROM slot
						  WHERE pipeline_id = p.pipeline_id AND bucket = w.bucket AND key = w.key
						  ORDER BY slot_id LIMIT 1
							FOR UPDATE SKIP LOCKED) AS s ON true;
	IF full_place IS NOT NULL THEN
		RAISE EXCEPTION 'window % of key "%" is full', buckets[full_place], keys[full_place]
			USING ERRCODE = 'TK002',
				  DETAIL = 'Its total is 2^56, or above.',
				  HINT = 'Leave out what belongs to the windows that topk_pipeline.full_windows() names.';
	END IF;

	UPDATE slot AS s
	   SET summary = topk_merge(s.summary, w.summary),
		   records = s.records + w.records,
		   last_ingest_at = now(),
		   changed_at = coalesce(s.changed_at, now())
	  FROM unnest(slots, count_windows.records, summaries) AS w (slot_id, records, summary)
	 WHERE s.slot_id = w.slot_id;
	GET DIAGNOSTICS merged = ROW_COUNT;
	IF merged < cardinality(array_remove(slots, NULL)) THEN
		RAISE EXCEPTION 'a window comes twice in one batch'
			USING ERRCODE = 'invalid_parameter_value',
				  HINT = 'Merge what belongs to one key and bucket into one summary.';
	END IF;

	INSERT INTO slot (pipeline_id, bucket, key, summary, records, last_ingest_at, changed_at)
	SELECT p.pipeline_id, w.bucket, w.key, w.summary, w.records, now(), now()
	  FROM unnest(slots, keys, buckets, count_windows.records, summaries)
		   AS w (slot_id, key, bucket, records, summary)
	 WHERE w.slot_id IS NULL;

	IF news THEN
		PERFORM pg_notify('topk_pipeline', p.name);
	END IF;
END
$$;
COMMENT ON FUNCTION topk_pipeline.count_windows IS 'internal: merge summaries into their windows';

/*
 * One plan for every batch: planning anew would cost more than a small one
 * does, and rows are found by index however many there are, even if the plan
 * was made when the tables were empty.
 */
CREATE FUNCTION topk_pipeline.ingest(pipeline text, source text,
	shards text[], from_positions bigint[], to_positions bigint[],
	keys text[], buckets bigint[], records bigint[], summaries topk_summary[],
	rejected_shards text[] DEFAULT '{}', rejected_positions text[] DEFAULT '{}',
	rejected_times timestamptz[] DEFAULT '{}', rejected_reasons text[] DEFAULT '{}',
	rejected_details text[] DEFAULT '{}', rejected_keys bytea[] DEFAULT '{}',
	rejected_payloads bytea[] DEFAULT '{}', rejected_header_records bigint[] DEFAULT '{}',
	rejected_header_names bytea[] DEFAULT '{}', rejected_header_values bytea[] DEFAULT '{}')
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
DECLARE
	p			topk_pipeline.pipeline := find(ingest.pipeline);
	odd_k		int;
BEGIN
	PERFORM check_lengths('keys, buckets, records, summaries',
		cardinality(keys), cardinality(buckets), cardinality(records), cardinality(summaries));
	IF 0 > ANY (records) THEN
		RAISE EXCEPTION 'a window has a negative number of records'
			USING ERRCODE = 'invalid_parameter_value';
	END IF;
	SELECT topk_k(s) INTO odd_k FROM unnest(summaries) AS s WHERE topk_k(s) IS DISTINCT FROM p.counters LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION 'a summary has k = %, but pipeline "%" holds % counters', odd_k, p.name, p.counters
			USING ERRCODE = 'invalid_parameter_value',
				  HINT = format('Build it with topk_agg(item, %s).', p.counters);
	END IF;

	IF cardinality(rejected_shards) > 0 THEN
		PERFORM prepare_rejected(p);
	END IF;
	PERFORM move_positions(p.pipeline_id, source, shards, from_positions, to_positions);
	PERFORM count_windows(p, keys, buckets, records, summaries);
	PERFORM reject(p.name, source, rejected_shards, rejected_positions, rejected_times,
		rejected_reasons, rejected_details, rejected_keys, rejected_payloads,
		rejected_header_records, rejected_header_names, rejected_header_values);
END
$$;
COMMENT ON FUNCTION topk_pipeline.ingest IS
	'one batch: counts, source positions and rejected records, all or nothing; SQLSTATE TK001 when a position has moved, TK002 when a window is full';

CREATE FUNCTION topk_pipeline.count_records(p topk_pipeline.pipeline,
	keys text[], buckets bigint[], items text[], weights bigint[], fresh boolean[] DEFAULT '{}')
RETURNS bigint
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
#variable_conflict use_column
DECLARE
	w			record;
BEGIN
	IF array_position(items, NULL) IS NOT NULL OR array_position(weights, NULL) IS NOT NULL THEN
		RAISE EXCEPTION 'a record without an item or a weight can not be counted'
			USING ERRCODE = 'null_value_not_allowed';
	END IF;
	SELECT array_agg(g.key) AS keys, array_agg(g.bucket) AS buckets,
		   array_agg(g.records) AS records, array_agg(g.summary) AS summaries, sum(g.records)::bigint AS total
	  INTO w
	  FROM (SELECT r.key, r.bucket, count(*) AS records, topk_weighted_agg(r.item, r.weight, p.counters) AS summary
			  FROM unnest(keys, buckets, items, weights, fresh) AS r (key, bucket, item, weight, fresh)
			 WHERE r.fresh IS NOT FALSE
			 GROUP BY r.key, r.bucket) AS g;
	IF w.total IS NULL THEN
		RETURN 0;
	END IF;
	PERFORM count_windows(p, w.keys, w.buckets, w.records, w.summaries);
	RETURN w.total;
END
$$;
COMMENT ON FUNCTION topk_pipeline.count_records IS 'internal: count records in their windows, but for those that are not fresh';

CREATE FUNCTION topk_pipeline.ingest_records(pipeline text, source text,
	shards text[], from_positions bigint[], to_positions bigint[],
	ids text[], id_times timestamptz[], keys text[], buckets bigint[], items text[], weights bigint[],
	rejected_shards text[] DEFAULT '{}', rejected_positions text[] DEFAULT '{}',
	rejected_times timestamptz[] DEFAULT '{}', rejected_reasons text[] DEFAULT '{}',
	rejected_details text[] DEFAULT '{}', rejected_keys bytea[] DEFAULT '{}',
	rejected_payloads bytea[] DEFAULT '{}',
	rejected_ids text[] DEFAULT '{}', rejected_id_times timestamptz[] DEFAULT '{}',
	rejected_header_records bigint[] DEFAULT '{}',
	rejected_header_names bytea[] DEFAULT '{}', rejected_header_values bytea[] DEFAULT '{}',
	OUT counted bigint, OUT duplicates bigint, OUT rejected bigint)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET jit = off
AS $$
DECLARE
	p			topk_pipeline.pipeline := find(ingest_records.pipeline);
	times		timestamptz[];
	earliest	timestamptz;
	latest		timestamptz;
	fresh		boolean[];
BEGIN
	PERFORM check_lengths('ids, id_times, keys, buckets, items, weights',
		cardinality(ids), cardinality(id_times), cardinality(keys), cardinality(buckets),
		cardinality(items), cardinality(weights));
	IF rejected_ids = '{}' AND rejected_id_times = '{}' THEN
		rejected_ids := array_fill(NULL::text, ARRAY[cardinality(rejected_shards)]);
		rejected_id_times := array_fill(NULL::timestamptz, ARRAY[cardinality(rejected_shards)]);
	END IF;
	PERFORM check_lengths('rejected_shards, rejected_ids, rejected_id_times',
		cardinality(rejected_shards), cardinality(rejected_ids), cardinality(rejected_id_times));

	times := plausible_times(p, id_times || rejected_id_times);
	SELECT min(t), max(t) INTO earliest, latest FROM unnest(times) AS t;
	IF earliest IS NOT NULL THEN
		PERFORM prepare_seen(p, earliest, latest);
	END IF;
	IF cardinality(rejected_shards) > 0 THEN
		PERFORM prepare_rejected(p);
	END IF;
	PERFORM move_positions(p.pipeline_id, source, shards, from_positions, to_positions);
	fresh := remember(p, ids || rejected_ids, times, earliest, latest);
	counted := count_records(p, keys, buckets, items, weights, fresh[:cardinality(ids)]);
	rejected := reject(p.name, source, rejected_shards, rejected_positions, rejected_times,
		rejected_reasons, rejected_details, rejected_keys, rejected_payloads,
		rejected_header_records, rejected_header_names, rejected_header_values, fresh[cardinality(ids) + 1:]);
	duplicates := cardinality(fresh) - counted - rejected;
	IF duplicates > 0 THEN
		PERFORM count_duplicates(p.pipeline_id, duplicates);
	END IF;
END
$$;
COMMENT ON FUNCTION topk_pipeline.ingest_records IS
	'one batch, as ingest() takes it, of records with ids: those whose id was seen before change nothing';

/* ---- rejected records, looked at and counted after all ---- */

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

/* ---- rejected records, sent elsewhere too ---- */

/*
 * How far those of each shard have been sent to a dead-letter queue.  The
 * batches of a shard wait for each other at its position, so rejected_id grows
 * in the order of their commits: what is not sent is all above this.
 */
CREATE TABLE topk_pipeline.dead_letter_position
(
	pipeline_id			int NOT NULL REFERENCES topk_pipeline.pipeline ON DELETE CASCADE,
	source				text COLLATE "C" NOT NULL,
	shard				text COLLATE "C" NOT NULL,
	rejected_id			bigint NOT NULL,
	updated_at			timestamptz NOT NULL,
	PRIMARY KEY (pipeline_id, source, shard)
)
WITH (fillfactor = 50);
COMMENT ON TABLE topk_pipeline.dead_letter_position IS
	'the last rejected record of each shard that was sent to a dead-letter queue; a shard without a row has sent none';

/* Payloads may be large: the loop, and what it holds, ends with the first record beyond max_bytes. */
CREATE FUNCTION topk_pipeline.dead_letters(pipeline text, source text, shards text[],
	max_records int DEFAULT 1000, max_bytes bigint DEFAULT 8388608)
RETURNS TABLE (rejected_id bigint, shard text, "position" text, event_time timestamptz, reason text, detail text,
	message_key bytea, payload bytea, header_names bytea[], header_values bytea[])
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path FROM CURRENT
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
SET jit = off
AS $$
#variable_conflict use_column
DECLARE
	p			topk_pipeline.pipeline := find(dead_letters.pipeline);
	bytes		bigint := 0;
BEGIN
	FOR rejected_id, shard, position, event_time, reason, detail, message_key, payload, header_names, header_values IN
		SELECT r.rejected_id, r.shard, r.position, r.event_time, r.reason, r.detail,
			   r.message_key, r.payload, r.header_names, r.header_values
		  FROM unnest(shards) AS s (shard)
		  LEFT JOIN dead_letter_position AS d
			ON d.pipeline_id = p.pipeline_id AND d.source = dead_letters.source AND d.shard = s.shard COLLATE "C",
			   LATERAL (SELECT * FROM rejected_record AS o
						 WHERE o.pipeline = p.name AND o.source = dead_letters.source AND o.shard = s.shard COLLATE "C"
						   AND o.rejected_id > coalesce(d.rejected_id, 0)
						 ORDER BY o.rejected_id LIMIT max_records) AS r
		 LIMIT max_records
	LOOP
		RETURN NEXT;
		bytes := bytes + coalesce(octet_length(payload), 0) + coalesce(octet_length(message_key), 0)
			+ coalesce((SELECT sum(octet_length(h.value)) FROM unnest(header_values) AS h (value)), 0);
		EXIT WHEN bytes >= max_bytes;
	END LOOP;
END
$$;
COMMENT ON FUNCTION topk_pipeline.dead_letters IS
	'rejected records of these shards that were not sent to a dead-letter queue yet, each shard''s in their order; report with dead_letters_sent()';

CREATE FUNCTION topk_pipeline.dead_letters_sent(pipeline text, source text, shards text[], rejected_ids bigint[])
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT
AS $$
#variable_conflict use_column
DECLARE
	p			topk_pipeline.pipeline := find(dead_letters_sent.pipeline);
BEGIN
	PERFORM check_lengths('shards, rejected_ids', cardinality(shards), cardinality(rejected_ids));
	INSERT INTO dead_letter_position AS d (pipeline_id, source, shard, rejected_id, updated_at)
	SELECT p.pipeline_id, dead_letters_sent.source, s.shard, max(s.rejected_id), now()
	  FROM unnest(shards, rejected_ids) AS s (shard, rejected_id)
	 GROUP BY s.shard ORDER BY s.shard COLLATE "C"
		ON CONFLICT ON CONSTRAINT dead_letter_position_pkey
		DO UPDATE SET rejected_id = greatest(d.rejected_id, excluded.rejected_id), updated_at = excluded.updated_at;
END
$$;
COMMENT ON FUNCTION topk_pipeline.dead_letters_sent IS 'what dead_letters() gave of these shards, up to these rejected_ids, was sent';

/* ---- reading ---- */

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
		   CASE WHEN topk_error(w.summary) > 0 THEN
				ARRAY(SELECT t.upper_bound - t.lower_bound
						FROM topk_top(w.summary, topk_k(w.summary))
							 WITH ORDINALITY AS t (item, estimate, lower_bound, upper_bound, place)
					   WHERE t.item <> '' ORDER BY t.place LIMIT p.k)
				WHEN topk_error(w.summary) = 0 THEN '{}' END,
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
	'the published windows of some keys, those that exist: value, total and error as mirror_claim() has them; slacks: upper minus lower bound of each item of value, empty where all are exact, null where unknown; version: events counted';

/* ---- mirror ---- */

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

/*
 * 400 kB is what DynamoDB takes as a row; beside the value it holds the key,
 * the pipeline's name, and names and numbers of less than 400 bytes.
 */
CREATE FUNCTION topk_pipeline.items_that_fit(summary topk_summary, k int, others int) RETURNS int
LANGUAGE sql IMMUTABLE
BEGIN ATOMIC
	SELECT count(*)::int
	  FROM (SELECT sum(12 + octet_length(t.item)) OVER (ORDER BY t.place) AS bytes
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
	  FROM (SELECT w.whole, CASE WHEN octet_length(w.whole) + others > 400 * 1024 - 400
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
	ttl bigint, updated_at bigint, writer text, left_out int)
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
	SELECT l.key, l.bucket, l.version, l.value, topk_total(l.merged), absent_bound(l.merged, l.items),
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
	ttl bigint, updated_at bigint, writer text, left_out int)
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

/* ---- import ---- */

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

/* ---- expiry ---- */

CREATE FUNCTION topk_pipeline.merge_slots(pipeline_id int, before_bucket bigint) RETURNS bigint
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
#variable_conflict use_column
DECLARE
	w			record;
	slots		bigint[];
	merged		bigint := 0;
BEGIN
	FOR w IN
		SELECT s.bucket, s.key FROM slot AS s
		 WHERE s.pipeline_id = merge_slots.pipeline_id AND s.bucket < before_bucket
		 GROUP BY s.bucket, s.key HAVING count(*) > 1
	LOOP
		slots := ARRAY(SELECT s.slot_id FROM slot AS s
						WHERE s.pipeline_id = merge_slots.pipeline_id AND s.bucket = w.bucket AND s.key = w.key
						ORDER BY s.slot_id
						  FOR UPDATE SKIP LOCKED);
		CONTINUE WHEN cardinality(slots) < 2;
		WITH gone AS
		(
			DELETE FROM slot WHERE slot_id = ANY (slots[2:])
			RETURNING summary, records, last_ingest_at, changed_at
		)
		UPDATE slot AS s
		   SET summary = topk_merge(s.summary, g.summary), records = s.records + g.records,
			   last_ingest_at = greatest(s.last_ingest_at, g.last_ingest_at),
			   changed_at = least(s.changed_at, g.changed_at)
		  FROM (SELECT topk_merge(summary) AS summary, sum(records) AS records,
					   max(last_ingest_at) AS last_ingest_at, min(changed_at) AS changed_at
				  FROM gone) AS g
		 WHERE s.slot_id = slots[1];
		merged := merged + cardinality(slots) - 1;
	END LOOP;
	RETURN merged;
END
$$;
COMMENT ON FUNCTION topk_pipeline.merge_slots IS 'internal: one slot is enough for a window that is over';

CREATE FUNCTION topk_pipeline.expire_windows(pipeline_id int, before_bucket bigint) RETURNS bigint
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
#variable_conflict use_column
DECLARE
	windows		bigint;
BEGIN
	WITH gone AS
	(
		DELETE FROM slot AS s
		 WHERE s.pipeline_id = expire_windows.pipeline_id AND s.bucket < before_bucket
		RETURNING s.bucket, s.key
	)
	SELECT count(DISTINCT (g.bucket, g.key)) INTO windows FROM gone AS g;
	DELETE FROM mirror AS m
	 WHERE m.pipeline_id = expire_windows.pipeline_id AND m.bucket < before_bucket;
	DELETE FROM imported_window AS i
	 WHERE i.pipeline_id = expire_windows.pipeline_id AND i.bucket < before_bucket;
	RETURN windows;
END
$$;
COMMENT ON FUNCTION topk_pipeline.expire_windows IS 'internal: delete windows and what the mirror knows of them';

/* Partitions come last: whoever drops one locks out the writers until commit. */
CREATE FUNCTION topk_pipeline.expire(pipeline text DEFAULT NULL)
RETURNS TABLE (name text, windows bigint, rejected_records bigint, merged_slots bigint, id_partitions int)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT
AS $$
#variable_conflict use_column
DECLARE
	ps			topk_pipeline.pipeline[];
	p			topk_pipeline.pipeline;
	retained	timestamptz;
	gone		bigint[];
	rejected	bigint[];
	merged		bigint[];
	names		text[];
BEGIN
	IF expire.pipeline IS NOT NULL THEN
		PERFORM find(expire.pipeline);
	END IF;
	ps := ARRAY(SELECT e FROM pipeline AS e WHERE e.name = expire.pipeline OR expire.pipeline IS NULL ORDER BY e.name);
	FOR i IN 1 .. cardinality(ps) LOOP
		p := ps[i];
		retained := now() - p.retention_seconds * interval '1 second';
		gone[i] := expire_windows(p.pipeline_id, bucket(p.name, retained));
		merged[i] := merge_slots(p.pipeline_id, bucket(p.name));
		rejected[i] := (SELECT count(*) FROM rejected_record AS r
						 WHERE r.pipeline = p.name AND r.rejected_at < to_timestamp(rejected_day(retained) * 86400));
	END LOOP;
	FOR i IN 1 .. cardinality(ps) LOOP
		p := ps[i];
		name := p.name;
		windows := gone[i];
		merged_slots := merged[i];
		retained := now() - p.retention_seconds * interval '1 second';
		names := partitions('rejected_record', p.pipeline_id, rejected_day(retained));
		rejected_records := CASE WHEN drop_partitions(names) THEN rejected[i] ELSE 0 END;
		/* a batch under way may still need what has expired within the last hour */
		names := partitions('seen_record', p.pipeline_id,
			seen_partition(p, now() - p.dedup_ttl_seconds * interval '1 second' - interval '1 hour'));
		id_partitions := CASE WHEN drop_partitions(names) THEN cardinality(names) ELSE 0 END;
		RETURN NEXT;
	END LOOP;
END
$$;
COMMENT ON FUNCTION topk_pipeline.expire IS
	'delete what is past the retention or the dedup TTL, of one pipeline or of all, and merge the slots of windows that are over';

CREATE FUNCTION topk_pipeline.drop(name text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT
AS $$
DECLARE
	p			topk_pipeline.pipeline := find("drop".name);
	partition	text;
BEGIN
	DELETE FROM pipeline AS d WHERE d.pipeline_id = p.pipeline_id;
	FOREACH partition IN ARRAY partitions('rejected_record', p.pipeline_id) || partitions('seen_record', p.pipeline_id) LOOP
		EXECUTE format('DROP TABLE topk_pipeline.%I', partition);
	END LOOP;
END
$$;
COMMENT ON FUNCTION topk_pipeline.drop IS 'delete a pipeline with everything that belongs to it';

/* ---- views ---- */

CREATE VIEW topk_pipeline.status AS
SELECT p.name AS pipeline, p.k, p.counters,
	   justify_hours(p.window_seconds * interval '1 second') AS window_length,
	   justify_hours(p.retention_seconds * interval '1 second') AS retention,
	   coalesce(s.windows, 0) AS windows, coalesce(s.slots, 0) AS slots,
	   coalesce(s.records, 0)::bigint AS records, coalesce(d.duplicates, 0)::bigint AS duplicates,
	   coalesce(r.rejected, 0) AS rejected,
	   s.last_ingest_at
  FROM topk_pipeline.pipeline AS p
  LEFT JOIN (SELECT pipeline_id, count(DISTINCT (bucket, key)) AS windows, count(*) AS slots,
					sum(records) AS records, max(last_ingest_at) AS last_ingest_at
			   FROM topk_pipeline.slot GROUP BY pipeline_id) AS s USING (pipeline_id)
  LEFT JOIN (SELECT pipeline_id, sum(records) AS duplicates
			   FROM topk_pipeline.duplicate_count GROUP BY pipeline_id) AS d USING (pipeline_id)
  LEFT JOIN (SELECT pipeline, count(*) AS rejected
			   FROM topk_pipeline.rejected_record GROUP BY pipeline) AS r ON r.pipeline = p.name;
COMMENT ON VIEW topk_pipeline.status IS 'each pipeline: what it holds within its retention, all duplicates it was spared, and its last ingest';

CREATE VIEW topk_pipeline.source_status AS
SELECT p.name AS pipeline, s.source, s.shard, s.position, s.updated_at
  FROM topk_pipeline.source_position AS s
  JOIN topk_pipeline.pipeline AS p USING (pipeline_id);
COMMENT ON VIEW topk_pipeline.source_status IS 'each source and shard: the next position to read, and when it was last moved';

CREATE VIEW topk_pipeline.mirror_status AS
SELECT p.name AS pipeline, w.key, w.bucket,
	   to_timestamp(w.bucket * p.window_seconds) AS window_start,
	   m.version, m.mirrored_version, m.mirrored_at,
	   least(m.unmirrored_since, w.changed_at) AS unmirrored_since,
	   now() - least(m.unmirrored_since, w.changed_at) AS unmirrored_age,
	   coalesce(m.failures, 0) AS failures, m.problem
  FROM (SELECT pipeline_id, bucket, key, min(changed_at) AS changed_at
		  FROM topk_pipeline.slot GROUP BY pipeline_id, bucket, key) AS w
  JOIN topk_pipeline.pipeline AS p USING (pipeline_id)
  LEFT JOIN topk_pipeline.mirror AS m USING (pipeline_id, bucket, key);
COMMENT ON VIEW topk_pipeline.mirror_status IS
	'each window: the versions offered and mirrored, the age of its oldest unmirrored change, and what went wrong';

CREATE VIEW topk_pipeline.rejected_by_reason AS
SELECT pipeline, reason, count(*) AS records,
	   min(rejected_at) AS first_rejected_at, max(rejected_at) AS last_rejected_at
  FROM topk_pipeline.rejected_record
 GROUP BY pipeline, reason;
COMMENT ON VIEW topk_pipeline.rejected_by_reason IS 'rejected records, counted by reason';

CREATE VIEW topk_pipeline.dead_letter_status AS
SELECT p.name AS pipeline, d.source, d.shard, d.updated_at AS last_sent_at, r.waiting, r.waiting_since
  FROM topk_pipeline.dead_letter_position AS d
  JOIN topk_pipeline.pipeline AS p USING (pipeline_id),
	   LATERAL (SELECT count(*) AS waiting, min(o.rejected_at) AS waiting_since
				  FROM topk_pipeline.rejected_record AS o
				 WHERE o.pipeline = p.name AND o.source = d.source AND o.shard = d.shard
				   AND o.rejected_id > d.rejected_id) AS r;
COMMENT ON VIEW topk_pipeline.dead_letter_status IS
	'each shard that has sent dead letters: when it last did, how many are still to be sent, and since when';

/* ---- privileges, dump ---- */

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA topk_pipeline FROM PUBLIC;

SELECT pg_catalog.pg_extension_config_dump('topk_pipeline.pipeline', '');
SELECT pg_catalog.pg_extension_config_dump('topk_pipeline.pipeline_pipeline_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('topk_pipeline.slot', '');
SELECT pg_catalog.pg_extension_config_dump('topk_pipeline.slot_slot_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('topk_pipeline.source_position', '');
SELECT pg_catalog.pg_extension_config_dump('topk_pipeline.rejected_record_rejected_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('topk_pipeline.dead_letter_position', '');
SELECT pg_catalog.pg_extension_config_dump('topk_pipeline.duplicate_count', '');
SELECT pg_catalog.pg_extension_config_dump('topk_pipeline.duplicate_count_duplicate_count_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('topk_pipeline.mirror', '');
SELECT pg_catalog.pg_extension_config_dump('topk_pipeline.mirror_version', '');
SELECT pg_catalog.pg_extension_config_dump('topk_pipeline.imported_window', '');
