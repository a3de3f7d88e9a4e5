-- What the mirror is given, and what it reports back.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS topk_pipeline CASCADE;
RESET client_min_messages;
\set SHOW_CONTEXT never

SELECT topk_pipeline.create('mirror', k => 2, counters => 50);

CREATE FUNCTION pg_temp.count(key text, bucket bigint, items text[]) RETURNS void
RETURN topk_pipeline.ingest('mirror', 'by hand', '{}', '{}', '{}',
	ARRAY[key], ARRAY[bucket], ARRAY[cardinality(items)::bigint],
	ARRAY[(SELECT topk_agg(i, 50) FROM unnest(items) AS i)]);
-- versions depend on what ran before: count from here
CREATE TEMP TABLE base AS SELECT topk_pipeline.mirror_issued('mirror') AS version;
CREATE FUNCTION pg_temp.claim(min_interval interval DEFAULT '0', max_windows int DEFAULT 100)
RETURNS TABLE (key text, bucket bigint, nr bigint, value bytea, total bigint, error bigint)
BEGIN ATOMIC
	SELECT c.key, c.bucket, c.version - b.version, c.value, c.total, c.error
	  FROM topk_pipeline.mirror_claim('mirror', min_interval, max_windows) AS c, base AS b;
END;
CREATE FUNCTION pg_temp.done(key text, bucket bigint, nr bigint) RETURNS void
RETURN topk_pipeline.mirror_done('mirror', key, bucket, nr + (SELECT version FROM base));
CREATE FUNCTION pg_temp.failed(key text, bucket bigint, nr bigint, problem text) RETURNS void
RETURN topk_pipeline.mirror_failed('mirror', key, bucket, nr + (SELECT version FROM base), problem);
CREATE TEMP VIEW state AS
SELECT key, bucket, m.version - b.version AS nr, mirrored_version - b.version AS mirrored_nr,
	   mirrored_at IS NOT NULL AS mirrored, unmirrored_since IS NOT NULL AS unmirrored, failures, problem
  FROM topk_pipeline.mirror_status AS m, base AS b
 WHERE pipeline = 'mirror' ORDER BY key, bucket;

SELECT topk_pipeline.mirror_lock('mirror');
SELECT * FROM pg_temp.claim();

-- k items are published, the others bounded by error
SELECT pg_temp.count('global', 20000, '{a,a,a,b,b,c}');
SELECT * FROM pg_temp.state;
-- a crash must not lose the version that was given out
BEGIN;
SET LOCAL synchronous_commit = off;
SELECT * FROM pg_temp.claim();
SHOW synchronous_commit;
ROLLBACK;
SELECT topk_from_murmur(c.value), c.total, c.error, c.ttl, c.ttl = 20001 * 86400 + 30 * 86400 AS after_retention,
	   abs(extract(epoch FROM now()) - c.updated_at) < 60 AS updated, c.writer = p.writer::text AS ours
  FROM topk_pipeline.mirror_claim('mirror') AS c, topk_pipeline.pipeline AS p
 WHERE p.name = 'mirror';
-- a rolled back claim has used up version 1, nothing else
SELECT * FROM pg_temp.state;

-- while an offer is open the window does not come up again, even if it changes
SELECT pg_temp.count('global', 20000, '{b,b}');
SELECT * FROM pg_temp.claim();
SELECT pg_temp.done('global', 20000, 2);
SELECT * FROM pg_temp.state;
SELECT * FROM pg_temp.claim('1 hour');
SELECT * FROM pg_temp.claim();
SELECT pg_temp.done('global', 20000, 2);
SELECT mirrored_nr FROM pg_temp.state;
SELECT pg_temp.done('global', 20000, 3);
SELECT * FROM pg_temp.state;

-- a change that the value does not show is not written, and not looked at again
SELECT pg_temp.count('global', 20000, '{d}');
SELECT unmirrored FROM pg_temp.state;
SELECT * FROM pg_temp.claim();
SELECT unmirrored FROM pg_temp.state;

-- a failure is kept, backs off, and is forgotten with success
SELECT pg_temp.count('global', 20000, '{a}');
SELECT count(*) FROM pg_temp.claim();
SELECT pg_temp.failed('global', 20000, 4, 'somebody else wrote version 9');
SELECT * FROM pg_temp.state;
SELECT * FROM pg_temp.claim();
SELECT due_at > now() AS later FROM topk_pipeline.mirror WHERE key = 'global' AND bucket = 20000;
-- a new worker tries at once
SELECT topk_pipeline.mirror_lock('mirror');
SELECT * FROM pg_temp.claim();
SELECT pg_temp.done('global', 20000, 5);
SELECT * FROM pg_temp.state;
-- what is stored can't fail any more
SELECT pg_temp.failed('global', 20000, 5, 'too late');
SELECT failures, problem FROM pg_temp.state;

-- an offer that nobody reported on comes up again, with a new version, though nothing changed
SELECT pg_temp.count('global', 20000, '{a}');
SELECT nr, value FROM pg_temp.claim();
SELECT count(*) FROM pg_temp.claim();
UPDATE topk_pipeline.mirror SET due_at = now() - interval '1 second' WHERE due_at IS NOT NULL;
SELECT nr, value FROM pg_temp.claim();
SELECT pg_temp.done('global', 20000, 6);
SELECT pg_temp.done('global', 20000, 7);

-- many windows: at most so many at a time, those waiting longest first
SELECT pg_temp.count('key ' || i, 20000, '{a}') FROM generate_series(1, 5) AS i;
SELECT count(*) FROM pg_temp.claim(max_windows => 2);
SELECT count(*) FROM pg_temp.claim(max_windows => 2);
SELECT count(*) FROM pg_temp.claim(max_windows => 2);
SELECT pg_temp.done(key, bucket, nr) FROM pg_temp.state WHERE key LIKE 'key%';
-- windows whose value is unchanged do not count
SELECT pg_temp.count('many', 20000 + i, '{a,a,b,b}') FROM generate_series(1, 5) AS i;
SELECT pg_temp.done(key, bucket, nr) FROM pg_temp.claim();
SELECT pg_temp.count('many', 20000 + i, '{z}') FROM generate_series(1, 4) AS i;
SELECT pg_temp.count('many', 20005, '{a}');
SELECT key, bucket FROM pg_temp.claim(max_windows => 1);

-- taking over a row: versions go on above the one that stands there
SELECT topk_pipeline.mirror_take_over('mirror', 'global', 20000, version + 1000) FROM base;
SELECT topk_pipeline.mirror_issued('mirror') - version AS issued FROM base;
SELECT key, bucket, nr FROM pg_temp.claim();
SELECT pg_temp.done('global', 20000, 1001);
SELECT topk_pipeline.mirror_take_over('mirror', 'global', 20000, 1);
SELECT key, bucket, nr FROM pg_temp.claim();
SELECT topk_pipeline.mirror_issued('mirror') - version AS issued FROM base;

-- of a window that does not exist nothing stays
SELECT topk_pipeline.mirror_take_over('mirror', 'typo', 20000, 1);
SELECT count(*) FROM topk_pipeline.mirror WHERE key = 'typo';
SELECT * FROM pg_temp.claim();
SELECT count(*) FROM topk_pipeline.mirror WHERE key = 'typo';

-- an item without a name is left out of the value, and so bounded by error; what is unknown is null
SELECT pg_temp.count('unnamed', 20000, ARRAY['', '', '', 'a', 'b']);
SELECT nr, topk_from_murmur(value), total, error FROM pg_temp.claim();
SELECT topk_pipeline.absent_bound(topk_build('{a,b}', '{2,1}', 50), 2) AS none,
	   topk_pipeline.absent_bound(topk_build('{a,b}', '{2,1}', 50), 1) AS second,
	   topk_pipeline.absent_bound(topk_from_murmur('\x0200000000000000'), 2) AS unknown;

SELECT topk_pipeline.mirror_claim('nobody');
SELECT topk_pipeline.mirror_done('nobody', 'global', 1, 1);
SELECT pg_advisory_unlock_all();
SELECT topk_pipeline.drop('mirror');

-- a row of DynamoDB has room for 400 kB: fewer items, under the same K, and error covers the others
SELECT topk_pipeline.create('large', k => 60);
SELECT topk_pipeline.ingest('large', 'test', '{}', '{}', '{}', '{big}', ARRAY[topk_pipeline.bucket('large')], '{1}',
							ARRAY[(SELECT topk_weighted_agg(repeat('x', 8000) || n, n, 1000) FROM generate_series(1, 60) AS n)]);
SELECT left_out, error, get_byte(value, 0) AS k, get_byte(value, 4) AS items, octet_length(value) BETWEEN 390000 AND 409200 AS nearly_full
  FROM topk_pipeline.mirror_claim('large');

-- what each item may weigh beyond its count: the empty one left out, zeros at the end, too
SELECT topk_pipeline.create('slacks', k => 4);
INSERT INTO topk_pipeline.slot (pipeline_id, bucket, key, summary, records, last_ingest_at, changed_at)
SELECT pipeline_id, topk_pipeline.bucket(name), 'k',
	   '{"k":50,"total":300,"error":3,"items":[["",40,41],["a",30,33],["b",10,10],["c",9,11],["d",5,5],["e",1,3]]}', 200, now(), now()
  FROM topk_pipeline.pipeline WHERE name = 'slacks';
SELECT topk_from_murmur(value) AS published, error, slacks FROM topk_pipeline.mirror_claim('slacks');
-- they take room in the row
SELECT topk_pipeline.create('room', k => 20000, counters => 20000);
INSERT INTO topk_pipeline.slot (pipeline_id, bucket, key, summary, records, last_ingest_at, changed_at)
SELECT pipeline_id, topk_pipeline.bucket(name), 'k',
	   jsonb_build_object('k', 20000, 'total', 99999999999, 'error', 999, 'items',
		(SELECT jsonb_agg(jsonb_build_array('i' || n, 1000000 - n, 1000999 - n)) FROM generate_series(10001, 30000) AS n))::text::topk_summary,
	   200, now(), now()
  FROM topk_pipeline.pipeline WHERE name = 'room';
SELECT left_out > 0 AS cut, left_out + cardinality(slacks) AS items,
	   octet_length(value) + octet_length(array_to_string(slacks, ',')) BETWEEN 409000 AND 409200 AS full
  FROM topk_pipeline.mirror_claim('room');
SELECT topk_pipeline.drop(name) FROM unnest('{slacks,room}'::text[]) AS name;

-- reports: stored, failed, and of a version that is not the last one
SELECT topk_pipeline.create('reports');
SELECT topk_pipeline.ingest('reports', 'test', '{}', '{}', '{}', '{a,b,c}', ARRAY[b, b, b], '{1,1,1}', ARRAY[s, s, s])
  FROM topk_pipeline.bucket('reports') AS b, topk_build('{x}', k => 1000) AS s;
SELECT topk_pipeline.mirror_oldest('reports') >= 0 AS waiting;
CREATE TEMPORARY TABLE claimed AS SELECT * FROM topk_pipeline.mirror_claim('reports');
SELECT count(*) AS failed
  FROM (SELECT topk_pipeline.mirror_report('reports', array_agg(key), array_agg(bucket), array_agg(version - (key = 'c')::int),
										   array_agg(CASE WHEN key <> 'a' THEN 'full' END))
		  FROM claimed) AS r;
SELECT key, mirrored_version IS NOT NULL AS mirrored, failures, problem
  FROM topk_pipeline.mirror_status WHERE pipeline = 'reports' ORDER BY key;
SELECT key, version IS NOT NULL AS mirrored, digest = sha256(topk_to_murmur(topk_build('{x}'), 32)) AS same, open
  FROM topk_pipeline.mirror_expected('reports');
SELECT key FROM topk_pipeline.mirror_expected('reports', after_bucket => topk_pipeline.bucket('reports'), after_key => 'a', max_windows => 1);
SELECT topk_pipeline.mirror_report('reports', '{a}', '{1,2}', '{1}', '{NULL}');

-- import: once, with the bounds that hold, and versions above
SELECT topk_pipeline.create('import');
SELECT topk_pipeline.import_window('import', 'global', topk_pipeline.bucket('import'), topk_to_murmur(topk_build('{a,a,b}'), 2), 1000000) AS added;
SELECT topk_pipeline.import_window('import', 'global', topk_pipeline.bucket('import'), topk_to_murmur(topk_build('{a,a,b}'), 2), 1000000) AS added;
SELECT topk_pipeline.import_window('import', 'total', topk_pipeline.bucket('import'), topk_to_murmur(topk_build('{a,a,b}'), 2), 5, total => 9) AS added;
SELECT key, topk_k(summary), topk_total(summary), topk_error(summary), item, lower_bound, upper_bound
  FROM topk_pipeline.window_summary, topk_top(summary) WHERE pipeline = 'import' ORDER BY key, item;
SELECT topk_pipeline.mirror_issued('import') >= 1000000 AS above;
SELECT topk_pipeline.import_window('import', 'old', 1, '\x0200000000000000') AS added;
SELECT topk_pipeline.import_window('import', 'early', 99999, '\x0200000000000000') AS added;
SELECT topk_pipeline.import_window('import', 'much', topk_pipeline.bucket('import'), topk_to_murmur(topk_build('{a}', ARRAY[72057594037927936]), 2)) AS added;
SELECT topk_pipeline.import_window('import', 'less', topk_pipeline.bucket('import'), topk_to_murmur(topk_build('{a,a,b}'), 2), total => 2) AS added;
