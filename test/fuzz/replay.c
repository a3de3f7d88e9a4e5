/*
 * replay.c
 *	  Runs a fuzz target on files instead of under libFuzzer: with any compiler,
 *	  and at the speed of a test.
 *
 * Must not know which target it is linked with.
 */
#include "fuzz.h"

#include <errno.h>
#include <string.h>

/* The whole file, in memory of exactly its size, so that ASan sees any overrun. */
static uint8_t *
read_file(const char *path, size_t *size)
{
	FILE	*file = fopen(path, "rb");
	uint8_t *data;
	long	 length;

	if (file == NULL || fseek(file, 0, SEEK_END) != 0 || (length = ftell(file)) < 0)
	{
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		exit(1);
	}
	rewind(file);
	data = malloc(length > 0 ? (size_t) length : 1);
	*size = fread(data, 1, (size_t) length, file);
	fclose(file);
	return data;
}

int
main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
	{
		size_t	 size;
		uint8_t *data = read_file(argv[i], &size);

		fprintf(stderr, "%s\n", argv[i]); /* the last one named is the one that failed */
		LLVMFuzzerTestOneInput(data, size);
		free(data);
	}
	return 0;
}
