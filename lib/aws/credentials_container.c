/*
 * credentials_container.c
 *	  Keys of a container's role, from Amazon ECS or EKS Pod Identity.
 *
 * "Container credential provider" in the AWS SDKs and Tools Reference Guide.
 * Keys travel in the clear only to this machine: the two agents' addresses and loopback.
 */
#include "aws/credentials_internal.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <curl/curl.h>

#define CONTAINER_TIMEOUT_MS 2000
#define ECS_AGENT "http://169.254.170.2"

/* Loopback, and the agents of ECS and of EKS; host as libcurl has it, with brackets around IPv6. */
static bool
may_be_plain(const char *host)
{
	static const char *const agents[] = {"169.254.170.2", "169.254.170.23", "[fd00:ec2::23]",
										 "[::1]", "localhost"};
	struct in_addr			 address;

	for (size_t i = 0; i < sizeof(agents) / sizeof(agents[0]); i++)
		if (strcasecmp(host, agents[i]) == 0)
			return true;
	return inet_pton(AF_INET, host, &address) == 1 && (ntohl(address.s_addr) >> 24) == 127;
}

static bool
is_allowed_url(const char *url)
{
	CURLU *parts = curl_url();
	char  *scheme = NULL;
	char  *host = NULL;
	bool   allowed = false;

	if (parts != NULL && curl_url_set(parts, CURLUPART_URL, url, 0) == CURLUE_OK &&
		curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
		curl_url_get(parts, CURLUPART_HOST, &host, 0) == CURLUE_OK)
		allowed =
			strcmp(scheme, "https") == 0 || (strcmp(scheme, "http") == 0 && may_be_plain(host));
	curl_free(scheme);
	curl_free(host);
	curl_url_cleanup(parts);
	return allowed;
}

static CredentialsAnswer
find_url(Credentials *credentials, char *url, size_t size)
{
	const char *relative = credentials_variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
	const char *full = credentials_variable("AWS_CONTAINER_CREDENTIALS_FULL_URI");

	if (relative == NULL && full == NULL)
		return CREDENTIALS_ABSENT;
	if (relative != NULL && relative[0] != '/')
		return credentials_say(credentials, CREDENTIALS_WRONG,
							   "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI must begin with /");
	if (relative != NULL)
		snprintf(url, size, "%s%s", ECS_AGENT, relative);
	else if (!is_allowed_url(full))
		return credentials_say(
			credentials, CREDENTIALS_WRONG,
			"AWS_CONTAINER_CREDENTIALS_FULL_URI must be https://, or http:// to loopback, "
			"169.254.170.2, 169.254.170.23 or [fd00:ec2::23]");
	else
		snprintf(url, size, "%s", full);
	return CREDENTIALS_FOUND;
}

/* The header with the token, a new string; *header stays NULL if there is no token. */
static CredentialsAnswer
make_authorization(Credentials *credentials, char **header)
{
	const char *file = credentials_variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
	const char *plain = credentials_variable("AWS_CONTAINER_AUTHORIZATION_TOKEN");
	char	   *read = NULL;
	const char *token = plain;
	int			printed = 0;

	if (file != NULL)
		token = read = credentials_read_file(credentials, "the authorization token", file);
	if (file != NULL && read == NULL)
		return CREDENTIALS_AWAY;
	if (token != NULL && strpbrk(token, "\r\n") != NULL)
	{
		free(read);
		return credentials_say(credentials, CREDENTIALS_WRONG,
							   "the container's authorization token has more than one line");
	}
	if (token != NULL)
		printed = asprintf(header, "Authorization: %s", token);
	free(read);
	return printed < 0 ? credentials_say(credentials, CREDENTIALS_AWAY, "out of memory")
					   : CREDENTIALS_FOUND;
}

CredentialsAnswer
credentials_from_container(Credentials *credentials, CredentialsKeys *keys)
{
	char			  url[2048];
	char			 *authorization = NULL;
	CredentialsAnswer answer = find_url(credentials, url, sizeof(url));
	HttpResponse	  response;

	if (answer == CREDENTIALS_FOUND)
		answer = make_authorization(credentials, &authorization);
	if (answer != CREDENTIALS_FOUND)
		return answer;

	const char *const headers[] = {"Accept: application/json", authorization, NULL};
	HttpRequest		  request = {
			  .method = "GET",
			  .url = url,
			  .headers = headers,
			  .connect_timeout_ms = CONTAINER_TIMEOUT_MS,
			  .total_timeout_ms = CONTAINER_TIMEOUT_MS,
			  .direct = true,
	  };

	if (http_call(credentials->http, &request, &response) != DAEMON_OK)
		answer = credentials_say(credentials, CREDENTIALS_AWAY, "the container's credentials: %s",
								 http_problem(credentials->http));
	else if (response.status != 200)
		answer = credentials_say(credentials, CREDENTIALS_AWAY,
								 "the container's credentials: HTTP status %ld", response.status);
	else
		answer = credentials_read_json(credentials, "the container's agent", "Token", response.body,
									   response.length, keys);
	free(authorization);
	return answer;
}
