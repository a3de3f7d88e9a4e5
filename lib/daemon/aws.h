/*
 * aws.h
 *	  Who signs a request to AWS, and for where.
 */
#ifndef DAEMON_AWS_H
#define DAEMON_AWS_H

#include <stdbool.h>
#include <stdint.h>

/* Whoever fills it owns the strings. */
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
	const char	  *service;		 /* "dynamodb" */
	int64_t		   clock_offset; /* seconds that AWS's clock is ahead of ours */
	const char	  *timestamp;	 /* NULL: now; else "20150830T123600Z", for tests */
} AwsSigning;

/*
 * Read AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN; the strings
 * point into the environment.  False if a key is missing; *missing then names its variable.
 */
extern bool aws_credentials_from_environment(AwsCredentials *credentials, const char **missing);

#endif /* DAEMON_AWS_H */
