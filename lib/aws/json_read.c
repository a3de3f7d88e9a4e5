/*
 * json_read.c
 *	  Builds values from the outside in, as yajl tells of them.
 */
#include "aws/json_read.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <yajl/yajl_parse.h>

#define DEPTH_MAX 64

/* yajl's answers from a callback. */
#define GO_ON 1
#define BREAK_OFF 0

typedef struct Builder
{
	json_t *root;
	json_t *open[DEPTH_MAX]; /* the containers around what comes next, owned by the root */
	int		depth;
	char   *name; /* of what comes next, where the innermost one is an object */
	size_t	name_length, name_room;
	Items  *items;	   /* NULL: they are values like all others */
	size_t	length;	   /* of all bytes */
	bool	responses; /* in root.Responses, whose members are lists of items */
	int		item_list; /* the depth of the list of items that is open; 0: none */
} Builder;

static bool
in_item(const Builder *builder)
{
	return builder->items != NULL && builder->items->depth > 0;
}

/* Is the container that was just opened the member of an object, of this name? */
static bool
is_named(const Builder *builder, const char *name)
{
	return json_is_object(builder->open[builder->depth - 2]) &&
		   builder->name_length == strlen(name) &&
		   memcmp(builder->name, name, builder->name_length) == 0;
}

/* yajl has seen to it that all texts are UTF-8. */
static int
add(Builder *builder, json_t *value)
{
	json_t *parent = builder->depth > 0 ? builder->open[builder->depth - 1] : NULL;
	int		failed;

	if (value == NULL)
		return BREAK_OFF;
	if (in_item(builder)) /* no text: nobody reads it */
	{
		json_decref(value);
		return GO_ON;
	}
	if (parent == NULL)
	{
		builder->root = value;
		return GO_ON;
	}
	failed = json_is_array(parent)
				 ? json_array_append_new(parent, value)
				 : json_object_setn_new_nocheck(parent, builder->name, builder->name_length, value);
	return failed == 0 ? GO_ON : BREAK_OFF;
}

static int
open_container(Builder *builder, json_t *container)
{
	if (builder->depth == DEPTH_MAX)
	{
		json_decref(container);
		return BREAK_OFF;
	}
	if (!add(builder, container))
		return BREAK_OFF;
	builder->open[builder->depth++] = container;
	return GO_ON;
}

static int
open_in_item(Builder *builder)
{
	if (builder->depth + builder->items->depth == DEPTH_MAX)
		return BREAK_OFF;
	items_open(builder->items);
	return GO_ON;
}

static int
on_null(void *context)
{
	return add(context, json_null());
}

static int
on_boolean(void *context, int value)
{
	return add(context, json_boolean(value));
}

static int
on_integer(void *context, long long value)
{
	return add(context, json_integer(value));
}

static int
on_double(void *context, double value)
{
	return add(context, json_real(value));
}

static int
on_string(void *context, const unsigned char *bytes, size_t length)
{
	Builder *builder = context;

	if (in_item(builder))
	{
		items_text(builder->items, (const char *) bytes, length);
		return GO_ON;
	}
	return add(context, json_stringn_nocheck((const char *) bytes, length));
}

/* Where yajl has it, it does not stay until its value comes. */
static int
on_name(void *context, const unsigned char *bytes, size_t length)
{
	Builder *builder = context;

	if (in_item(builder))
		return items_name(builder->items, (const char *) bytes, length) ? GO_ON : BREAK_OFF;
	if (length >= builder->name_room)
	{
		char *grown = realloc(builder->name, length + 1);

		if (grown == NULL)
			return BREAK_OFF;
		builder->name = grown;
		builder->name_room = length + 1;
	}
	memcpy(builder->name, bytes, length);
	builder->name_length = length;
	return GO_ON;
}

static int
on_open_object(void *context)
{
	Builder *builder = context;

	if (in_item(builder))
		return open_in_item(builder);
	if (builder->item_list > 0 && builder->depth == builder->item_list)
		return items_begin(builder->items, builder->length) ? GO_ON : BREAK_OFF;
	if (!open_container(builder, json_object()))
		return BREAK_OFF;
	builder->responses =
		builder->responses || (builder->depth == 2 && is_named(builder, "Responses"));
	return GO_ON;
}

/* Query and Scan answer with root.Items, BatchGetItem with root.Responses.TABLE. */
static int
on_open_array(void *context)
{
	Builder *builder = context;

	if (in_item(builder))
		return open_in_item(builder);
	if (!open_container(builder, json_array()))
		return BREAK_OFF;
	if (builder->items != NULL && ((builder->depth == 2 && is_named(builder, "Items")) ||
								   (builder->depth == 3 && builder->responses)))
		builder->item_list = builder->depth;
	return GO_ON;
}

static int
on_close(void *context)
{
	Builder *builder = context;

	if (in_item(builder))
	{
		items_close(builder->items);
		return GO_ON;
	}
	builder->depth--;
	if (builder->depth < builder->item_list)
		builder->item_list = 0;
	if (builder->depth < 2)
		builder->responses = false;
	return GO_ON;
}

static const yajl_callbacks callbacks = {
	.yajl_null = on_null,
	.yajl_boolean = on_boolean,
	.yajl_integer = on_integer,
	.yajl_double = on_double,
	.yajl_string = on_string,
	.yajl_start_map = on_open_object,
	.yajl_map_key = on_name,
	.yajl_end_map = on_close,
	.yajl_start_array = on_open_array,
	.yajl_end_array = on_close,
};

json_t *
json_read(const char *bytes, size_t length, Items *items)
{
	Builder		builder = {.items = items, .length = length};
	yajl_handle parser = yajl_alloc(&callbacks, NULL, &builder);
	bool		whole = parser != NULL &&
				 yajl_parse(parser, (const unsigned char *) bytes, length) == yajl_status_ok &&
				 yajl_complete_parse(parser) == yajl_status_ok;

	if (parser != NULL)
		yajl_free(parser);
	free(builder.name);
	if (items != NULL)
		items_end(items);
	if (!whole)
	{
		json_decref(builder.root);
		return NULL;
	}
	return builder.root;
}
