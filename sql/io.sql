-- Text and binary form, and JSON.  What comes from outside is checked.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS topk;
RESET client_min_messages;

-- the text form, both ways
SELECT '{"k":3,"total":9,"error":0,"items":[["a",5,5],["b",4,4]]}'::topk_summary;
SELECT '{"items": [["b", 4, 4], ["a", 5, 5]], "error": 0, "total": 9, "k": 3}'::topk_summary AS any_order;
SELECT '{"k":1,"total":0,"error":0,"items":[]}'::topk_summary AS empty;
SELECT '{"k":2,"total":12,"error":2,"items":[["a",5,6],["b",1,3]]}'::topk_summary AS inexact;
SELECT '{"k":2,"total":null,"error":null,"items":[["a",5,null]]}'::topk_summary AS unknown_total;
SELECT '{"k":2,"total":9223372036854775807,"error":0,"items":[["a",9223372036854775806,9223372036854775806],["",1,1]]}'::topk_summary AS largest;

-- what an item may hold
SELECT topk_build(ARRAY[E'quote " backslash \\ tab \t newline \n', E'\x01', 'Ünïcödé 𝛑', '[1,2]', ' ']) AS items;
SELECT item, length(item), topk_build(ARRAY[item])::text::topk_summary = topk_build(ARRAY[item]) AS round_trip
FROM unnest(ARRAY[E'quote " backslash \\ tab \t newline \n', E'\x01', 'Ünïcödé 𝛑', '', repeat('x', 8192)]) AS item
WHERE length(item) < 100 OR topk_estimate(topk_build(ARRAY[item])::text::topk_summary, item) = 1
ORDER BY length(item), item LIMIT 4;

-- JSON
SELECT topk_build('{a,b,a}', k => 3)::json;
SELECT topk_build('{a,b,a}', k => 3)::jsonb;
SELECT topk_build('{a,b,a}', k => 3)::jsonb::topk_summary;
SELECT topk_build('{a,b,a}', k => 3)::json::topk_summary;
SELECT to_json(s), jsonb_build_object('s', s) FROM topk_build('{a}', k => 3) AS s;

-- the native bytes: version, flags, k, total, error, items; then lower, length, bytes
SELECT topk_summary_send('{"k":3,"total":9,"error":0,"items":[["a",5,5],["b",4,4]]}');
SELECT topk_summary_send('{"k":2,"total":12,"error":2,"items":[["a",5,6],["b",1,3]]}');
SELECT topk_summary_send('{"k":300,"total":null,"error":null,"items":[["a",5,null]]}');

-- the text form, wrong
CREATE FUNCTION pg_temp.problem(command text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE command;
	RETURN 'none';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ' ' || SQLERRM;
END $$;

SELECT input, pg_temp.problem(format('SELECT %L::topk_summary', input))
FROM unnest(ARRAY[
	'', 'x', '{', '[]', '1', '{}',
	'{"k":3,"total":9,"error":0}',
	'{"k":3,"total":9,"error":0,"items":{}}',
	'{"k":3,"total":9,"error":0,"items":1}',
	'{"k":3,"total":9,"error":0,"items":[],"more":1}',
	'{"k":"3","total":9,"error":0,"items":[]}',
	'{"k":0,"total":9,"error":0,"items":[]}',
	'{"k":100001,"total":9,"error":0,"items":[]}',
	'{"k":99999999999,"total":9,"error":0,"items":[]}',
	'{"k":null,"total":9,"error":0,"items":[]}',
	'{"k":3,"total":-1,"error":0,"items":[]}',
	'{"k":3,"total":-1,"error":-1,"items":[]}',
	'{"k":3,"total":9.5,"error":0,"items":[]}',
	'{"k":3,"total":9223372036854775808,"error":0,"items":[]}',
	'{"k":3,"total":1e1000,"error":0,"items":[]}',
	'{"k":3,"total":null,"error":0,"items":[]}',
	'{"k":3,"total":9,"error":3,"items":[]}',
	'{"k":3,"total":9,"error":0,"items":["a"]}',
	'{"k":3,"total":9,"error":0,"items":[{"a":1}]}',
	'{"k":3,"total":9,"error":0,"items":[["a",5]]}',
	'{"k":3,"total":9,"error":0,"items":[["a",5,5,5]]}',
	'{"k":3,"total":9,"error":0,"items":[[1,5,5]]}',
	'{"k":3,"total":9,"error":0,"items":[[null,5,5]]}',
	'{"k":3,"total":9,"error":0,"items":[[["a"],5,5]]}',
	'{"k":3,"total":9,"error":0,"items":[["a","5",5]]}',
	'{"k":3,"total":9,"error":0,"items":[["a",null,5]]}',
	'{"k":3,"total":9,"error":0,"items":[["a",5,null]]}',
	'{"k":3,"total":9,"error":0,"items":[["a",5,4]]}',
	'{"k":3,"total":9,"error":0,"items":[["a",5,6]]}',
	'{"k":3,"total":9,"error":0,"items":[["a",0,0]]}',
	'{"k":3,"total":9,"error":0,"items":[["a",10,10]]}',
	'{"k":3,"total":9,"error":0,"items":[["a",5,5],["b",5,5]]}',
	'{"k":3,"total":9,"error":0,"items":[["a",5,5],["a",4,4]]}',
	'{"k":3,"total":null,"error":null,"items":[["a",5,5]]}',
	'{"k":3,"total":9,"error":0,"items":[["\u0000",5,5]]}'
]) AS input;
SELECT pg_temp.problem(format('SELECT ''{"k":3,"total":9,"error":0,"items":[["%s",5,5]]}''::topk_summary', repeat('x', 8193)));
SELECT pg_temp.problem(format('SELECT ''{"k":1,"total":9999,"error":0,"items":[%s]}''::topk_summary', string_agg(format('["%s",1,1]', i), ',')))
FROM generate_series(1, 1025) AS i;

-- from PostgreSQL 16 on, who asks whether an input is valid is told, without an error
DO $$
BEGIN
	IF current_setting('server_version_num')::int >= 160000 THEN
		ASSERT pg_input_is_valid('{"k":3,"total":9,"error":0,"items":[["a",5,5]]}', 'topk_summary');
		ASSERT (SELECT count(*) FROM unnest(ARRAY[
			'', '[]', '{"k":3}', '{"k":"3","total":9,"error":0,"items":[]}',
			'{"k":100001,"total":9,"error":0,"items":[]}',
			'{"k":3,"total":9,"error":0,"items":{}}',
			'{"k":3,"total":9,"error":0,"items":["a"]}',
			'{"k":3,"total":9,"error":0,"items":[[1,5,5]]}',
			'{"k":3,"total":9,"error":0,"items":[["a",5,4]]}',
			'{"k":3,"total":9,"error":0,"items":[],"x":1}',
			format('{"k":3,"total":9,"error":0,"items":[["%s",5,5]]}', repeat('x', 8193))
		]) AS input WHERE NOT pg_input_is_valid(input, 'topk_summary')) = 11;
	END IF;
END $$;

-- the binary form: COPY lets any bytes through to the receive function
SELECT current_setting('data_directory') || '/topk_io.copy' AS file \gset
CREATE TEMP TABLE received (summary topk_summary);
CREATE FUNCTION pg_temp.receive(payload bytea, file text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	frame oid := lo_from_bytea(0, '\x5047434f50590aff0d0a00'::bytea || '\x0000000000000000' || '\x0001' ||
		int4send(length(payload)) || payload || '\xffff');
BEGIN
	PERFORM lo_export(frame, file);
	PERFORM lo_unlink(frame);
	EXECUTE format('COPY received FROM %L (FORMAT binary)', file);
END $$;

SELECT pg_temp.receive(topk_summary_send(topk_build('{a,b,a}', k => 3)), :'file');
SELECT * FROM received;
SELECT bytes, pg_temp.problem(format('SELECT pg_temp.receive(%L, %L)', bytes, :'file'))
FROM unnest(ARRAY[
	'\x', '\x01', '\x0100', '\x010003', '\x01000309', '\x0100030900',
	'\x020003090002050161000162',			-- version
	'\x010203090002050161010162',			-- flags
	'\x010000090002050161010162',			-- k
	'\x0100830009000205016101',				-- a needlessly long number
	'\x01000309000205016101016200',			-- a byte more
	'\x0100030900020501610101',				-- a byte less
	'\x01000309000205016209016100',			-- a lower bound below zero
	'\x010003090002050161010161',			-- the same item twice
	'\x010003090002050162000161',			-- not in order
	'\x010003050002050161010162',			-- more than the total
	'\x01000309090105000161',				-- the error is too large
	'\x01000309000205016101ffffffffffffffff7f62',
	'\x010003ffffffffffffffffff7f0000',
	'\x0100030900010502c328',				-- not UTF-8
	'\x010003090001050100'					-- a NUL
]::bytea[]) AS bytes;
SELECT count(*) FROM received;

-- what a summary says survives COPY
CREATE TEMP TABLE original (id int, summary topk_summary);
INSERT INTO original VALUES
	(1, NULL), (2, topk_empty(5)), (3, topk_build(ARRAY['', E'\t\n\\"', 'Ü𝛑'])),
	(4, '{"k":2,"total":12,"error":2,"items":[["a",5,6],["b",1,3]]}'),
	(5, '{"k":2,"total":null,"error":null,"items":[["a",5,null]]}');
INSERT INTO original SELECT 6, topk_agg(repeat(md5(i::text), 50), 1000) FROM generate_series(1, 2000) AS i;
CREATE TEMP TABLE copied (LIKE original);
COPY original TO :'file' (FORMAT binary);
COPY copied FROM :'file' (FORMAT binary);
COPY original TO :'file' (FORMAT text);
COPY copied FROM :'file' (FORMAT text);
COPY original TO :'file' (FORMAT csv);
COPY copied FROM :'file' (FORMAT csv);
SELECT id, count(*), bool_and(original.summary IS NOT DISTINCT FROM copied.summary) AS same
FROM original JOIN copied USING (id) GROUP BY id ORDER BY id;
\set command 'rm ' :file
COPY (SELECT) TO PROGRAM :'command';
