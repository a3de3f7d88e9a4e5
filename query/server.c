/*
 * server.c
 *	  Listens, and gives each client that comes its connection.
 *
 * Must not know versions of HTTP, nor what is asked.
 */
#include "server.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "connection.h"
#include "daemon/address.h"

#define BACKLOG 1024
#define EVENTS_MAX 256

/* ---- listening ---- */

/* Listen on one address; false, errno set, if that is not possible. */
static bool
listen_on(Server *server, const struct addrinfo *address)
{
	struct epoll_event event = {.events = EPOLLIN};
	int				   one = 1;
	int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return false;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (address->ai_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	event.data.ptr = &server->listeners[server->listener_count];
	if (bind(fd, address->ai_addr, address->ai_addrlen) != 0 || listen(fd, BACKLOG) != 0 ||
		epoll_ctl(server->epoll, EPOLL_CTL_ADD, fd, &event) != 0)
	{
		int problem = errno;

		close(fd);
		errno = problem;
		return false;
	}
	server->listeners[server->listener_count++] = fd;
	return true;
}

/* The port of a listener: another one than was asked for, if that was 0. */
static int
port_of(int listener)
{
	struct sockaddr_storage address;
	socklen_t				length = sizeof(address);
	char					port[ADDRESS_PORT_SIZE];

	if (getsockname(listener, (struct sockaddr *) &address, &length) != 0 ||
		getnameinfo((struct sockaddr *) &address, length, NULL, 0, port, sizeof(port),
					NI_NUMERICSERV) != 0)
		return 0;
	return (int) strtol(port, NULL, 10);
}

static bool
is_loopback(const struct sockaddr *address)
{
	if (address->sa_family == AF_INET6)
		return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *) address)->sin6_addr);
	return (ntohl(((const struct sockaddr_in *) address)->sin_addr.s_addr) >> 24) == 127;
}

/* Others than this machine may come: what they need, and see, is worth a word. */
static void
warn_of_strangers(const Server *server)
{
	if (server->tls == NULL)
		log_warning(server->log, "answers go over the network in clear",
					LOG_TEXT("hint", "--tls-cert and --tls-key, or a proxy with TLS before this"));
	if (server->tokens == NULL)
		log_warning(server->log, "everybody who reaches the address may ask",
					LOG_TEXT("hint", "--token-file, or listen on 127.0.0.1"));
}

static DaemonStatus
start_listening(Server *server)
{
	struct addrinfo	 hints = {.ai_flags = AI_PASSIVE, .ai_socktype = SOCK_STREAM};
	struct addrinfo *found = NULL;
	char			 host[ADDRESS_HOST_SIZE];
	char			 port[ADDRESS_PORT_SIZE];
	bool			 strangers = false;
	int				 code = EAI_NONAME;
	int				 problem = 0;
	int				 most;

	if (address_split(server->settings.listen, host, port))
		code = getaddrinfo(host[0] != '\0' ? host : NULL, port, &hints, &found);
	/* with port 0 a second listener would get another one than the first */
	most = code == 0 && strcmp(port, "0") == 0 ? 1 : SERVER_LISTENERS_MAX;
	for (const struct addrinfo *address = found; address != NULL && server->listener_count < most;
		 address = address->ai_next)
	{
		if (!listen_on(server, address))
			problem = errno;
		strangers = strangers || !is_loopback(address->ai_addr);
	}
	freeaddrinfo(found);
	if (server->listener_count == 0)
	{
		log_error(server->log, "could not listen", LOG_TEXT("address", server->settings.listen),
				  LOG_TEXT("problem", code != 0 ? gai_strerror(code) : strerror(problem)),
				  LOG_TEXT("hint", "choose another --listen"));
		return DAEMON_FATAL;
	}
	log_info(server->log, "listening", LOG_TEXT("host", host),
			 LOG_INTEGER("port", port_of(server->listeners[0])),
			 LOG_BOOLEAN("tls", server->tls != NULL),
			 LOG_BOOLEAN("tokens", server->tokens != NULL));
	if (strangers)
		warn_of_strangers(server);
	return DAEMON_OK;
}

static void
stop_listening(Server *server)
{
	for (int i = 0; i < server->listener_count; i++)
		close(server->listeners[i]);
	server->listener_count = 0;
}

/* ---- from open to close ---- */

static void
register_metrics(Server *server, Metrics *metrics)
{
	server->accepted_total = metrics_counter(metrics, "topk_query_connections_accepted_total",
											 "Connections that were accepted.", NULL);
	server->refused_total =
		metrics_counter(metrics, "topk_query_refused_total",
						"Requests that reached no handler, and connections above the limit.", NULL);
	server->open_connections =
		metrics_gauge(metrics, "topk_query_connections", "Open connections.", NULL);
	server->received_bytes = metrics_counter(metrics, "topk_query_received_bytes_total",
											 "Bytes of requests, without those of TLS.", NULL);
	server->sent_bytes = metrics_counter(metrics, "topk_query_sent_bytes_total",
										 "Bytes of answers, without those of TLS.", NULL);
}

/* What the files of the settings hold; false, logged, if one can't be used. */
static bool
read_files(const Server *server, Tls **tls, Tokens **tokens)
{
	const ServerSettings *settings = &server->settings;

	*tls = NULL;
	*tokens = NULL;
	if (settings->certificate != NULL &&
		(*tls = tls_open(settings->certificate, settings->key, server->log)) == NULL)
		return false;
	if (settings->token_file != NULL &&
		(*tokens = tokens_read(settings->token_file, server->log)) == NULL)
	{
		tls_close(*tls);
		return false;
	}
	return true;
}

DaemonStatus
server_open(const ServerSettings *settings, const Log *log, Metrics *metrics, Server **opened)
{
	Server *server = calloc(1, sizeof(*server));

	*opened = NULL;
	if (server == NULL)
	{
		log_error(log, "out of memory");
		return DAEMON_FATAL;
	}
	server->settings = *settings;
	server->log = log;
	server->epoll = epoll_create1(EPOLL_CLOEXEC);
	register_metrics(server, metrics);
	if (server->epoll < 0 || !read_files(server, &server->tls, &server->tokens) ||
		(settings->listen != NULL && start_listening(server) != DAEMON_OK))
	{
		server_close(server);
		return DAEMON_FATAL;
	}
	*opened = server;
	return DAEMON_OK;
}

void
server_close(Server *server)
{
	if (server == NULL)
		return;
	while (server->connections != NULL)
		connection_free(server->connections);
	stop_listening(server);
	if (server->epoll >= 0)
		close(server->epoll);
	tls_close(server->tls);
	tokens_free(server->tokens);
	free(server);
}

void
server_reload(Server *server)
{
	Tls	   *tls;
	Tokens *tokens;

	if (!read_files(server, &tls, &tokens))
		return;
	tls_close(server->tls); /* sessions hold what they need of it */
	tokens_free(server->tokens);
	server->tls = tls;
	server->tokens = tokens;
	log_info(server->log, "certificate and tokens were read again");
}

int
server_connections(const Server *server)
{
	return server->connection_count;
}

const char *
server_date(Server *server)
{
	time_t	  now = time(NULL);
	struct tm broken_down;

	if (now != server->date_of && gmtime_r(&now, &broken_down) != NULL)
	{
		strftime(server->date, sizeof(server->date), "%a, %d %b %Y %H:%M:%S GMT", &broken_down);
		server->date_of = now;
	}
	return server->date;
}

Timers *
server_timers(Server *server)
{
	return &server->timers;
}

/* ---- the loop ---- */

int
server_fd(const Server *server)
{
	return server->epoll;
}

int
server_timeout(const Server *server)
{
	return server->touched != NULL ? 0 : timers_left(&server->timers);
}

/* Without a free descriptor a listener would stay ready for ever: it is asked for again when a connection has gone. */
static void
listen_again(Server *server, bool again)
{
	for (int i = 0; i < server->listener_count; i++)
	{
		struct epoll_event event = {.events = again ? EPOLLIN : 0,
									.data.ptr = &server->listeners[i]};

		epoll_ctl(server->epoll, EPOLL_CTL_MOD, server->listeners[i], &event);
	}
	server->paused = !again;
}

/* All that wait at a listener. */
static void
accept_clients(Server *server, int listener)
{
	int one = 1;
	int fd;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
	{
		metric_add(server->accepted_total, 1);
		if (server->connection_count >= server->settings.connections_max)
		{
			metric_add(server->refused_total, 1);
			close(fd);
			continue;
		}
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		connection_open(server, fd);
	}
	if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
		listen_again(server, false);
}

static bool
is_listener(const Server *server, const void *pointer)
{
	return pointer >= (const void *) server->listeners &&
		   pointer < (const void *) (server->listeners + SERVER_LISTENERS_MAX);
}

/* Those that have something to do: each may touch others. */
static void
settle_touched(Server *server)
{
	int before = server->connection_count;

	while (server->touched != NULL)
	{
		Connection *connection = server->touched;

		server->touched = connection->next_touched;
		connection_settle(connection);
	}
	if (server->paused && server->connection_count < before)
		listen_again(server, true);
}

void
server_dispatch(Server *server)
{
	struct epoll_event events[EVENTS_MAX];
	int				   count = epoll_wait(server->epoll, events, EVENTS_MAX, 0);

	for (int i = 0; i < count; i++)
	{
		if (is_listener(server, events[i].data.ptr))
			accept_clients(server, *(int *) events[i].data.ptr);
		else
			connection_ready(events[i].data.ptr, events[i].events);
	}
	timers_fire(&server->timers);
	settle_touched(server);
}

/* ---- the end ---- */

/* What waits at a listener when it is closed is reset, though its request may have come. */
static void
hear_who_has_come(Server *server)
{
	for (int i = 0; i < server->listener_count; i++)
		accept_clients(server, server->listeners[i]);
	for (Connection *connection = server->connections; connection != NULL;
		 connection = connection->next)
		if (connection->fd >= 0 && (connection->events & EPOLLIN))
			connection_ready(connection, EPOLLIN);
}

void
server_drain(Server *server)
{
	Connection *next;

	hear_who_has_come(server);
	server->draining = true;
	stop_listening(server);
	for (Connection *connection = server->connections; connection != NULL; connection = next)
	{
		next = connection->next;
		connection_drain(connection);
	}
}
