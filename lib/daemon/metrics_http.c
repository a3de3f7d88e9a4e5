/*
 * metrics_http.c
 *	  Serves /metrics, /healthz and /readyz with libmicrohttpd.
 *
 * Must not know which metrics there are.
 */
#include "daemon/metrics_internal.h"

#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <microhttpd.h>

#include "daemon/address.h"
#include "daemon/version.h"

#define METRICS_CONNECTIONS_MAX 16
#define METRICS_CONNECTION_TIMEOUT_S 5
#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

struct Metrics
{
	MetricsState	  *state;
	struct MHD_Daemon *server; /* NULL when off */
};

MetricsState *
metrics_state(Metrics *metrics)
{
	return metrics != NULL ? metrics->state : NULL;
}

/* ---- the address ---- */

bool
metrics_address_valid(const char *address)
{
	char host[ADDRESS_HOST_SIZE];
	char port[ADDRESS_PORT_SIZE];

	return strcmp(address, "off") == 0 || address_split(address, host, port);
}

/* ---- requests ---- */

static enum MHD_Result
answer_text(struct MHD_Connection *connection, unsigned int status, char *text, size_t length)
{
	struct MHD_Response *response =
		MHD_create_response_from_buffer(length, text, MHD_RESPMEM_MUST_FREE);
	enum MHD_Result result;

	if (response == NULL)
	{
		free(text);
		return MHD_NO;
	}
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, METRICS_CONTENT_TYPE);
	result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return result;
}

static unsigned int
write_answer(MetricsState *state, const char *method, const char *path, FILE *file)
{
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return MHD_HTTP_METHOD_NOT_ALLOWED;
	if (strcmp(path, "/healthz") == 0)
		return metrics_write_health(state, file) ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE;
	if (strcmp(path, "/readyz") == 0)
		return metrics_write_readiness(state, file) ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE;
	if (strcmp(path, "/metrics") == 0)
	{
		metrics_write_text(state, file);
		return MHD_HTTP_OK;
	}
	fputs("/metrics, /healthz and /readyz are here\n", file);
	return MHD_HTTP_NOT_FOUND;
}

/* libmicrohttpd's access handler. */
static enum MHD_Result
handle_request(void *context, struct MHD_Connection *connection, const char *path,
			   const char *method, const char *version, const char *upload, size_t *upload_size,
			   void **request)
{
	char		*text = NULL;
	size_t		 length = 0;
	unsigned int status;
	FILE		*file;

	(void) version;
	(void) upload;
	(void) request;
	if (*upload_size > 0)
	{
		*upload_size = 0; /* nobody asked for a body */
		return MHD_YES;
	}
	file = open_memstream(&text, &length);
	if (file == NULL)
		return MHD_NO;
	status = write_answer(context, method, path, file);
	fclose(file);
	return answer_text(connection, status, text, length);
}

/* ---- opening ---- */

static struct MHD_Daemon *
start_server(Metrics *metrics, const struct addrinfo *address)
{
	unsigned int flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL;

	if (address->ai_family == AF_INET6)
		flags |= MHD_USE_IPv6;
	return MHD_start_daemon(flags, 0, NULL, NULL, handle_request, metrics->state,
							MHD_OPTION_SOCK_ADDR, address->ai_addr, MHD_OPTION_CONNECTION_LIMIT,
							(unsigned int) METRICS_CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
							(unsigned int) METRICS_CONNECTION_TIMEOUT_S, MHD_OPTION_END);
}

static DaemonStatus
listen_on(Metrics *metrics, const Log *log, const char *address)
{
	struct addrinfo				hints = {.ai_flags = AI_PASSIVE, .ai_socktype = SOCK_STREAM};
	struct addrinfo			   *found = NULL;
	const union MHD_DaemonInfo *info;
	char						host[ADDRESS_HOST_SIZE];
	char						port[ADDRESS_PORT_SIZE];
	int							code = EAI_NONAME;

	if (address_split(address, host, port))
		code = getaddrinfo(host[0] != '\0' ? host : NULL, port, &hints, &found);
	if (code == 0)
	{
		errno = 0;
		metrics->server = start_server(metrics, found);
		freeaddrinfo(found);
	}
	if (metrics->server == NULL)
	{
		log_error(log, "could not serve metrics", LOG_TEXT("address", address),
				  LOG_TEXT("problem", code != 0 ? gai_strerror(code) : strerror(errno)),
				  LOG_TEXT("hint", "choose another --metrics-addr, or off"));
		return DAEMON_FATAL;
	}
	info = MHD_get_daemon_info(metrics->server, MHD_DAEMON_INFO_BIND_PORT);
	log_info(log, "serving metrics", LOG_TEXT("host", host),
			 LOG_INTEGER("port", info != NULL ? info->port : 0));
	return DAEMON_OK;
}

static void
add_process_metrics(Metrics *metrics)
{
	const char *const version[] = {"version", TOPK_VERSION, NULL};

	metric_set(metrics_gauge(metrics, "topk_build_info", "Version of the program.", version), 1);
	metric_set(metrics_gauge(metrics, "process_start_time_seconds",
							 "Start of the process, in Unix time.", NULL),
			   (double) time(NULL));
}

DaemonStatus
metrics_open(const Log *log, const char *address, int stall_seconds, Metrics **metrics)
{
	DaemonStatus status = DAEMON_OK;

	*metrics = calloc(1, sizeof(**metrics));
	if (*metrics != NULL)
		(*metrics)->state = metrics_state_create(stall_seconds);
	if (*metrics == NULL || (*metrics)->state == NULL)
	{
		free(*metrics);
		*metrics = NULL;
		log_error(log, "out of memory");
		return DAEMON_FATAL;
	}
	add_process_metrics(*metrics);
	if (strcmp(address, "off") != 0)
		status = listen_on(*metrics, log, address);
	if (status != DAEMON_OK)
	{
		metrics_close(*metrics);
		*metrics = NULL;
	}
	return status;
}

void
metrics_close(Metrics *metrics)
{
	if (metrics == NULL)
		return;
	if (metrics->server != NULL)
		MHD_stop_daemon(metrics->server);
	metrics_state_free(metrics->state);
	free(metrics);
}
