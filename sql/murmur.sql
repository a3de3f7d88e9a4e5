-- Murmur's format: the value of the DynamoDB row.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS topk;
RESET client_min_messages;

-- little-endian: uint32 K, uint32 n, then uint64 count, uint32 length, bytes
SELECT topk_to_murmur(topk_build('{a,bc,bc}'), 32);
SELECT topk_to_murmur(topk_empty(), 32) AS empty, encode(topk_to_murmur(topk_empty(), 32), 'base64');
SELECT topk_to_murmur(topk_build('{c,b,a}'), 2) AS ties_by_bytes;
SELECT topk_to_murmur(topk_build(ARRAY['', '', 'a']), 1) AS no_empty_item;
SELECT topk_to_murmur('{"k":3,"total":104,"error":10,"items":[["a",40,41],["b",25,35]]}', 3) AS lower_bounds;
SELECT topk_to_murmur(NULL, 32) IS NULL AS no_summary, topk_to_murmur(topk_empty(), NULL) IS NULL AS no_k;
SELECT topk_to_murmur(topk_empty(), 0);
SELECT topk_to_murmur(topk_empty(), 100001);

-- back, without total, error and upper bounds
SELECT topk_from_murmur(topk_to_murmur(topk_build('{a,bc,bc}'), 32));
SELECT t.* FROM topk_top(topk_from_murmur(topk_to_murmur(topk_build('{a,bc,bc}'), 32))) AS t;
SELECT topk_from_murmur('\x2000000000000000');
SELECT topk_from_murmur('\x0200000002000000010000000000000001000000610200000000000000020000006263') AS any_order;
SELECT topk_from_murmur(topk_to_murmur(topk_build(ARRAY['Ü𝛑']), 1));
SELECT topk_to_murmur(topk_from_murmur(m), 32) = m AS same FROM topk_to_murmur(topk_build('{a,bc,bc,d,d,d}'), 32) AS m;
SELECT topk_from_murmur(NULL) IS NULL AS nothing;

-- bytes that are none
CREATE FUNCTION pg_temp.problem(bytes bytea) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM topk_from_murmur(bytes);
	RETURN 'none';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ' ' || SQLERRM;
END $$;
SELECT bytes, pg_temp.problem(bytes) FROM unnest(ARRAY[
	'\x', '\x20000000000000',
	'\x0000000000000000', 'This is not a summary',
	'\x200000000000000000',
	'\x2000000001000000',
	'\x20000000010000000100000000000000010000',
	'\x200000000100000001000000000000000200000061',
	'\x2000000001000000010000000000000001000000',
	'\x20000000ffffffff010000000000000001000000',
	'\x2000000001000000000000000000008001000000' || 'a'::bytea,
	'\x200000000100000001000000000000000120000061',
	'\x2000000002000000010000000000000001000000610100000000000000' || '\x0100000061'::bytea,
	'\x2000000001000000010000000000000001000000ff',
	'\x200000000100000001000000000000000100000000'
]::bytea[]) AS bytes;
