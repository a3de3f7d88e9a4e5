/*
 * position.sql
 *	  Positions: how far each shard of each source is counted.
 */

CREATE TABLE topk_pipeline.source_position
(
	pipeline_id			int NOT NULL REFERENCES topk_pipeline.pipeline ON DELETE CASCADE,
	source				text COLLATE "C" NOT NULL,
	shard				text COLLATE "C" NOT NULL,
	position			bigint NOT NULL,
	last_position		bigint,
	last_time			timestamptz,
	updated_at			timestamptz NOT NULL,
	PRIMARY KEY (pipeline_id, source, shard)
)
WITH (fillfactor = 50);
COMMENT ON TABLE topk_pipeline.source_position IS 'the next position to read of each shard of each source';
COMMENT ON COLUMN topk_pipeline.source_position.last_position IS 'where the record stands that was read last, before position; null: not known';
COMMENT ON COLUMN topk_pipeline.source_position.last_time IS 'the time that its source gives to that record, by which it can be recognised; null: not known';

CREATE FUNCTION topk_pipeline.positions(pipeline text, source text, shards text[])
RETURNS TABLE (shard text, "position" bigint, last_position bigint, last_time timestamptz)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path FROM CURRENT
AS $$
#variable_conflict use_column
DECLARE
	p			topk_pipeline.pipeline := find(positions.pipeline);
BEGIN
	RETURN QUERY
	SELECT s.shard, s.position, s.last_position, s.last_time FROM source_position AS s
	 WHERE s.pipeline_id = p.pipeline_id AND s.source = positions.source AND s.shard = ANY (shards)
	 ORDER BY s.shard;
END
$$;
COMMENT ON FUNCTION topk_pipeline.positions IS
	'the next position to read, for the shards that have one, and the record that was read last, by which a reader sees that it is the same source still';

/*
 * Compare and set, one shard after the other in sorted order, so that two
 * writers of the same shards can't deadlock.  The update of a position that
 * another transaction is moving waits for it and then finds another position.
 */
CREATE FUNCTION topk_pipeline.move_positions(pipeline_id int, source text,
	shards text[], from_positions bigint[], to_positions bigint[], last_positions bigint[], last_times timestamptz[])
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
	IF last_positions <> '{}' OR last_times <> '{}' THEN
		PERFORM check_lengths('shards, last_positions, last_times',
			cardinality(shards), cardinality(last_positions), cardinality(last_times));
	END IF;
	FOR move IN
		SELECT * FROM unnest(shards, from_positions, to_positions, last_positions, last_times)
					AS m (shard, expected, target, last_position, last_time)
		 ORDER BY m.shard COLLATE "C"
	LOOP
		IF move.target < move.expected THEN
			RAISE EXCEPTION 'position of shard "%" would go back from % to %', move.shard, move.expected, move.target
				USING ERRCODE = 'invalid_parameter_value';
		ELSIF move.expected IS NULL THEN
			INSERT INTO source_position (pipeline_id, source, shard, position, last_position, last_time, updated_at)
			VALUES (move_positions.pipeline_id, move_positions.source, move.shard, move.target,
					move.last_position, move.last_time, now())
				ON CONFLICT DO NOTHING;
		ELSE
			UPDATE source_position AS s
			   SET position = move.target, updated_at = now(),
				   last_position = coalesce(move.last_position, s.last_position),
				   last_time = CASE WHEN move.last_position IS NULL THEN s.last_time ELSE move.last_time END
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
			DO UPDATE SET position = excluded.position, updated_at = excluded.updated_at,
						  last_position = NULL, last_time = NULL;
	END IF;
END
$$;
COMMENT ON FUNCTION topk_pipeline.reset_position IS
	'where to read a shard next, whatever was read before; null: as if it was never read; what is read again counts again';
