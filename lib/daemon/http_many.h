/*
 * http_many.h
 *	  Many HTTP requests at once over kept-alive connections, in one thread.
 *
 *	http_many_start(many, &request, tag);		... as often as http_many_free_slots allows
 *	http_many_wait(many, fds, count, timeout);
 *	while (http_many_next(many, &answer))
 *		... answer.tag, answer.status, answer.response
 *
 * Who has a loop of his own polls http_many_fd for POLLIN, http_many_timeout at
 * most, and calls http_many_dispatch in place of http_many_wait.
 * It must not know what is said over it, nor log bodies.
 */
#ifndef DAEMON_HTTP_MANY_H
#define DAEMON_HTTP_MANY_H

#include <poll.h>

#include "daemon/http.h"

typedef struct HttpMany HttpMany;

typedef struct HttpAnswer
{
	void		*tag;	   /* what http_many_start was given */
	DaemonStatus status;   /* as http_call answers */
	HttpResponse response; /* lives until the next call of http_many_next or http_many_start */
	const char	*problem;  /* unless OK; lives as long */
} HttpAnswer;

/* slots: how many requests are under way at most, each with a connection.  FATAL without memory. */
extern DaemonStatus http_many_open(const char *program, int slots, HttpMany **many);
/* Requests under way are given up. */
extern void http_many_close(HttpMany *many);

extern int http_many_free_slots(const HttpMany *many);

/*
 * Begin a request; its body must live until its answer has come, all else is copied.  There must
 * be a free slot.  What can't even be started comes back by http_many_next too.
 */
extern void http_many_start(HttpMany *many, const HttpRequest *request, void *tag);

/*
 * Go on with the transfers until one has ended, one of the descriptors is
 * ready (its revents then tell), or timeout_ms has passed.
 */
extern void http_many_wait(HttpMany *many, struct pollfd *fds, int count, int timeout_ms);

extern int	http_many_fd(const HttpMany *many);
extern int	http_many_timeout(const HttpMany *many); /* milliseconds, -1 for ever */
extern void http_many_dispatch(HttpMany *many);		 /* never waits */

/* The next request that has ended; false if there is none. */
extern bool http_many_next(HttpMany *many, HttpAnswer *answer);

#endif /* DAEMON_HTTP_MANY_H */
