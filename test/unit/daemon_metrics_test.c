/*
 * daemon_metrics_test.c
 *	  metrics.h: the text format, health and readiness, addresses, over real HTTP.
 */
#include "daemon/metrics_internal.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tap.h"

/* A free port of the loopback, as far as one can know. */
static int
free_port(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t		   length = sizeof(address);
	int				   fd = socket(AF_INET, SOCK_STREAM, 0);

	if (bind(fd, (struct sockaddr *) &address, length) != 0 ||
		getsockname(fd, (struct sockaddr *) &address, &length) != 0)
		abort();
	close(fd);
	return ntohs(address.sin_port);
}

/* The whole answer to GET path. */
static const char *
get(int port, const char *path)
{
	static char		   answer[65536];
	struct sockaddr_in address = {.sin_family = AF_INET,
								  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
								  .sin_port = htons((uint16_t) port)};
	char			   request[128];
	size_t			   used = 0;
	ssize_t			   received;
	int				   fd = socket(AF_INET, SOCK_STREAM, 0);
	int				   length = snprintf(request, sizeof(request),
										 "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", path);

	if (connect(fd, (struct sockaddr *) &address, sizeof(address)) != 0 ||
		write(fd, request, (size_t) length) != length)
		abort();
	while ((received = read(fd, answer + used, sizeof(answer) - 1 - used)) > 0)
		used += (size_t) received;
	answer[used] = '\0';
	close(fd);
	return answer;
}

static bool
answers(int port, const char *path, const char *status)
{
	return strncmp(get(port, path), status, strlen(status)) == 0;
}

static void
test_serving(const Log *log)
{
	static const char *const invalid_json[] = {"reason", "invalid \"json\"\n", NULL};
	static const char *const too_long[] = {"reason", "too long", NULL};
	Metrics					*metrics;
	Metrics					*second;
	Metric					*counter;
	Metric					*rejected;
	char					 address[64];
	int						 port = free_port();
	const char				*text;

	snprintf(address, sizeof(address), "127.0.0.1:%d", port);
	ok(metrics_open(log, address, 1, &metrics) == DAEMON_OK, "the server starts");
	ok(metrics_open(log, address, 1, &second) == DAEMON_FATAL && second == NULL,
	   "a second one on the same address does not");

	counter = metrics_counter(metrics, "t_records_total", "Records.", NULL);
	metric_add(counter, 2);
	metric_add(metrics_counter(metrics, "t_records_total", "Records.", NULL), 1);
	rejected = metrics_counter(metrics, "t_rejected_total", "Rejected.", invalid_json);
	metric_set(metrics_gauge(metrics, "t_lag_seconds", "Lag.", NULL), 0.25);
	metric_add(metrics_counter(metrics, "t_rejected_total", "Rejected.", too_long), 1);

	text = get(port, "/metrics");
	ok(strstr(text, "Content-Type: text/plain; version=0.0.4") != NULL,
	   "the content type is Prometheus'");
	ok(strstr(
		   text,
		   "# HELP t_records_total Records.\n# TYPE t_records_total counter\nt_records_total 3\n") !=
		   NULL,
	   "a counter");
	ok(strstr(text, "# TYPE t_lag_seconds gauge\nt_lag_seconds 0.25\n") != NULL, "a gauge");
	ok(strstr(
		   text,
		   "# TYPE t_rejected_total counter\nt_rejected_total{reason=\"invalid \\\"json\\\"\\n\"} 0\n"
		   "t_rejected_total{reason=\"too long\"} 1\n") != NULL,
	   "labels are escaped, a family stays together");
	ok(strstr(text, "topk_build_info{version=") != NULL, "the version");
	metrics_remove(metrics, rejected);
	ok(strstr(get(port, "/metrics"), "invalid") == NULL, "a removed metric is gone");

	ok(answers(port, "/readyz", "HTTP/1.1 503"),
	   "not ready while nothing is known of dependencies");
	metrics_ready(metrics, "postgresql", true);
	metrics_ready(metrics, "dynamodb", false);
	ok(answers(port, "/readyz", "HTTP/1.1 503"), "not ready while one is not reached");
	ok(strstr(get(port, "/metrics"), "# TYPE topk_dependency_up gauge\n"
									 "topk_dependency_up{dependency=\"postgresql\"} 1\n"
									 "topk_dependency_up{dependency=\"dynamodb\"} 0\n") != NULL,
	   "which one is a metric, too");
	metrics_ready(metrics, "dynamodb", true);
	ok(answers(port, "/readyz", "HTTP/1.1 200"), "ready when all are");

	ok(answers(port, "/healthz", "HTTP/1.1 200"), "healthy after progress");
	usleep(1200 * 1000);
	ok(answers(port, "/healthz", "HTTP/1.1 503"), "not healthy without progress for the time");
	metrics_progress(metrics);
	ok(answers(port, "/healthz", "HTTP/1.1 200"), "healthy again");
	ok(answers(port, "/", "HTTP/1.1 404"), "nothing else is there");
	metrics_close(metrics);
}

static void
test_addresses(const Log *log)
{
	static const char *const good[] = {"off", "127.0.0.1:9188", "[::1]:0", ":9188", "localhost:1"};
	static const char *const bad[] = {"",		"127.0.0.1", "127.0.0.1:", "127.0.0.1:65536",
									  "::1:80", "h:-1",		 "h:http",	   "9188"};
	Metrics					*metrics;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		ok(metrics_address_valid(good[i]), "\"%s\" is an address", good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ok(!metrics_address_valid(bad[i]), "\"%s\" is none", bad[i]);

	ok(metrics_open(log, "off", 1, &metrics) == DAEMON_OK, "off opens");
	metric_add(metrics_counter(metrics, "t_total", "T.", NULL), 1);
	metrics_ready(metrics, "x", true);
	metrics_progress(metrics);
	metrics_close(metrics);
	metric_add(metrics_counter(NULL, "t_total", "T.", NULL), 1);
	metrics_progress(NULL);
	metrics_close(NULL);
}

int
main(void)
{
	Log quiet = {.fd = open("/dev/null", O_WRONLY), .program = "t", .level = LOG_LEVEL_INFO};

	test_serving(&quiet);
	test_addresses(&quiet);
	return done_testing();
}
