/*
 * aws.c
 *	  AWS credentials from the environment; signing itself is http.c's.
 */
#include "daemon/aws.h"

#include <stdlib.h>

static const char *
environment_value(const char *name)
{
	const char *value = getenv(name);

	return value != NULL && value[0] != '\0' ? value : NULL;
}

bool
aws_credentials_from_environment(AwsCredentials *credentials, const char **missing)
{
	credentials->access_key = environment_value("AWS_ACCESS_KEY_ID");
	credentials->secret_key = environment_value("AWS_SECRET_ACCESS_KEY");
	credentials->session_token = environment_value("AWS_SESSION_TOKEN");

	*missing = credentials->access_key == NULL	 ? "AWS_ACCESS_KEY_ID"
			   : credentials->secret_key == NULL ? "AWS_SECRET_ACCESS_KEY"
												 : NULL;
	return *missing == NULL;
}
