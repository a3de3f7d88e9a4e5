/*
 * verify.c
 *	  --verify: reads rows back by BatchGetItem, and compares them with PostgreSQL.
 *
 * Must not know SQL.
 */
#include "verify.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/sha.h>

#include "aws/attribute.h"
#include "dynamodb_call.h"
#include "mirror.h"

/* A worker may be at it between the two reads: what differs is looked at again, so often and after so long. */
#define TRIES 3
#define TRY_AGAIN_MS 1000

/* Requests for the rest of a page that DynamoDB did not answer whole. */
#define RESUME_MS 50

typedef struct Verify
{
	const SyncParts *parts;
	Backoff			 pg_backoff;
	Backoff			 dynamodb_backoff;
	int64_t			 windows;
	int64_t			 open;
	int64_t			 different;
} Verify;

/* ---- reading rows ---- */

/* The name of a window among the rows of a page. */
static char *
window_name(const char *key, const char *bucket)
{
	char *name;

	return asprintf(&name, "%s/%s", bucket, key) >= 0 ? name : NULL;
}

static json_t *
make_keys(const PGresult *page)
{
	json_t *keys = json_array();

	for (int i = 0; i < PQntuples(page); i++)
	{
		Expected expected = mirror_expected_row(page, i);

		json_array_append_new(keys, json_pack("{s:o, s:o}", "pk", attribute_make_text(expected.key),
											  "sk", attribute_make_number(expected.bucket)));
	}
	return keys;
}

static void
keep_rows(json_t *rows, const json_t *items)
{
	json_t *item;
	size_t	i;

	json_array_foreach (items, i, item)
	{
		const char *key = attribute_text(item, "pk", "S");
		const char *bucket = attribute_text(item, "sk", "N");
		char	   *name = key != NULL && bucket != NULL ? window_name(key, bucket) : NULL;

		if (name != NULL)
			json_object_set(rows, name, item);
		free(name);
	}
}

/* rows gets the items of a page by their window_name. */
static DaemonStatus
read_rows(Verify *verify, const PGresult *page, json_t *rows)
{
	const SyncParts *parts = verify->parts;
	const char		*table = parts->config->dynamodb.table;
	json_t			*tables =
		json_pack("{s:{s:o, s:b}}", table, "Keys", make_keys(page), "ConsistentRead", 1);
	DaemonStatus status = DAEMON_OK;

	while (status == DAEMON_OK && json_object_size(tables) > 0)
	{
		json_t *answer;

		status = dynamodb_call(parts->dynamodb, &verify->dynamodb_backoff, parts->signals,
							   parts->log, "BatchGetItem",
							   json_pack("{s:O}", "RequestItems", tables), NULL, &answer);
		json_decref(tables);
		tables = json_incref(json_object_get(answer, "UnprocessedKeys"));
		keep_rows(rows, json_object_get(json_object_get(answer, "Responses"), table));
		json_decref(answer);
		if (status == DAEMON_OK && json_object_size(tables) > 0 &&
			signals_wait(parts->signals, -1, 0, RESUME_MS) == SIGNALS_STOP)
			status = DAEMON_RETRY;
	}
	json_decref(tables);
	return status;
}

/* ---- comparing ---- */

static bool
has_value(const json_t *item, const void *digest)
{
	unsigned char  own[SHA256_DIGEST_LENGTH];
	size_t		   length;
	unsigned char *value = attribute_bytes(item, "v", &length);

	if (value == NULL)
		return false;
	SHA256(value, length, own);
	free(value);
	return memcmp(own, digest, sizeof(own)) == 0;
}

static bool
has_number(const json_t *item, const char *name, int64_t number)
{
	int64_t own;

	return attribute_number(item, name, &own) && own == number;
}

/* What is wrong with a row, or NULL. */
static const char *
find_difference(const Expected *expected, const json_t *item)
{
	const char *writer = attribute_text(item, "writer", "S");

	if (item == NULL)
		return "there is no row";
	if (writer == NULL || strcmp(writer, expected->writer) != 0)
		return "the row was written by someone else";
	if (!expected->mirrored)
		return "PostgreSQL does not know that it mirrored the window";
	if (!has_number(item, "ver", expected->version))
		return "the row has another version";
	if (!has_value(item, expected->digest))
		return "the row has another value";
	if (!has_number(item, "ttl", expected->ttl))
		return "the row has another ttl";
	return NULL;
}

/* Log it, and have the row written again if that is wanted. */
static DaemonStatus
settle_difference(Verify *verify, const Expected *expected, const json_t *item,
				  const char *difference)
{
	const SyncParts *parts = verify->parts;
	int64_t			 version = expected->mirrored ? expected->version : 0;
	int64_t			 there;

	if (attribute_number(item, "ver", &there) && there > version)
		version = there;
	log_error(parts->log, "a row differs", LOG_TEXT("key", expected->key),
			  LOG_INTEGER("bucket", expected->bucket), LOG_TEXT("problem", difference),
			  LOG_INTEGER("version", expected->version),
			  LOG_TEXT("row_version", attribute_text(item, "ver", "N")));
	if (!parts->config->take_over)
		return DAEMON_OK;
	return mirror_take_over(parts->session, parts->config->pipeline, expected->key,
							expected->bucket, version);
}

/* The row of a window among those that were read, or NULL. */
static const json_t *
find_row(const json_t *rows, const Expected *expected)
{
	char		  bucket[32];
	char		 *name;
	const json_t *item;

	snprintf(bucket, sizeof(bucket), "%" PRId64, expected->bucket);
	name = window_name(expected->key, bucket);
	item = name != NULL ? json_object_get(rows, name) : NULL;
	free(name);
	return item;
}

/* *different counts; what differs is settled if this is the last try. */
static DaemonStatus
compare_page(Verify *verify, const PGresult *page, const json_t *rows, bool last, int *different,
			 int *open)
{
	DaemonStatus status = DAEMON_OK;

	*different = *open = 0;
	for (int i = 0; i < PQntuples(page) && status == DAEMON_OK; i++)
	{
		Expected	  expected = mirror_expected_row(page, i);
		const json_t *item = find_row(rows, &expected);
		const char	 *difference = expected.open ? NULL : find_difference(&expected, item);

		*open += expected.open;
		*different += difference != NULL;
		if (difference != NULL && last)
			status = settle_difference(verify, &expected, item, difference);
	}
	return status;
}

/* The page after a window (NULL: the first), read and compared. */
static DaemonStatus
try_page(Verify *verify, const Expected *after, bool last, PGresult **page, int *different,
		 int *open)
{
	const SyncParts *parts = verify->parts;
	json_t			*rows = json_object();
	DaemonStatus	 status = pg_session_connect_once(parts->session);

	*page = NULL;
	if (status == DAEMON_OK)
		status = mirror_expected(parts->session, parts->config->pipeline, after, page);
	if (status == DAEMON_OK && PQntuples(*page) > 0)
		status = read_rows(verify, *page, rows);
	if (status == DAEMON_OK)
		status = compare_page(verify, *page, rows, last, different, open);
	json_decref(rows);
	if (status != DAEMON_OK)
	{
		PQclear(*page);
		*page = NULL;
	}
	return status;
}

static DaemonStatus
verify_page(Verify *verify, const Expected *after, PGresult **page)
{
	const SyncParts *parts = verify->parts;
	int				 different = 0;
	int				 open = 0;
	DaemonStatus	 status;

	for (int try = 1;;)
	{
		status = try_page(verify, after, try == TRIES, page, &different, &open);
		if (status == DAEMON_RETRY && !signals_stop_requested(parts->signals))
		{
			signals_wait(parts->signals, -1, 0,
						 backoff_failed(&verify->pg_backoff, parts->log,
										pg_problem(parts->session)->message));
			continue;
		}
		if (status != DAEMON_OK || different == 0 || try++ == TRIES)
			break;
		PQclear(*page);
		signals_wait(parts->signals, -1, 0, TRY_AGAIN_MS);
	}
	if (status != DAEMON_OK)
		return status;
	backoff_succeeded(&verify->pg_backoff, parts->log);
	verify->windows += PQntuples(*page);
	verify->different += different;
	verify->open += open;
	return DAEMON_OK;
}

DaemonStatus
verify_run(const SyncParts *parts)
{
	Verify		 verify = {.parts = parts};
	PGresult	*page = NULL;
	PGresult	*previous = NULL;
	Expected	 last;
	DaemonStatus status;

	backoff_init(&verify.pg_backoff, "PostgreSQL");
	backoff_init(&verify.dynamodb_backoff, "DynamoDB");
	do
	{
		status = verify_page(&verify, previous != NULL ? &last : NULL, &page);
		PQclear(previous);
		previous = page;
		if (status == DAEMON_OK && PQntuples(page) > 0)
			last = mirror_expected_row(page, PQntuples(page) - 1);
	} while (status == DAEMON_OK && PQntuples(page) > 0);
	PQclear(previous);
	if (status != DAEMON_OK)
		return status;
	log_info(parts->log, "verified", LOG_INTEGER("windows", verify.windows),
			 LOG_INTEGER("different", verify.different),
			 LOG_INTEGER("not_yet_mirrored", verify.open),
			 LOG_TEXT("hint", verify.different == 0 ? NULL
							  : parts->config->take_over
								  ? "the rows are written again by the worker, or by --once"
								  : "--verify --take-over has them written again"));
	return verify.different == 0 || parts->config->take_over ? DAEMON_OK : DAEMON_FATAL;
}
