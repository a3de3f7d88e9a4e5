/*
 * rejected.sql
 *	  Records that could not be counted, kept whole.
 */

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
