/*
 * credentials_instance.c
 *	  Keys of an EC2 instance's role, from its metadata service, version 2.
 *
 * "IMDS credential provider" in the AWS SDKs and Tools Reference Guide.  A token is asked for
 * each time; version 1, which needs none, is never used.
 */
#include "aws/credentials_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define INSTANCE_TIMEOUT_MS 1000
#define ROLES "/latest/meta-data/iam/security-credentials/"

#define WHO "the instance's metadata service"

static void
service_url(const char *path, const char *name, char *url, size_t size)
{
	const char *endpoint = credentials_variable("AWS_EC2_METADATA_SERVICE_ENDPOINT");
	const char *mode = credentials_variable("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE");
	size_t		length;

	if (endpoint == NULL)
		endpoint = mode != NULL && strcasecmp(mode, "IPv6") == 0 ? "http://[fd00:ec2::254]"
																 : "http://169.254.169.254";
	length = strlen(endpoint);
	if (length > 0 && endpoint[length - 1] == '/')
		length--;
	snprintf(url, size, "%.*s%s%s", (int) length, endpoint, path, name);
}

/* One request; *response is only good with FOUND. */
static CredentialsAnswer
ask(Credentials *credentials, const char *method, const char *url, const char *header,
	HttpResponse *response)
{
	const char *const headers[] = {header, NULL};
	HttpRequest		  request = {
			  .method = method,
			  .url = url,
			  .headers = headers,
			  .connect_timeout_ms = INSTANCE_TIMEOUT_MS,
			  .total_timeout_ms = INSTANCE_TIMEOUT_MS,
			  .direct = true,
	  };

	if (http_call(credentials->http, &request, response) != DAEMON_OK)
		return credentials_say(credentials, CREDENTIALS_AWAY, WHO ": %s",
							   http_problem(credentials->http));
	if (response->status != 200)
		return credentials_say(credentials, CREDENTIALS_AWAY, WHO ": HTTP status %ld%s",
							   response->status,
							   response->status == 404 ? ": has the instance a role" : "");
	if (strpbrk(response->body, "\r\n") != NULL && method[0] == 'P')
		return credentials_say(credentials, CREDENTIALS_AWAY, WHO " answered no token");
	return CREDENTIALS_FOUND;
}

/* The first line of the list of roles; there is one. */
static CredentialsAnswer
find_role(Credentials *credentials, const char *header, char *role, size_t size)
{
	char			  url[512];
	HttpResponse	  response;
	CredentialsAnswer answer;

	service_url(ROLES, "", url, sizeof(url));
	answer = ask(credentials, "GET", url, header, &response);
	if (answer != CREDENTIALS_FOUND)
		return answer;
	snprintf(role, size, "%.*s", (int) strcspn(response.body, "\r\n"), response.body);
	if (role[0] == '\0' || strpbrk(role, "/?# ") != NULL)
		return credentials_say(credentials, CREDENTIALS_AWAY, WHO " names no role");
	return CREDENTIALS_FOUND;
}

static CredentialsAnswer
fetch(Credentials *credentials, CredentialsKeys *keys)
{
	char			  url[512];
	char			  role[128];
	char			 *header = NULL;
	HttpResponse	  response;
	CredentialsAnswer answer;

	service_url("/latest/api/token", "", url, sizeof(url));
	answer = ask(credentials, "PUT", url, "X-aws-ec2-metadata-token-ttl-seconds: 300", &response);
	if (answer != CREDENTIALS_FOUND)
		return answer;
	if (asprintf(&header, "X-aws-ec2-metadata-token: %s", response.body) < 0)
		return credentials_say(credentials, CREDENTIALS_AWAY, "out of memory");
	answer = find_role(credentials, header, role, sizeof(role));
	if (answer == CREDENTIALS_FOUND)
	{
		service_url(ROLES, role, url, sizeof(url));
		answer = ask(credentials, "GET", url, header, &response);
	}
	if (answer == CREDENTIALS_FOUND)
		answer =
			credentials_read_json(credentials, WHO, "Token", response.body, response.length, keys);
	free(header);
	return answer;
}

/* Elsewhere than on EC2 nobody answers: then this is no source. */
CredentialsAnswer
credentials_from_instance(Credentials *credentials, CredentialsKeys *keys)
{
	const char		 *disabled = credentials_variable("AWS_EC2_METADATA_DISABLED");
	CredentialsAnswer answer;

	if (disabled != NULL && strcasecmp(disabled, "true") == 0)
		return CREDENTIALS_ABSENT;
	answer = fetch(credentials, keys);
	if (answer == CREDENTIALS_AWAY && credentials->source < 0)
		answer = CREDENTIALS_ABSENT;
	return answer;
}
