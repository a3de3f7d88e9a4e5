/*
 * runtime.c
 *	  A client of Lambda's Runtime API: the next invocation, and its answer.
 *
 * Must not know what an event holds.
 */
#include "runtime.h"

#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/clock.h"
#include "daemon/http.h"

#define RUNTIME_VERSION "2018-06-01"

/* Lambda's own limits are 6 MB for what it sends and what it takes. */
#define RUNTIME_EVENT_LIMIT (16 * 1024 * 1024)

/* An answer travels within one machine; a lost one is tried again so often. */
#define RUNTIME_ANSWER_MS 2000
#define RUNTIME_ANSWER_TRIES 3

#define HTTP_OK 200
#define HTTP_ACCEPTED 202

struct Runtime
{
	const Log  *log;
	HttpClient *http;
	char		base[256]; /* of all URLs */
};

DaemonStatus
runtime_open(const char *address, const Log *log, Runtime **runtime)
{
	Runtime *opened = calloc(1, sizeof(*opened));

	*runtime = NULL;
	if (opened == NULL || http_open("topk-lambda-feeder", &opened->http) != DAEMON_OK)
	{
		log_error(log, "out of memory");
		free(opened);
		return DAEMON_FATAL;
	}
	opened->log = log;
	snprintf(opened->base, sizeof(opened->base), "http://%s/" RUNTIME_VERSION "/runtime", address);
	*runtime = opened;
	return DAEMON_OK;
}

void
runtime_close(Runtime *runtime)
{
	if (runtime == NULL)
		return;
	http_close(runtime->http);
	free(runtime);
}

/* ---- the next invocation ---- */

/* A stop waits until the batch under way is answered: only here it may end the process. */
static void
let_signals_in(bool in)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(in ? SIG_UNBLOCK : SIG_BLOCK, &set, NULL);
}

static void
copy_header(Runtime *runtime, const char *name, char *text, size_t size)
{
	const char *value = http_header(runtime->http, name);

	snprintf(text, size, "%s", value != NULL ? value : "");
}

static DaemonStatus
read_invocation(Runtime *runtime, const HttpResponse *response, Invocation *invocation)
{
	char deadline[32];

	copy_header(runtime, "Lambda-Runtime-Aws-Request-Id", invocation->request_id,
				sizeof(invocation->request_id));
	copy_header(runtime, "Lambda-Runtime-Trace-Id", invocation->trace_id,
				sizeof(invocation->trace_id));
	copy_header(runtime, "Lambda-Runtime-Deadline-Ms", deadline, sizeof(deadline));
	errno = 0;
	invocation->deadline = strtoll(deadline, NULL, 10);
	invocation->event = response->body;
	invocation->length = response->length;
	if (invocation->request_id[0] == '\0' || strpbrk(invocation->request_id, "/?# ") != NULL ||
		errno != 0 || invocation->deadline <= 0)
	{
		log_error(runtime->log, "Lambda sent an invocation without id or deadline");
		return DAEMON_FATAL;
	}
	if (invocation->trace_id[0] != '\0')
		setenv("_X_AMZN_TRACE_ID", invocation->trace_id, 1);
	else
		unsetenv("_X_AMZN_TRACE_ID");
	return DAEMON_OK;
}

DaemonStatus
runtime_next(Runtime *runtime, Invocation *invocation)
{
	char		 url[512];
	HttpRequest	 request = {.url = url,
							.total_timeout_ms = HTTP_NO_TIMEOUT,
							.response_limit = RUNTIME_EVENT_LIMIT,
							.direct = true};
	HttpResponse response;
	DaemonStatus status;

	snprintf(url, sizeof(url), "%s/invocation/next", runtime->base);
	let_signals_in(true);
	status = http_get(runtime->http, &request, &response);
	let_signals_in(false);
	if (status != DAEMON_OK)
		log_error(runtime->log, "Lambda's runtime API can not be reached",
				  LOG_TEXT("problem", http_problem(runtime->http)),
				  LOG_TEXT("hint", "this program is started by Lambda, or by its emulator"));
	else if (response.status != HTTP_OK)
		log_error(runtime->log, "Lambda has no next invocation",
				  LOG_INTEGER("status", response.status));
	else
		return read_invocation(runtime, &response, invocation);
	return DAEMON_FATAL;
}

void
runtime_release_event(Runtime *runtime)
{
	http_release(runtime->http);
}

void
runtime_release_event_until(Runtime *runtime, const char *end)
{
	http_release_until(runtime->http, end);
}

/* ---- answers ---- */

/* Post to path below the base.  FATAL when it stays unheard or is refused; refused names the status then, else 0. */
static DaemonStatus
post(Runtime *runtime, const char *path, const char *const *headers, const char *body,
	 long *refused)
{
	char		 url[512];
	HttpRequest	 request = {.url = url,
							.headers = headers,
							.body = body,
							.body_length = strlen(body),
							.total_timeout_ms = RUNTIME_ANSWER_MS,
							.direct = true};
	HttpResponse response;
	DaemonStatus status = DAEMON_RETRY;

	*refused = 0;
	snprintf(url, sizeof(url), "%s/%s", runtime->base, path);
	for (int i = 0; i < RUNTIME_ANSWER_TRIES && status == DAEMON_RETRY; i++)
		status = http_post(runtime->http, &request, &response);
	if (status != DAEMON_OK)
	{
		log_error(runtime->log, "Lambda's runtime API can not be reached",
				  LOG_TEXT("problem", http_problem(runtime->http)));
		return DAEMON_FATAL;
	}
	if (response.status == HTTP_ACCEPTED)
		return DAEMON_OK;
	*refused = response.status;
	log_error(runtime->log, "Lambda refused an answer", LOG_INTEGER("status", response.status));
	return DAEMON_FATAL;
}

static const char *const json_headers[] = {"Content-Type: application/json", NULL};

DaemonStatus
runtime_respond(Runtime *runtime, const Invocation *invocation, const char *answer)
{
	static const RuntimeError refusal = {"AnswerRefused", "Lambda refused the answer"};
	char					  path[256];
	long					  refused;
	DaemonStatus			  status;

	snprintf(path, sizeof(path), "invocation/%s/response", invocation->request_id);
	status = post(runtime, path, json_headers, answer, &refused);
	/* as too long, say: then the invocation has to fail, lest it be taken for answered */
	if (status == DAEMON_FATAL && refused != 0)
		return runtime_fail(runtime, invocation, &refusal);
	return status;
}

/* Post {"errorType": ..., "errorMessage": ...}. */
static DaemonStatus
post_error(Runtime *runtime, const char *path, const RuntimeError *error)
{
	char		 header[128];
	const char	*headers[] = {json_headers[0], header, NULL};
	json_t		*object = json_pack("{s:s, s:s, s:[]}", "errorType", error->type, "errorMessage",
									error->message, "stackTrace");
	char		*body = object != NULL ? json_dumps(object, JSON_COMPACT) : NULL;
	long		 refused;
	DaemonStatus status;

	snprintf(header, sizeof(header), "Lambda-Runtime-Function-Error-Type: Topk.%s", error->type);
	status = post(runtime, path, headers, body != NULL ? body : "{}", &refused);
	free(body);
	json_decref(object);
	return status;
}

DaemonStatus
runtime_fail(Runtime *runtime, const Invocation *invocation, const RuntimeError *error)
{
	char path[256];

	snprintf(path, sizeof(path), "invocation/%s/error", invocation->request_id);
	return post_error(runtime, path, error);
}

void
runtime_fail_start(Runtime *runtime, const RuntimeError *error)
{
	post_error(runtime, "init/error", error);
}
