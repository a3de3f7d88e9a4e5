-- init.sql
--	  What the PostgreSQL of compose.yml has when it starts for the first time: a pipeline, and for each daemon a role
--	  that may do what docs/pipeline.md grants it.
CREATE EXTENSION topk_pipeline CASCADE;
SELECT topk_pipeline.create('recently_interacted');

\getenv feeder_password FEEDER_PASSWORD
\getenv mirror_password MIRROR_PASSWORD
\getenv reader_password READER_PASSWORD

CREATE ROLE feeder LOGIN PASSWORD :'feeder_password';
GRANT USAGE ON SCHEMA topk_pipeline TO feeder;
GRANT EXECUTE ON FUNCTION topk_pipeline.settings, topk_pipeline.positions, topk_pipeline.ingest, topk_pipeline.ingest_records,
    topk_pipeline.full_windows, topk_pipeline.reset_position TO feeder;

CREATE ROLE reader LOGIN PASSWORD :'reader_password';
GRANT USAGE ON SCHEMA topk_pipeline TO reader;
GRANT EXECUTE ON FUNCTION topk_pipeline.top, topk_pipeline.top_keys, topk_pipeline.summary,
    topk_pipeline.settings, topk_pipeline.windows, topk_pipeline.bucket, topk_pipeline.window_start TO reader;
GRANT SELECT ON topk_pipeline.window_summary, topk_pipeline.status, topk_pipeline.source_status,
    topk_pipeline.mirror_status, topk_pipeline.rejected_by_reason, topk_pipeline.dead_letter_status TO reader;

CREATE ROLE mirror LOGIN PASSWORD :'mirror_password';
GRANT USAGE ON SCHEMA topk_pipeline TO mirror;
GRANT EXECUTE ON FUNCTION topk_pipeline.settings, topk_pipeline.mirror_lock, topk_pipeline.mirror_claim, topk_pipeline.mirror_report,
    topk_pipeline.mirror_done, topk_pipeline.mirror_failed, topk_pipeline.mirror_issued, topk_pipeline.mirror_oldest,
    topk_pipeline.mirror_expected, topk_pipeline.expire TO mirror;

-- The superuser comes in from inside the container alone: docker compose exec postgres psql topk
ALTER ROLE postgres PASSWORD NULL;
