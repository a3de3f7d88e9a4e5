/*
 * fields.h
 *	  Where the fields of an event lie.
 *
 * Must not know a program's options.
 */
#ifndef FEED_FIELDS_H
#define FEED_FIELDS_H

#include "feed/pointer.h"

/* The key of all events when no field is mapped to it. */
#define FEED_KEY_DEFAULT "global"

/* A pointer that is not set takes the default. */
typedef struct FeedFields
{
	FeedPointer entity; /* always set */
	FeedPointer key;	/* default: FEED_KEY_DEFAULT */
	FeedPointer weight; /* default: 1 */
	FeedPointer time;	/* default: the record's own time */
	FeedPointer id;		/* default: none */
} FeedFields;

extern void feed_fields_free(FeedFields *fields);

#endif /* FEED_FIELDS_H */
