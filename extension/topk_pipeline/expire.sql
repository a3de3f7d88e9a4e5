/*
 * expire.sql
 *	  Retention: what is past its time is deleted.
 */

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
