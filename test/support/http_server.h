/*
 * http_server.h
 *	  A server on a port of its own that answers what it is told; one connection after the other.
 *
 * Must not know what is asked.
 */
#ifndef HTTP_SERVER_H
#define HTTP_SERVER_H

#include <arpa/inet.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A server that reads one request after the other and answers each with the next answer. */
typedef struct Server
{
	int				   fd;
	char			   url[64];
	const char *const *answers; /* NULL: be silent until the client goes */
	char			   request[65536];
	int				   connections;
	pthread_t		   thread;
} Server;

/* Read until the body that Content-Length announces is there; false when the client is gone. */
static bool
read_request(Server *server, int client)
{
	size_t used = 0;

	for (;;)
	{
		ssize_t received = read(client, server->request + used, sizeof(server->request) - 1 - used);
		const char *head_end;
		const char *length;

		if (received <= 0)
			return false;
		used += (size_t) received;
		server->request[used] = '\0';
		head_end = strstr(server->request, "\r\n\r\n");
		length = strstr(server->request, "Content-Length: ");
		if (head_end != NULL && strncmp(server->request, "GET ", 4) == 0)
			return true;
		if (head_end != NULL && length != NULL &&
			used >= (size_t) (head_end + 4 - server->request) + (size_t) atol(length + 16))
			return true;
	}
}

static void *
serve(void *context)
{
	Server *server = context;
	int		client;

	while ((client = accept(server->fd, NULL, NULL)) >= 0)
	{
		server->connections++;
		while (read_request(server, client))
		{
			size_t length = *server->answers != NULL ? strlen(*server->answers) : 0;

			if (*server->answers == NULL)
				continue;
			if (write(client, *server->answers, length) != (ssize_t) length)
				break;
			server->answers++;
		}
		close(client);
	}
	return NULL;
}

static void
server_start(Server *server, const char *const *answers)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t		   length = sizeof(address);

	*server = (Server) {.fd = socket(AF_INET, SOCK_STREAM, 0), .answers = answers};
	if (bind(server->fd, (struct sockaddr *) &address, length) != 0 || listen(server->fd, 8) != 0 ||
		getsockname(server->fd, (struct sockaddr *) &address, &length) != 0)
		abort();
	snprintf(server->url, sizeof(server->url), "http://127.0.0.1:%d/", ntohs(address.sin_port));
	pthread_create(&server->thread, NULL, serve, server);
}

static void
server_stop(Server *server)
{
	shutdown(server->fd, SHUT_RDWR);
	pthread_join(server->thread, NULL);
	close(server->fd);
}

#endif /* HTTP_SERVER_H */
