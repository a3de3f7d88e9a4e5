/*
 * credentials_read.c
 *	  Keys, times and files as the sources of credentials give them.
 *
 * Must not know which source it reads for.
 */
#include "aws/credentials_internal.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

#define FILE_LIMIT (64 * 1024)

const char *
credentials_variable(const char *name)
{
	const char *value = getenv(name);

	return value != NULL && value[0] != '\0' ? value : NULL;
}

CredentialsAnswer
credentials_say(Credentials *credentials, CredentialsAnswer answer, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(credentials->problem, sizeof(credentials->problem), format, arguments);
	va_end(arguments);
	return answer;
}

static void
free_secret(char *text)
{
	if (text != NULL)
		explicit_bzero(text, strlen(text));
	free(text);
}

void
credentials_free_keys(CredentialsKeys *keys)
{
	free(keys->access_key);
	free_secret(keys->secret_key);
	free_secret(keys->session_token);
	*keys = (CredentialsKeys) {0};
}

bool
credentials_set_keys(CredentialsKeys *keys, const char *access_key, const char *secret_key,
					 const char *session_token)
{
	keys->access_key = strdup(access_key);
	keys->secret_key = strdup(secret_key);
	keys->session_token = session_token != NULL ? strdup(session_token) : NULL;
	if (keys->access_key != NULL && keys->secret_key != NULL &&
		(session_token == NULL || keys->session_token != NULL))
		return true;
	credentials_free_keys(keys);
	return false;
}

CredentialsAnswer
credentials_from_environment(Credentials *credentials, CredentialsKeys *keys)
{
	AwsCredentials found;
	const char	  *missing;

	if (!aws_credentials_from_environment(&found, &missing))
	{
		if (found.access_key == NULL && found.secret_key == NULL)
			return CREDENTIALS_ABSENT;
		return credentials_say(credentials, CREDENTIALS_WRONG,
							   "the environment variable %s is not set", missing);
	}
	if (!credentials_set_keys(keys, found.access_key, found.secret_key, found.session_token))
		return credentials_say(credentials, CREDENTIALS_AWAY, "out of memory");
	return CREDENTIALS_FOUND;
}

static bool
read_two_digits(const char *text, int limit, int *value)
{
	if (!isdigit((unsigned char) text[0]) || !isdigit((unsigned char) text[1]))
		return false;
	*value = (text[0] - '0') * 10 + text[1] - '0';
	return *value < limit;
}

/* "+01:00" or "+0100", to its end. */
static bool
read_offset(const char *text, int *seconds)
{
	int			hours;
	int			minutes;
	const char *rest = text + 3;

	if ((*text != '+' && *text != '-') || !read_two_digits(text + 1, 24, &hours))
		return false;
	if (*rest == ':')
		rest++;
	if (!read_two_digits(rest, 60, &minutes) || rest[2] != '\0')
		return false;
	*seconds = (*text == '-' ? -1 : 1) * (hours * 3600 + minutes * 60);
	return true;
}

int64_t
credentials_read_time(const char *text)
{
	struct tm	parts = {0};
	const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &parts);
	int64_t		seconds = rest != NULL ? (int64_t) timegm(&parts) : -1;
	int			offset;

	if (seconds <= 0)
		return 0;
	if (*rest == '.')
		rest += 1 + strspn(rest + 1, "0123456789");
	if (strcmp(rest, "Z") == 0)
		return seconds;
	return read_offset(rest, &offset) ? seconds - offset : 0;
}

CredentialsAnswer
credentials_read_json(Credentials *credentials, const char *who, const char *token_name,
					  const char *text, size_t length, CredentialsKeys *keys)
{
	json_t			 *json = json_loadb(text, length, 0, NULL);
	const char		 *access_key = json_string_value(json_object_get(json, "AccessKeyId"));
	const char		 *secret_key = json_string_value(json_object_get(json, "SecretAccessKey"));
	const char		 *expiration = json_string_value(json_object_get(json, "Expiration"));
	const char		 *token = json_string_value(json_object_get(json, token_name));
	CredentialsAnswer answer = CREDENTIALS_FOUND;

	if (!json_is_object(json))
		answer = credentials_say(credentials, CREDENTIALS_AWAY, "%s did not answer in JSON", who);
	else if (access_key == NULL || secret_key == NULL)
		answer = credentials_say(credentials, CREDENTIALS_AWAY,
								 "the answer of %s has no AccessKeyId and SecretAccessKey", who);
	else if (expiration != NULL && credentials_read_time(expiration) == 0)
		answer = credentials_say(credentials, CREDENTIALS_AWAY,
								 "the Expiration of %s, \"%.40s\", is no time", who, expiration);
	else if (!credentials_set_keys(keys, access_key, secret_key, token))
		answer = credentials_say(credentials, CREDENTIALS_AWAY, "out of memory");
	else
		keys->expiry = expiration != NULL ? credentials_read_time(expiration) : 0;
	json_decref(json);
	return answer;
}

char *
credentials_read_file(Credentials *credentials, const char *what, const char *path)
{
	FILE  *file = fopen(path, "re");
	char  *text = malloc(FILE_LIMIT + 1);
	size_t length = 0;

	if (file == NULL || text == NULL)
		credentials_say(credentials, CREDENTIALS_AWAY, "could not read %s \"%s\": %s", what, path,
						strerror(errno));
	else
	{
		length = fread(text, 1, FILE_LIMIT + 1, file);
		if (length > FILE_LIMIT)
			credentials_say(credentials, CREDENTIALS_AWAY, "%s \"%s\" is too long", what, path);
		while (length > 0 && length <= FILE_LIMIT && strchr("\r\n", text[length - 1]) != NULL)
			length--;
		if (length == 0)
			credentials_say(credentials, CREDENTIALS_AWAY, "%s \"%s\" is empty", what, path);
	}
	if (file != NULL)
		fclose(file);
	if (length == 0 || length > FILE_LIMIT)
	{
		free(text);
		return NULL;
	}
	text[length] = '\0';
	return text;
}
