/*
 * credentials_internal.h
 *	  What the sources of credentials share, with credentials.c and nobody else.
 */
#ifndef AWS_CREDENTIALS_INTERNAL_H
#define AWS_CREDENTIALS_INTERNAL_H

#include "aws/credentials.h"
#include "daemon/http.h"

/* Keys in memory of their own. */
typedef struct CredentialsKeys
{
	char   *access_key;
	char   *secret_key;
	char   *session_token; /* NULL with long-lived keys */
	int64_t expiry;		   /* Unix seconds; 0: never */
} CredentialsKeys;

typedef enum CredentialsAnswer
{
	CREDENTIALS_FOUND,
	CREDENTIALS_ABSENT, /* not configured: ask the next source */
	CREDENTIALS_AWAY,	/* configured, does not answer */
	CREDENTIALS_WRONG	/* configured wrongly: only a person can mend it */
} CredentialsAnswer;

struct Credentials
{
	const char	   *program;
	const char	   *region;
	const Log	   *log;
	HttpClient	   *http;
	int				source;		/* index of the one that is kept to; -1: none yet */
	CredentialsKeys keys;		/* in use */
	unsigned		generation; /* counts them */
	int64_t			renew_at;	/* Unix seconds by which to ask again; 0: never */
	int64_t			asked_at;	/* clock_milliseconds of the last try to renew */
	bool			rejected;	/* AWS says that the keys have expired */
	bool			away_logged;
	const char	   *hint;
	char			problem[1024];
};

/* ---- sources: fill *keys and answer FOUND, or set the problem unless ABSENT ---- */

extern CredentialsAnswer credentials_from_environment(Credentials	  *credentials,
													  CredentialsKeys *keys);
extern CredentialsAnswer credentials_from_web_identity(Credentials	   *credentials,
													   CredentialsKeys *keys);
extern CredentialsAnswer credentials_from_profile(Credentials *credentials, CredentialsKeys *keys);
extern CredentialsAnswer credentials_from_container(Credentials		*credentials,
													CredentialsKeys *keys);
extern CredentialsAnswer credentials_from_instance(Credentials *credentials, CredentialsKeys *keys);

/* Exchange the token in a file for keys of a role; session NULL: a name of ours. */
extern CredentialsAnswer credentials_assume_role(Credentials *credentials, const char *role,
												 const char *token_file, const char *session,
												 CredentialsKeys *keys);

/* Run a credential_process. */
extern CredentialsAnswer credentials_from_process(Credentials *credentials, const char *command,
												  CredentialsKeys *keys);

/* ---- what they need ---- */

/* A variable's value, NULL if it is not set or empty. */
extern const char *credentials_variable(const char *name);

/* Copies; false, with nothing kept, without memory.  The token may be NULL. */
extern bool credentials_set_keys(CredentialsKeys *keys, const char *access_key,
								 const char *secret_key, const char *session_token);
extern void credentials_free_keys(CredentialsKeys *keys);

/* Set the problem, and answer what is given. */
extern CredentialsAnswer credentials_say(Credentials *credentials, CredentialsAnswer answer,
										 const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * Read {"AccessKeyId", "SecretAccessKey", the token under token_name, "Expiration"}.
 * who ("the credential_process") is what a problem is said of.
 */
extern CredentialsAnswer credentials_read_json(Credentials *credentials, const char *who,
											   const char *token_name, const char *text,
											   size_t length, CredentialsKeys *keys);

/* Seconds since the epoch of "2026-01-31T12:00:00Z", with a fraction or an offset too; 0 if it is no time. */
extern int64_t credentials_read_time(const char *text);

/*
 * The content of a small file without the line end, as a new string; NULL, with the problem
 * set, if it can't be read, is empty or longer than 64 kB.
 */
extern char *credentials_read_file(Credentials *credentials, const char *what, const char *path);

#endif /* AWS_CREDENTIALS_INTERNAL_H */
