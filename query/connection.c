/*
 * connection.c
 *	  A client's socket: reading, writing, and when it has been quiet for too long.
 *
 * Must not know versions of HTTP, but how to tell them apart.
 */
#include "connection.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/clock.h"
#include "exchange_internal.h"

/* What an HTTP/2 client that knows that we speak it says first (RFC 9113, 3.4). */
#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#define PREFACE_LENGTH (sizeof(PREFACE) - 1)

#define READ_BYTES 16384
/* As much is made ready before it is written. */
#define FILL_BYTES 65536
#define LINGER_MS 2000

/* ---- from open to free ---- */

static void
expire(void *context)
{
	Connection *connection = context;

	if (connection->protocol == NULL || connection->lingering || connection->out.length > 0)
		connection_drop(connection);
	else
		connection_drain(connection);
}

Connection *
connection_open(Server *server, int fd)
{
	Connection		  *connection = calloc(1, sizeof(*connection));
	struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP, .data.ptr = connection};

	if (connection == NULL)
		goto failed;
	*connection = (Connection) {.server = server,
								.fd = fd,
								.events = event.events,
								.out = {.total = &server->answer_bytes}};
	if (server->tls != NULL && (connection->tls = tls_accept(server->tls, fd)) == NULL)
		goto failed;
	if (fd >= 0 && epoll_ctl(server->epoll, EPOLL_CTL_ADD, fd, &event) != 0)
		goto failed;
	connection->timer.fire = expire;
	connection->timer.context = connection;
	timer_set(&server->timers, &connection->timer,
			  clock_milliseconds() + server->settings.request_read_ms);
	connection->link = &server->connections;
	connection->next = server->connections;
	if (connection->next != NULL)
		connection->next->link = &connection->next;
	server->connections = connection;
	metric_set(server->open_connections, ++server->connection_count);
	return connection;

failed:
	if (connection != NULL)
		tls_end(connection->tls);
	free(connection);
	if (fd >= 0)
		close(fd);
	return NULL;
}

/* Its answers under way come to nothing. */
static void
close_protocol(Connection *connection)
{
	while (connection->exchanges != NULL)
		exchange_free(connection->exchanges);
	if (connection->protocol != NULL)
		connection->protocol->close(connection);
	connection->protocol = NULL;
}

void
connection_free(Connection *connection)
{
	Server *server = connection->server;

	close_protocol(connection);
	timer_stop(&connection->timer);
	*connection->link = connection->next;
	if (connection->next != NULL)
		connection->next->link = connection->link;
	tls_end(connection->tls);
	if (connection->fd >= 0)
		close(connection->fd);
	buffer_free(&connection->in);
	buffer_free(&connection->out);
	free(connection);
	metric_set(server->open_connections, --server->connection_count);
}

void
connection_touch(Connection *connection)
{
	if (connection->is_touched)
		return;
	connection->is_touched = true;
	connection->next_touched = connection->server->touched;
	connection->server->touched = connection;
}

void
connection_drop(Connection *connection)
{
	connection->gone = true;
	connection_touch(connection);
}

void
connection_drain(Connection *connection)
{
	if (connection->protocol != NULL)
		connection->protocol->drain(connection);
	else
		connection->closing = true;
	connection_touch(connection);
}

/* ---- bytes in ---- */

/* Which version do the first bytes speak?  It may take more of them to tell. */
static void
find_protocol(Connection *connection)
{
	size_t length = connection->in.length < PREFACE_LENGTH ? connection->in.length : PREFACE_LENGTH;

	if (memcmp(buffer_bytes(&connection->in), PREFACE, length) != 0)
		connection->protocol = &http1_protocol;
	else if (length == PREFACE_LENGTH)
		connection->protocol = &http2_protocol;
	else
		return;
	if (!connection->protocol->open(connection))
		connection_drop(connection);
}

/*
 * Hand what has come to the protocol, as far as it takes it, and no more while answers wait for a client
 * that may not be reading them.
 */
static void
process(Connection *connection)
{
	if (connection->protocol == NULL && connection->in.length > 0)
		find_protocol(connection);
	while (connection->protocol != NULL && connection->in.length > 0 &&
		   connection->out.length < FILL_BYTES && !connection->closing && !connection->gone)
	{
		ssize_t taken = connection->protocol->receive(connection, buffer_bytes(&connection->in),
													  connection->in.length);

		if (taken == 0)
			return;
		if (taken < 0)
			connection->closing = true;
		else
			buffer_take(&connection->in, (size_t) taken);
	}
}

void
connection_receive(Connection *connection, const char *bytes, size_t length)
{
	connection_touch(connection);
	if (connection->closing || connection->lingering || connection->gone)
		return;
	buffer_append(&connection->in, bytes, length);
	if (connection->in.failed)
		connection_drop(connection);
	else
		process(connection);
}

/* The client will say no more. */
static void
hang_up(Connection *connection)
{
	if (connection->lingering || connection->exchanges != NULL || connection->out.length == 0)
		connection_drop(connection);
	connection->closing = true;
}

static void
read_some(Connection *connection)
{
	char	bytes[READ_BYTES];
	ssize_t length;

	do
	{
		length = connection->tls != NULL ? tls_read(connection->tls, bytes, sizeof(bytes))
										 : recv(connection->fd, bytes, sizeof(bytes), 0);
		if (length < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (length <= 0)
		{
			hang_up(connection);
			return;
		}
		metric_add(connection->server->received_bytes, (double) length);
		connection_receive(connection, bytes, (size_t) length);
	} while (connection->tls != NULL && tls_has_more(connection->tls) && !connection->gone);
}

void
connection_ready(Connection *connection, uint32_t events)
{
	connection_touch(connection);
	if ((events & EPOLLIN) && !(events & EPOLLERR))
		read_some(connection);
	else if (events & (EPOLLERR | EPOLLRDHUP | EPOLLHUP))
		connection_drop(connection);
}

/* ---- bytes out ---- */

/* False when the client is gone; blocked: it takes no more at present. */
static bool
write_some(Connection *connection, bool *blocked)
{
	ssize_t length = (ssize_t) connection->out.length;

	if (connection->tls != NULL)
		length = tls_write(connection->tls, buffer_bytes(&connection->out), connection->out.length);
	else if (connection->fd >= 0)
		length = send(connection->fd, buffer_bytes(&connection->out), connection->out.length,
					  MSG_NOSIGNAL);
	if (length <= 0)
	{
		*blocked = length < 0 && (errno == EAGAIN || errno == EINTR);
		return *blocked;
	}
	metric_add(connection->server->sent_bytes, (double) length);
	buffer_take(&connection->out, (size_t) length);
	return true;
}

/* Process and send until there is nothing left, or the client takes no more.  False when it is gone. */
static bool
send_all(Connection *connection, bool *blocked)
{
	bool
		full; /* requests and answers wait for room, and nobody else will call when there is some */

	do
	{
		process(connection);
		if (connection->protocol != NULL && connection->out.length < FILL_BYTES)
			connection->protocol->fill(connection);
		if (connection->out.failed || connection->gone)
			return false;
		full = connection->out.length >= FILL_BYTES;
		if (connection->out.length > 0 && !write_some(connection, blocked))
			return false;
	} while ((connection->out.length > 0 || full) && !*blocked);
	return true;
}

/* All is said.  Closing at once would reset the connection if the client is still sending, and it might miss the answer. */
static void
linger(Connection *connection)
{
	close_protocol(connection);
	connection->lingering = true;
	if (connection->tls != NULL)
		tls_say_goodbye(connection->tls);
	if (connection->fd < 0 || shutdown(connection->fd, SHUT_WR) != 0)
		connection->gone = true;
	timer_set(&connection->server->timers, &connection->timer, clock_milliseconds() + LINGER_MS);
}

/* How long may it be quiet now? */
static void
set_timer(Connection *connection, bool blocked)
{
	Server *server = connection->server;
	int64_t now = clock_milliseconds();

	if (connection->lingering)
		return;
	if (blocked)
		timer_set(&server->timers, &connection->timer, now + server->settings.write_stall_ms);
	else if (connection->exchanges != NULL)
		timer_stop(&connection->timer);
	else if (connection->served) /* else it has the time that it was given when it came */
		timer_set(&server->timers, &connection->timer, now + server->settings.idle_ms);
}

static void
ask_for_events(Connection *connection, bool blocked)
{
	struct epoll_event event = {.data.ptr = connection};

	if (connection->lingering)
		event.events = EPOLLIN;
	else if (!connection->closing)
		event.events =
			EPOLLRDHUP | (connection->in.length == 0 || connection->protocol == NULL ? EPOLLIN : 0);
	if (blocked)
		event.events |= EPOLLOUT;
	if (event.events == connection->events || connection->fd < 0)
		return;
	connection->events = event.events;
	if (epoll_ctl(connection->server->epoll, EPOLL_CTL_MOD, connection->fd, &event) != 0)
		connection->gone = true;
}

void
connection_settle(Connection *connection)
{
	bool blocked = false;

	if (!connection->gone && !connection->lingering && !send_all(connection, &blocked))
		connection->gone = true;
	if (!connection->gone && !connection->lingering && connection->closing &&
		connection->out.length == 0)
		linger(connection);
	if (!connection->gone)
	{
		set_timer(connection, blocked);
		ask_for_events(connection, blocked);
	}
	connection->is_touched = false;
	if (connection->gone)
		connection_free(connection);
}
