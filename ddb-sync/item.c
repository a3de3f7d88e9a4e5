/*
 * item.c
 *	  A row as DynamoDB's JSON has it.
 *
 * Must not know how requests travel.
 */
#include "item.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base64.h"

/* ---- attributes ---- */

json_t *
item_make_number(int64_t number)
{
	char text[32];

	snprintf(text, sizeof(text), "%" PRId64, number);
	return json_pack("{s:s}", "N", text);
}

json_t *
item_make_text(const char *text)
{
	return json_pack("{s:s}", "S", text);
}

static json_t *
make_bytes(const void *bytes, size_t length)
{
	char   *text = base64_encode(bytes, length);
	json_t *attribute = text != NULL ? json_pack("{s:s}", "B", text) : NULL;

	free(text);
	return attribute;
}

const char *
item_text(const json_t *item, const char *name, const char *type)
{
	return json_string_value(json_object_get(json_object_get(item, name), type));
}

bool
item_number(const json_t *item, const char *name, int64_t *number)
{
	const char *text = item_text(item, name, "N");
	char	   *end;

	if (text == NULL || *text == '\0')
		return false;
	errno = 0;
	*number = strtoll(text, &end, 10);
	return errno == 0 && *end == '\0';
}

unsigned char *
item_bytes(const json_t *item, const char *name, size_t *length)
{
	const char *text = item_text(item, name, "B");

	return text != NULL ? base64_decode(text, strlen(text), length) : NULL;
}

/* ---- PutItem ---- */

static json_t *
make_item(const Row *row)
{
	json_t *item =
		json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "pk", item_make_text(row->key), "sk",
				  item_make_number(row->bucket), "v", make_bytes(row->value, row->value_length),
				  "ver", item_make_number(row->version), "ttl", item_make_number(row->ttl),
				  "pipeline", item_make_text(row->pipeline), "updated_at",
				  item_make_number(row->updated_at), "writer", item_make_text(row->writer));

	if (item == NULL || !row->known)
		return item;
	if (json_object_set_new(item, "total", item_make_number(row->total)) != 0 ||
		json_object_set_new(item, "error", item_make_number(row->error)) != 0)
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
				  "ExpressionAttributeValues", ":ver", item_make_number(row->version),
				  "ReturnValues", "ALL_OLD", "ReturnValuesOnConditionCheckFailure", "ALL_OLD",
				  "ReturnConsumedCapacity", "TOTAL");
	char *text = request != NULL ? json_dumps(request, JSON_COMPACT) : NULL;

	json_decref(request);
	return text;
}

static bool
is_ours(const json_t *item, const Row *row)
{
	const char *writer = item_text(item, "writer", "S");

	return writer != NULL && strcmp(writer, row->writer) == 0;
}

static const char *
version_text(const json_t *item)
{
	const char *version = item_text(item, "ver", "N");

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

	if (is_ours(item, row) && item_number(item, "ver", &version) && version == row->version)
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
	const char *key = item_text(item, "pk", "S");
	int64_t		bucket;

	return item != NULL && (key == NULL || strcmp(key, row->key) != 0 ||
							!item_number(item, "sk", &bucket) || bucket != row->bucket);
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

	return item_number(json_object_get(answer->json, "Item"), "ver", &version) ? version : -1;
}

double
item_consumed_units(const json_t *answer)
{
	return json_number_value(
		json_object_get(json_object_get(answer, "ConsumedCapacity"), "CapacityUnits"));
}
