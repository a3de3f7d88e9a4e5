/* topk--1.0.sql: the type topk_summary, its functions, operators and aggregates. */

-- complain if script is sourced in psql, rather than via CREATE EXTENSION
\echo Use "CREATE EXTENSION topk" to load this file. \quit

-- COST, in cpu_operator_cost: 1 (the default) for what reads only the header
-- or counts one row, 10 for what reads a summary through, 50 for what builds one.

-- ---- the type ----

CREATE TYPE topk_summary;

CREATE FUNCTION topk_summary_in(cstring) RETURNS topk_summary
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 50;
COMMENT ON FUNCTION topk_summary_in(cstring) IS 'I/O';

CREATE FUNCTION topk_summary_out(topk_summary) RETURNS cstring
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
COMMENT ON FUNCTION topk_summary_out(topk_summary) IS 'I/O';

-- stable, because they convert between the encodings of client and server
CREATE FUNCTION topk_summary_recv(internal) RETURNS topk_summary
AS 'MODULE_PATHNAME' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 50;
COMMENT ON FUNCTION topk_summary_recv(internal) IS 'I/O';

CREATE FUNCTION topk_summary_send(topk_summary) RETURNS bytea
AS 'MODULE_PATHNAME' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 10;
COMMENT ON FUNCTION topk_summary_send(topk_summary) IS 'I/O';

CREATE TYPE topk_summary (
	INPUT = topk_summary_in,
	OUTPUT = topk_summary_out,
	RECEIVE = topk_summary_recv,
	SEND = topk_summary_send,
	INTERNALLENGTH = VARIABLE,
	ALIGNMENT = int4,
	STORAGE = extended
);
COMMENT ON TYPE topk_summary IS 'the most frequent items of a stream, with bounds for every item; mergeable';

-- ---- casts ----

CREATE FUNCTION topk_to_json(summary topk_summary) RETURNS json
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
COMMENT ON FUNCTION topk_to_json(topk_summary) IS 'the text form of a summary, as json';

CREATE CAST (topk_summary AS json) WITH FUNCTION topk_to_json(topk_summary);
COMMENT ON CAST (topk_summary AS json) IS 'the text form';

CREATE CAST (topk_summary AS jsonb) WITH INOUT;
COMMENT ON CAST (topk_summary AS jsonb) IS 'the text form';

CREATE CAST (json AS topk_summary) WITH INOUT;
COMMENT ON CAST (json AS topk_summary) IS 'from the text form, checked';

CREATE CAST (jsonb AS topk_summary) WITH INOUT;
COMMENT ON CAST (jsonb AS topk_summary) IS 'from the text form, checked';

-- ---- comparing: equal summaries are equal bytes, the order has no meaning ----

CREATE FUNCTION topk_summary_eq(topk_summary, topk_summary) RETURNS boolean
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION topk_summary_eq(topk_summary, topk_summary) IS 'implementation of = operator';

CREATE FUNCTION topk_summary_ne(topk_summary, topk_summary) RETURNS boolean
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION topk_summary_ne(topk_summary, topk_summary) IS 'implementation of <> operator';

CREATE FUNCTION topk_summary_lt(topk_summary, topk_summary) RETURNS boolean
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION topk_summary_lt(topk_summary, topk_summary) IS 'implementation of < operator';

CREATE FUNCTION topk_summary_le(topk_summary, topk_summary) RETURNS boolean
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION topk_summary_le(topk_summary, topk_summary) IS 'implementation of <= operator';

CREATE FUNCTION topk_summary_gt(topk_summary, topk_summary) RETURNS boolean
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION topk_summary_gt(topk_summary, topk_summary) IS 'implementation of > operator';

CREATE FUNCTION topk_summary_ge(topk_summary, topk_summary) RETURNS boolean
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION topk_summary_ge(topk_summary, topk_summary) IS 'implementation of >= operator';

CREATE FUNCTION topk_summary_cmp(topk_summary, topk_summary) RETURNS integer
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION topk_summary_cmp(topk_summary, topk_summary) IS 'less-equal-greater by the stored bytes';

CREATE FUNCTION topk_summary_hash(topk_summary) RETURNS integer
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION topk_summary_hash(topk_summary) IS 'hash of the stored bytes';

CREATE FUNCTION topk_summary_hash_extended(topk_summary, bigint) RETURNS bigint
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION topk_summary_hash_extended(topk_summary, bigint) IS 'hash of the stored bytes, with a seed';

CREATE OPERATOR = (
	LEFTARG = topk_summary, RIGHTARG = topk_summary, FUNCTION = topk_summary_eq,
	COMMUTATOR = =, NEGATOR = <>, RESTRICT = eqsel, JOIN = eqjoinsel, HASHES, MERGES
);
COMMENT ON OPERATOR = (topk_summary, topk_summary) IS 'equal';

CREATE OPERATOR <> (
	LEFTARG = topk_summary, RIGHTARG = topk_summary, FUNCTION = topk_summary_ne,
	COMMUTATOR = <>, NEGATOR = =, RESTRICT = neqsel, JOIN = neqjoinsel
);
COMMENT ON OPERATOR <> (topk_summary, topk_summary) IS 'not equal';

CREATE OPERATOR < (
	LEFTARG = topk_summary, RIGHTARG = topk_summary, FUNCTION = topk_summary_lt,
	COMMUTATOR = >, NEGATOR = >=, RESTRICT = scalarltsel, JOIN = scalarltjoinsel
);
COMMENT ON OPERATOR < (topk_summary, topk_summary) IS 'less than, by the stored bytes';

CREATE OPERATOR <= (
	LEFTARG = topk_summary, RIGHTARG = topk_summary, FUNCTION = topk_summary_le,
	COMMUTATOR = >=, NEGATOR = >, RESTRICT = scalarlesel, JOIN = scalarlejoinsel
);
COMMENT ON OPERATOR <= (topk_summary, topk_summary) IS 'less than or equal, by the stored bytes';

CREATE OPERATOR > (
	LEFTARG = topk_summary, RIGHTARG = topk_summary, FUNCTION = topk_summary_gt,
	COMMUTATOR = <, NEGATOR = <=, RESTRICT = scalargtsel, JOIN = scalargtjoinsel
);
COMMENT ON OPERATOR > (topk_summary, topk_summary) IS 'greater than, by the stored bytes';

CREATE OPERATOR >= (
	LEFTARG = topk_summary, RIGHTARG = topk_summary, FUNCTION = topk_summary_ge,
	COMMUTATOR = <=, NEGATOR = <, RESTRICT = scalargesel, JOIN = scalargejoinsel
);
COMMENT ON OPERATOR >= (topk_summary, topk_summary) IS 'greater than or equal, by the stored bytes';

CREATE OPERATOR CLASS topk_summary_ops DEFAULT FOR TYPE topk_summary USING btree AS
	OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >,
	FUNCTION 1 topk_summary_cmp(topk_summary, topk_summary);
COMMENT ON OPERATOR CLASS topk_summary_ops USING btree IS 'for DISTINCT, GROUP BY and UNION; the order has no meaning';
COMMENT ON OPERATOR FAMILY topk_summary_ops USING btree IS 'for DISTINCT, GROUP BY and UNION; the order has no meaning';

CREATE OPERATOR CLASS topk_summary_ops DEFAULT FOR TYPE topk_summary USING hash AS
	OPERATOR 1 =,
	FUNCTION 1 topk_summary_hash(topk_summary),
	FUNCTION 2 topk_summary_hash_extended(topk_summary, bigint);
COMMENT ON OPERATOR CLASS topk_summary_ops USING hash IS 'for DISTINCT, GROUP BY and UNION';
COMMENT ON OPERATOR FAMILY topk_summary_ops USING hash IS 'for DISTINCT, GROUP BY and UNION';

-- ---- making and changing ----

CREATE FUNCTION topk_empty(k integer DEFAULT 100) RETURNS topk_summary
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION topk_empty(integer) IS 'an empty summary of at most k items';

CREATE FUNCTION topk_build(items text[], weights bigint[] DEFAULT NULL, k integer DEFAULT 100) RETURNS topk_summary
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE COST 50;
COMMENT ON FUNCTION topk_build(text[], bigint[], integer) IS 'a summary of an array of items, and of their weights if they are not all 1';

CREATE FUNCTION topk_add(summary topk_summary, item text, weight bigint DEFAULT 1, k integer DEFAULT 100) RETURNS topk_summary
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE COST 50;
COMMENT ON FUNCTION topk_add(topk_summary, text, bigint, integer) IS 'count one item in a summary; a summary that is NULL starts as an empty one of k items';

CREATE FUNCTION topk_merge(a topk_summary, b topk_summary) RETURNS topk_summary
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE COST 50;
COMMENT ON FUNCTION topk_merge(topk_summary, topk_summary) IS 'the summary of both streams together; NULL changes nothing, the smaller k wins';

CREATE OPERATOR || (LEFTARG = topk_summary, RIGHTARG = topk_summary, FUNCTION = topk_merge);
COMMENT ON OPERATOR || (topk_summary, topk_summary) IS 'merge';

CREATE FUNCTION topk_resize(summary topk_summary, k integer) RETURNS topk_summary
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 50;
COMMENT ON FUNCTION topk_resize(topk_summary, integer) IS 'the summary with another k';

-- ---- reading ----

CREATE FUNCTION topk_top_support(internal) RETURNS internal
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION topk_top_support(internal) IS 'planner support of topk_top: it returns n rows';

CREATE FUNCTION topk_heavy_hitters_support(internal) RETURNS internal
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION topk_heavy_hitters_support(internal) IS 'planner support of topk_heavy_hitters: it returns no more than 1 / share rows';

CREATE FUNCTION topk_top(summary topk_summary, n integer DEFAULT 10,
	OUT item text, OUT estimate bigint, OUT lower_bound bigint, OUT upper_bound bigint)
RETURNS SETOF record
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10 ROWS 10 SUPPORT topk_top_support;
COMMENT ON FUNCTION topk_top(topk_summary, integer) IS 'the n most frequent items, highest first';

CREATE FUNCTION topk_heavy_hitters(summary topk_summary, share double precision, guarantee text DEFAULT 'no_false_positives',
	OUT item text, OUT estimate bigint, OUT lower_bound bigint, OUT upper_bound bigint)
RETURNS SETOF record
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10 ROWS 10 SUPPORT topk_heavy_hitters_support;
COMMENT ON FUNCTION topk_heavy_hitters(topk_summary, double precision, text) IS 'the items above a share of the total: only such items (no_false_positives), or all of them (no_false_negatives)';

CREATE FUNCTION topk_estimate(summary topk_summary, item text) RETURNS bigint
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
COMMENT ON FUNCTION topk_estimate(topk_summary, text) IS 'the weight of an item as far as it is known; 0 if it is not listed';

CREATE FUNCTION topk_lower_bound(summary topk_summary, item text) RETURNS bigint
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
COMMENT ON FUNCTION topk_lower_bound(topk_summary, text) IS 'the item weighs no less';

CREATE FUNCTION topk_upper_bound(summary topk_summary, item text) RETURNS bigint
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
COMMENT ON FUNCTION topk_upper_bound(topk_summary, text) IS 'the item weighs no more; NULL if that is unknown';

CREATE FUNCTION topk_total(summary topk_summary) RETURNS bigint
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION topk_total(topk_summary) IS 'the weight of everything that was counted; NULL if that is unknown';

CREATE FUNCTION topk_error(summary topk_summary) RETURNS bigint
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION topk_error(topk_summary) IS 'no item that is not listed weighs more; NULL if that is unknown';

CREATE FUNCTION topk_k(summary topk_summary) RETURNS integer
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION topk_k(topk_summary) IS 'how many items the summary lists at most';

CREATE FUNCTION topk_size(summary topk_summary) RETURNS integer
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION topk_size(topk_summary) IS 'how many items the summary lists';

CREATE FUNCTION topk_is_exact(summary topk_summary) RETURNS boolean
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION topk_is_exact(topk_summary) IS 'true if every item is listed and every count exact; NULL if that is unknown';

-- ---- Murmur's format: the value of the DynamoDB row ----

CREATE FUNCTION topk_to_murmur(summary topk_summary, k integer) RETURNS bytea
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
COMMENT ON FUNCTION topk_to_murmur(topk_summary, integer) IS 'the k most frequent items in the format of Murmur';

CREATE FUNCTION topk_from_murmur(bytes bytea) RETURNS topk_summary
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 50;
COMMENT ON FUNCTION topk_from_murmur(bytea) IS 'a summary of unknown total and error, from the format of Murmur';

-- ---- aggregates ----

CREATE FUNCTION topk_agg_transition(state topk_summary, item text) RETURNS topk_summary
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION topk_agg_transition(topk_summary, text) IS 'aggregate transition function';

CREATE FUNCTION topk_agg_transition(state topk_summary, item text, k integer) RETURNS topk_summary
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION topk_agg_transition(topk_summary, text, integer) IS 'aggregate transition function';

CREATE FUNCTION topk_weighted_agg_transition(state topk_summary, item text, weight bigint) RETURNS topk_summary
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION topk_weighted_agg_transition(topk_summary, text, bigint) IS 'aggregate transition function';

CREATE FUNCTION topk_weighted_agg_transition(state topk_summary, item text, weight bigint, k integer) RETURNS topk_summary
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION topk_weighted_agg_transition(topk_summary, text, bigint, integer) IS 'aggregate transition function';

CREATE FUNCTION topk_merge_transition(state topk_summary, summary topk_summary) RETURNS topk_summary
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE COST 50;
COMMENT ON FUNCTION topk_merge_transition(topk_summary, topk_summary) IS 'aggregate transition and combine function';

CREATE FUNCTION topk_agg_combine(state topk_summary, other topk_summary) RETURNS topk_summary
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE COST 50;
COMMENT ON FUNCTION topk_agg_combine(topk_summary, topk_summary) IS 'aggregate combine function';

CREATE FUNCTION topk_agg_final(state topk_summary) RETURNS topk_summary
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 50;
COMMENT ON FUNCTION topk_agg_final(topk_summary) IS 'aggregate final function';

CREATE AGGREGATE topk_agg(item text) (
	SFUNC = topk_agg_transition, STYPE = topk_summary, SSPACE = 4096,
	COMBINEFUNC = topk_agg_combine, FINALFUNC = topk_agg_final, PARALLEL = SAFE
);
COMMENT ON AGGREGATE topk_agg(text) IS 'summary of the 100 most frequent items';

CREATE AGGREGATE topk_agg(item text, k integer) (
	SFUNC = topk_agg_transition, STYPE = topk_summary, SSPACE = 4096,
	COMBINEFUNC = topk_agg_combine, FINALFUNC = topk_agg_final, PARALLEL = SAFE
);
COMMENT ON AGGREGATE topk_agg(text, integer) IS 'summary of the k most frequent items';

CREATE AGGREGATE topk_weighted_agg(item text, weight bigint) (
	SFUNC = topk_weighted_agg_transition, STYPE = topk_summary, SSPACE = 4096,
	COMBINEFUNC = topk_agg_combine, FINALFUNC = topk_agg_final, PARALLEL = SAFE
);
COMMENT ON AGGREGATE topk_weighted_agg(text, bigint) IS 'summary of the 100 items with the largest sum of weights';

CREATE AGGREGATE topk_weighted_agg(item text, weight bigint, k integer) (
	SFUNC = topk_weighted_agg_transition, STYPE = topk_summary, SSPACE = 4096,
	COMBINEFUNC = topk_agg_combine, FINALFUNC = topk_agg_final, PARALLEL = SAFE
);
COMMENT ON AGGREGATE topk_weighted_agg(text, bigint, integer) IS 'summary of the k items with the largest sum of weights';

CREATE AGGREGATE topk_merge(summary topk_summary) (
	SFUNC = topk_merge_transition, STYPE = topk_summary, SSPACE = 4096,
	COMBINEFUNC = topk_merge_transition, FINALFUNC = topk_agg_final, PARALLEL = SAFE
);
COMMENT ON AGGREGATE topk_merge(topk_summary) IS 'the summary of all streams together';
