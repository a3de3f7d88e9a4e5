/*
 * page.c
 *	  The files of query/page as the assembler takes them in, and their answers.
 *
 * Must not know what the page does.
 */
#include "page.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <openssl/sha.h>

#include "embed.h"

#define ETAG_BYTES 16

EMBED(page_index, "query/page/index.html");
EMBED(page_style, "query/page/page.css");
EMBED(page_script, "query/page/page.js");

typedef struct PageFile
{
	const char *path;
	const char *type;
	const char *bytes;
	const char *end;
} PageFile;

static const PageFile files[] = {
	{"/", "text/html; charset=utf-8", page_index, page_index_end},
	{"/page.css", "text/css; charset=utf-8", page_style, page_style_end},
	{"/page.js", "text/javascript; charset=utf-8", page_script, page_script_end},
};

/* Nothing but what this server serves, and in nobody's frame. */
#define POLICY                                                                              \
	"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src " \
	"data:; base-uri 'none'; frame-ancestors 'none'; form-action 'none'"

static void
make_etag(const PageFile *file, char etag[2 * ETAG_BYTES + 3])
{
	unsigned char digest[SHA256_DIGEST_LENGTH];
	char		 *at = etag;

	SHA256((const unsigned char *) file->bytes, (size_t) (file->end - file->bytes), digest);
	*at++ = '"';
	for (int i = 0; i < ETAG_BYTES; i++)
		at += snprintf(at, 3, "%02x", digest[i]);
	snprintf(at, 2, "\"");
}

static void
answer(void *context, Exchange *exchange)
{
	const PageFile *file = context;
	char			etag[2 * ETAG_BYTES + 3];
	const char	   *known = exchange_header(exchange, "if-none-match");
	ExchangeHeader	headers[] = {{"content-type", file->type},
								 {"cache-control", "no-cache"},
								 {"etag", etag},
								 {"content-security-policy", POLICY},
								 {"x-content-type-options", "nosniff"},
								 {"referrer-policy", "no-referrer"},
								 {NULL, NULL}};

	make_etag(file, etag);
	if (known != NULL && strcmp(known, etag) == 0)
		exchange_respond(exchange, 304, headers, NULL, 0);
	else
		exchange_respond(exchange, 200, headers, file->bytes, (size_t) (file->end - file->bytes));
}

void
page_register(Server *server)
{
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		server_route(server, "GET", files[i].path, answer, (void *) &files[i], SERVER_PUBLIC);
}
