/*
 * rpc_health.c
 *	  gRPC's health checking: is the store reached?
 *
 * "GRPC Health Checking Protocol" (grpc/grpc, doc/health-checking.md).
 */
#include <stdlib.h>
#include <string.h>

#include "daemon/clock.h"
#include "grpc/health/v1/health.pb-c.h"
#include "rpc_grpc.h"
#include "rpc_internal.h"

/* How often a watched state is looked at. */
#define WATCH_MS 1000

typedef Grpc__Health__V1__HealthCheckResponse__ServingStatus ServingStatus;

typedef struct Watch
{
	Health		 *health;
	Exchange	 *exchange;
	bool		  known; /* is it a service that we have? */
	ServingStatus said;
	Timer		  timer;
} Watch;

#define UNKNOWN_SERVICE GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVICE_UNKNOWN

static ServingStatus
status_now(const Health *health, bool known)
{
	if (!known)
		return UNKNOWN_SERVICE;
	return health->store->up ? GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING
							 : GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__NOT_SERVING;
}

static bool
send_status(Exchange *exchange, ServingStatus status)
{
	Grpc__Health__V1__HealthCheckResponse response = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
	uint8_t								  packed[16];

	response.status = status;
	return grpc_send(exchange, packed,
					 grpc__health__v1__health_check_response__pack(&response, packed));
}

/* Which service is asked for: known tells whether it is one of ours, or "" for all.  False, answered, for no message. */
static bool
read_request(Exchange *exchange, bool *known)
{
	Grpc__Health__V1__HealthCheckRequest *request;
	GrpcMessage							  message;
	const ProtobufCBinaryData			 *service;

	if (!grpc_take_message(exchange, &message))
		return false;
	if (message.compressed)
	{
		grpc_fail(exchange, RPC_UNIMPLEMENTED, "compression is not supported; identity is");
		return false;
	}
	request = grpc__health__v1__health_check_request__unpack(NULL, message.length, message.bytes);
	if (request == NULL)
	{
		grpc_fail(exchange, RPC_INVALID_ARGUMENT, "the message is not valid protobuf");
		return false;
	}
	service = &request->service;
	*known = service->len == 0 || (service->len == strlen(RPC_SERVICE) &&
								   memcmp(service->data, RPC_SERVICE, service->len) == 0);
	grpc__health__v1__health_check_request__free_unpacked(request, NULL);
	return true;
}

static void
check(void *context, Exchange *exchange)
{
	const Health *health = context;
	bool		  known;

	if (!read_request(exchange, &known))
		return;
	if (!known)
	{
		grpc_fail(exchange, RPC_NOT_FOUND, "there is no such service");
		return;
	}
	grpc_begin(exchange);
	send_status(exchange, status_now(health, known));
	grpc_end(exchange, GRPC_OK, "");
}

/* ---- watching ---- */

static void
look(void *context)
{
	Watch		 *watch = context;
	ServingStatus status = status_now(watch->health, watch->known);

	if (status != watch->said && send_status(watch->exchange, status))
		watch->said = status;
	timer_set(server_timers(watch->health->server), &watch->timer, clock_milliseconds() + WATCH_MS);
}

static void
stop_watching(void *context)
{
	Watch *watch = context;

	timer_stop(&watch->timer);
	free(watch);
}

static void
start_watching(void *context, Exchange *exchange)
{
	bool   known;
	Watch *watch;

	if (!read_request(exchange, &known))
		return;
	watch = calloc(1, sizeof(*watch));
	if (watch == NULL)
	{
		grpc_fail(exchange, RPC_RESOURCE_EXHAUSTED, "out of memory");
		return;
	}
	*watch = (Watch) {.health = context,
					  .exchange = exchange,
					  .known = known,
					  .said = status_now(context, known),
					  .timer = {.fire = look, .context = watch}};
	exchange_on_closed(exchange, stop_watching, watch);
	grpc_begin(exchange);
	send_status(exchange, watch->said);
	look(watch);
}

void
health_register(Health *health)
{
	server_route(health->server, "POST", "/grpc.health.v1.Health/Check", check, health,
				 SERVER_PUBLIC | SERVER_CORS);
	server_route(health->server, "POST", "/grpc.health.v1.Health/Watch", start_watching, health,
				 SERVER_PUBLIC | SERVER_CORS);
}
