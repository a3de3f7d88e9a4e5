/*
 * gunzip.h
 *	  Requests that a client compressed (RFC 1952), through zlib.
 */
#ifndef QUERY_GUNZIP_H
#define QUERY_GUNZIP_H

#include "buffer.h"

/*
 * Append what was compressed.  NULL, or what is wrong, in static storage: it is not gzip, ends early, or is
 * longer than most bytes, however short it came.
 */
extern const char *gunzip(const void *bytes, size_t length, size_t most, Buffer *out);

#endif /* QUERY_GUNZIP_H */
