/*
 * item.c
 *	  A row as DynamoDB's JSON has it.
 *
 * Must not know how requests travel.
 */
#include "item.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aws/attribute.h"

/* ---- PutItem ---- */

static json_t *
make_item(const Row *row)
{
	json_t *item = json_pack(
		"{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "pk", attribute_make_text(row->key), "sk",
		attribute_make_number(row->bucket), "v",
		attribute_make_bytes(row->value, row->value_length), "ver",
		attribute_make_number(row->version), "ttl", attribute_make_number(row->ttl), "pipeline",
		attribute_make_text(row->pipeline), "updated_at", attribute_make_number(row->updated_at),
		"writer", attribute_make_text(row->writer));

	if (item == NULL || !row->known)
		return item;
	if (json_object_set_new(item, "total", attribute_make_number(row->total)) != 0 ||
		json_object_set_new(item, "error", attribute_make_number(row->error)) != 0 ||
		json_object_set_new(item, "slacks", attribute_make_text(row->slacks)) != 0)
	{
		json_decref(item);
		return NULL;
	}
	return item;
}

char *
item_put_request(const char *table, const Row *row)
{
	json_t *request =
		json_pack("{s:s, s:o, s:s, s:{s:o}, s:s, s:s, s:s}", "TableName", table, "Item",
				  make_item(row), "ConditionExpression", "attribute_not_exists(ver) OR ver < :ver",
				  "ExpressionAttributeValues", ":ver", attribute_make_number(row->version),
				  "ReturnValues", "ALL_OLD", "ReturnValuesOnConditionCheckFailure", "ALL_OLD",
				  "ReturnConsumedCapacity", "TOTAL");
	char *text = request != NULL ? json_dumps(request, JSON_COMPACT) : NULL;

	json_decref(request);
	return text;
}

static bool
is_ours(const json_t *item, const Row *row)
{
	const char *writer = attribute_text(item, "writer", "S");

	return writer != NULL && strcmp(writer, row->writer) == 0;
}

static const char *
version_text(const json_t *item)
{
	const char *version = attribute_text(item, "ver", "N");

	return version != NULL ? version : "none";
}

static PutOutcome
judge_stored(const DynamoDbAnswer *answer, const Row *row, char *problem, size_t size)
{
	const json_t *replaced = json_object_get(answer->json, "Attributes");

	if (replaced == NULL || is_ours(replaced, row))
		return PUT_STORED;
	snprintf(problem, size, "the row had been written by someone else, with version %s",
			 version_text(replaced));
	return PUT_REPLACED_FOREIGN;
}

/* What the row that was in the way says about why. */
static PutOutcome
judge_in_the_way(const DynamoDbAnswer *answer, const Row *row, char *problem, size_t size)
{
	const json_t *item = json_object_get(answer->json, "Item");
	int64_t		  version;

	if (is_ours(item, row) && attribute_number(item, "ver", &version) && version == row->version)
		return PUT_STORED;
	if (is_ours(item, row))
	{
		snprintf(problem, size,
				 "the row's version %s is newer than this database ever issued for it: "
				 "was the database restored from an older backup",
				 version_text(item));
		return PUT_AHEAD;
	}
	snprintf(problem, size, "the row was written by someone else, with version %s",
			 version_text(item));
	return PUT_FOREIGN;
}

/* Is it another window's?  Then the table tells fewer windows apart than there are. */
static bool
is_of_another_window(const json_t *item, const Row *row)
{
	const char *key = attribute_text(item, "pk", "S");
	int64_t		bucket;

	return item != NULL && (key == NULL || strcmp(key, row->key) != 0 ||
							!attribute_number(item, "sk", &bucket) || bucket != row->bucket);
}

PutOutcome
item_judge_put(const DynamoDbAnswer *answer, const Row *row, char *problem, size_t problem_size)
{
	problem[0] = '\0';
	if (is_of_another_window(json_object_get(answer->json, "Attributes"), row) ||
		is_of_another_window(json_object_get(answer->json, "Item"), row))
	{
		snprintf(problem, problem_size, "a window's row stood where another one's belongs");
		return PUT_WRONG_TABLE;
	}
	if (answer->verdict == DYNAMODB_DONE)
		return judge_stored(answer, row, problem, problem_size);
	if (answer->verdict == DYNAMODB_CONDITION)
		return judge_in_the_way(answer, row, problem, problem_size);
	snprintf(problem, problem_size, "%s", answer->problem);
	return PUT_REFUSED;
}

int64_t
item_version_in_the_way(const DynamoDbAnswer *answer)
{
	int64_t version;

	return attribute_number(json_object_get(answer->json, "Item"), "ver", &version) ? version : -1;
}
