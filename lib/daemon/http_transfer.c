/*
 * http_transfer.c
 *	  A request's options for libcurl, signed with AWS Signature Version 4 where asked, and its answer.
 *
 * Must not know what is said over it, nor log anything.
 */
#include "daemon/http_transfer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define HTTP_CONNECT_TIMEOUT_MS 2000
#define HTTP_TOTAL_TIMEOUT_MS 10000
#define HTTP_RESPONSE_LIMIT (1024 * 1024)
#define HTTP_RELEASE_STEP (64 * 1024) /* so much at least, for each time is a system call */

DaemonStatus
http_transfer_open(HttpTransfer *transfer)
{
	*transfer = (HttpTransfer) {.curl = curl_easy_init()};
	return transfer->curl != NULL ? DAEMON_OK : DAEMON_FATAL;
}

void
http_transfer_close(HttpTransfer *transfer)
{
	if (transfer->curl != NULL)
		curl_easy_cleanup(transfer->curl);
	curl_slist_free_all(transfer->headers);
	free(transfer->body);
	*transfer = (HttpTransfer) {0};
}

void
http_transfer_release(HttpTransfer *transfer)
{
	free(transfer->body);
	transfer->body = NULL;
	transfer->body_length = 0;
	transfer->body_released = 0;
}

/* The kernel takes whole pages, and keeps their addresses: for malloc nothing changes. */
void
http_transfer_release_until(HttpTransfer *transfer, const char *end)
{
	uintptr_t page = (uintptr_t) sysconf(_SC_PAGESIZE);
	uintptr_t from =
		((uintptr_t) transfer->body + transfer->body_released + page - 1) / page * page;
	uintptr_t to = (uintptr_t) end / page * page;

	if (to < from + HTTP_RELEASE_STEP || madvise((void *) from, to - from, MADV_DONTNEED) != 0)
		return;
	transfer->body_released = to - (uintptr_t) transfer->body;
}

/* libcurl's write callback: anything but the length given ends the transfer. */
static size_t
receive_body(char *bytes, size_t size, size_t count, void *context)
{
	HttpTransfer *transfer = context;
	size_t		  length = size * count;
	char		 *grown;

	if (length > transfer->body_limit - transfer->body_length)
		return 0;
	grown = realloc(transfer->body, transfer->body_length + length + 1);
	if (grown == NULL)
		return 0;
	memcpy(grown + transfer->body_length, bytes, length);
	transfer->body = grown;
	transfer->body_length += length;
	transfer->body[transfer->body_length] = '\0';
	return length;
}

/* ---- the request ---- */

static bool
add_header(HttpTransfer *transfer, const char *header)
{
	struct curl_slist *longer = curl_slist_append(transfer->headers, header);

	if (longer == NULL)
		return false;
	transfer->headers = longer;
	return true;
}

/* libcurl signs the headers that it is given; time and session token must be among them. */
static bool
add_signing_headers(HttpTransfer *transfer, const AwsSigning *signing)
{
	time_t	  now = time(NULL) + (time_t) signing->clock_offset;
	struct tm parts;
	char	  date[64];
	char	 *token;
	bool	  added;

	if (signing->timestamp != NULL)
		snprintf(date, sizeof(date), "X-Amz-Date: %s", signing->timestamp);
	else
		strftime(date, sizeof(date), "X-Amz-Date: %Y%m%dT%H%M%SZ", gmtime_r(&now, &parts));
	if (!add_header(transfer, date))
		return false;
	if (signing->credentials.session_token == NULL)
		return true;
	if (asprintf(&token, "X-Amz-Security-Token: %s", signing->credentials.session_token) < 0)
		return false;
	added = add_header(transfer, token);
	free(token);
	return added;
}

static bool
set_headers(HttpTransfer *transfer, const HttpRequest *request)
{
	curl_slist_free_all(transfer->headers);
	transfer->headers = NULL;
	if (request->signing != NULL && !add_signing_headers(transfer, request->signing))
		return false;
	for (const char *const *header = request->headers; header != NULL && *header != NULL; header++)
		if (!add_header(transfer, *header))
			return false;
	return true;
}

static CURLcode
set_signing(CURL *curl, const AwsSigning *signing)
{
	char	 scope[256];
	CURLcode code;

	if (signing == NULL)
		return CURLE_OK;
	snprintf(scope, sizeof(scope), "aws:amz:%s:%s", signing->region, signing->service);
	code = curl_easy_setopt(curl, CURLOPT_AWS_SIGV4, scope);
	if (code == CURLE_OK)
		code = curl_easy_setopt(curl, CURLOPT_USERNAME, signing->credentials.access_key);
	if (code == CURLE_OK)
		code = curl_easy_setopt(curl, CURLOPT_PASSWORD, signing->credentials.secret_key);
	return code;
}

static void
set_method(CURL *curl, const HttpRequest *request)
{
	if (request->method == NULL || request->body_length > 0)
	{
		curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) request->body_length);
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->body_length > 0 ? request->body : "");
	}
	if (request->method != NULL)
		curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request->method);
}

CURLcode
http_transfer_prepare(HttpTransfer *transfer, const char *agent, const HttpRequest *request)
{
	CURL *curl = transfer->curl;
	long  connect_timeout =
		 request->connect_timeout_ms ? request->connect_timeout_ms : HTTP_CONNECT_TIMEOUT_MS;
	long total_timeout =
		request->total_timeout_ms ? request->total_timeout_ms : HTTP_TOTAL_TIMEOUT_MS;

	http_transfer_release(transfer);
	transfer->body_limit = request->response_limit ? request->response_limit : HTTP_RESPONSE_LIMIT;
	transfer->error[0] = '\0';
	if (!set_headers(transfer, request))
		return CURLE_OUT_OF_MEMORY;

	if (request->total_timeout_ms == HTTP_NO_TIMEOUT)
		total_timeout = 0; /* libcurl's word for it */

	/* forgets the options of the last request, keeps its connection */
	curl_easy_reset(curl);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, transfer->error);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long) CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(curl, CURLOPT_USERAGENT, agent);
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, connect_timeout);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, total_timeout);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, receive_body);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, transfer);
	curl_easy_setopt(curl, CURLOPT_URL, request->url);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, transfer->headers);
	if (request->direct)
		curl_easy_setopt(curl, CURLOPT_PROXY, "");
	set_method(curl, request);
	return set_signing(curl, request->signing);
}

/* ---- the answer ---- */

/* Errors that no waiting mends. */
static DaemonStatus
error_class(CURLcode code)
{
	switch (code)
	{
		case CURLE_URL_MALFORMAT:
		case CURLE_UNSUPPORTED_PROTOCOL:
		case CURLE_NOT_BUILT_IN:
		case CURLE_BAD_FUNCTION_ARGUMENT:
		case CURLE_UNKNOWN_OPTION:
		case CURLE_SSL_CACERT_BADFILE:
		case CURLE_SSL_CERTPROBLEM:
		case CURLE_PEER_FAILED_VERIFICATION:
			return DAEMON_FATAL;
		default:
			return DAEMON_RETRY;
	}
}

DaemonStatus
http_transfer_finish(HttpTransfer *transfer, CURLcode code, HttpResponse *response, char *problem,
					 size_t problem_size)
{
	*response = (HttpResponse) {.body = "", .transfer = transfer};
	problem[0] = '\0';
	if (code != CURLE_OK)
	{
		snprintf(problem, problem_size, "%s",
				 code == CURLE_WRITE_ERROR	  ? "the answer is too long"
				 : transfer->error[0] != '\0' ? transfer->error
											  : curl_easy_strerror(code));
		return error_class(code);
	}
	curl_easy_getinfo(transfer->curl, CURLINFO_RESPONSE_CODE, &response->status);
	if (transfer->body != NULL)
		response->body = transfer->body;
	response->length = transfer->body_length;
	return DAEMON_OK;
}

const char *
http_response_header(const HttpResponse *response, const char *name)
{
	const HttpTransfer *transfer = response->transfer;
	struct curl_header *header;

	if (curl_easy_header(transfer->curl, name, 0, CURLH_HEADER, -1, &header) != CURLHE_OK)
		return NULL;
	return header->value;
}

int64_t
http_date(const HttpResponse *response)
{
	const char *date = http_response_header(response, "Date");
	time_t		seconds = date != NULL ? curl_getdate(date, NULL) : -1;

	return seconds > 0 ? (int64_t) seconds : 0;
}
