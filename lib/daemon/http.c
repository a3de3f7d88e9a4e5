/*
 * http.c
 *	  One request after the other, each waited for.
 *
 * Must not know what is said over it, nor log anything.
 */
#include "daemon/http.h"

#include <stdio.h>
#include <stdlib.h>

#include "daemon/http_transfer.h"

struct HttpClient
{
	HttpTransfer transfer;
	char		 agent[64];
	char		 problem[CURL_ERROR_SIZE + 64];
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
	if (http_transfer_open(&new_client->transfer) != DAEMON_OK)
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
	http_transfer_close(&client->transfer);
	free(client);
	curl_global_cleanup();
}

const char *
http_problem(const HttpClient *client)
{
	return client->problem;
}

DaemonStatus
http_call(HttpClient *client, const HttpRequest *request, HttpResponse *response)
{
	CURLcode code = http_transfer_prepare(&client->transfer, client->agent, request);

	if (code == CURLE_OK)
		code = curl_easy_perform(client->transfer.curl);
	return http_transfer_finish(&client->transfer, code, response, client->problem,
								sizeof(client->problem));
}

DaemonStatus
http_post(HttpClient *client, const HttpRequest *request, HttpResponse *response)
{
	HttpRequest post = *request;

	post.method = NULL;
	return http_call(client, &post, response);
}

DaemonStatus
http_get(HttpClient *client, const HttpRequest *request, HttpResponse *response)
{
	HttpRequest get = *request;

	get.method = "GET";
	get.body = NULL;
	get.body_length = 0;
	return http_call(client, &get, response);
}

void
http_release(HttpClient *client)
{
	http_transfer_release(&client->transfer);
}

void
http_release_until(HttpClient *client, const char *end)
{
	http_transfer_release_until(&client->transfer, end);
}

const char *
http_header(HttpClient *client, const char *name)
{
	HttpResponse last = {.transfer = &client->transfer};

	return http_response_header(&last, name);
}
