/*
 * ingest.sql
 *	  One batch, all or nothing.
 */

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
	rejected_header_names bytea[] DEFAULT '{}', rejected_header_values bytea[] DEFAULT '{}',
	last_positions bigint[] DEFAULT '{}', last_times timestamptz[] DEFAULT '{}')
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
	PERFORM move_positions(p.pipeline_id, source, shards, from_positions, to_positions, last_positions, last_times);
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
	last_positions bigint[] DEFAULT '{}', last_times timestamptz[] DEFAULT '{}',
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
	PERFORM move_positions(p.pipeline_id, source, shards, from_positions, to_positions, last_positions, last_times);
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
