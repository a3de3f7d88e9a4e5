/*
 * fields.c
 *	  Where the fields of an event lie.
 *
 * Must not know a program's options.
 */
#include "feed/fields.h"

void
feed_fields_free(FeedFields *fields)
{
	feed_pointer_free(&fields->entity);
	feed_pointer_free(&fields->key);
	feed_pointer_free(&fields->weight);
	feed_pointer_free(&fields->time);
	feed_pointer_free(&fields->id);
}
