/*
 * credentials_web_identity.c
 *	  Keys of a role in exchange for a token in a file (IAM roles for service accounts).
 *
 * STS's AssumeRoleWithWebIdentity, a request that is not signed: AWS Security Token
 * Service API Reference, version 2011-06-15.  The file is read each time, as Kubernetes renews it.
 */
#include "aws/credentials_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <curl/curl.h>
#include <expat.h>

#define FIELD_LIMIT 8192

/* The texts of an answer that are looked for, by the names of their elements. */
typedef struct Field
{
	const char *name;
	char		text[FIELD_LIMIT];
	size_t		length;
} Field;

enum
{
	FIELD_ACCESS_KEY,
	FIELD_SECRET_KEY,
	FIELD_TOKEN,
	FIELD_EXPIRATION,
	FIELD_CODE,
	FIELD_MESSAGE,
	FIELDS
};

typedef struct Answer
{
	Field  fields[FIELDS];
	Field *open; /* whose text is being read */
} Answer;

static void XMLCALL
start_element(void *context, const XML_Char *name, const XML_Char **attributes)
{
	Answer *answer = context;

	(void) attributes;
	answer->open = NULL;
	for (int i = 0; i < FIELDS; i++)
		if (strcmp(answer->fields[i].name, name) == 0)
			answer->open = &answer->fields[i];
}

static void XMLCALL
end_element(void *context, const XML_Char *name)
{
	Answer *answer = context;

	(void) name;
	answer->open = NULL;
}

static void XMLCALL
take_text(void *context, const XML_Char *text, int length)
{
	Field *field = ((Answer *) context)->open;

	if (field == NULL || field->length + (size_t) length >= sizeof(field->text))
		return;
	memcpy(field->text + field->length, text, (size_t) length);
	field->length += (size_t) length;
}

static bool
parse_answer(const HttpResponse *response, Answer *answer)
{
	XML_Parser parser = XML_ParserCreate(NULL);
	bool	   parsed;

	*answer = (Answer) {.fields = {{.name = "AccessKeyId"},
								   {.name = "SecretAccessKey"},
								   {.name = "SessionToken"},
								   {.name = "Expiration"},
								   {.name = "Code"},
								   {.name = "Message"}}};
	if (parser == NULL)
		return false;
	XML_SetUserData(parser, answer);
	XML_SetElementHandler(parser, start_element, end_element);
	XML_SetCharacterDataHandler(parser, take_text);
	parsed = XML_Parse(parser, response->body, (int) response->length, 1) == XML_STATUS_OK;
	XML_ParserFree(parser);
	return parsed;
}

static CredentialsAnswer
read_answer(Credentials *credentials, const HttpResponse *response, CredentialsKeys *keys)
{
	Answer		answer;
	bool		parsed = parse_answer(response, &answer);
	const char *code = answer.fields[FIELD_CODE].text;

	if (!parsed || response->status != 200)
		return credentials_say(
			credentials, strcmp(code, "AccessDenied") == 0 ? CREDENTIALS_WRONG : CREDENTIALS_AWAY,
			"AssumeRoleWithWebIdentity: HTTP status %ld, %s: %.300s", response->status, code,
			answer.fields[FIELD_MESSAGE].text);
	if (answer.fields[FIELD_ACCESS_KEY].length == 0 ||
		answer.fields[FIELD_SECRET_KEY].length == 0 || answer.fields[FIELD_TOKEN].length == 0)
		return credentials_say(credentials, CREDENTIALS_AWAY,
							   "the answer of AssumeRoleWithWebIdentity has no credentials");
	if (!credentials_set_keys(keys, answer.fields[FIELD_ACCESS_KEY].text,
							  answer.fields[FIELD_SECRET_KEY].text,
							  answer.fields[FIELD_TOKEN].text))
		return credentials_say(credentials, CREDENTIALS_AWAY, "out of memory");
	keys->expiry = credentials_read_time(answer.fields[FIELD_EXPIRATION].text);
	explicit_bzero(&answer, sizeof(answer));
	return CREDENTIALS_FOUND;
}

/* A new string, or NULL without memory. */
static char *
make_body(const char *role, const char *session, const char *token)
{
	char *escaped_role = curl_easy_escape(NULL, role, 0);
	char *escaped_session = curl_easy_escape(NULL, session, 0);
	char *escaped_token = curl_easy_escape(NULL, token, 0);
	char *body = NULL;

	if (escaped_role != NULL && escaped_session != NULL && escaped_token != NULL &&
		asprintf(&body,
				 "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=%s"
				 "&RoleSessionName=%s&WebIdentityToken=%s",
				 escaped_role, escaped_session, escaped_token) < 0)
		body = NULL;
	curl_free(escaped_role);
	curl_free(escaped_session);
	curl_free(escaped_token);
	return body;
}

static void
sts_url(const Credentials *credentials, char *url, size_t size)
{
	const char *endpoint = credentials_variable("AWS_ENDPOINT_URL_STS");

	if (endpoint != NULL)
		snprintf(url, size, "%s", endpoint);
	else
		snprintf(url, size, "https://sts.%s.amazonaws.com%s/", credentials->region,
				 strncmp(credentials->region, "cn-", 3) == 0 ? ".cn" : "");
}

CredentialsAnswer
credentials_assume_role(Credentials *credentials, const char *role, const char *token_file,
						const char *session, CredentialsKeys *keys)
{
	static const char *const headers[] = {
		"Content-Type: application/x-www-form-urlencoded; charset=utf-8", NULL};
	char		 url[512];
	char		 own_session[64];
	HttpRequest	 request = {.url = url, .headers = headers};
	HttpResponse response;
	char		*body;
	char		*token = credentials_read_file(credentials, "the web identity token", token_file);
	CredentialsAnswer answer;

	if (token == NULL)
		return CREDENTIALS_AWAY;
	sts_url(credentials, url, sizeof(url));
	snprintf(own_session, sizeof(own_session), "topk-%ld", (long) getpid());
	body = make_body(role, session != NULL ? session : own_session, token);
	free(token);
	if (body == NULL)
		return credentials_say(credentials, CREDENTIALS_AWAY, "out of memory");
	request.body = body;
	request.body_length = strlen(body);
	if (http_call(credentials->http, &request, &response) == DAEMON_OK)
		answer = read_answer(credentials, &response, keys);
	else
		answer = credentials_say(credentials, CREDENTIALS_AWAY, "AssumeRoleWithWebIdentity: %s",
								 http_problem(credentials->http));
	explicit_bzero(body, request.body_length);
	free(body);
	return answer;
}

CredentialsAnswer
credentials_from_web_identity(Credentials *credentials, CredentialsKeys *keys)
{
	const char *token_file = credentials_variable("AWS_WEB_IDENTITY_TOKEN_FILE");
	const char *role = credentials_variable("AWS_ROLE_ARN");

	if (token_file == NULL)
		return CREDENTIALS_ABSENT;
	if (role == NULL)
		return credentials_say(
			credentials, CREDENTIALS_WRONG,
			"AWS_WEB_IDENTITY_TOKEN_FILE is set, but AWS_ROLE_ARN, the role to assume, is not");
	return credentials_assume_role(credentials, role, token_file,
								   credentials_variable("AWS_ROLE_SESSION_NAME"), keys);
}
