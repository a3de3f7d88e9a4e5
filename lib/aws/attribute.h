/*
 * attribute.h
 *	  Attributes of an item as DynamoDB's JSON has them: {"name": {"N": "1"}}.
 *
 * Must not know which attributes there are, nor how requests travel.
 */
#ifndef AWS_ATTRIBUTE_H
#define AWS_ATTRIBUTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

/* item.name.type as text, or NULL. */
extern const char *attribute_text(const json_t *item, const char *name, const char *type);

/* The text of a number; false if it is NULL or does not fit. */
extern bool attribute_read_number(const char *text, int64_t *number);

/* item.name.N; false if there is none or it does not fit. */
extern bool attribute_number(const json_t *item, const char *name, int64_t *number);

/* item.name.B, decoded, which the caller frees; NULL if there is none or it is not base64. */
extern unsigned char *attribute_bytes(const json_t *item, const char *name, size_t *length);

/* The attribute without its name; NULL without memory. */
extern json_t *attribute_make_text(const char *text);
extern json_t *attribute_make_number(int64_t number);
extern json_t *attribute_make_bytes(const void *bytes, size_t length);

#endif /* AWS_ATTRIBUTE_H */
