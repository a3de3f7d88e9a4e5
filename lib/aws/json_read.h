/*
 * json_read.h
 *	  Reads JSON into jansson's values, by yajl: rows are long texts, which jansson itself reads a byte at a time.
 */
#ifndef AWS_JSON_READ_H
#define AWS_JSON_READ_H

#include <stddef.h>

#include <jansson.h>

/* A new value; NULL for what is no JSON, nested more than 64 deep, or without memory.  The last of duplicate names counts. */
extern json_t *json_read(const char *bytes, size_t length);

#endif /* AWS_JSON_READ_H */
