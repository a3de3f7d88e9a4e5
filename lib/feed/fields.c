/*
 * fields.c
 *	  Where the fields of an event lie: as options, as texts and parsed.
 *
 * Must not know a program's options.
 */
#include "feed/fields.h"

#include <stddef.h>

const char *
feed_fields_parse(const FeedFieldTexts *texts, FeedFields *fields, const char **option,
				  const char **text)
{
	const struct
	{
		const char	*option;
		const char	*text;
		FeedPointer *pointer;
	} all[] = {
		{"entity-field", texts->entity, &fields->entity},
		{"key-field", texts->key, &fields->key},
		{"weight-field", texts->weight, &fields->weight},
		{"time-field", texts->time, &fields->time},
		{"id-field", texts->id, &fields->id},
	};
	const char *problem = NULL;

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]) && problem == NULL; i++)
	{
		*option = all[i].option;
		*text = all[i].text;
		if (all[i].text != NULL)
			problem = feed_pointer_parse(all[i].text, all[i].pointer);
	}
	return problem;
}

void
feed_fields_free(FeedFields *fields)
{
	feed_pointer_free(&fields->entity);
	feed_pointer_free(&fields->key);
	feed_pointer_free(&fields->weight);
	feed_pointer_free(&fields->time);
	feed_pointer_free(&fields->id);
}
