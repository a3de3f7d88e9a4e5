/*
 * head.sql
 *	  topk_pipeline: windows of summaries, source positions, rejected records,
 *	  and what has to be mirrored.  The parts beside this file make the script
 *	  that is installed, in the order that the Makefile has them.
 *
 * It must not know how a summary works (that is topk), nor Kafka, Kinesis or
 * DynamoDB: sources are text, positions are numbers, the mirror is whoever
 * calls mirror_claim().
 *
 * Every function runs as the owner of the extension (SECURITY DEFINER) and
 * PUBLIC may execute none, so a role can do exactly what it was granted:
 * docs/pipeline.md has the GRANTs for a writer, a reader and a mirror.
 *
 * topk may live in any schema.  While this script runs, search_path is this
 * schema, then topk's, then pg_temp; "SET search_path FROM CURRENT" keeps just
 * that for each PL/pgSQL function.  SQL functions with a standard body and
 * views are bound when they are created and need no search_path.
 */

\echo Use "CREATE EXTENSION topk_pipeline CASCADE" to load this file. \quit
