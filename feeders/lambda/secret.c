/*
 * secret.c
 *	  PostgreSQL's password: from libpq's environment, a file, or AWS Secrets Manager.
 *
 * Must not know a connection, nor log what it holds.
 */
#include "secret.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/clock.h"
#include "daemon/http.h"

/* Secrets Manager's own limit is 64 kB, within JSON. */
#define SECRET_ANSWER_LIMIT (256 * 1024)
#define SECRET_FILE_SIZE 4096

#define HTTP_OK 200
#define HTTP_TOO_MANY 429
#define HTTP_SERVER_ERROR 500

struct Secret
{
	const FeederConfig *config;
	const Log		   *log;
	HttpClient		   *http; /* made when it is needed */
	bool				known;
};

DaemonStatus
secret_open(const FeederConfig *config, const Log *log, Secret **secret)
{
	*secret = calloc(1, sizeof(**secret));
	if (*secret == NULL)
	{
		log_error(log, "out of memory");
		return DAEMON_FATAL;
	}
	**secret = (Secret) {.config = config, .log = log};
	return DAEMON_OK;
}

void
secret_close(Secret *secret)
{
	if (secret == NULL)
		return;
	http_close(secret->http);
	free(secret);
}

static DaemonStatus
give(Secret *secret, const char *password)
{
	if (setenv("PGPASSWORD", password, 1) != 0)
	{
		log_error(secret->log, "out of memory");
		return DAEMON_FATAL;
	}
	secret->known = true;
	return DAEMON_OK;
}

/* ---- a file ---- */

/* Its first line. */
static DaemonStatus
read_file(Secret *secret)
{
	char	text[SECRET_FILE_SIZE + 1];
	int		fd = open(secret->config->password_file, O_RDONLY | O_CLOEXEC);
	ssize_t length = fd >= 0 ? read(fd, text, sizeof(text)) : -1;
	int		error = errno;

	if (fd >= 0)
		close(fd);
	if (length < 0 || length > SECRET_FILE_SIZE)
	{
		log_error(secret->log, "the password can not be read",
				  LOG_TEXT("file", secret->config->password_file),
				  LOG_TEXT("problem", length < 0 ? strerror(error) : "the file is too long"),
				  LOG_TEXT("hint", "check TOPK_PASSWORD_FILE"));
		return DAEMON_FATAL;
	}
	text[length] = '\0';
	text[strcspn(text, "\r\n")] = '\0';
	return give(secret, text);
}

/* ---- Secrets Manager ---- */

/* The part of an ARN between its n-th colon and the next one. */
static bool
arn_part(const char *arn, int n, char *part, size_t size)
{
	size_t length;

	for (; n > 0; n--)
	{
		arn = strchr(arn, ':');
		if (arn == NULL)
			return false;
		arn++;
	}
	length = strcspn(arn, ":");
	if (length == 0 || length >= size)
		return false;
	memcpy(part, arn, length);
	part[length] = '\0';
	return true;
}

static DaemonStatus
refused(const Secret *secret, const char *problem, const char *hint)
{
	log_error(secret->log, "the secret with the password can not be used",
			  LOG_TEXT("secret", secret->config->secret_arn), LOG_TEXT("problem", problem),
			  LOG_TEXT("hint", hint));
	return DAEMON_FATAL;
}

/* What the secret says: a password alone, or an object as RDS keeps it, with username and password. */
static DaemonStatus
read_secret(Secret *secret, const char *text)
{
	json_t	   *object = json_loads(text, 0, NULL);
	const char *password =
		json_is_object(object) ? json_string_value(json_object_get(object, "password")) : text;
	const char	*user = json_string_value(json_object_get(object, "username"));
	DaemonStatus status;

	if (password == NULL || *password == '\0')
		status = refused(secret, "it has no password",
						 "the secret is a password, or a JSON object with the field password");
	else
		status = give(secret, password);
	if (status == DAEMON_OK && user != NULL)
		setenv("PGUSER", user, 0);
	json_decref(object);
	return status;
}

static DaemonStatus
read_answer(Secret *secret, const HttpResponse *response)
{
	json_t		*answer = json_loadb(response->body, response->length, 0, NULL);
	const char	*text = json_string_value(json_object_get(answer, "SecretString"));
	const char	*type = json_string_value(json_object_get(answer, "__type"));
	char		 problem[256];
	DaemonStatus status;

	snprintf(problem, sizeof(problem), "HTTP status %ld, %s", response->status,
			 type != NULL ? type : "no __type");
	if (response->status >= HTTP_SERVER_ERROR || response->status == HTTP_TOO_MANY ||
		(type != NULL && strstr(type, "Throttling") != NULL))
	{
		log_warning(secret->log, "Secrets Manager is not available", LOG_TEXT("problem", problem));
		status = DAEMON_RETRY;
	}
	else if (response->status != HTTP_OK)
		status = refused(secret, problem,
						 "check TOPK_SECRET_ARN, and that the function's role may call "
						 "secretsmanager:GetSecretValue on it (and kms:Decrypt with its key)");
	else if (text == NULL)
		status = refused(secret, "it has no SecretString", "store it as text, not as binary");
	else
		status = read_secret(secret, text);
	json_decref(answer);
	return status;
}

/* {"SecretId": ARN}, a new string. */
static char *
make_request(const char *arn)
{
	json_t *object = json_pack("{s:s}", "SecretId", arn);
	char   *text = object != NULL ? json_dumps(object, JSON_COMPACT) : NULL;

	json_decref(object);
	return text;
}

static DaemonStatus
ask(Secret *secret, const char *url, const AwsSigning *signing, int64_t deadline)
{
	static const char *const headers[] = {"Content-Type: application/x-amz-json-1.1",
										  "X-Amz-Target: secretsmanager.GetSecretValue", NULL};
	char					*body = make_request(secret->config->secret_arn);
	int						 left = clock_left(deadline);
	HttpRequest				 request = {.url = url,
										.headers = headers,
										.body = body,
										.total_timeout_ms = left > 0 ? left : 1,
										.response_limit = SECRET_ANSWER_LIMIT,
										.signing = signing};
	HttpResponse			 response;
	DaemonStatus			 status;

	if (body == NULL ||
		(secret->http == NULL && http_open(feeder_program.name, &secret->http) != DAEMON_OK))
	{
		log_error(secret->log, "out of memory");
		free(body);
		return DAEMON_FATAL;
	}
	request.body_length = strlen(body);
	status = http_post(secret->http, &request, &response);
	free(body);
	if (status == DAEMON_OK)
		return read_answer(secret, &response);
	if (status == DAEMON_FATAL)
		return refused(secret, http_problem(secret->http),
					   "check AWS_ENDPOINT_URL_SECRETS_MANAGER, and the certificates");
	log_warning(secret->log, "Secrets Manager is not available",
				LOG_TEXT("problem", http_problem(secret->http)),
				LOG_TEXT("hint", "a function in a VPC needs an endpoint for it, or a way out"));
	return DAEMON_RETRY;
}

static DaemonStatus
ask_secrets_manager(Secret *secret, int64_t deadline)
{
	const char *endpoint = secret->config->secrets_endpoint;
	const char *missing;
	char		region[64];
	char		url[256];
	AwsSigning	signing = {.region = region, .service = "secretsmanager"};

	if (!arn_part(secret->config->secret_arn, 3, region, sizeof(region)))
		return refused(secret, "it is named by no ARN",
					   "an ARN is like arn:aws:secretsmanager:eu-west-1:123456789012:secret:NAME");
	if (!aws_credentials_from_environment(&signing.credentials, &missing))
		return refused(secret, "there are no credentials: a variable is not set", missing);
	if (endpoint != NULL)
		snprintf(url, sizeof(url), "%s", endpoint);
	else
		snprintf(url, sizeof(url), "https://secretsmanager.%s.amazonaws.com%s/", region,
				 strncmp(region, "cn-", 3) == 0 ? ".cn" : "");
	return ask(secret, url, &signing, deadline);
}

/* ---- either ---- */

DaemonStatus
secret_provide(Secret *secret, int64_t deadline)
{
	if (secret->known)
		return DAEMON_OK;
	if (secret->config->password_file != NULL)
		return read_file(secret);
	if (secret->config->secret_arn != NULL)
		return ask_secrets_manager(secret, deadline);
	return DAEMON_OK;
}

bool
secret_forget(Secret *secret)
{
	bool was_known = secret->known;

	secret->known = false;
	return was_known;
}
