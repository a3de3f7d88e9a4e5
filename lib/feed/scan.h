/*
 * scan.h
 *	  One pass over JSON text: the values that pointers lead to, and nothing else is built.
 *
 * Wraps yajl.  Must not know what the values mean.  Of duplicate names the
 * last one counts.
 */
#ifndef FEED_SCAN_H
#define FEED_SCAN_H

#include <limits.h>
#include <stdint.h>

#include "feed/pointer.h"
#include "feed/reason.h"

/* Deepest nesting of arrays and objects. */
#define FEED_SCAN_DEPTH 2048

#define FEED_SCAN_FIELDS 5

typedef enum FeedValueType
{
	FEED_VALUE_MISSING,
	FEED_VALUE_NULL,
	FEED_VALUE_BOOLEAN,
	FEED_VALUE_NUMBER,
	FEED_VALUE_STRING,
	FEED_VALUE_OBJECT,
	FEED_VALUE_ARRAY
} FeedValueType;

/* A value: of strings what they say, of numbers how they are written; not ended by a NUL. */
typedef struct FeedValue
{
	FeedValueType type;
	const char	 *text;
	size_t		  length;
} FeedValue;

typedef struct FeedField
{
	const FeedPointer *pointer;
	FeedValue		   value;

	/* private: how much of the pointer the path to the value at hand agrees with */
	int		matched;
	int64_t index; /* of the next element, in the array where the next token is looked for */
	char   *copy;  /* of the text, where it had escapes */
} FeedField;

/* All zero, but for the pointers of the fields and their count, is a valid start. */
typedef struct FeedScan
{
	FeedField	  fields[FEED_SCAN_FIELDS];
	int			  count;
	FeedValueType type; /* of the whole */

	/* private */
	const char *text;
	size_t		length;
	int			depth;
	FeedReason	reason; /* why the scan was broken off */
	char		arrays[FEED_SCAN_DEPTH / CHAR_BIT];
} FeedScan;

/*
 * Read text.  On FEED_ACCEPTED type and values are set; they point into text
 * or belong to scan.  Else (FEED_INVALID_JSON, FEED_INVALID_UTF8,
 * FEED_NUL_CHARACTER in a name or raw, FEED_OUT_OF_MEMORY) detail says, in ASCII, what is wrong.
 * In either case the caller releases scan with feed_scan_free.
 */
extern FeedReason feed_scan_run(FeedScan *scan, const char *text, size_t length,
								char detail[FEED_DETAIL_SIZE]);
extern void		  feed_scan_free(FeedScan *scan);

#endif /* FEED_SCAN_H */
