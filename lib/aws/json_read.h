/*
 * json_read.h
 *	  Reads JSON into jansson's values, by yajl: rows are long texts, which jansson itself reads a byte at a time.
 */
#ifndef AWS_JSON_READ_H
#define AWS_JSON_READ_H

#include <stddef.h>

#include <jansson.h>

#include "aws/items.h"

/*
 * A new value; NULL for what is no JSON, nested more than 64 deep, or without memory.  The last of duplicate names counts.
 * Unless items is NULL, the items of an answer to Query, Scan or BatchGetItem are put there, and their lists are empty in the
 * value; items must be all zero, and are the caller's to free in any case.
 */
extern json_t *json_read(const char *bytes, size_t length, Items *items);

#endif /* AWS_JSON_READ_H */
