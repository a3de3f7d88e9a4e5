-- What the extension is made of: documented, safe in parallel plans, relocatable, trusted.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS topk;
RESET client_min_messages;

CREATE TEMP VIEW member AS
SELECT classid, objid, pg_describe_object(classid, objid, 0) AS object
FROM pg_depend WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e'
	AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'topk');

SELECT object FROM member WHERE object !~ '^(cast|operator (class|family))' AND classid <> 'pg_type'::regclass ORDER BY object COLLATE "C";

-- everything that people see has a comment (array types are members from PostgreSQL 17 on)
SELECT object FROM member WHERE obj_description(objid, classid::regclass::name) IS NULL AND object NOT LIKE 'type %[]' ORDER BY object COLLATE "C";

-- every function is parallel safe and immutable, unless it converts encodings
SELECT object, provolatile, proparallel FROM member JOIN pg_proc ON pg_proc.oid = objid AND classid = 'pg_proc'::regclass
WHERE prokind = 'f' AND (proparallel, provolatile) <> ('s', 'i') ORDER BY object COLLATE "C";

-- not strict is what has to see a NULL
SELECT object FROM member JOIN pg_proc ON pg_proc.oid = objid AND classid = 'pg_proc'::regclass
WHERE prokind = 'f' AND NOT proisstrict ORDER BY object COLLATE "C";

-- aggregates can be split: a combine function, and a state that is a type like any other
SELECT object, proparallel, aggtranstype::regtype, aggcombinefn, aggfinalfn, aggfinalmodify, aggserialfn
FROM member JOIN pg_aggregate ON aggfnoid = objid AND classid = 'pg_proc'::regclass
JOIN pg_proc ON pg_proc.oid = objid ORDER BY object COLLATE "C";

-- the catalogs agree with themselves
SELECT typname, typlen, typbyval, typalign, typstorage FROM pg_type WHERE oid = 'topk_summary'::regtype;
SELECT amname, opcname, amvalidate(opc.oid) FROM pg_opclass AS opc JOIN pg_am ON pg_am.oid = opcmethod
WHERE opcintype = 'topk_summary'::regtype ORDER BY amname;

-- another schema, and back; a user who is no superuser
SELECT current_database() AS database \gset
SET client_min_messages = warning;
DROP DATABASE IF EXISTS regression_topk_trusted;
DROP ROLE IF EXISTS regress_topk_user;
RESET client_min_messages;
CREATE ROLE regress_topk_user;
CREATE DATABASE regression_topk_trusted OWNER regress_topk_user;
\c regression_topk_trusted
SET ROLE regress_topk_user;
CREATE SCHEMA elsewhere;
CREATE EXTENSION topk SCHEMA elsewhere;
SELECT elsewhere.topk_agg(i::text) FROM generate_series(1, 3) AS i;
SELECT to_json(elsewhere.topk_build('{a}')), elsewhere.topk_build('{a}') OPERATOR(elsewhere.||) elsewhere.topk_build('{b}');
RESET ROLE;
CREATE SCHEMA yet_elsewhere;
ALTER EXTENSION topk SET SCHEMA yet_elsewhere;
SELECT yet_elsewhere.topk_merge(s) FROM (SELECT yet_elsewhere.topk_agg(i::text) AS s FROM generate_series(1, 3) AS i) AS _;
CREATE TABLE kept (s yet_elsewhere.topk_summary);
DROP EXTENSION topk;
DROP TABLE kept;
DROP EXTENSION topk;
\c :database
DROP DATABASE regression_topk_trusted;
DROP ROLE regress_topk_user;
