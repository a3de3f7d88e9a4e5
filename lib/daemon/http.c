/*
 * http.c
 *	  POST and GET through libcurl, signed with AWS Signature Version 4 where asked.
 *
 * Must not know what is said over it, nor log anything.
 */
#include "daemon/http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>

#define HTTP_CONNECT_TIMEOUT_MS 2000
#define HTTP_TOTAL_TIMEOUT_MS 10000
#define HTTP_RESPONSE_LIMIT (1024 * 1024)

typedef enum HttpMethod
{
	HTTP_GET,
	HTTP_POST
} HttpMethod;

struct HttpClient
{
	CURL  *curl;
	char   agent[64];
	char   error[CURL_ERROR_SIZE];
	char   problem[CURL_ERROR_SIZE + 64];
	char  *body; /* of the last response */
	size_t body_length;
	size_t body_limit;
};

DaemonStatus
http_open(const char *program, HttpClient **client)
{
	HttpClient *new_client = calloc(1, sizeof(*new_client));

	*client = NULL;
	if (new_client == NULL || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
	{
		free(new_client);
		return DAEMON_FATAL;
	}
	new_client->curl = curl_easy_init();
	if (new_client->curl == NULL)
	{
		http_close(new_client);
		return DAEMON_FATAL;
	}
	snprintf(new_client->agent, sizeof(new_client->agent), "%s", program);
	*client = new_client;
	return DAEMON_OK;
}

void
http_close(HttpClient *client)
{
	if (client == NULL)
		return;
	if (client->curl != NULL)
		curl_easy_cleanup(client->curl);
	free(client->body);
	free(client);
	curl_global_cleanup();
}

const char *
http_problem(const HttpClient *client)
{
	return client->problem;
}

/* libcurl's write callback: anything but the length given ends the transfer. */
static size_t
receive_body(char *bytes, size_t size, size_t count, void *context)
{
	HttpClient *client = context;
	size_t		length = size * count;
	char	   *grown;

	if (length > client->body_limit - client->body_length)
		return 0;
	grown = realloc(client->body, client->body_length + length + 1);
	if (grown == NULL)
		return 0;
	memcpy(grown + client->body_length, bytes, length);
	client->body = grown;
	client->body_length += length;
	client->body[client->body_length] = '\0';
	return length;
}

/* NULL without memory. */
static struct curl_slist *
request_headers(const HttpRequest *request)
{
	struct curl_slist *list = NULL;
	struct curl_slist *longer;
	char			  *token = NULL;

	/* libcurl signs the headers that it is given; a session token must be one of them */
	if (request->signing != NULL && request->signing->credentials.session_token != NULL)
	{
		if (asprintf(&token, "X-Amz-Security-Token: %s",
					 request->signing->credentials.session_token) < 0)
			return NULL;
		list = curl_slist_append(NULL, token);
		free(token);
		if (list == NULL)
			return NULL;
	}

	for (const char *const *header = request->headers; header != NULL && *header != NULL; header++)
	{
		longer = curl_slist_append(list, *header);
		if (longer == NULL)
		{
			curl_slist_free_all(list);
			return NULL;
		}
		list = longer;
	}
	return list;
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

static CURLcode
set_request(HttpClient *client, HttpMethod method, const HttpRequest *request,
			struct curl_slist *headers)
{
	CURL *curl = client->curl;
	long  connect_timeout =
		 request->connect_timeout_ms ? request->connect_timeout_ms : HTTP_CONNECT_TIMEOUT_MS;
	long total_timeout =
		request->total_timeout_ms ? request->total_timeout_ms : HTTP_TOTAL_TIMEOUT_MS;

	if (request->total_timeout_ms == HTTP_NO_TIMEOUT)
		total_timeout = 0; /* libcurl's word for it */

	/* forgets the options of the last request, keeps its connection */
	curl_easy_reset(curl);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, client->error);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long) CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(curl, CURLOPT_USERAGENT, client->agent);
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, connect_timeout);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, total_timeout);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, receive_body);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, client);
	curl_easy_setopt(curl, CURLOPT_URL, request->url);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	if (request->direct)
		curl_easy_setopt(curl, CURLOPT_PROXY, "");
	if (method == HTTP_POST)
	{
		curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) request->body_length);
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->body_length > 0 ? request->body : "");
	}
	return set_signing(curl, request->signing);
}

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

static DaemonStatus
perform(HttpClient *client, HttpMethod method, const HttpRequest *request, HttpResponse *response)
{
	struct curl_slist *headers = request_headers(request);
	CURLcode		   code = CURLE_OUT_OF_MEMORY;

	http_release(client);
	client->body_limit = request->response_limit ? request->response_limit : HTTP_RESPONSE_LIMIT;
	client->error[0] = '\0';
	client->problem[0] = '\0';

	if (headers != NULL || request->headers == NULL || request->headers[0] == NULL)
		code = set_request(client, method, request, headers);
	if (code == CURLE_OK)
		code = curl_easy_perform(client->curl);
	curl_slist_free_all(headers);

	if (code != CURLE_OK)
	{
		snprintf(client->problem, sizeof(client->problem), "%s",
				 code == CURLE_WRITE_ERROR	? "the answer is too long"
				 : client->error[0] != '\0' ? client->error
											: curl_easy_strerror(code));
		return error_class(code);
	}

	curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &response->status);
	response->body = client->body != NULL ? client->body : "";
	response->length = client->body_length;
	return DAEMON_OK;
}

DaemonStatus
http_post(HttpClient *client, const HttpRequest *request, HttpResponse *response)
{
	return perform(client, HTTP_POST, request, response);
}

DaemonStatus
http_get(HttpClient *client, const HttpRequest *request, HttpResponse *response)
{
	return perform(client, HTTP_GET, request, response);
}

void
http_release(HttpClient *client)
{
	free(client->body);
	client->body = NULL;
	client->body_length = 0;
}

const char *
http_header(HttpClient *client, const char *name)
{
	struct curl_header *header;

	if (curl_easy_header(client->curl, name, 0, CURLH_HEADER, -1, &header) != CURLHE_OK)
		return NULL;
	return header->value;
}
