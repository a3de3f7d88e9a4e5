-- Least privilege, and installing without being superuser.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS topk_pipeline CASCADE;
RESET client_min_messages;
\set SHOW_CONTEXT never

CREATE ROLE regress_topk_owner;
CREATE ROLE regress_topk_writer;
CREATE ROLE regress_topk_reader;
CREATE ROLE regress_topk_mirror;
CREATE ROLE regress_topk_operator;
DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO regress_topk_owner', current_database()); END $$;

-- topk in a schema of its own, topk_pipeline owned by an ordinary role
SET client_min_messages = warning;
DROP EXTENSION topk CASCADE;
DROP SCHEMA topk_pipeline;
CREATE SCHEMA summaries;
CREATE EXTENSION topk SCHEMA summaries;
RESET client_min_messages;
GRANT USAGE ON SCHEMA summaries TO PUBLIC;
SET ROLE regress_topk_owner;
CREATE EXTENSION topk_pipeline;
SELECT topk_pipeline.create('roles', counters => 50);
SELECT DISTINCT relowner::regrole FROM pg_class WHERE relnamespace = 'topk_pipeline'::regnamespace;

-- as documented
GRANT USAGE ON SCHEMA topk_pipeline TO regress_topk_writer, regress_topk_reader, regress_topk_mirror, regress_topk_operator;
GRANT EXECUTE ON FUNCTION topk_pipeline.settings, topk_pipeline.positions, topk_pipeline.ingest, topk_pipeline.ingest_records,
						  topk_pipeline.full_windows, topk_pipeline.reset_position
   TO regress_topk_writer;
GRANT EXECUTE ON FUNCTION topk_pipeline.dead_letters, topk_pipeline.dead_letters_sent TO regress_topk_writer;
GRANT EXECUTE ON FUNCTION topk_pipeline.top, topk_pipeline.top_keys, topk_pipeline.summary,
						  topk_pipeline.settings, topk_pipeline.windows, topk_pipeline.bucket, topk_pipeline.window_start
   TO regress_topk_reader;
GRANT SELECT ON topk_pipeline.window_summary, topk_pipeline.status, topk_pipeline.source_status,
				topk_pipeline.mirror_status, topk_pipeline.rejected_by_reason, topk_pipeline.dead_letter_status
   TO regress_topk_reader;
GRANT EXECUTE ON FUNCTION topk_pipeline.settings, topk_pipeline.mirror_lock, topk_pipeline.mirror_claim,
						  topk_pipeline.mirror_report, topk_pipeline.mirror_done, topk_pipeline.mirror_failed, topk_pipeline.mirror_issued,
						  topk_pipeline.mirror_oldest, topk_pipeline.mirror_expected,
						  topk_pipeline.expire
   TO regress_topk_mirror;
GRANT SELECT ON topk_pipeline.rejected, topk_pipeline.rejected_by_reason TO regress_topk_operator;
GRANT EXECUTE ON FUNCTION topk_pipeline.readable, topk_pipeline.replay TO regress_topk_operator;

-- each does its work, wherever its search_path leads
SET search_path = pg_catalog;
SET ROLE regress_topk_writer;
SELECT counters FROM topk_pipeline.settings('roles');
SELECT * FROM topk_pipeline.positions('roles', 'kafka:clicks', '{0}');
SELECT topk_pipeline.ingest('roles', 'kafka:clicks', '{0}', '{NULL}', '{3}', '{global}', ARRAY[20000], '{2}',
							ARRAY[summaries.topk_build('{a}', '{2}', 50)],
							'{0}', '{2}', '{NULL}', '{invalid JSON}', '{NULL}', '{NULL}', '{NULL}');
SELECT * FROM topk_pipeline.full_windows('roles', '{global}', '{20000}');
SELECT topk_pipeline.reset_position('roles', 'kafka:clicks', '1', 5);
SELECT topk_pipeline.dead_letters_sent('roles', 'kafka:clicks', '{0}', ARRAY[rejected_id])
  FROM topk_pipeline.dead_letters('roles', 'kafka:clicks', '{0}');
SELECT * FROM topk_pipeline.ingest_records('roles', 'kinesis:clicks', '{}', '{}', '{}',
	'{r1,r2}', ARRAY[now() - interval '20 hours', now()], '{global,global}', '{20000,20000}', '{b,b}', '{1,1}',
	'{0}', '{7}', ARRAY[now()], '{missing_entity}', '{NULL}', '{NULL}', ARRAY['{"id":"c"}'::bytea], '{r3}', ARRAY[now()]);
SET ROLE regress_topk_reader;
SELECT * FROM topk_pipeline.top('roles');
SELECT * FROM topk_pipeline.top_keys('roles');
SELECT key, bucket, summary FROM topk_pipeline.window_summary;
SELECT key, bucket, total FROM topk_pipeline.windows('roles', '{global}', 0, 20000);
SELECT k, window_seconds, retention_seconds FROM topk_pipeline.settings('roles');
SELECT windows, records, rejected FROM topk_pipeline.status;
SELECT shard, position FROM topk_pipeline.source_status;
SELECT key, bucket, problem FROM topk_pipeline.mirror_status;
SELECT source, shard, waiting FROM topk_pipeline.dead_letter_status;
SELECT reason, records FROM topk_pipeline.rejected_by_reason ORDER BY reason COLLATE "C";
SET ROLE regress_topk_mirror;
SELECT topk_pipeline.mirror_lock('roles');
SELECT topk_pipeline.mirror_done('roles', c.key, c.bucket, c.version) FROM topk_pipeline.mirror_claim('roles') AS c;
SELECT * FROM topk_pipeline.expire('roles');
SET ROLE regress_topk_operator;
SELECT reason, payload FROM topk_pipeline.rejected ORDER BY reason COLLATE "C";
SELECT * FROM topk_pipeline.replay('roles', entity => '/id');

-- and nothing else
SET ROLE regress_topk_writer;
SELECT * FROM topk_pipeline.slot;
SELECT * FROM topk_pipeline.seen_record;
SELECT * FROM topk_pipeline.rejected;
DELETE FROM topk_pipeline.source_position;
UPDATE topk_pipeline.dead_letter_position SET rejected_id = 1;
SELECT topk_pipeline.create('mine');
SELECT topk_pipeline.drop('roles');
SELECT topk_pipeline.top('roles');
SELECT topk_pipeline.mirror_claim('roles');
SELECT topk_pipeline.count_windows(NULL, '{}', '{}', '{}', '{}');
SET ROLE regress_topk_reader;
SELECT * FROM topk_pipeline.rejected_record;
SELECT * FROM topk_pipeline.pipeline;
SELECT * FROM topk_pipeline.replay('roles');
SELECT topk_pipeline.ingest('roles', 'by hand', '{}', '{}', '{}', '{}', '{}', '{}', '{}');
SELECT * FROM topk_pipeline.dead_letters('roles', 'kafka:clicks', '{0}');
SELECT topk_pipeline.mirror_claim('roles');
SET ROLE regress_topk_mirror;
SELECT * FROM topk_pipeline.window_summary;
SELECT topk_pipeline.ingest('roles', 'by hand', '{}', '{}', '{}', '{}', '{}', '{}', '{}');
SELECT topk_pipeline.mirror_take_over('roles', 'global', 20000, 1);
UPDATE topk_pipeline.mirror SET version = 1;
SELECT * FROM topk_pipeline.ingest_records('roles', 'by hand', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}');
SET ROLE regress_topk_operator;
SELECT * FROM topk_pipeline.rejected_record;
SELECT topk_pipeline.ingest('roles', 'by hand', '{}', '{}', '{}', '{}', '{}', '{}', '{}');
SELECT topk_pipeline.expire('roles');
RESET ROLE;
-- none of them may call what is internal
SELECT p.oid::regprocedure AS for_everybody
  FROM pg_proc AS p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS acl
 WHERE p.pronamespace = 'topk_pipeline'::regnamespace AND acl.grantee = 0;

RESET search_path;
SELECT pg_advisory_unlock_all();
SET client_min_messages = warning;
DROP EXTENSION topk CASCADE;
DROP SCHEMA summaries;
DROP OWNED BY regress_topk_owner, regress_topk_writer, regress_topk_reader, regress_topk_mirror,
			  regress_topk_operator;
DROP ROLE regress_topk_owner, regress_topk_writer, regress_topk_reader, regress_topk_mirror, regress_topk_operator;
