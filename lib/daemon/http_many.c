/*
 * http_many.c
 *	  Many requests at once through libcurl's multi interface.
 *
 * Must not know what is said over it, nor log anything.
 */
#include "daemon/http_many.h"

#include <stdio.h>
#include <stdlib.h>

#include "daemon/http_transfer.h"

#define HTTP_MANY_FDS 8

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
	new_many->multi = curl_multi_init();
	new_many->slots = calloc((size_t) slots, sizeof(*new_many->slots));
	if (new_many->multi == NULL || new_many->slots == NULL)
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
	curl_multi_setopt(new_many->multi, CURLMOPT_MAXCONNECTS, (long) slots);
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
}

/* Move the transfers on, and take out those that have ended. */
static void
perform(HttpMany *many)
{
	int		 running;
	int		 left;
	CURLMsg *message;

	curl_multi_perform(many->multi, &running);
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

void
http_many_wait(HttpMany *many, struct pollfd *fds, int count, int timeout_ms)
{
	struct curl_waitfd extra[HTTP_MANY_FDS];

	perform(many);
	if (many->ended != NULL)
		timeout_ms = 0;
	for (int i = 0; i < count && i < HTTP_MANY_FDS; i++)
		extra[i] = (struct curl_waitfd) {
			.fd = fds[i].fd,
			.events = (short) ((fds[i].events & POLLIN ? CURL_WAIT_POLLIN : 0) |
							   (fds[i].events & POLLOUT ? CURL_WAIT_POLLOUT : 0)),
		};
	curl_multi_poll(many->multi, extra, (unsigned int) count, timeout_ms, NULL);
	for (int i = 0; i < count && i < HTTP_MANY_FDS; i++)
		fds[i].revents = (short) ((extra[i].revents & CURL_WAIT_POLLIN ? POLLIN : 0) |
								  (extra[i].revents & CURL_WAIT_POLLOUT ? POLLOUT : 0));
	perform(many);
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
