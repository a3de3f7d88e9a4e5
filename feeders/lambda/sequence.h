/*
 * sequence.h
 *	  Kinesis' sequence numbers: decimal, and larger than any integer of C.
 *
 * Must not know what carries them.  Kinesis' API allows them 129 digits; today's
 * have 56, so that 128 bits do not hold them.
 */
#ifndef LAMBDA_SEQUENCE_H
#define LAMBDA_SEQUENCE_H

#include <stdbool.h>
#include <stddef.h>

#define SEQUENCE_MAX_DIGITS 129

/* Is it 0, or digits that do not begin with one, no more than Kinesis allows? */
extern bool sequence_valid(const char *text, size_t length);

/* Compare two that are valid as numbers: negative, 0 or positive. */
extern int sequence_compare(const char *a, size_t a_length, const char *b, size_t b_length);

#endif /* LAMBDA_SEQUENCE_H */
