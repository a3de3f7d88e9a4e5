/*
 * guarantees.h
 *	  What lib/mg/mg.h promises of a summary, checked against exact counts.
 *
 * Shared by test/unit and test/fuzz.  Items are numbers below a limit, written
 * in decimal, so that the exact counts are an array.  Knows neither where the
 * stream came from nor what becomes of a violation.
 */
#ifndef GUARANTEES_H
#define GUARANTEES_H

#include <stdlib.h>
#include <string.h>

#include "mg/mg.h"

#define GUARANTEES_NAME_SIZE 32

/*
 * The bytes of an item; returns their length.  Some begin with zeros, so that
 * there are items of all the lengths that a summary treats in different ways.
 * By hand: fuzzers spend their time here.
 */
static inline size_t
guarantees_name(int item, char name[GUARANTEES_NAME_SIZE])
{
	size_t length = item % 4 == 0 ? (size_t) (item / 4 % 20) : 0;

	for (int rest = item; rest > 0; rest /= 10)
		length++;
	for (size_t i = length; i-- > 0; item /= 10)
		name[i] = (char) ('0' + item % 10);
	return length;
}

/* The number that an item's bytes stand for, or -1 if they are no item's name. */
static inline int
guarantees_number(const MgItem *item, int items)
{
	char name[GUARANTEES_NAME_SIZE];
	int	 number = 0;

	for (uint32_t i = 0; i < item->length; i++)
	{
		if (item->bytes[i] < '0' || item->bytes[i] > '9' || number >= items)
			return -1;
		number = number * 10 + (item->bytes[i] - '0');
	}
	if (number >= items || guarantees_name(number, name) != item->length ||
		memcmp(name, item->bytes, item->length) != 0)
		return -1;
	return number;
}

/* Those of the whole summary: what stands in the header. */
static inline int
guarantees_broken_header(const MgReader *reader, bool known, int64_t total)
{
	if (!known)
		return reader->known || reader->total != MG_UNKNOWN || reader->error != MG_UNKNOWN;
	return (!reader->known || reader->total != total) +
		   (reader->error < 0 || reader->error > total / (reader->k + 1));
}

/* Those of one listed item, whose true weight is given. */
static inline int
guarantees_broken_item(const MgReader *reader, const MgItem *item, int64_t truth)
{
	int broken = truth <= 0 || item->lower > truth;

	if (!reader->known)
		return broken + (item->upper != MG_UNKNOWN);
	return broken + (item->upper < truth) + (item->upper - item->lower > reader->error) +
		   (truth - item->lower > reader->total / (reader->k + 1));
}

/*
 * How many guarantees encoded bytes break.  truth[0 .. items) are the exact
 * weights, whose sum fits an int64_t.  known is false where the stream met a
 * summary of unknown total: then only the lower bounds hold.
 */
static inline int
guarantees_broken_bytes(const unsigned char *bytes, size_t size, const int64_t *truth, int items,
						bool known)
{
	bool	*listed = calloc((size_t) items, sizeof(bool));
	int64_t	 total = 0;
	MgReader reader;
	MgItem	 item;
	bool	 found;
	int		 broken = mg_validate(&mg_malloc_allocator, bytes, size, NULL) != MG_OK;

	for (int i = 0; i < items; i++)
		total += truth[i];
	broken += mg_reader_open(&reader, bytes, size) != MG_OK;
	broken += guarantees_broken_header(&reader, known, total);
	while (mg_reader_next(&reader, &item, &found) == MG_OK && found)
	{
		int number = guarantees_number(&item, items);

		if (number < 0 || listed[number])
		{
			broken++;
			continue;
		}
		listed[number] = true;
		broken += guarantees_broken_item(&reader, &item, truth[number]);
	}
	for (int i = 0; known && i < items; i++)
		broken += !listed[i] && truth[i] > reader.error;
	free(listed);
	return broken;
}

/*
 * How many guarantees a summary breaks, with all its counters and cut to k.
 * Its reader, of the cut form, is left in *final, for what else a caller expects.
 */
static inline int
guarantees_broken(MgSummary *summary, const int64_t *truth, int items, bool known, MgReader *final)
{
	int broken = 0;

	for (MgForm form = MG_PARTIAL; form <= MG_FINAL; form++)
	{
		unsigned char *bytes;
		size_t		   size;

		if (mg_encode(summary, form, 0, &bytes, &size) != MG_OK)
			abort();
		broken += guarantees_broken_bytes(bytes, size, truth, items, known);
		mg_reader_open(final, bytes, size);
		broken += final->k != mg_k(summary);
		free(bytes);
	}
	return broken + (final->size > final->k);
}

#endif /* GUARANTEES_H */
