-- Rejected records, looked at and counted after all.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS topk_pipeline CASCADE;
RESET client_min_messages;
\set SHOW_CONTEXT never

SELECT topk_pipeline.create('replay', counters => 100);
-- rejected now, of an event some hours ago
CREATE FUNCTION pg_temp.reject(pipeline text, reason text, hours numeric, payload bytea) RETURNS void
RETURN topk_pipeline.ingest(pipeline, 'test', '{}', '{}', '{}', '{}', '{}', '{}', '{}',
	'{0}', '{1}', ARRAY[now() - hours * interval '1 hour'], ARRAY[reason], '{NULL}', '{NULL}', ARRAY[payload]);
CREATE TEMP VIEW counted AS
SELECT key, topk_pipeline.bucket('replay') - bucket AS ago, records, summary
  FROM topk_pipeline.window_summary WHERE pipeline = 'replay' ORDER BY key, ago;

BEGIN;
SELECT pg_temp.reject('replay', 'missing_entity', 0, '{"product":{"id":"p-1"},"tenant":"eu","n":3}');
SELECT pg_temp.reject('replay', 'missing_entity', 24, '{"product":{"id":"p-1"},"tenant":"us","n":2.0}');
SELECT pg_temp.reject('replay', 'missing_entity', 0, '{"product":{"id":"p-2"},"n":1}');
SELECT pg_temp.reject('replay', 'missing_entity', 0, '{"product":{"id":""},"tenant":"eu","n":1}');
SELECT pg_temp.reject('replay', 'missing_entity', 0, '{"product":{"id":7},"tenant":"eu","n":1}');
SELECT pg_temp.reject('replay', 'missing_entity', 0, '{"product":{"id":"p-3"},"tenant":"eu","n":-1}');
SELECT pg_temp.reject('replay', 'missing_entity', 0, '{"product":{"id":"p-3"},"tenant":"eu","n":1.5}');
SELECT pg_temp.reject('replay', 'missing_entity', 0, '{"product":{"id":"p-3"},"tenant":"eu","n":"1"}');
SELECT pg_temp.reject('replay', 'too_far_in_future', 0, '{"entity_id":"later"}');
SELECT pg_temp.reject('replay', 'too_far_in_future', -2, '{"entity_id":"later still"}');
SELECT pg_temp.reject('replay', 'outside_retention', 24 * 31, '{"entity_id":"long ago"}');
SELECT pg_temp.reject('replay', 'bad_time', NULL, '{"entity_id":"when?"}');
SELECT pg_temp.reject('replay', 'invalid_json', 0, '{"entity_id":"cut of');
SELECT pg_temp.reject('replay', 'invalid_json', 0, '\x7b22656e746974795f6964223a22ff227d');
SELECT pg_temp.reject('replay', 'nul_character', 0, '{"entity_id":"a\\u0000b"}');
SELECT pg_temp.reject('replay', 'invalid_json', 0, convert_to(repeat('[', 100000), 'UTF8'));
SELECT pg_temp.reject('replay', 'not_an_object', 0, '["entity_id"]');
SELECT pg_temp.reject('replay', 'too_long', 0, convert_to(format('{"entity_id":"%s"}', repeat('x', 8193)), 'UTF8'));
SELECT pg_temp.reject('replay', 'empty_value', 0, NULL);

-- as text, whatever the bytes
SELECT reason, left(payload, 40) AS payload FROM topk_pipeline.rejected
 WHERE pipeline = 'replay' AND reason LIKE 'invalid%' ORDER BY payload COLLATE "C";

-- those that can be counted with this mapping are, and are gone; the others stay
SELECT * FROM topk_pipeline.replay('replay', 'missing_entity', '/product/id', '/tenant', '/n');
SELECT * FROM counted;
SELECT * FROM topk_pipeline.replay('replay', 'missing_entity', '/product/id', '/tenant', '/n');
-- with another mapping, four more: p-2, and p-3 three times
SELECT * FROM topk_pipeline.replay('replay', 'missing_entity', '/product/id');
SELECT * FROM counted;
-- those that have become countable by themselves
SELECT * FROM topk_pipeline.replay('replay');
SELECT * FROM counted;
SELECT reason, count(*) FROM topk_pipeline.rejected WHERE pipeline = 'replay' GROUP BY reason ORDER BY reason COLLATE "C";
SELECT records, rejected FROM topk_pipeline.status WHERE pipeline = 'replay';
COMMIT;

-- by ids: what has been counted meanwhile, or stands there twice, is a duplicate, and what has no id stays
BEGIN;
SELECT * FROM topk_pipeline.ingest_records('replay', 'test', '{}', '{}', '{}', '{m-1}', ARRAY[now()],
	'{ids}', ARRAY[topk_pipeline.bucket('replay')], '{mended}', '{1}');
SELECT pg_temp.reject('replay', 'ids', 0, '{"e":"mended","m":"m-1"}');
SELECT pg_temp.reject('replay', 'ids', 0, '{"e":"a","m":"m-2"}');
SELECT pg_temp.reject('replay', 'ids', 0, '{"e":"a","m":"m-2"}');
SELECT pg_temp.reject('replay', 'ids', 0, '{"e":"b","m":123456789012345678901234567890}');
SELECT pg_temp.reject('replay', 'ids', 0, '{"e":"b","m":"123456789012345678901234567890"}');
SELECT pg_temp.reject('replay', 'ids', 0, convert_to(format('{"e":"c","m":"%s"}', repeat('x', 1000)), 'UTF8'));
SELECT pg_temp.reject('replay', 'ids', 0, convert_to(format('{"e":"c","m":"%s"}', repeat('x', 1001)), 'UTF8'));
SELECT pg_temp.reject('replay', 'ids', 0, '{"e":"d"}');
SELECT pg_temp.reject('replay', 'ids', 0, '{"e":"d","m":""}');
SELECT pg_temp.reject('replay', 'ids', 0, '{"e":"d","m":1.5}');
SELECT pg_temp.reject('replay', 'ids', 0, '{"e":"d","m":null}');
SELECT * FROM topk_pipeline.replay('replay', 'ids', '/e', id => '/m');
SELECT key, records, summary FROM topk_pipeline.window_summary WHERE pipeline = 'replay' ORDER BY key;
SELECT duplicates, rejected FROM topk_pipeline.status WHERE pipeline = 'replay';
-- and who sends one of them once more finds it counted
SELECT * FROM topk_pipeline.ingest_records('replay', 'test', '{}', '{}', '{}', '{m-2}', ARRAY[now()],
	'{ids}', ARRAY[topk_pipeline.bucket('replay')], '{a}', '{1}');
ROLLBACK;

-- with the time that the event gives
BEGIN;
CREATE FUNCTION pg_temp.reject_at(entity text, at text) RETURNS void
RETURN pg_temp.reject('replay', 'times', 24 * 40, convert_to(format('{"e":"%s","at":%s}', entity, at), 'UTF8'));
SELECT pg_temp.reject_at('rfc 3339', to_json(to_char(now() AT TIME ZONE 'UTC' - interval '1 day', 'YYYY-MM-DD"T"HH24:MI:SS.MSZ'))::text);
SELECT pg_temp.reject_at('offset', to_json(to_char(now() AT TIME ZONE 'UTC' - interval '1 day', 'YYYY-MM-DD"t"HH24:MI:SS"+00:00"'))::text);
SELECT pg_temp.reject_at('ms', floor(extract(epoch FROM now() - interval '1 day') * 1000)::text);
SELECT pg_temp.reject_at(at, at) FROM unnest(ARRAY['null', '1.5', '1e300', '1e30', 'true', '[]']) AS at;
SELECT pg_temp.reject_at('odd', to_json(at)::text)
  FROM unnest(ARRAY['yesterday', 'now', '2026-11-24', '2026-11-24 10:00', '2026-13-24T10:00:00Z', '2026-11-24T10:00:00', 'infinity']) AS at;
SELECT * FROM topk_pipeline.replay('replay', 'times', '/e', event_time => '/at');
SELECT topk_pipeline.bucket('replay') - bucket AS ago, records, summary FROM topk_pipeline.window_summary WHERE pipeline = 'replay' AND summary::text ~ 'rfc';
ROLLBACK;

-- what belongs to a full window stays
BEGIN;
INSERT INTO topk_pipeline.slot (pipeline_id, bucket, key, summary, records, last_ingest_at)
SELECT p.pipeline_id, topk_pipeline.bucket(p.name), 'eu', topk_build('{a}', ARRAY[72057594037927936], 100), 1, now()
  FROM topk_pipeline.pipeline AS p WHERE p.name = 'replay';
SELECT pg_temp.reject('replay', 'window_full', 0, convert_to(format('{"entity_id":"%s","tenant":"%s"}', e, t), 'UTF8'))
  FROM unnest('{a,b,c}'::text[], '{eu,us,eu}'::text[]) AS r (e, t);
SELECT * FROM topk_pipeline.replay('replay', 'window_full', key => '/tenant');
SELECT key, records FROM counted ORDER BY key;
ROLLBACK;

-- JSON Pointers
SELECT pointer, topk_pipeline.pointer_path(pointer) FROM unnest('{"",/a,/a/b,/,/a~1b~0c,/~01,/0}'::text[]) AS pointer;
SELECT * FROM topk_pipeline.replay('replay', entity => 'entity_id');
SELECT * FROM topk_pipeline.replay('replay', entity => '/a~2');
SELECT * FROM topk_pipeline.replay('nobody');

SELECT topk_pipeline.drop('replay');
