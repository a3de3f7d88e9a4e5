/*
 * ranking.c
 *	  Adds up what windows say of each item.
 *
 * An item weighs at least the sum of its lower bounds, and at most the sum of its upper bounds where it is
 * listed, and of the errors of the windows where it is not.
 */
#include "ranking.h"

#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <uthash.h>

typedef struct Item
{
	UT_hash_handle hh;
	int64_t		   lower;
	int64_t		   slack;	/* upper minus lower, where it is listed */
	int64_t		   covered; /* the errors of the windows that list it */
	json_t		  *counts;	/* of the first n, by window */
} Item;

typedef struct Ranking
{
	const Windows *windows;
	Range		   range;
	Item		  *table;
	int64_t		   total; /* MG_UNKNOWN if one window's is */
	int64_t		   error;
	bool		   failed; /* no memory */
} Ranking;

/* ---- sums ---- */

static int64_t
add(int64_t a, int64_t b)
{
	int64_t sum;

	return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

static int64_t
add_known(int64_t a, int64_t b)
{
	return a == MG_UNKNOWN || b == MG_UNKNOWN ? MG_UNKNOWN : add(a, b);
}

static int64_t
slack_of(const Window *window, int index)
{
	if (window->error == MG_UNKNOWN)
		return 0;
	if (window->slacks == NULL)
		return window->error;
	return index < window->slack_count ? window->slacks[index] : 0;
}

typedef void (*Visit)(Ranking *ranking, const Window *window, const MgItem *item, int index);

/* Each item of each window. */
static void
visit_items(Ranking *ranking, Visit visit)
{
	for (int i = 0; i < ranking->windows->count; i++)
	{
		const Window  *window = &ranking->windows->list[i];
		MgMurmurReader reader;
		MgItem		   item;
		const char	  *problem;
		bool		   found;

		if (mg_murmur_open(&reader, window->value, window->length, &problem) != MG_OK)
			continue;
		for (int index = 0; mg_murmur_next(&reader, &item, &found, &problem) == MG_OK && found;
			 index++)
			if (item.lower > 0)
				visit(ranking, window, &item, index);
	}
}

static Item *
find_item(const Ranking *ranking, const MgItem *listed)
{
	Item *item;

	HASH_FIND(hh, ranking->table, listed->bytes, listed->length, item);
	return item;
}

static void
add_item(Ranking *ranking, const Window *window, const MgItem *listed, int index)
{
	Item *item = find_item(ranking, listed);

	if (item == NULL)
	{
		item = calloc(1, sizeof(*item));
		if (item == NULL)
		{
			ranking->failed = true;
			return;
		}
		HASH_ADD_KEYPTR(hh, ranking->table, listed->bytes, listed->length, item);
	}
	item->lower = add(item->lower, listed->lower);
	item->slack = add(item->slack, slack_of(window, index));
	if (window->error != MG_UNKNOWN)
		item->covered = add(item->covered, window->error);
}

static int
compare_items(const Item *a, const Item *b)
{
	unsigned common = a->hh.keylen < b->hh.keylen ? a->hh.keylen : b->hh.keylen;
	int		 order = memcmp(a->hh.key, b->hh.key, common);

	if (a->lower != b->lower)
		return a->lower > b->lower ? -1 : 1;
	return order != 0 ? order : (a->hh.keylen > b->hh.keylen) - (a->hh.keylen < b->hh.keylen);
}

static void
rank_items(Ranking *ranking)
{
	for (int i = 0; i < ranking->windows->count; i++)
	{
		ranking->total = add_known(ranking->total, ranking->windows->list[i].total);
		ranking->error = add_known(ranking->error, ranking->windows->list[i].error);
	}
	visit_items(ranking, add_item);
	HASH_SORT(ranking->table, compare_items);
}

/* ---- JSON ---- */

static json_t *
known_number(int64_t number)
{
	return number == MG_UNKNOWN ? json_null() : json_integer(number);
}

static json_t *
make_counts(const Range *range)
{
	json_t *counts = json_array();

	for (int64_t bucket = range->first; bucket <= range->last; bucket++)
		json_array_append_new(counts, json_null());
	return counts;
}

static void
add_count(Ranking *ranking, const Window *window, const MgItem *listed, int index)
{
	Item *item = find_item(ranking, listed);

	(void) index;
	if (item != NULL && item->counts != NULL)
		json_array_set_new(item->counts, (size_t) (window->bucket - ranking->range.first),
						   json_integer(listed->lower));
}

static json_t *
make_item(const Ranking *ranking, const Item *item, int rank)
{
	json_t *name = json_stringn(item->hh.key, item->hh.keylen);
	int64_t upper = ranking->error == MG_UNKNOWN
						? MG_UNKNOWN
						: add(add(item->lower, item->slack), ranking->error - item->covered);

	/* who writes rows takes text alone; anything else has no form in JSON */
	return json_pack("{s:i, s:o, s:I, s:I, s:o, s:O}", "rank", rank, "item",
					 name != NULL ? name : json_string("\xef\xbf\xbd"), "estimate", item->lower,
					 "lower_bound", item->lower, "upper_bound", known_number(upper), "counts",
					 item->counts);
}

/* The first n of them. */
static json_t *
make_items(Ranking *ranking, int n)
{
	json_t *items = json_array();
	int		rank = 0;

	for (Item *item = ranking->table; item != NULL && rank < n; item = item->hh.next, rank++)
		item->counts = make_counts(&ranking->range);
	visit_items(ranking, add_count);
	for (Item *item = ranking->table; item != NULL && item->counts != NULL; item = item->hh.next)
		json_array_append_new(items, make_item(ranking, item, (int) json_array_size(items) + 1));
	return items;
}

static json_t *
make_windows(const Shape *shape, const Windows *windows)
{
	json_t *list = json_array();

	for (int i = 0; i < windows->count; i++)
	{
		const Window *window = &windows->list[i];

		json_array_append_new(
			list,
			json_pack("{s:I, s:I, s:I, s:o, s:o, s:o}", "bucket", window->bucket, "start",
					  window->bucket * shape->window_seconds, "version", window->version, "total",
					  known_number(window->total), "error", known_number(window->error),
					  "updated_at",
					  window->updated_at < 0 ? json_null() : json_integer(window->updated_at)));
	}
	return list;
}

static void
free_items(Ranking *ranking)
{
	Item *item, *next;

	HASH_ITER (hh, ranking->table, item, next)
	{
		HASH_DEL(ranking->table, item);
		json_decref(item->counts);
		free(item);
	}
}

char *
ranking_json(const char *entity, int n, const Shape *shape, const Range *range,
			 const Windows *windows)
{
	Ranking ranking = {.windows = windows, .range = *range};
	json_t *answer = NULL;
	char   *text = NULL;

	rank_items(&ranking);
	if (!ranking.failed)
		answer = json_pack(
			"{s:s, s:i, s:I, s:I, s:I, s:o, s:o, s:o, s:o}", "entity", entity, "n", n,
			"window_seconds", shape->window_seconds, "start", range->first * shape->window_seconds,
			"end", (range->last + 1) * shape->window_seconds, "total", known_number(ranking.total),
			"error", known_number(ranking.error), "windows", make_windows(shape, windows), "items",
			make_items(&ranking, n));
	if (answer != NULL)
		text = json_dumps(answer, JSON_COMPACT);
	json_decref(answer);
	free_items(&ranking);
	return text;
}
