/*
 * http_many.c
 *	  Many requests at once through libcurl's multi interface.
 *
 * libcurl says which sockets it waits for; they are watched by one epoll
 * instance, so that whoever has a loop of his own needs a single descriptor.
 * Must not know what is said over it, nor log anything.
 */
#include "daemon/http_many.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "daemon/clock.h"
#include "daemon/http_transfer.h"

#define HTTP_MANY_FDS 8

/* Sockets looked at before others have their turn. */
#define EVENTS 64

typedef struct HttpSlot
{
	HttpTransfer	 transfer;
	void			*tag;
	CURLcode		 code;
	struct HttpSlot *next; /* in the list of free or of ended ones */
} HttpSlot;

struct HttpMany
{
	CURLM	 *multi;
	int		  epoll;
	int64_t	  timer; /* when libcurl wants to be called, -1: when a socket is ready */
	HttpSlot *slots;
	int		  count;
	int		  free_count;
	HttpSlot *free_slots;
	HttpSlot *ended;
	HttpSlot *last; /* whose answer the caller looks at */
	char	  agent[64];
	char	  problem[CURL_ERROR_SIZE + 64];
};

static void
release_slot(HttpMany *many, HttpSlot *slot)
{
	slot->next = many->free_slots;
	many->free_slots = slot;
	many->free_count++;
}

/* libcurl's socket callback; it keeps what was assigned to a socket until that is removed. */
static int
watch_socket(CURL *curl, curl_socket_t socket, int what, void *context, void *assigned)
{
	HttpMany		  *many = context;
	struct epoll_event event = {.data.fd = socket};

	(void) curl;
	if (what == CURL_POLL_REMOVE)
	{
		epoll_ctl(many->epoll, EPOLL_CTL_DEL, socket, NULL);
		return 0;
	}
	event.events = (what & CURL_POLL_IN ? EPOLLIN : 0) | (what & CURL_POLL_OUT ? EPOLLOUT : 0);
	epoll_ctl(many->epoll, assigned != NULL ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, socket, &event);
	curl_multi_assign(many->multi, socket, many);
	return 0;
}

/* libcurl's timer callback. */
static int
set_timer(CURLM *multi, long timeout_ms, void *context)
{
	HttpMany *many = context;

	(void) multi;
	many->timer = timeout_ms < 0 ? -1 : clock_milliseconds() + timeout_ms;
	return 0;
}

static DaemonStatus
open_multi(HttpMany *many, int slots)
{
	many->timer = -1;
	many->epoll = epoll_create1(EPOLL_CLOEXEC);
	many->multi = curl_multi_init();
	many->slots = calloc((size_t) slots, sizeof(*many->slots));
	if (many->epoll < 0 || many->multi == NULL || many->slots == NULL)
		return DAEMON_FATAL;
	curl_multi_setopt(many->multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
	curl_multi_setopt(many->multi, CURLMOPT_SOCKETDATA, many);
	curl_multi_setopt(many->multi, CURLMOPT_TIMERFUNCTION, set_timer);
	curl_multi_setopt(many->multi, CURLMOPT_TIMERDATA, many);
	curl_multi_setopt(many->multi, CURLMOPT_MAXCONNECTS, (long) slots);
	return DAEMON_OK;
}

DaemonStatus
http_many_open(const char *program, int slots, HttpMany **many)
{
	HttpMany *new_many = calloc(1, sizeof(*new_many));

	*many = NULL;
	if (new_many == NULL || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
	{
		free(new_many);
		return DAEMON_FATAL;
	}
	if (open_multi(new_many, slots) != DAEMON_OK)
	{
		http_many_close(new_many);
		return DAEMON_FATAL;
	}
	for (int i = 0; i < slots; i++)
	{
		if (http_transfer_open(&new_many->slots[i].transfer) != DAEMON_OK)
		{
			http_many_close(new_many);
			return DAEMON_FATAL;
		}
		curl_easy_setopt(new_many->slots[i].transfer.curl, CURLOPT_PRIVATE, &new_many->slots[i]);
		new_many->count++;
		release_slot(new_many, &new_many->slots[i]);
	}
	snprintf(new_many->agent, sizeof(new_many->agent), "%s", program);
	*many = new_many;
	return DAEMON_OK;
}

void
http_many_close(HttpMany *many)
{
	if (many == NULL)
		return;
	for (int i = 0; i < many->count; i++)
	{
		curl_multi_remove_handle(many->multi, many->slots[i].transfer.curl);
		http_transfer_close(&many->slots[i].transfer);
	}
	if (many->multi != NULL)
		curl_multi_cleanup(many->multi);
	if (many->epoll >= 0)
		close(many->epoll);
	free(many->slots);
	free(many);
	curl_global_cleanup();
}

int
http_many_free_slots(const HttpMany *many)
{
	return many->free_count + (many->last != NULL ? 1 : 0);
}

/* The caller is done with the last answer. */
static void
release_last(HttpMany *many)
{
	if (many->last != NULL)
		release_slot(many, many->last);
	many->last = NULL;
}

static void
end_slot(HttpMany *many, HttpSlot *slot, CURLcode code)
{
	slot->code = code;
	slot->next = many->ended;
	many->ended = slot;
}

/* Take out the transfers that have ended. */
static void
collect(HttpMany *many)
{
	int		 left;
	CURLMsg *message;

	while ((message = curl_multi_info_read(many->multi, &left)) != NULL)
	{
		CURL	 *curl = message->easy_handle;
		CURLcode  code = message->data.result;
		HttpSlot *slot;

		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(curl, CURLINFO_PRIVATE, &slot);
		curl_multi_remove_handle(many->multi, curl);
		end_slot(many, slot, code);
	}
}

/* What libcurl wants to do by now without a socket: begin a transfer, or give one up. */
static void
run_timer(HttpMany *many)
{
	int running;

	if (many->timer < 0 || clock_left(many->timer) > 0)
		return;
	many->timer = -1; /* unless it is set anew */
	curl_multi_socket_action(many->multi, CURL_SOCKET_TIMEOUT, 0, &running);
}

void
http_many_start(HttpMany *many, const HttpRequest *request, void *tag)
{
	HttpSlot *slot;
	CURLcode  code;

	release_last(many);
	slot = many->free_slots;
	many->free_slots = slot->next;
	many->free_count--;
	slot->tag = tag;
	code = http_transfer_prepare(&slot->transfer, many->agent, request);
	curl_easy_setopt(slot->transfer.curl, CURLOPT_PRIVATE, slot);
	if (code == CURLE_OK && curl_multi_add_handle(many->multi, slot->transfer.curl) != CURLM_OK)
		code = CURLE_OUT_OF_MEMORY;
	if (code != CURLE_OK)
		end_slot(many, slot, code);
	run_timer(many); /* over an open connection it is sent at once */
	collect(many);
}

int
http_many_fd(const HttpMany *many)
{
	return many->epoll;
}

int
http_many_timeout(const HttpMany *many)
{
	return many->ended != NULL ? 0 : clock_left(many->timer);
}

void
http_many_dispatch(HttpMany *many)
{
	struct epoll_event events[EVENTS];
	int				   running;
	int				   count = epoll_wait(many->epoll, events, EVENTS, 0);

	for (int i = 0; i < count; i++)
	{
		int what = (events[i].events & EPOLLIN ? CURL_CSELECT_IN : 0) |
				   (events[i].events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
				   (events[i].events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0);

		curl_multi_socket_action(many->multi, events[i].data.fd, what, &running);
	}
	run_timer(many);
	collect(many);
}

/* Poll for the transfers too, for timeout_ms at most; how many of the caller's descriptors are ready. */
static int
poll_once(HttpMany *many, struct pollfd *fds, int count, int timeout_ms)
{
	struct pollfd all[HTTP_MANY_FDS + 1] = {{.fd = many->epoll, .events = POLLIN}};
	int			  own_ms = http_many_timeout(many);
	int			  ready;

	if (own_ms >= 0 && (timeout_ms < 0 || own_ms < timeout_ms))
		timeout_ms = own_ms;
	for (int i = 0; i < count; i++)
		all[i + 1] = (struct pollfd) {.fd = fds[i].fd, .events = fds[i].events};
	ready = poll(all, (nfds_t) count + 1, timeout_ms);
	for (int i = 0; i < count; i++)
		fds[i].revents = ready > 0 ? all[i + 1].revents : 0;
	return ready - (ready > 0 && all[0].revents != 0 ? 1 : 0);
}

void
http_many_wait(HttpMany *many, struct pollfd *fds, int count, int timeout_ms)
{
	int64_t deadline = timeout_ms < 0 ? -1 : clock_milliseconds() + timeout_ms;
	int		ready;

	if (count > HTTP_MANY_FDS)
		count = HTTP_MANY_FDS;
	do
	{
		ready = poll_once(many, fds, count, clock_left(deadline));
		http_many_dispatch(many);
	} while (ready == 0 && many->ended == NULL && clock_left(deadline) != 0);
}

bool
http_many_next(HttpMany *many, HttpAnswer *answer)
{
	HttpSlot *slot;

	release_last(many);
	slot = many->ended;
	if (slot == NULL)
		return false;
	many->ended = slot->next;
	many->last = slot;
	answer->tag = slot->tag;
	answer->status = http_transfer_finish(&slot->transfer, slot->code, &answer->response,
										  many->problem, sizeof(many->problem));
	answer->problem = many->problem;
	return true;
}
