/*
 * status.sql
 *	  Views for who watches.
 */

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
SELECT p.name AS pipeline, s.source, s.shard, s.position, s.last_time, s.updated_at
  FROM topk_pipeline.source_position AS s
  JOIN topk_pipeline.pipeline AS p USING (pipeline_id);
COMMENT ON VIEW topk_pipeline.source_status IS 'each source and shard: the next position to read, the time of the record that was read last, and when the position was last moved';

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
