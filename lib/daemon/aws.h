/*
 * aws.h
 *	  Who signs a request to AWS, and for where.
 */
#ifndef DAEMON_AWS_H
#define DAEMON_AWS_H

#include <stdbool.h>

/* The strings point into the environment. */
typedef struct AwsCredentials
{
	const char *access_key;
	const char *secret_key;
	const char *session_token; /* NULL with long-lived keys */
} AwsCredentials;

/* What Signature Version 4 needs beside the request. */
typedef struct AwsSigning
{
	AwsCredentials credentials;
	const char	  *region;
	const char	  *service; /* "dynamodb" */
} AwsSigning;

/*
 * Read AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN.  False
 * if a key is missing; *missing then names its variable.
 */
extern bool aws_credentials_from_environment(AwsCredentials *credentials, const char **missing);

#endif /* DAEMON_AWS_H */
