/*
 * partition.sql
 *	  Partitions: how what ages is forgotten all at once.
 */

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
