/*
 * tokens.h
 *	  Who may ask: the bearer tokens of a file.
 *
 * One token a line; empty lines and lines that begin with # don't count.  A token is never logged.
 */
#ifndef QUERY_TOKENS_H
#define QUERY_TOKENS_H

#include <stdbool.h>

#include "daemon/log.h"

typedef struct Tokens Tokens;

/*
 * NULL, logged, if the file can't be read, has no token or one that no header can carry, or others
 * than its owner and group may read it.
 */
extern Tokens *tokens_read(const char *path, const Log *log);
extern void	   tokens_free(Tokens *tokens);

/*
 * Does the header "Authorization: Bearer TOKEN" (NULL: there is none) carry one of them?  What this takes
 * tells nothing about how much of a token is right.
 */
extern bool tokens_admit(const Tokens *tokens, const char *authorization);

#endif /* QUERY_TOKENS_H */
