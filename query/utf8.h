/*
 * utf8.h
 *	  Is a client's text text?
 */
#ifndef QUERY_UTF8_H
#define QUERY_UTF8_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

/* UTF-8 by RFC 3629, also with NULs in it.  By jansson, for want of a smaller library that tells; false without memory. */
static inline bool
utf8_valid(const char *text, size_t length)
{
	json_t *checked = json_stringn(text, length);

	json_decref(checked);
	return checked != NULL;
}

#endif /* QUERY_UTF8_H */
