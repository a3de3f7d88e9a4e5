/*
 * credentials_profile.c
 *	  A profile of the files that the AWS command line writes, ~/.aws/credentials and ~/.aws/config.
 *
 * Their format: "Shared config and credentials files" in the AWS SDKs and
 * Tools Reference Guide.  A section is [name], in the config file [profile name] but for
 * [default]; below it stand name = value; a line that begins with a space belongs to the value before it.
 */
#include "aws/credentials_internal.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

typedef enum Setting
{
	SETTING_ACCESS_KEY,
	SETTING_SECRET_KEY,
	SETTING_TOKEN,
	SETTING_PROCESS,
	SETTING_ROLE,
	SETTING_TOKEN_FILE,
	SETTING_SESSION,
	SETTING_SOURCE_PROFILE,
	SETTING_CREDENTIAL_SOURCE,
	SETTING_SSO_SESSION,
	SETTING_SSO_START_URL,
	SETTINGS
} Setting;

static const char *const setting_names[SETTINGS] = {
	"aws_access_key_id", "aws_secret_access_key",
	"aws_session_token", "credential_process",
	"role_arn",			 "web_identity_token_file",
	"role_session_name", "source_profile",
	"credential_source", "sso_session",
	"sso_start_url",
};

typedef struct Profile
{
	const char *name;
	bool		found;
	char	   *values[SETTINGS];
} Profile;

static char *
trim(char *text)
{
	size_t length;

	while (isspace((unsigned char) *text))
		text++;
	length = strlen(text);
	while (length > 0 && isspace((unsigned char) text[length - 1]))
		text[--length] = '\0';
	return text;
}

/* Is the header of a section, "[...]", that of the profile? */
static bool
is_section(char *line, const char *name, bool config_file)
{
	char *end = strchr(line, ']');
	char *title;

	if (end == NULL)
		return false;
	*end = '\0';
	title = trim(line + 1);
	if (config_file && strncmp(title, "profile", 7) == 0 && isspace((unsigned char) title[7]))
		title = trim(title + 7);
	else if (config_file && strcmp(title, "default") != 0)
		return false;
	return strcmp(title, name) == 0;
}

/* A value that was read before stays: of the two files, the credentials file comes first. */
static bool
take_setting(Profile *profile, char *line)
{
	char *equals = strchr(line, '=');
	char *name;

	if (equals == NULL)
		return true;
	*equals = '\0';
	name = trim(line);
	for (int i = 0; i < SETTINGS; i++)
		if (strcasecmp(name, setting_names[i]) == 0 && profile->values[i] == NULL)
		{
			profile->values[i] = strdup(trim(equals + 1));
			return profile->values[i] != NULL;
		}
	return true;
}

/* A file that is not there holds nothing. */
static CredentialsAnswer
read_profile_file(Credentials *credentials, Profile *profile, const char *path, bool config_file)
{
	FILE			 *file = fopen(path, "re");
	char			 *line = NULL;
	size_t			  size = 0;
	bool			  inside = false;
	CredentialsAnswer answer = CREDENTIALS_FOUND;

	if (file == NULL && (errno == ENOENT || errno == ENOTDIR))
		return CREDENTIALS_FOUND;
	if (file == NULL)
		return credentials_say(credentials, CREDENTIALS_WRONG, "could not read \"%s\": %s", path,
							   strerror(errno));
	while (answer == CREDENTIALS_FOUND && getline(&line, &size, file) > 0)
	{
		if (line[0] == '[')
		{
			inside = is_section(line, profile->name, config_file);
			profile->found = profile->found || inside;
		}
		else if (inside && strchr("#; \t\r\n", line[0]) == NULL && !take_setting(profile, line))
			answer = credentials_say(credentials, CREDENTIALS_AWAY, "out of memory");
	}
	free(line);
	fclose(file);
	return answer;
}

/* The path in the variable, or the file of the home directory; false if there is neither. */
static bool
file_path(const char *variable, const char *file, char *path, size_t size)
{
	const char *chosen = credentials_variable(variable);
	const char *home = credentials_variable("HOME");

	if (chosen == NULL && home == NULL)
		return false;
	snprintf(path, size, "%s%s", chosen != NULL ? chosen : home, chosen != NULL ? "" : file);
	return true;
}

static CredentialsAnswer
read_profile(Credentials *credentials, Profile *profile)
{
	CredentialsAnswer answer = CREDENTIALS_FOUND;
	char			  path[4096];

	if (file_path("AWS_SHARED_CREDENTIALS_FILE", "/.aws/credentials", path, sizeof(path)))
		answer = read_profile_file(credentials, profile, path, false);
	if (answer == CREDENTIALS_FOUND &&
		file_path("AWS_CONFIG_FILE", "/.aws/config", path, sizeof(path)))
		answer = read_profile_file(credentials, profile, path, true);
	return answer;
}

static CredentialsAnswer
use_keys(Credentials *credentials, const Profile *profile, CredentialsKeys *keys)
{
	if (profile->values[SETTING_SECRET_KEY] == NULL)
		return credentials_say(credentials, CREDENTIALS_WRONG,
							   "profile \"%s\" has aws_access_key_id, but no aws_secret_access_key",
							   profile->name);
	if (!credentials_set_keys(keys, profile->values[SETTING_ACCESS_KEY],
							  profile->values[SETTING_SECRET_KEY], profile->values[SETTING_TOKEN]))
		return credentials_say(credentials, CREDENTIALS_AWAY, "out of memory");
	return CREDENTIALS_FOUND;
}

/* What the profile has, in the order of the AWS SDKs. */
static CredentialsAnswer
use_profile(Credentials *credentials, const Profile *profile, CredentialsKeys *keys)
{
	char *const *values = profile->values;

	if (values[SETTING_SOURCE_PROFILE] != NULL || values[SETTING_CREDENTIAL_SOURCE] != NULL)
		return credentials_say(
			credentials, CREDENTIALS_WRONG,
			"profile \"%s\" assumes a role with the credentials of another one, which is not supported: "
			"let it have a credential_process that does so (aws configure export-credentials)",
			profile->name);
	if (values[SETTING_ROLE] != NULL && values[SETTING_TOKEN_FILE] != NULL)
		return credentials_assume_role(credentials, values[SETTING_ROLE],
									   values[SETTING_TOKEN_FILE], values[SETTING_SESSION], keys);
	if (values[SETTING_ACCESS_KEY] != NULL)
		return use_keys(credentials, profile, keys);
	if (values[SETTING_PROCESS] != NULL)
		return credentials_from_process(credentials, values[SETTING_PROCESS], keys);
	if (values[SETTING_SSO_SESSION] != NULL || values[SETTING_SSO_START_URL] != NULL)
		return credentials_say(
			credentials, CREDENTIALS_WRONG,
			"profile \"%s\" signs in through IAM Identity Center, which is not supported: "
			"let another one have credential_process = aws configure export-credentials --profile %s",
			profile->name, profile->name);
	return CREDENTIALS_ABSENT;
}

static void
free_profile(Profile *profile)
{
	for (int i = 0; i < SETTINGS; i++)
	{
		if (profile->values[i] != NULL)
			explicit_bzero(profile->values[i], strlen(profile->values[i]));
		free(profile->values[i]);
	}
}

CredentialsAnswer
credentials_from_profile(Credentials *credentials, CredentialsKeys *keys)
{
	const char		 *chosen = credentials_variable("AWS_PROFILE");
	Profile			  profile = {.name = chosen != NULL ? chosen : "default"};
	CredentialsAnswer answer = read_profile(credentials, &profile);

	if (answer == CREDENTIALS_FOUND)
		answer = use_profile(credentials, &profile, keys);
	if (answer == CREDENTIALS_ABSENT && chosen != NULL)
		answer =
			credentials_say(credentials, CREDENTIALS_WRONG, "profile \"%s\", of AWS_PROFILE, %s",
							chosen, profile.found ? "has no credentials" : "is in neither file");
	free_profile(&profile);
	return answer;
}
