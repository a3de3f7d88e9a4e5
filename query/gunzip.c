/*
 * gunzip.c
 *	  A bounded inflate().
 */
#include "gunzip.h"

#include <zlib.h>

#define ROOM 16384

/* zlib's way to say that a gzip header is wanted. */
#define GZIP_WINDOW (15 + 16)

const char *
gunzip(const void *bytes, size_t length, size_t most, Buffer *out)
{
	z_stream	stream = {.next_in = (Bytef *) bytes, .avail_in = (uInt) length};
	size_t		start = out->length;
	const char *problem = NULL;
	int			status = Z_OK;

	if (inflateInit2(&stream, GZIP_WINDOW) != Z_OK)
		return "out of memory";
	while (status == Z_OK && problem == NULL)
	{
		Bytef room[ROOM];

		stream.next_out = room;
		stream.avail_out = ROOM;
		status = inflate(&stream, Z_NO_FLUSH);
		buffer_append(out, room, ROOM - stream.avail_out);
		if (out->length - start > most)
			problem = "the message is too long when it is decompressed";
		else if (out->failed)
			problem = "out of memory";
	}
	if (problem == NULL && (status != Z_STREAM_END || stream.avail_in > 0))
		problem = "the message is not whole gzip";
	inflateEnd(&stream);
	return problem;
}
