/*
 * fields.h
 *	  Where the fields of an event lie: as options, as texts and parsed.
 *
 * Must not know a program's options: whoever has them includes daemon/options.h.
 */
#ifndef FEED_FIELDS_H
#define FEED_FIELDS_H

#include "feed/pointer.h"

/* The key of all events when no field is mapped to it. */
#define FEED_KEY_DEFAULT "global"

/* JSON Pointers as they are given; NULL: none. */
typedef struct FeedFieldTexts
{
	const char *entity;
	const char *key;
	const char *weight;
	const char *time;
	const char *id;
} FeedFieldTexts;

/* The same, parsed; a pointer that is not set takes the default. */
typedef struct FeedFields
{
	FeedPointer entity; /* always set */
	FeedPointer key;	/* default: FEED_KEY_DEFAULT */
	FeedPointer weight; /* default: 1 */
	FeedPointer time;	/* default: the record's own time */
	FeedPointer id;		/* default: none */
} FeedFields;

/*
 * Parse the texts.  Returns NULL, or what is wrong with one of them, in static storage: *option is then the
 * option that gave it, and *text what it gave.  Release fields with feed_fields_free in either case.
 */
extern const char *feed_fields_parse(const FeedFieldTexts *texts, FeedFields *fields,
									 const char **option, const char **text);
extern void		   feed_fields_free(FeedFields *fields);

/*
 * The options of a program whose Config has FeedFieldTexts as member: for an OptionSpec table.  What the
 * time of an event is by default, and what an id is good for, differ by source.
 */
#define FEED_FIELD_OPTIONS(Config, member, default_time, id_help)                                       \
	{.name = "entity-field",                                                                            \
	 .environment = "TOPK_ENTITY_FIELD",                                                                \
	 .metavar = "POINTER",                                                                              \
	 .initial = "/entity_id",                                                                           \
	 .help = "JSON Pointer to the entity, a string",                                                    \
	 .offset = offsetof(Config, member.entity)},                                                        \
		{.name = "key-field",                                                                           \
		 .environment = "TOPK_KEY_FIELD",                                                               \
		 .metavar = "POINTER",                                                                          \
		 .help = "JSON Pointer to the key, a string (a tenant, a country), each with a "                \
				 "summary of its own; by default all events have the key " FEED_KEY_DEFAULT,            \
		 .offset = offsetof(Config, member.key)},                                                       \
		{.name = "weight-field",                                                                        \
		 .environment = "TOPK_WEIGHT_FIELD",                                                            \
		 .metavar = "POINTER",                                                                          \
		 .help = "JSON Pointer to the weight, a whole number; by default each event weighs 1",          \
		 .offset = offsetof(Config, member.weight)},                                                    \
		{.name = "time-field",                                                                          \
		 .environment = "TOPK_TIME_FIELD",                                                              \
		 .metavar = "POINTER",                                                                          \
		 .help =                                                                                        \
			 "JSON Pointer to the event time, RFC 3339 or Unix milliseconds; by default " default_time, \
		 .offset = offsetof(Config, member.time)},                                                      \
	{                                                                                                   \
		.name = "id-field", .environment = "TOPK_ID_FIELD", .metavar = "POINTER",                       \
		.help = "JSON Pointer to an id" id_help, .offset = offsetof(Config, member.id)                  \
	}

#endif /* FEED_FIELDS_H */
