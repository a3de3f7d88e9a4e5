/*
 * create_table.c
 *	  --create-table; must not know PostgreSQL.
 */
#include "create_table.h"

#include <string.h>

#include "dynamodb_call.h"
#include "table.h"

#define POLL_MS 500

typedef struct Creation
{
	const SyncParts *parts;
	Backoff			 backoff;
} Creation;

static DaemonStatus
call(Creation *creation, const char *operation, json_t *request, const char *expected,
	 json_t **answer)
{
	const SyncParts *parts = creation->parts;

	return dynamodb_call(parts->dynamodb, &creation->backoff, parts->signals, parts->log, operation,
						 request, expected, answer);
}

static DaemonStatus
create(Creation *creation, bool *created)
{
	json_t *request =
		json_pack("{s:s, s:s, s:[{s:s, s:s}, {s:s, s:s}], s:[{s:s, s:s}, {s:s, s:s}]}", "TableName",
				  creation->parts->config->dynamodb.table, "BillingMode", "PAY_PER_REQUEST",
				  "AttributeDefinitions", "AttributeName", "pk", "AttributeType", "S",
				  "AttributeName", "sk", "AttributeType", "N", "KeySchema", "AttributeName", "pk",
				  "KeyType", "HASH", "AttributeName", "sk", "KeyType", "RANGE");
	json_t		*answer;
	DaemonStatus status = call(creation, "CreateTable", request, "ResourceInUseException", &answer);

	*created = answer != NULL;
	json_decref(answer);
	return status;
}

static const char *
text_of(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text != NULL ? text : "";
}

/* OK with *active false: not yet. */
static DaemonStatus
look(Creation *creation, bool *active)
{
	json_t *request = json_pack("{s:s}", "TableName", creation->parts->config->dynamodb.table);
	json_t *answer;
	const json_t *table;
	DaemonStatus  status =
		call(creation, "DescribeTable", request, "ResourceNotFoundException", &answer);

	table = json_object_get(answer, "Table");
	*active = strcmp(text_of(table, "TableStatus"), "ACTIVE") == 0;
	if (*active && !table_has_keys(table))
	{
		log_error(creation->parts->log, "the table exists with other keys than pk (S) and sk (N)",
				  LOG_TEXT("table", creation->parts->config->dynamodb.table),
				  LOG_TEXT("hint", "use another --ddb-table, or delete this one"));
		status = DAEMON_FATAL;
	}
	json_decref(answer);
	return status;
}

static DaemonStatus
wait_until_active(Creation *creation)
{
	bool		 active = false;
	DaemonStatus status = look(creation, &active);

	while (status == DAEMON_OK && !active)
	{
		if (signals_wait(creation->parts->signals, -1, 0, POLL_MS) == SIGNALS_STOP)
			return DAEMON_RETRY;
		status = look(creation, &active);
	}
	return status;
}

static DaemonStatus
enable_ttl(Creation *creation)
{
	const char	*table = creation->parts->config->dynamodb.table;
	json_t		*answer;
	const char	*state;
	bool		 enabled;
	DaemonStatus status =
		call(creation, "DescribeTimeToLive", json_pack("{s:s}", "TableName", table), NULL, &answer);

	state = text_of(json_object_get(answer, "TimeToLiveDescription"), "TimeToLiveStatus");
	enabled = strncmp(state, "ENABL", 5) == 0; /* ENABLED, ENABLING */
	json_decref(answer);
	if (status != DAEMON_OK || enabled)
		return status;
	status = call(creation, "UpdateTimeToLive",
				  json_pack("{s:s, s:{s:b, s:s}}", "TableName", table, "TimeToLiveSpecification",
							"Enabled", 1, "AttributeName", "ttl"),
				  NULL, &answer);
	json_decref(answer);
	return status;
}

DaemonStatus
create_table_run(const SyncParts *parts)
{
	Creation	 creation = {.parts = parts};
	bool		 created = false;
	DaemonStatus status;

	backoff_init(&creation.backoff, "DynamoDB");
	status = create(&creation, &created);
	if (status == DAEMON_OK)
		status = wait_until_active(&creation);
	if (status == DAEMON_OK)
		status = enable_ttl(&creation);
	if (status == DAEMON_OK)
		log_info(parts->log, created ? "table created" : "the table existed already",
				 LOG_TEXT("table", parts->config->dynamodb.table));
	return status;
}
