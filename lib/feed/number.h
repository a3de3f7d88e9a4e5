/*
 * number.h
 *	  Numbers in JSON text that are too large for a parser.
 *
 * Must not know what the text means.
 */
#ifndef FEED_NUMBER_H
#define FEED_NUMBER_H

#include <stddef.h>

/*
 * A copy of JSON text (same length, and a NUL after it) in which every number
 * that neither a 64-bit integer nor a double can hold is replaced by -0.5, a
 * number that no field of an event accepts.  What is not a number by the
 * grammar of RFC 8259 stays as it is.  The caller frees it; NULL when out of
 * memory.
 */
extern char *feed_number_soften(const char *text, size_t length);

#endif /* FEED_NUMBER_H */
