/*
 * field_options.c
 *	  The options that say where the fields of an event lie, which both feeders have.
 *
 * Must not know where records come from.
 */
#include "field_options.h"

bool
field_options_parse(const OptionsProgram *program, const FieldOptions *options, FeedFields *fields)
{
	const struct
	{
		const char	*name;
		const char	*text;
		FeedPointer *pointer;
	} all[] = {
		{"entity-field", options->entity, &fields->entity},
		{"key-field", options->key, &fields->key},
		{"weight-field", options->weight, &fields->weight},
		{"time-field", options->time, &fields->time},
		{"id-field", options->id, &fields->id},
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
	{
		const char *text = all[i].text;
		const char *problem = text != NULL ? feed_pointer_parse(text, all[i].pointer) : NULL;

		if (problem != NULL)
		{
			options_error(program, all[i].name, "\"%s\" is not a JSON Pointer (RFC 6901): %s", text,
						  problem);
			return false;
		}
	}
	return true;
}
