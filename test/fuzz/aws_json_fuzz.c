/*
 * aws_json_fuzz.c
 *	  Any bytes as an answer of DynamoDB, read with its items apart and without: both are JSON or
 *	  neither is, and an item's attributes are the same.
 */
#include "fuzz.h"

#include <string.h>

#include "aws/attribute.h"
#include "aws/json_read.h"

/* An attribute as DynamoDB writes it: one type, one value. */
static void
require_same(const Item *item, const char *name, const json_t *expected)
{
	const json_t		*value;
	const char			*type;
	const ItemAttribute *attribute;

	if (!json_is_object(expected) || json_object_size(expected) != 1)
		return;
	type = json_object_iter_key(json_object_iter((json_t *) expected));
	value = json_object_iter_value(json_object_iter((json_t *) expected));
	attribute = item_find(item, name, type);
	require((attribute != NULL) == json_is_string(value));
	if (attribute != NULL)
		require(attribute->length == json_string_length(value) &&
				memcmp(attribute->value, json_string_value(value), attribute->length) == 0);
}

/* Names with NUL can't be told apart by their beginnings, and of duplicate lists only one is left in the value. */
static bool
is_plain(const uint8_t *data, size_t size, const Items *items, const json_t *list)
{
	return memmem(data, size, "\\u0000", 6) == NULL &&
		   json_array_size(list) == (size_t) items->count;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	Items	items = {0};
	json_t *whole = json_read((const char *) data, size, NULL);
	json_t *apart = json_read((const char *) data, size, &items);
	json_t *list = json_object_get(whole, "Items");
	json_t *item, *attribute;
	size_t	i;

	require((whole != NULL) == (apart != NULL));
	for (int k = 0; apart != NULL && k < items.count; k++)
		for (int j = 0; j < items.list[k].count; j++)
		{
			int64_t		   number;
			size_t		   length;
			const char	  *name = items.list[k].attributes[j].name;
			unsigned char *bytes = item_bytes(&items.list[k], name, &length);

			require(strlen(items.list[k].attributes[j].type) <= size);
			item_number(&items.list[k], name, &number);
			free(bytes);
		}
	if (json_is_array(list) && is_plain(data, size, &items, list))
		json_array_foreach (list, i, item)
		{
			const char *name;

			json_object_foreach (item, name, attribute)
				require_same(&items.list[i], name, attribute);
		}
	json_decref(whole);
	json_decref(apart);
	items_free(&items);
	return 0;
}
