/*
 * dynamodb_options.c
 *	  Checks what can be checked before anything is opened.
 */
#include "aws/dynamodb_options.h"

#include <ctype.h>
#include <string.h>

#include "daemon/aws.h"

/* What stands after http:// or https://, or NULL. */
static const char *
after_scheme(const char *url)
{
	if (strncmp(url, "https://", 8) == 0)
		return url + 8;
	if (strncmp(url, "http://", 7) == 0)
		return url + 7;
	return NULL;
}

static bool
check_endpoint(const OptionsProgram *program, const char *endpoint)
{
	const char *host = endpoint != NULL ? after_scheme(endpoint) : NULL;
	const char *path;

	if (endpoint == NULL)
		return true;
	path = host != NULL ? strchr(host, '/') : NULL;
	if (host != NULL && *host != '\0' && *host != '/' && strpbrk(host, "@?# ") == NULL &&
		(path == NULL || path[1] == '\0'))
		return true;
	options_error(program, "ddb-endpoint",
				  "allowed is http:// or https:// with a host and a port, and nothing else");
	return false;
}

static bool
check_region(const OptionsProgram *program, const char *region)
{
	for (const char *c = region; *c != '\0'; c++)
		if (!islower((unsigned char) *c) && !isdigit((unsigned char) *c) && *c != '-')
		{
			options_error(program, "aws-region",
						  "\"%s\" is not allowed; a region is like us-east-1", region);
			return false;
		}
	return true;
}

/* One of the two keys without the other is a mistake in any case. */
static bool
check_credentials(const OptionsProgram *program)
{
	AwsCredentials credentials;
	const char	  *missing;

	if (aws_credentials_from_environment(&credentials, &missing) ||
		(credentials.access_key == NULL && credentials.secret_key == NULL))
		return true;
	options_error(program, NULL,
				  "the environment variable %s is not set; requests to DynamoDB are signed with it",
				  missing);
	return false;
}

bool
dynamodb_options_check(const OptionsProgram *program, const DynamoDbOptions *options)
{
	return check_endpoint(program, options->endpoint) && check_region(program, options->region) &&
		   check_credentials(program);
}
