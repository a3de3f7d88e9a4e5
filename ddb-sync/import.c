/*
 * import.c
 *	  --import: reads the table by Scan, and has PostgreSQL add its rows.
 *
 * Must not know SQL.
 */
#include "import.h"

#include <stdlib.h>
#include <string.h>

#include "aws/attribute.h"
#include "dynamodb_call.h"
#include "mirror.h"

typedef struct Import
{
	const SyncParts *parts;
	Backoff			 pg_backoff;
	Backoff			 dynamodb_backoff;
	int64_t			 first; /* buckets that are imported */
	int64_t			 current;
	int64_t			 imported;
	int64_t			 repeated; /* imported before */
	int64_t			 outside;  /* past the retention, or in the future */
	int64_t			 ours;	   /* written by topk-ddb-sync */
	int64_t			 failed;
} Import;

static DaemonStatus
fail(Import *import, const json_t *item, const char *problem)
{
	log_error(import->parts->log, "a row could not be imported",
			  LOG_TEXT("key", attribute_text(item, "pk", "S")),
			  LOG_TEXT("bucket", attribute_text(item, "sk", "N")), LOG_TEXT("problem", problem));
	import->failed++;
	return DAEMON_OK;
}

/* Is it this row that PostgreSQL can't take, or is PostgreSQL away?  Classes of SQLSTATE: data, constraints, state. */
static bool
is_about_the_row(const PgProblem *problem)
{
	return strncmp(problem->sqlstate, "22", 2) == 0 || strncmp(problem->sqlstate, "23", 2) == 0 ||
		   strcmp(problem->sqlstate, "55000") == 0;
}

/* Until PostgreSQL has answered. */
static DaemonStatus
store(Import *import, const json_t *item, int64_t bucket, const void *value, size_t length)
{
	const SyncParts *parts = import->parts;
	int64_t			 version = 0;
	bool			 added;
	DaemonStatus	 status;

	attribute_number(item, "ver", &version);
	for (;;)
	{
		status = pg_session_connect_once(parts->session);
		if (status == DAEMON_OK)
			status = mirror_import(parts->session, parts->config->pipeline,
								   attribute_text(item, "pk", "S"), bucket, value, length, version,
								   &added);
		if (status != DAEMON_RETRY)
			break;
		if (is_about_the_row(pg_problem(parts->session)))
			return fail(import, item, pg_problem(parts->session)->message);
		if (signals_wait(parts->signals, -1, 0,
						 backoff_failed(&import->pg_backoff, parts->log,
										pg_problem(parts->session)->message)) == SIGNALS_STOP)
			return DAEMON_RETRY;
	}
	if (status != DAEMON_OK)
		return status;
	backoff_succeeded(&import->pg_backoff, parts->log);
	*(added ? &import->imported : &import->repeated) += 1;
	return DAEMON_OK;
}

static DaemonStatus
import_item(Import *import, const json_t *item)
{
	int64_t		   bucket;
	size_t		   length;
	unsigned char *value;
	DaemonStatus   status;

	if (attribute_text(item, "writer", "S") != NULL)
	{
		import->ours++;
		return DAEMON_OK;
	}
	if (attribute_text(item, "pk", "S") == NULL || !attribute_number(item, "sk", &bucket))
		return fail(import, item, "its keys are not pk (S) and sk (N)");
	if (bucket < import->first || bucket > import->current)
	{
		import->outside++;
		return DAEMON_OK;
	}
	value = attribute_bytes(item, "v", &length);
	if (value == NULL)
		return fail(import, item, "it has no v (B)");
	status = store(import, item, bucket, value, length);
	free(value);
	return status;
}

static DaemonStatus
import_items(Import *import, const json_t *items)
{
	DaemonStatus status = DAEMON_OK;
	json_t		*item;
	size_t		 i;

	json_array_foreach (items, i, item)
	{
		if (status == DAEMON_OK)
			status = import_item(import, item);
		if (signals_stop_requested(import->parts->signals))
			return DAEMON_RETRY;
	}
	return status;
}

/* The next page; *start is where it begins, and where the one after it does, NULL if there is none. */
static DaemonStatus
import_page(Import *import, json_t **start)
{
	const SyncParts *parts = import->parts;
	json_t		*request = json_pack("{s:s, s:b, s:O*}", "TableName", parts->config->dynamodb.table,
									 "ConsistentRead", 1, "ExclusiveStartKey", *start);
	json_t		*answer;
	DaemonStatus status = dynamodb_call(parts->dynamodb, &import->dynamodb_backoff, parts->signals,
										parts->log, "Scan", request, NULL, &answer);

	json_decref(*start);
	*start = json_incref(json_object_get(answer, "LastEvaluatedKey"));
	if (status == DAEMON_OK)
		status = import_items(import, json_object_get(answer, "Items"));
	json_decref(answer);
	return status;
}

static DaemonStatus
find_buckets(Import *import)
{
	const SyncParts *parts = import->parts;
	DaemonStatus	 status;

	for (;;)
	{
		status = pg_session_connect_once(parts->session);
		if (status == DAEMON_OK)
			status = mirror_buckets(parts->session, parts->config->pipeline, &import->first,
									&import->current);
		if (status != DAEMON_RETRY ||
			signals_wait(parts->signals, -1, 0,
						 backoff_failed(&import->pg_backoff, parts->log,
										pg_problem(parts->session)->message)) == SIGNALS_STOP)
			return status;
	}
}

DaemonStatus
import_run(const SyncParts *parts)
{
	Import		 import = {.parts = parts};
	json_t		*start = NULL;
	DaemonStatus status;

	backoff_init(&import.pg_backoff, "PostgreSQL");
	backoff_init(&import.dynamodb_backoff, "DynamoDB");
	status = find_buckets(&import);
	do
	{
		if (status == DAEMON_OK)
			status = import_page(&import, &start);
	} while (status == DAEMON_OK && start != NULL);
	json_decref(start);
	log_info(parts->log, "imported", LOG_INTEGER("windows", import.imported),
			 LOG_INTEGER("imported_before", import.repeated),
			 LOG_INTEGER("outside_retention", import.outside),
			 LOG_INTEGER("written_by_topk", import.ours), LOG_INTEGER("failed", import.failed));
	if (status == DAEMON_OK && import.failed > 0)
		return DAEMON_FATAL;
	return status;
}
