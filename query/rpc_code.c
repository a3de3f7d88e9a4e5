/*
 * rpc_code.c
 *	  One table of codes, for all that answers with them.
 */
#include "rpc_code.h"

#include <jansson.h>

static const struct
{
	const char *name;
	int			status;
} codes[RPC_CODES] = {
	{"ok", 200},
	{"canceled", 499},
	{"unknown", 500},
	{"invalid_argument", 400},
	{"deadline_exceeded", 504},
	{"not_found", 404},
	{"already_exists", 409},
	{"permission_denied", 403},
	{"resource_exhausted", 429},
	{"failed_precondition", 400},
	{"aborted", 409},
	{"out_of_range", 400},
	{"unimplemented", 501},
	{"internal", 500},
	{"unavailable", 503},
	{"data_loss", 500},
	{"unauthenticated", 401},
};

const char *
rpc_code_name(int code)
{
	return codes[code].name;
}

int
rpc_code_status(RpcCode code)
{
	return codes[code].status;
}

char *
rpc_code_json(RpcCode code, const char *message)
{
	json_t *problem = json_pack("{s:s, s:s}", "code", rpc_code_name(code), "message", message);
	char   *text = problem != NULL ? json_dumps(problem, JSON_COMPACT) : NULL;

	json_decref(problem);
	return text;
}
