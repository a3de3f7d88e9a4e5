/*
 * privileges.sql
 *	  Who may call what (nobody, until it is granted), and what pg_dump takes along.
 */

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA topk_pipeline FROM PUBLIC;

SELECT pg_catalog.pg_extension_config_dump('topk_pipeline.pipeline', '');
SELECT pg_catalog.pg_extension_config_dump('topk_pipeline.pipeline_pipeline_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('topk_pipeline.slot', '');
SELECT pg_catalog.pg_extension_config_dump('topk_pipeline.slot_slot_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('topk_pipeline.source_position', '');
SELECT pg_catalog.pg_extension_config_dump('topk_pipeline.rejected_record_rejected_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('topk_pipeline.dead_letter_position', '');
SELECT pg_catalog.pg_extension_config_dump('topk_pipeline.duplicate_count', '');
SELECT pg_catalog.pg_extension_config_dump('topk_pipeline.duplicate_count_duplicate_count_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('topk_pipeline.mirror', '');
SELECT pg_catalog.pg_extension_config_dump('topk_pipeline.mirror_version', '');
SELECT pg_catalog.pg_extension_config_dump('topk_pipeline.imported_window', '');
