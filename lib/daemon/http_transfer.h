/*
 * http_transfer.h
 *	  One request under way: what http.c and http_many.c share, and nobody else.
 */
#ifndef DAEMON_HTTP_TRANSFER_H
#define DAEMON_HTTP_TRANSFER_H

#include <curl/curl.h>

#include "daemon/http.h"

/* All zero but curl is a valid start. */
typedef struct HttpTransfer
{
	CURL			  *curl;
	struct curl_slist *headers; /* of the request */
	char			   error[CURL_ERROR_SIZE];
	char			  *body; /* of the last answer */
	size_t			   body_length;
	size_t			   body_limit;
	size_t			   body_released; /* so much of its beginning can't be read any more */
} HttpTransfer;

/* FATAL without memory. */
extern DaemonStatus http_transfer_open(HttpTransfer *transfer);
extern void			http_transfer_close(HttpTransfer *transfer);

/*
 * Set everything for a request, so that only curl has to be run.  The request's body
 * must live until then; all else is copied.
 */
extern CURLcode http_transfer_prepare(HttpTransfer *transfer, const char *agent,
									  const HttpRequest *request);

/* Free the body of the last answer, or what of it lies before end. */
extern void http_transfer_release(HttpTransfer *transfer);
extern void http_transfer_release_until(HttpTransfer *transfer, const char *end);

/* What became of it, as http_call answers; problem is filled unless OK. */
extern DaemonStatus http_transfer_finish(HttpTransfer *transfer, CURLcode code,
										 HttpResponse *response, char *problem,
										 size_t problem_size);

#endif /* DAEMON_HTTP_TRANSFER_H */
