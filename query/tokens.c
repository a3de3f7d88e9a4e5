/*
 * tokens.c
 *	  Bearer tokens (RFC 6750), kept and compared as SHA-256 digests.
 *
 * Must not know what they give access to.
 */
#include "tokens.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include <openssl/crypto.h>
#include <openssl/sha.h>

#define TOKENS_MAX 1000

struct Tokens
{
	unsigned char digests[TOKENS_MAX][SHA256_DIGEST_LENGTH];
	int			  count;
};

static void
digest_of(const char *token, unsigned char digest[SHA256_DIGEST_LENGTH])
{
	SHA256((const unsigned char *) token, strlen(token), digest);
}

/* What is wrong with the line, or NULL. */
static const char *
add_line(Tokens *tokens, char *line)
{
	char *end = line + strcspn(line, "\r\n");

	while (end > line && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	*end = '\0';
	if (*line == '\0' || *line == '#')
		return NULL;
	for (const char *c = line; *c != '\0'; c++)
		if (*c <= ' ' || *c > '~')
			return "a token is of visible ASCII characters, without spaces";
	if (tokens->count == TOKENS_MAX)
		return "there are more than 1000 tokens";
	digest_of(line, tokens->digests[tokens->count++]);
	return NULL;
}

static const char *
read_lines(Tokens *tokens, FILE *file)
{
	char	   *line = NULL;
	size_t		capacity = 0;
	const char *problem = NULL;

	while (problem == NULL && getline(&line, &capacity, file) >= 0)
		problem = add_line(tokens, line);
	if (problem == NULL && ferror(file))
		problem = strerror(errno);
	if (problem == NULL && tokens->count == 0)
		problem = "there is no token in it";
	if (line != NULL)
		OPENSSL_cleanse(line, capacity);
	free(line);
	return problem;
}

Tokens *
tokens_read(const char *path, const Log *log)
{
	Tokens	   *tokens = calloc(1, sizeof(*tokens));
	FILE	   *file = fopen(path, "re");
	const char *problem = NULL;
	struct stat status;

	if (tokens == NULL || file == NULL || fstat(fileno(file), &status) != 0)
		problem = strerror(errno);
	else if (status.st_mode & (S_IROTH | S_IWOTH))
		problem = "all users of the machine may read or write it; chmod o-rw";
	else
		problem = read_lines(tokens, file);
	if (file != NULL)
		fclose(file);
	if (problem == NULL)
		return tokens;
	log_error(log, "could not use the file of tokens", LOG_TEXT("file", path),
			  LOG_TEXT("problem", problem),
			  LOG_TEXT("hint", "--token-file names a file with one token a line"));
	free(tokens);
	return NULL;
}

void
tokens_free(Tokens *tokens)
{
	free(tokens);
}

bool
tokens_admit(const Tokens *tokens, const char *authorization)
{
	unsigned char digest[SHA256_DIGEST_LENGTH];
	bool		  found = false;

	if (authorization == NULL || strncasecmp(authorization, "Bearer ", 7) != 0)
		return false;
	digest_of(authorization + 7 + strspn(authorization + 7, " "), digest);
	for (int i = 0; i < tokens->count; i++)
		found |= CRYPTO_memcmp(digest, tokens->digests[i], sizeof(digest)) == 0;
	return found;
}
