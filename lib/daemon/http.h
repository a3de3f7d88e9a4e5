/*
 * http.h
 *	  An HTTP client: one kept-alive handle, bounded in time and in size.
 *
 * For many requests at once see http_many.h.  It must not know what is said
 * over it, nor log bodies.
 */
#ifndef DAEMON_HTTP_H
#define DAEMON_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/aws.h"
#include "daemon/status.h"

typedef struct HttpClient HttpClient;

/* A total timeout for who waits as long as it takes. */
#define HTTP_NO_TIMEOUT (-1)

typedef struct HttpRequest
{
	const char		  *method; /* "GET", "PUT"; NULL: POST */
	const char		  *url;
	const char *const *headers; /* "Name: value", NULL-terminated; NULL: none */
	const void		  *body;
	size_t			   body_length;
	int				   connect_timeout_ms; /* 0: 2000 */
	int				   total_timeout_ms;   /* 0: 10000 */
	size_t			   response_limit;	   /* 0: 1 MB */
	const AwsSigning  *signing;			   /* NULL: not signed */
	bool			   direct;			   /* through no proxy, whatever the environment says */
} HttpRequest;

/* body ends with a NUL beyond length, and lives until the next request on the client. */
typedef struct HttpResponse
{
	long		status;
	const char *body;
	size_t		length;
	void	   *transfer; /* private: where http_response_header looks */
} HttpResponse;

/* A client for one thread; FATAL without memory. */
extern DaemonStatus http_open(const char *program, HttpClient **client);
extern void			http_close(HttpClient *client);

/*
 * Send the request.  OK: an answer came, whatever its status.  RETRY: none came, and
 * whether the request was carried out is unknown.  FATAL: the request can't be sent
 * (malformed URL, unsupported protocol, certificate that can't be verified).  http_problem says why.
 */
extern DaemonStatus http_call(HttpClient *client, const HttpRequest *request,
							  HttpResponse *response);

/* The same by POST, and by GET, which has no body. */
extern DaemonStatus http_post(HttpClient *client, const HttpRequest *request,
							  HttpResponse *response);
extern DaemonStatus http_get(HttpClient *client, const HttpRequest *request,
							 HttpResponse *response);

/* Free the body of the last response now, not with the next request: it may be large.  Or what of it lies before end. */
extern void http_release(HttpClient *client);
extern void http_release_until(HttpClient *client, const char *end);

/* A header of an answer, or of the last one, or NULL; lives until the next call on the client. */
extern const char *http_response_header(const HttpResponse *response, const char *name);
extern const char *http_header(HttpClient *client, const char *name);

/* When the server says that it sent the answer, in Unix seconds; 0 if it does not say. */
extern int64_t http_date(const HttpResponse *response);

/* Why the last http_call did not answer OK; never names a header or a body. */
extern const char *http_problem(const HttpClient *client);

#endif /* DAEMON_HTTP_H */
