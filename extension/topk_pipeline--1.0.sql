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

/* ---- rejected records ---- */

CREATE TABLE topk_pipeline.rejected_record
(
	rejected_id			bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	pipeline			text COLLATE "C" NOT NULL,
	source				text NOT NULL,
	shard				text NOT NULL,
	position			numeric NOT NULL,
	event_time			timestamptz,
	reason				text NOT NULL,
	detail				text,
	message_key			bytea,
	payload				bytea,
	rejected_at			timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX rejected_record_time ON topk_pipeline.rejected_record (pipeline, rejected_at);
COMMENT ON TABLE topk_pipeline.rejected_record IS 'records that could not be counted, whole, kept for the retention';
COMMENT ON COLUMN topk_pipeline.rejected_record.position IS 'where it stands in its shard; numeric, since Kinesis has positions of 185 bits';

CREATE FUNCTION topk_pipeline.reject(pipeline text, source text,
	shards text[], positions text[], times timestamptz[],
	reasons text[], details text[], keys bytea[], payloads bytea[])
RETURNS void
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
#variable_conflict use_column
BEGIN
	INSERT INTO rejected_record
		   (pipeline, source, shard, position, event_time, reason, detail, message_key, payload)
	SELECT reject.pipeline, reject.source,
		   r.shard, r.position::numeric, r.event_time, r.reason, r.detail, r.message_key, r.payload
	  FROM unnest(shards, positions, times, reasons, details, keys, payloads)
		   AS r (shard, position, event_time, reason, detail, message_key, payload);
END
$$;
COMMENT ON FUNCTION topk_pipeline.reject IS 'internal: keep records that can not be counted';

/* ---- ingest ---- */

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
BEGIN
	SELECT array_agg(s.slot_id ORDER BY w.place), bool_or(s.changed_at IS NULL)
	  INTO slots, news
	  FROM unnest(keys, buckets) WITH ORDINALITY AS w (key, bucket, place)
	  LEFT JOIN LATERAL (SELECT slot_id, changed_at FROM slot
						  WHERE pipeline_id = p.pipeline_id AND bucket = w.bucket AND key = w.key
						  ORDER BY slot_id LIMIT 1
							FOR UPDATE SKIP LOCKED) AS s ON true;

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
	rejected_payloads bytea[] DEFAULT '{}')
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
	PERFORM check_lengths('shards, from_positions, to_positions',
		cardinality(shards), cardinality(from_positions), cardinality(to_positions));
	PERFORM check_lengths('keys, buckets, records, summaries',
		cardinality(keys), cardinality(buckets), cardinality(records), cardinality(summaries));
	PERFORM check_lengths('rejected_*',
		cardinality(rejected_shards), cardinality(rejected_positions), cardinality(rejected_times),
		cardinality(rejected_reasons), cardinality(rejected_details), cardinality(rejected_keys),
		cardinality(rejected_payloads));
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

	PERFORM move_positions(p.pipeline_id, source, shards, from_positions, to_positions);
	PERFORM count_windows(p, keys, buckets, records, summaries);
	PERFORM reject(p.name, source, rejected_shards, rejected_positions, rejected_times,
		rejected_reasons, rejected_details, rejected_keys, rejected_payloads);
END
$$;
COMMENT ON FUNCTION topk_pipeline.ingest IS
	'one batch: counts, source positions and rejected records, all or nothing; SQLSTATE TK001 when a position has moved';

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

CREATE FUNCTION topk_pipeline.summary(pipeline text, key text DEFAULT 'global', days int DEFAULT 1)
RETURNS topk_summary
LANGUAGE sql STABLE SECURITY DEFINER
BEGIN ATOMIC
	WITH range AS
	(
		SELECT p.pipeline_id,
			   topk_pipeline.bucket(pipeline) AS newest,
			   greatest(1, ceil(days * 86400.0 / p.window_seconds))::bigint AS length
		  FROM topk_pipeline.find(pipeline) AS p
	)
	SELECT topk_merge(s.summary)
	  FROM topk_pipeline.slot AS s
	 WHERE s.pipeline_id = (SELECT r.pipeline_id FROM range AS r)
	   AND s.bucket = ANY (ARRAY(SELECT generate_series(r.newest - r.length + 1, r.newest) FROM range AS r))
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

CREATE FUNCTION topk_pipeline.absent_bound(summary topk_summary, k int) RETURNS bigint
LANGUAGE sql IMMUTABLE
BEGIN ATOMIC
	SELECT CASE WHEN topk_error(summary) IS NOT NULL
				THEN greatest(topk_error(summary), max(t.upper_bound) FILTER (WHERE t.item = '' OR t.rank > k))
		   END
	  FROM (SELECT item, upper_bound, row_number() OVER (PARTITION BY item = '' ORDER BY place) AS rank
			  FROM topk_top(summary, topk_k(summary))
				   WITH ORDINALITY AS t (item, estimate, lower_bound, upper_bound, place)) AS t;
END;
COMMENT ON FUNCTION topk_pipeline.absent_bound IS
	'internal: no item weighs more that is not among the first k, the empty one left out; null if unknown';

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

/*
 * A slot that a writer has locked is read as it was last committed and stays
 * changed, so the window comes up again once the writer has committed.
 */
CREATE FUNCTION topk_pipeline.mirror_offer(p topk_pipeline.pipeline, key text, bucket bigint, asked_at timestamptz)
RETURNS TABLE (version bigint, value bytea, total bigint, error bigint, ttl bigint, updated_at bigint, writer text)
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
#variable_conflict use_column
DECLARE
	open_for	CONSTANT interval := '1 minute';
	state		topk_pipeline.mirror;
	changed		bigint[];
	since		timestamptz;
	merged		topk_summary;
	digest		bytea;
	last_ingest	timestamptz;
BEGIN
	INSERT INTO mirror (pipeline_id, bucket, key, checked_at)
	VALUES (p.pipeline_id, mirror_offer.bucket, mirror_offer.key, asked_at)
		ON CONFLICT ON CONSTRAINT mirror_pkey DO UPDATE SET checked_at = excluded.checked_at
	RETURNING * INTO state;

	SELECT array_agg(s.slot_id), min(s.changed_at) INTO changed, since
	  FROM (SELECT slot_id, changed_at FROM slot
			 WHERE pipeline_id = p.pipeline_id AND bucket = mirror_offer.bucket AND key = mirror_offer.key
			   AND changed_at IS NOT NULL
			   FOR UPDATE SKIP LOCKED) AS s;
	UPDATE slot SET changed_at = NULL WHERE slot_id = ANY (changed);

	SELECT topk_merge(s.summary), max(s.last_ingest_at) INTO merged, last_ingest
	  FROM slot AS s
	 WHERE s.pipeline_id = p.pipeline_id AND s.bucket = mirror_offer.bucket AND s.key = mirror_offer.key;
	IF merged IS NULL THEN
		/* no such window, or no more */
		DELETE FROM mirror AS m
		 WHERE m.pipeline_id = p.pipeline_id AND m.bucket = mirror_offer.bucket AND m.key = mirror_offer.key;
		RETURN;
	END IF;
	value := topk_to_murmur(merged, p.k);
	digest := sha256(value);
	IF state.due_at IS NULL AND state.mirrored_digest = digest THEN
		RETURN;
	END IF;

	version := nextval('mirror_version');
	UPDATE mirror AS m
	   SET version = mirror_offer.version, offered_digest = digest,
		   due_at = asked_at + open_for, unmirrored_since = least(m.unmirrored_since, since)
	 WHERE m.pipeline_id = p.pipeline_id AND m.bucket = mirror_offer.bucket AND m.key = mirror_offer.key;

	total := topk_total(merged);
	error := absent_bound(merged, p.k);
	ttl := (mirror_offer.bucket + 1) * p.window_seconds + p.retention_seconds;
	updated_at := floor(extract(epoch FROM last_ingest));
	writer := p.writer;
	RETURN NEXT;
END
$$;
COMMENT ON FUNCTION topk_pipeline.mirror_offer IS 'internal: offer a window, unless its value is the one that is mirrored';

/*
 * Claims of one pipeline take turns, under the lock on its row.  checked_at
 * keeps a window from coming up twice in one call, so the loop ends.  As in
 * ingest(), plans go by index, here in the order of waiting.
 */
CREATE FUNCTION topk_pipeline.mirror_claim(pipeline text,
	min_interval interval DEFAULT '1 second', max_windows int DEFAULT 100)
RETURNS TABLE (key text, bucket bigint, version bigint, value bytea, total bigint, error bigint,
	ttl bigint, updated_at bigint, writer text)
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
	candidate	record;
	looked		int;
	claimed		int := 0;
BEGIN
	PERFORM FROM pipeline AS l WHERE l.pipeline_id = p.pipeline_id FOR NO KEY UPDATE;
	asked_at := clock_timestamp();
	LOOP
		looked := 0;
		FOR candidate IN
			SELECT c.* FROM mirror_candidates(p.pipeline_id, asked_at, min_interval, max_windows - claimed) AS c
		LOOP
			looked := looked + 1;
			RETURN QUERY SELECT candidate.key, candidate.bucket, o.*
			  FROM mirror_offer(p, candidate.key, candidate.bucket, asked_at) AS o;
			claimed := claimed + found::int;
		END LOOP;
		EXIT WHEN looked = 0 OR claimed >= max_windows;
	END LOOP;
END
$$;
COMMENT ON FUNCTION topk_pipeline.mirror_claim IS
	'the changed windows that are to be stored now, with a new version each; report on each with mirror_done() or mirror_failed()';

CREATE FUNCTION topk_pipeline.mirror_done(pipeline text, key text, bucket bigint, version bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT
AS $$
#variable_conflict use_column
DECLARE
	p			topk_pipeline.pipeline := find(mirror_done.pipeline);
BEGIN
	UPDATE mirror AS m
	   SET mirrored_version = m.version, mirrored_digest = m.offered_digest, mirrored_at = now(),
		   due_at = NULL, unmirrored_since = NULL, failures = 0, problem = NULL
	 WHERE m.pipeline_id = p.pipeline_id AND m.bucket = mirror_done.bucket AND m.key = mirror_done.key
	   AND m.version = mirror_done.version;
END
$$;
COMMENT ON FUNCTION topk_pipeline.mirror_done IS 'this version is stored; without effect when a newer one was offered since';

CREATE FUNCTION topk_pipeline.mirror_failed(pipeline text, key text, bucket bigint, version bigint, problem text)
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT
AS $$
#variable_conflict use_column
DECLARE
	p			topk_pipeline.pipeline := find(mirror_failed.pipeline);
BEGIN
	UPDATE mirror AS m
	   SET failures = m.failures + 1, problem = mirror_failed.problem,
		   due_at = clock_timestamp() + least(2 ^ least(m.failures, 10), 300) * interval '1 second'
	 WHERE m.pipeline_id = p.pipeline_id AND m.bucket = mirror_failed.bucket AND m.key = mirror_failed.key
	   AND m.version = mirror_failed.version AND m.due_at IS NOT NULL;
END
$$;
COMMENT ON FUNCTION topk_pipeline.mirror_failed IS
	'this version could not be stored: offered again after 1, 2, 4, … up to 300 seconds, shown in mirror_status';

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

CREATE FUNCTION topk_pipeline.expire(pipeline text DEFAULT NULL)
RETURNS TABLE (name text, windows bigint, rejected_records bigint, merged_slots bigint)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT
AS $$
#variable_conflict use_column
DECLARE
	p			topk_pipeline.pipeline;
	retained	timestamptz;
BEGIN
	IF expire.pipeline IS NOT NULL THEN
		PERFORM find(expire.pipeline);
	END IF;
	FOR p IN
		SELECT * FROM pipeline AS e
		 WHERE e.name = expire.pipeline OR expire.pipeline IS NULL ORDER BY e.name
	LOOP
		name := p.name;
		retained := now() - p.retention_seconds * interval '1 second';
		WITH gone AS
		(
			DELETE FROM slot AS s
			 WHERE s.pipeline_id = p.pipeline_id AND s.bucket < bucket(p.name, retained)
			RETURNING s.bucket, s.key
		)
		SELECT count(DISTINCT (g.bucket, g.key)) INTO windows FROM gone AS g;
		DELETE FROM mirror AS m
		 WHERE m.pipeline_id = p.pipeline_id AND m.bucket < bucket(p.name, retained);
		DELETE FROM rejected_record AS r
		 WHERE r.pipeline = p.name AND r.rejected_at < retained;
		GET DIAGNOSTICS rejected_records = ROW_COUNT;
		merged_slots := merge_slots(p.pipeline_id, bucket(p.name));
		RETURN NEXT;
	END LOOP;
END
$$;
COMMENT ON FUNCTION topk_pipeline.expire IS
	'delete what is past the retention, of one pipeline or of all, and merge the slots of windows that are over';

CREATE FUNCTION topk_pipeline.drop(name text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT
AS $$
DECLARE
	p			topk_pipeline.pipeline := find("drop".name);
BEGIN
	DELETE FROM rejected_record AS r WHERE r.pipeline = p.name;
	DELETE FROM pipeline AS d WHERE d.pipeline_id = p.pipeline_id;
END
$$;
COMMENT ON FUNCTION topk_pipeline.drop IS 'delete a pipeline with everything that belongs to it';

/* ---- views ---- */

CREATE VIEW topk_pipeline.status AS
SELECT p.name AS pipeline, p.k, p.counters,
	   justify_hours(p.window_seconds * interval '1 second') AS window_length,
	   justify_hours(p.retention_seconds * interval '1 second') AS retention,
	   coalesce(s.windows, 0) AS windows, coalesce(s.slots, 0) AS slots,
	   coalesce(s.records, 0)::bigint AS records, coalesce(r.rejected, 0) AS rejected,
	   s.last_ingest_at
  FROM topk_pipeline.pipeline AS p
  LEFT JOIN (SELECT pipeline_id, count(DISTINCT (bucket, key)) AS windows, count(*) AS slots,
					sum(records) AS records, max(last_ingest_at) AS last_ingest_at
			   FROM topk_pipeline.slot GROUP BY pipeline_id) AS s USING (pipeline_id)
  LEFT JOIN (SELECT pipeline, count(*) AS rejected
			   FROM topk_pipeline.rejected_record GROUP BY pipeline) AS r ON r.pipeline = p.name;
COMMENT ON VIEW topk_pipeline.status IS 'each pipeline: what it holds within its retention, and its last ingest';

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

/* ---- privileges, dump ---- */

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA topk_pipeline FROM PUBLIC;

SELECT pg_catalog.pg_extension_config_dump('topk_pipeline.pipeline', '');
SELECT pg_catalog.pg_extension_config_dump('topk_pipeline.pipeline_pipeline_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('topk_pipeline.slot', '');
SELECT pg_catalog.pg_extension_config_dump('topk_pipeline.slot_slot_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('topk_pipeline.source_position', '');
SELECT pg_catalog.pg_extension_config_dump('topk_pipeline.rejected_record', '');
SELECT pg_catalog.pg_extension_config_dump('topk_pipeline.rejected_record_rejected_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('topk_pipeline.mirror', '');
SELECT pg_catalog.pg_extension_config_dump('topk_pipeline.mirror_version', '');
