/*
 * seeds.c
 *	  Writes the summaries that fuzzing of the codecs starts from: seeds FOLDER
 *	  puts them below FOLDER/mg_native and FOLDER/mg_murmur.
 *
 * To be run again when the native bytes change.
 */
#include "fuzz.h"

#include <string.h>

#include "mg/mg.h"

static const char *folder;

static void
write_file(const char *target, const char *name, const unsigned char *bytes, size_t size)
{
	char  path[1024];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s/%s", folder, target, name);
	file = fopen(path, "wb");
	if (file == NULL || fwrite(bytes, 1, size, file) != size || fclose(file) != 0)
	{
		perror(path);
		exit(1);
	}
}

/* One seed for each codec; takes the summary. */
static void
seed(const char *name, MgSummary *summary)
{
	unsigned char *native, *murmur;
	size_t		   native_size, murmur_size;

	require(mg_encode(summary, MG_FINAL, 0, &native, &native_size) == MG_OK);
	write_file("mg_native", name, native, native_size);
	require(mg_murmur_encode(&mg_malloc_allocator, native, native_size, mg_k(summary), 0, &murmur,
							 &murmur_size) == MG_OK);
	write_file("mg_murmur", name, murmur, murmur_size);
	free(native);
	free(murmur);
	mg_free(summary);
}

static MgSummary *
create(int k)
{
	MgSummary *summary;

	require(mg_create(&mg_malloc_allocator, k, &summary) == MG_OK);
	return summary;
}

static void
add(MgSummary *summary, const char *item, int64_t weight)
{
	require(mg_add(summary, item, strlen(item), weight) == MG_OK);
}

static MgSummary *
small(int k)
{
	MgSummary *summary = create(k);

	add(summary, "", 1);
	add(summary, "a", 4);
	add(summary, "b", 4);
	add(summary, "long item", INT64_C(1) << 40);
	return summary;
}

/* An item that came after a cut: its bounds are apart. */
static MgSummary *
inexact(int k)
{
	MgSummary	  *whole = small(k), *cut;
	unsigned char *bytes;
	size_t		   size;

	require(mg_encode(whole, MG_FINAL, 0, &bytes, &size) == MG_OK);
	require(mg_decode(&mg_malloc_allocator, bytes, size, &cut, NULL) == MG_OK);
	add(cut, "late", 1000);
	free(bytes);
	mg_free(whole);
	return cut;
}

static MgSummary *
unknown(int k)
{
	static const unsigned char none[] = {1, 0, 0, 0, 0, 0, 0, 0};
	MgSummary				  *summary = small(k), *murmur;

	require(mg_murmur_decode(&mg_malloc_allocator, none, sizeof(none), &murmur, NULL) == MG_OK);
	require(mg_resize(murmur, k) == MG_OK && mg_merge(summary, murmur) == MG_OK);
	mg_free(murmur);
	return summary;
}

int
main(int argc, char **argv)
{
	MgSummary *summary;

	if (argc != 2)
	{
		fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
		return 2;
	}
	folder = argv[1];
	seed("empty", create(MG_K_MAX));
	seed("exact", small(5));
	seed("cut", small(2));
	seed("unknown", unknown(4));

	seed("inexact", inexact(2));

	summary = create(1);
	add(summary, "largest", INT64_MAX);
	seed("largest", summary);
	return 0;
}
