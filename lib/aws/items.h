/*
 * items.h
 *	  The items of an answer to Query, Scan or BatchGetItem, each a list of attributes.
 *
 * DynamoDB wraps each value into an object, {"sk": {"N": "20417"}}: as jansson's values an item of
 * ten attributes takes some sixty allocations, here it shares three with all others of its answer.
 * Must not know which attributes there are.
 */
#ifndef AWS_ITEMS_H
#define AWS_ITEMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct ItemAttribute
{
	const char *name;
	const char *type;  /* "N", "S", "B", ... */
	const char *value; /* NUL follows; NULL where it is no text */
	size_t		length;
} ItemAttribute;

typedef struct Item
{
	const ItemAttribute *attributes;
	int					 count;
} Item;

/* All zero is a valid start. */
typedef struct Items
{
	Item *list;
	int	  count;
	/* private */
	int			   room;
	ItemAttribute *attributes; /* of all items */
	int			   attribute_count, attribute_room;
	char		  *text; /* all names, types and values */
	size_t		   text_used;
	int			   depth; /* in the item that is read; 0: in none */
} Items;

extern void items_free(Items *items);

/* ---- reading an item: false without memory ---- */

/* An item begins; the answer that it is in has so many bytes. */
extern bool items_begin(Items *items, size_t answer_length);
extern bool items_name(Items *items, const char *bytes, size_t length);
extern void items_text(Items *items, const char *bytes, size_t length);
extern void items_open(Items *items); /* an object or a list */
extern void items_close(Items *items);
/* All have been read: list is valid from now on. */
extern void items_end(Items *items);

/* ---- attributes ---- */

/* The value of this type, or NULL. */
extern const ItemAttribute *item_find(const Item *item, const char *name, const char *type);

/* name.N; false if there is none or it does not fit. */
extern bool item_number(const Item *item, const char *name, int64_t *number);

/* name.B, decoded, which the caller frees; NULL if there is none or it is not base64. */
extern unsigned char *item_bytes(const Item *item, const char *name, size_t *length);

#endif /* AWS_ITEMS_H */
