/*
 * dead_letter.sql
 *	  Rejected records, sent elsewhere too.
 */

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
