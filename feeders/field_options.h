/*
 * field_options.h
 *	  The options that say where the fields of an event lie, which both feeders have.
 *
 * Must not know where records come from.
 */
#ifndef FEEDERS_FIELD_OPTIONS_H
#define FEEDERS_FIELD_OPTIONS_H

#include <stdbool.h>

#include "daemon/options.h"
#include "feed/fields.h"

/* JSON Pointers as they are given; NULL: none. */
typedef struct FieldOptions
{
	const char *entity;
	const char *key;
	const char *weight;
	const char *time;
	const char *id;
} FieldOptions;

/*
 * Parse them into fields, which is released with feed_fields_free in either case.  Returns false when one is
 * no JSON Pointer; options_error has said so.
 */
extern bool field_options_parse(const OptionsProgram *program, const FieldOptions *options,
								FeedFields *fields);

/*
 * The options of a program whose Config has FieldOptions as member: for an OptionSpec table.  What the
 * time of an event is by default, and what an id is good for, differ by source.
 */
#define FIELD_OPTIONS(Config, member, default_time, id_help)                                            \
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

#endif /* FEEDERS_FIELD_OPTIONS_H */
