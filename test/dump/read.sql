-- What has to read the same after a dump of fill.sql was restored.
SET timezone = 'UTC';
SELECT id, md5(topk_summary_send(value)), left(value::text, 200) FROM summary ORDER BY id;
SELECT top.* FROM summary, topk_top(value, 3) AS top ORDER BY id, estimate DESC, item COLLATE "C";
SELECT pipeline, key, bucket, window_start, records, md5(topk_summary_send(summary)) FROM topk_pipeline.window_summary ORDER BY key;
SELECT * FROM topk_pipeline.pipeline;
SELECT * FROM topk_pipeline.source_position ORDER BY shard;
SELECT * FROM topk_pipeline.rejected_record;
SELECT * FROM topk_pipeline.mirror ORDER BY key;
SELECT key, bucket, version, md5(value) FROM topk_pipeline.mirror_claim('dumped', '0') ORDER BY key;
