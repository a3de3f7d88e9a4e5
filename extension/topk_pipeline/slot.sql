/*
 * slot.sql
 *	  Slots: how the windows' summaries are stored, and added to by many at once.
 */

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
