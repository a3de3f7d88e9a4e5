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

-- JSON Pointers
SELECT pointer, topk_pipeline.pointer_path(pointer) FROM unnest('{"",/a,/a/b,/,/a~1b~0c,/~01,/0}'::text[]) AS pointer;
SELECT * FROM topk_pipeline.replay('replay', entity => 'entity_id');
SELECT * FROM topk_pipeline.replay('replay', entity => '/a~2');
SELECT * FROM topk_pipeline.replay('nobody');

SELECT topk_pipeline.drop('replay');
