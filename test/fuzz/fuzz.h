/*
 * fuzz.h
 *	  What the fuzz targets share.
 *
 * A target is one function, which gets any bytes and must return 0; what must
 * hold is said with require.  libFuzzer calls it, or replay.c.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ends the program, and so the run, where the condition does not hold. */
#define require(condition)                                                                 \
	do                                                                                     \
	{                                                                                      \
		if (!(condition))                                                                  \
		{                                                                                  \
			fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition); \
			abort();                                                                       \
		}                                                                                  \
	} while (0)

#endif /* FUZZ_H */
