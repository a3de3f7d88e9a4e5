/*
 * table.c
 *	  The table's keys: pk (S) and sk (N), and no other.
 *
 * Must not know PostgreSQL.
 */
#include "table.h"

#include <string.h>

#include "aws/dynamodb_error.h"
#include "dynamodb_call.h"

/* Is this the attribute and the type of key number index? */
static bool
has_key(const json_t *table, size_t index, const char *name, const char *type)
{
	const json_t *key = json_array_get(json_object_get(table, "KeySchema"), index);
	const char	 *key_name = json_string_value(json_object_get(key, "AttributeName"));
	const json_t *definition;
	size_t		  i;

	if (key_name == NULL || strcmp(key_name, name) != 0)
		return false;
	json_array_foreach (json_object_get(table, "AttributeDefinitions"), i, definition)
	{
		const char *defined = json_string_value(json_object_get(definition, "AttributeName"));
		const char *its_type = json_string_value(json_object_get(definition, "AttributeType"));

		if (defined != NULL && its_type != NULL && strcmp(defined, name) == 0)
			return strcmp(its_type, type) == 0;
	}
	return false;
}

bool
table_has_keys(const json_t *table)
{
	return has_key(table, 0, "pk", "S") && has_key(table, 1, "sk", "N");
}

static DaemonStatus
judge(const SyncParts *parts, const json_t *description)
{
	if (table_has_keys(json_object_get(description, "Table")))
		return DAEMON_OK;
	log_error(parts->log, "the table has other keys than pk (S) and sk (N)",
			  LOG_TEXT("table", dynamodb_table(parts->dynamodb)),
			  LOG_TEXT("hint", DYNAMODB_HINT_KEYS));
	return DAEMON_FATAL;
}

/* Who may write rows only is let in: a wrong table then shows with the rows that it refuses. */
static DaemonStatus
may_not_look(const SyncParts *parts, const DynamoDbAnswer *answer)
{
	log_info(parts->log, "the table's keys are not checked",
			 LOG_TEXT("table", dynamodb_table(parts->dynamodb)),
			 LOG_TEXT("problem", answer->problem),
			 LOG_TEXT("hint", "allow dynamodb:DescribeTable on it"));
	return DAEMON_OK;
}

DaemonStatus
table_check(const SyncParts *parts, Backoff *backoff, bool *checked)
{
	json_t		  *request = json_pack("{s:s}", "TableName", dynamodb_table(parts->dynamodb));
	DynamoDbAnswer answer;
	DaemonStatus status = dynamodb_ask(parts->dynamodb, parts->signals, parts->log, "DescribeTable",
									   request, &answer);

	json_decref(request);
	*checked = false;
	if (status != DAEMON_OK)
		return status == DAEMON_FATAL ? DAEMON_FATAL : DAEMON_OK;
	switch (answer.verdict)
	{
		case DYNAMODB_DONE:
			backoff_succeeded(backoff, parts->log);
			*checked = true;
			return judge(parts, answer.json);
		case DYNAMODB_THROTTLED:
		case DYNAMODB_AWAY:
			signals_wait(parts->signals, -1, 0,
						 backoff_failed(backoff, parts->log, answer.problem));
			return DAEMON_OK;
		default:
			break;
	}
	if (answer.verdict == DYNAMODB_FATAL && strcmp(answer.type, "AccessDeniedException") != 0)
		return dynamodb_fail(parts->dynamodb, parts->log, "DescribeTable", &answer);
	*checked = true;
	return may_not_look(parts, &answer);
}
