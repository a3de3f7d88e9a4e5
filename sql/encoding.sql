-- Encodings: items are text in the database's, on the wire in the client's, in Murmur's format UTF-8.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS topk;
RESET client_min_messages;

SELECT current_database() AS database \gset
SET client_encoding = 'UTF8';
SET client_min_messages = warning;
DROP DATABASE IF EXISTS regression_topk_latin1;
RESET client_min_messages;
CREATE DATABASE regression_topk_latin1 TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C';

-- UTF-8 in the server, LATIN1 in the client
SET client_encoding = 'LATIN1';
SELECT topk_summary_send(topk_build(ARRAY[U&'\00e9', U&'\00e8', 'e'], k => 3));
SELECT topk_summary_send(topk_build(ARRAY[U&'\20ac'], k => 3));
SET client_encoding = 'UTF8';
SELECT topk_summary_send(topk_build(ARRAY['é', 'è', 'e'], k => 3));

-- LATIN1 in the server
\c regression_topk_latin1
CREATE EXTENSION topk;
SET client_encoding = 'UTF8';
SELECT topk_build(ARRAY['é', 'è', 'e'], k => 3), topk_estimate(topk_build(ARRAY['é']), 'é');
SELECT '{"k":3,"total":2,"error":0,"items":[["\u00e9",1,1],["é!",1,1]]}'::topk_summary;
SELECT topk_summary_send(topk_build(ARRAY['é', 'è', 'e'], k => 3)) AS client_utf8;
SET client_encoding = 'LATIN1';
SELECT topk_summary_send(topk_build(ARRAY[U&'\00e9', U&'\00e8', 'e'], k => 3)) AS client_latin1;
SET client_encoding = 'UTF8';
SELECT topk_to_murmur(topk_build(ARRAY['é']), 32), topk_from_murmur(topk_to_murmur(topk_build(ARRAY['é']), 32));
SELECT topk_from_murmur('\x20000000010000000100000000000000' || '\x04000000f09f9880'::bytea);
SELECT topk_from_murmur('\x20000000010000000100000000000000' || '\x01000000e9'::bytea);

SELECT current_setting('data_directory') || '/topk_encoding.copy' AS file \gset
CREATE TEMP TABLE original AS SELECT topk_build(ARRAY['é', 'è', 'e']) AS s;
CREATE TEMP TABLE copied (s topk_summary);
COPY original TO :'file' (FORMAT binary);
COPY copied FROM :'file' (FORMAT binary);
SET client_encoding = 'LATIN1';
COPY original TO :'file' (FORMAT binary);
COPY copied FROM :'file' (FORMAT binary);
SET client_encoding = 'UTF8';
COPY copied FROM :'file' (FORMAT binary);
SELECT count(*), bool_and(copied.s = original.s) AS same FROM copied, original;
\set command 'rm ' :file
COPY (SELECT) TO PROGRAM :'command';

\c :database
DROP DATABASE regression_topk_latin1;
