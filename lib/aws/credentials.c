/*
 * credentials.c
 *	  The chain of sources, and when to ask the one that was found again.
 *
 * Must not know how a source is asked.
 */
#include "aws/credentials_internal.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "daemon/clock.h"

/* Keys are renewed this long before they expire, and a part of a minute that differs between processes. */
#define RENEW_AHEAD_SECONDS 300
#define RENEW_SPREAD_SECONDS 60

/* A source is not asked more often than this while there are keys to go on with. */
#define RENEW_PAUSE_MS 5000

typedef struct Source
{
	const char *name;
	bool		renewable; /* asked again, it may answer other keys */
	CredentialsAnswer (*fetch)(Credentials *credentials, CredentialsKeys *keys);
} Source;

static const Source sources[] = {
	{"environment", false, credentials_from_environment},
	{"web identity", true, credentials_from_web_identity},
	{"profile", true, credentials_from_profile},
	{"container", true, credentials_from_container},
	{"instance", true, credentials_from_instance},
};

#define SOURCES ((int) (sizeof(sources) / sizeof(sources[0])))

#define ADVICE_NOWHERE                                                                  \
	"set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or run with a role " \
	"(web identity, container, EC2 instance)"

DaemonStatus
credentials_open(const char *program, const char *region, const Log *log, Credentials **credentials)
{
	Credentials *new_credentials = calloc(1, sizeof(*new_credentials));

	*credentials = NULL;
	if (new_credentials == NULL || http_open(program, &new_credentials->http) != DAEMON_OK)
	{
		free(new_credentials);
		log_error(log, "could not set up the HTTP client");
		return DAEMON_FATAL;
	}
	new_credentials->program = program;
	new_credentials->region = region;
	new_credentials->log = log;
	new_credentials->source = -1;
	*credentials = new_credentials;
	return DAEMON_OK;
}

void
credentials_close(Credentials *credentials)
{
	if (credentials == NULL)
		return;
	credentials_free_keys(&credentials->keys);
	http_close(credentials->http);
	free(credentials);
}

int64_t
credentials_expiry(const Credentials *credentials)
{
	return credentials->keys.expiry;
}

const char *
credentials_source(const Credentials *credentials)
{
	return credentials->source >= 0 ? sources[credentials->source].name : NULL;
}

const char *
credentials_problem(const Credentials *credentials)
{
	return credentials->problem;
}

unsigned
credentials_generation(const Credentials *credentials)
{
	return credentials->generation;
}

const char *
credentials_hint(const Credentials *credentials)
{
	return credentials->hint;
}

bool
credentials_reject(Credentials *credentials)
{
	if (credentials->source < 0 || !sources[credentials->source].renewable)
		return false;
	credentials->rejected = true;
	return true;
}

/* ---- asking ---- */

static CredentialsAnswer
ask_sources(Credentials *credentials, CredentialsKeys *keys)
{
	CredentialsAnswer answer = CREDENTIALS_ABSENT;

	credentials->problem[0] = '\0';
	if (credentials->source >= 0)
	{
		answer = sources[credentials->source].fetch(credentials, keys);
		return answer == CREDENTIALS_ABSENT ? CREDENTIALS_AWAY : answer;
	}
	for (int i = 0; i < SOURCES && answer == CREDENTIALS_ABSENT; i++)
	{
		answer = sources[i].fetch(credentials, keys);
		if (answer == CREDENTIALS_FOUND)
			credentials->source = i;
	}
	return answer;
}

/* When to ask again.  Keys that look expired as they come are used: the clock may be wrong, and AWS judges. */
static int64_t
renewal_time(int64_t expiry)
{
	int64_t now = (int64_t) time(NULL);
	int64_t renew_at = expiry - RENEW_AHEAD_SECONDS - rand() % RENEW_SPREAD_SECONDS;

	if (expiry == 0)
		return 0;
	if (renew_at <= now) /* short-lived: at half of what is left */
		renew_at = now + (expiry > now ? (expiry - now) / 2 : RENEW_SPREAD_SECONDS);
	return renew_at > now ? renew_at : now + 1;
}

static void
take_keys(Credentials *credentials, CredentialsKeys *keys)
{
	credentials_free_keys(&credentials->keys);
	credentials->keys = *keys;
	credentials->generation++;
	credentials->renew_at = renewal_time(keys->expiry);
	credentials->rejected = false;
	credentials->away_logged = false;
	log_info(credentials->log, "credentials", LOG_TEXT("source", sources[credentials->source].name),
			 LOG_INTEGER("expiry", keys->expiry));
}

static bool
is_time_to_ask(const Credentials *credentials)
{
	if (credentials->keys.access_key == NULL)
		return true;
	if (!credentials->rejected &&
		(credentials->renew_at == 0 || (int64_t) time(NULL) < credentials->renew_at))
		return false;
	return clock_milliseconds() - credentials->asked_at >= RENEW_PAUSE_MS ||
		   credentials->asked_at == 0;
}

static DaemonStatus
give_up(Credentials *credentials, CredentialsAnswer answer)
{
	credentials->hint = answer == CREDENTIALS_ABSENT ? ADVICE_NOWHERE : NULL;
	if (credentials->problem[0] == '\0')
		credentials_say(credentials, answer, "no place for them is configured");
	return DAEMON_FATAL;
}

/* The source did not answer: go on with the keys that there are, if there are any that hold. */
static DaemonStatus
go_without(Credentials *credentials, CredentialsAnswer answer)
{
	const CredentialsKeys *keys = &credentials->keys;

	if (keys->access_key == NULL && answer != CREDENTIALS_AWAY)
		return give_up(credentials, answer);
	if (keys->access_key == NULL || credentials->rejected ||
		(keys->expiry != 0 && keys->expiry <= (int64_t) time(NULL)))
		return DAEMON_RETRY;
	if (!credentials->away_logged)
		log_warning(credentials->log, "credentials could not be renewed, trying again",
					LOG_TEXT("problem", credentials->problem), LOG_INTEGER("expiry", keys->expiry));
	credentials->away_logged = true;
	return DAEMON_OK;
}

DaemonStatus
credentials_get(Credentials *credentials, AwsCredentials *keys)
{
	CredentialsKeys	  fetched = {0};
	CredentialsAnswer answer = CREDENTIALS_FOUND;
	DaemonStatus	  status = DAEMON_OK;

	if (is_time_to_ask(credentials))
	{
		credentials->asked_at = clock_milliseconds();
		answer = ask_sources(credentials, &fetched);
		if (answer == CREDENTIALS_FOUND)
			take_keys(credentials, &fetched);
	}
	else if (credentials->rejected)
		answer = credentials_say(
			credentials, CREDENTIALS_AWAY,
			"the credentials of the %s have expired, new ones are asked for in %d s",
			credentials_source(credentials), RENEW_PAUSE_MS / 1000);
	if (answer != CREDENTIALS_FOUND)
		status = go_without(credentials, answer);
	*keys = (AwsCredentials) {
		.access_key = credentials->keys.access_key,
		.secret_key = credentials->keys.secret_key,
		.session_token = credentials->keys.session_token,
	};
	return status;
}
