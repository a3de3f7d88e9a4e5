/*
 * items.c
 *	  Attributes one after the other, of all items of an answer.
 */
#include "aws/items.h"

#include <stdlib.h>
#include <string.h>

#include "aws/attribute.h"
#include "daemon/base64.h"
#include "daemon/grow.h"

/* Where in an item a name is an attribute's, and where a value's type. */
#define DEPTH_ATTRIBUTE 1
#define DEPTH_VALUE 2

void
items_free(Items *items)
{
	free(items->list);
	free(items->attributes);
	free(items->text);
	*items = (Items) {0};
}

/* ---- reading ---- */

/* No text is longer than it was in the answer, where it had two quotes: there is room. */
static const char *
keep(Items *items, const char *bytes, size_t length)
{
	char *text = items->text + items->text_used;

	memcpy(text, bytes, length);
	text[length] = '\0';
	items->text_used += length + 1;
	return text;
}

bool
items_begin(Items *items, size_t answer_length)
{
	Item *list;

	if (items->text == NULL && (items->text = malloc(answer_length)) == NULL)
		return false;
	list = grow(items->list, items->count, &items->room, sizeof(*list));
	if (list == NULL)
		return false;
	items->list = list;
	items->list[items->count++] = (Item) {0};
	items->depth = DEPTH_ATTRIBUTE;
	return true;
}

static bool
add_attribute(Items *items, const char *name, size_t length)
{
	ItemAttribute *attributes = grow(items->attributes, items->attribute_count,
									 &items->attribute_room, sizeof(*attributes));

	if (attributes == NULL)
		return false;
	items->attributes = attributes;
	items->attributes[items->attribute_count++] =
		(ItemAttribute) {.name = keep(items, name, length), .type = ""};
	items->list[items->count - 1].count++;
	return true;
}

bool
items_name(Items *items, const char *bytes, size_t length)
{
	if (items->depth == DEPTH_ATTRIBUTE)
		return add_attribute(items, bytes, length);
	if (items->depth == DEPTH_VALUE)
		items->attributes[items->attribute_count - 1].type = keep(items, bytes, length);
	return true;
}

void
items_text(Items *items, const char *bytes, size_t length)
{
	ItemAttribute *attribute;

	if (items->depth != DEPTH_VALUE)
		return;
	attribute = &items->attributes[items->attribute_count - 1];
	attribute->value = keep(items, bytes, length);
	attribute->length = length;
}

void
items_open(Items *items)
{
	items->depth++;
}

void
items_close(Items *items)
{
	items->depth--;
}

void
items_end(Items *items)
{
	const ItemAttribute *next = items->attributes;

	for (int i = 0; i < items->count; i++)
	{
		items->list[i].attributes = next;
		next += items->list[i].count;
	}
}

/* ---- attributes ---- */

const ItemAttribute *
item_find(const Item *item, const char *name, const char *type)
{
	for (int i = item->count; i > 0; i--) /* the last of duplicate names counts */
		if (strcmp(item->attributes[i - 1].name, name) == 0)
			return strcmp(item->attributes[i - 1].type, type) == 0 &&
						   item->attributes[i - 1].value != NULL
					   ? &item->attributes[i - 1]
					   : NULL;
	return NULL;
}

bool
item_number(const Item *item, const char *name, int64_t *number)
{
	const ItemAttribute *attribute = item_find(item, name, "N");

	return attribute != NULL && attribute_read_number(attribute->value, number);
}

unsigned char *
item_bytes(const Item *item, const char *name, size_t *length)
{
	const ItemAttribute *attribute = item_find(item, name, "B");

	return attribute != NULL ? base64_decode(attribute->value, attribute->length, length) : NULL;
}
