/*
 * query_answers_test.c
 *	  Calls over a store that answers when the test says so: what is asked, shared, remembered and answered.
 */
#include "answers.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/clock.h"
#include "tap.h"

#define READS_MAX 64

/* ---- a store that holds its answers back ---- */

static StoreRead *pending[READS_MAX];
static int		  pending_count;
static int		  asked; /* entities, in all */

static void
hold(Store *store, StoreRead *read)
{
	(void) store;
	pending[pending_count++] = read;
	asked += read->count;
}

static bool sent; /* all that was asked is on its way */

static bool
forget(Store *store, StoreRead *read)
{
	int i = 0;

	(void) store;
	if (sent)
		return false;
	while (pending[i] != read)
		i++;
	memmove(pending + i, pending + i + 1, sizeof(pending[0]) * (size_t) (--pending_count - i));
	return true;
}

static Store store = {.begin = hold,
					  .forget = forget,
					  .name = "test",
					  .shape = {.window_seconds = 86400, .retention_seconds = 30 * 86400, .k = 32}};

/* K = 32, one item: the entity's own name, as often as its name is long. */
static Window
make_window(int64_t bucket, const char *item, size_t length, uint64_t count)
{
	Window window = {.bucket = bucket, .version = 1, .total = -1, .error = -1, .updated_at = -1};
	unsigned char *at = calloc(1, 20 + length);

	window.value = at;
	window.length = 20 + length;
	at[0] = 32;
	at[4] = 1;
	at[8] = (unsigned char) count;
	at[16] = (unsigned char) length;
	memcpy(at + 20, item, length);
	return window;
}

/* Answer the read that has waited longest: two windows for each entity that begins with "e". */
static void
answer_store(StoreOutcome outcome)
{
	StoreRead *read = pending[0];

	memmove(pending, pending + 1, sizeof(pending[0]) * (size_t) --pending_count);
	for (int i = 0; i < read->count && outcome == STORE_READ; i++)
	{
		const RpcEntity *entity = &read->entities[i];
		Window			 later = make_window(read->range.last, entity->bytes, entity->length, 2);
		Window earlier = make_window(read->range.last - 1, entity->bytes, entity->length, 3);

		if (entity->bytes[0] == 'd')
			later.length--; /* damaged */
		if (entity->bytes[0] == 'e' || entity->bytes[0] == 'd')
			windows_add(&read->windows[i], &later);
		else
			free(later.value);
		if (entity->bytes[0] == 'e')
			windows_add(&read->windows[i], &earlier);
		else
			free(earlier.value);
	}
	read->done(read, outcome);
}

/* ---- calls ---- */

typedef struct TestCall
{
	RpcCall	  rpc;
	RpcEntity entities[8];
	int		  answers;
	int		  code;
	char	  message[200];
	char	  items[8][16]; /* the first item of each value */
	uint64_t  counts[8];
	bool	  present[8];
	size_t	  lengths[8];
} TestCall;

void
rpc_answer(RpcCall *rpc, const RpcValue *values)
{
	TestCall *call = (TestCall *) rpc;

	call->answers++;
	for (int i = 0; i < rpc->count; i++)
	{
		const unsigned char *data = values[i].data;

		call->present[i] = values[i].present;
		call->lengths[i] = values[i].length;
		if (!values[i].present || values[i].length < 20)
			continue;
		call->counts[i] = data[8];
		memcpy(call->items[i], data + 20, data[16]);
	}
	rpc->entities = NULL; /* gone */
}

void
rpc_fail(RpcCall *rpc, RpcCode code, const char *message)
{
	TestCall *call = (TestCall *) rpc;

	call->answers++;
	call->code = (int) code;
	snprintf(call->message, sizeof(call->message), "%s", message);
	rpc->entities = NULL;
}

static Reads *reads;

static void
begin(TestCall *call, RpcMethod method, bool fresh, const char *const *names)
{
	*call =
		(TestCall) {.rpc = {.method = method, .duration_seconds = 7 * 86400, .fresh_read = fresh}};
	for (; names[call->rpc.count] != NULL; call->rpc.count++)
		call->entities[call->rpc.count] =
			(RpcEntity) {.bytes = names[call->rpc.count], .length = strlen(names[call->rpc.count])};
	call->rpc.entities = call->entities;
	answers_begin(reads, &call->rpc);
}

#define NAMES(...) ((const char *const[]) {__VA_ARGS__, NULL})

static void
open_all(int64_t ttl_ms, size_t bytes)
{
	static const Log	silent = {.fd = -1, .program = "test", .level = LOG_LEVEL_ERROR};
	const ReadsSettings settings = {.cache_ttl_ms = ttl_ms, .cache_bytes = bytes};

	reads = reads_open(&settings, &store, &silent, NULL);
	asked = 0;
}

static void
test_answers(void)
{
	TestCall call;

	open_all(0, 0);
	begin(&call, RPC_GET_WINDOW_MANY, false, NAMES("e2", "none", "e1", "e2", "e1"));
	ok(call.answers == 0 && pending_count == 1 && asked == 3, "a call asks for each entity once");
	ok(pending[0]->range.last - pending[0]->range.first == 6, "of seven windows");
	answer_store(STORE_READ);
	ok(call.answers == 1 && call.code == 0, "and answers once");
	ok(strcmp(call.items[0], "e2") == 0 && strcmp(call.items[2], "e1") == 0 &&
		   strcmp(call.items[3], "e2") == 0 && strcmp(call.items[4], "e1") == 0,
	   "in the order of the request, duplicates too");
	ok(call.counts[0] == 5, "with the windows merged");
	ok(call.present[1] && call.lengths[1] == 8, "one without data is K and 0");

	begin(&call, RPC_GET_MANY, false, NAMES("none", "e1"));
	ok(pending[0]->range.first == 0 && pending[0]->range.last == 0, "Get reads bucket 0");
	answer_store(STORE_READ);
	ok(!call.present[0] && call.present[1], "where what is not there is absent");

	begin(&call, RPC_GET_WINDOW, false, NAMES("d"));
	answer_store(STORE_READ);
	ok(call.answers == 1 && call.code == RPC_INTERNAL,
	   "a damaged summary is an error, not nothing");
	begin(&call, RPC_GET_WINDOW, false, NAMES(""));
	ok(call.answers == 1 && call.code == RPC_INVALID_ARGUMENT && pending_count == 0,
	   "an empty entity is refused before anything is asked");
	begin(&call, RPC_GET_WINDOW_MANY, false, (const char *const[]) {NULL});
	ok(call.answers == 1 && call.code == 0 && pending_count == 0,
	   "no entities are answered with none");
	reads_close(reads);
}

static void
test_flights(void)
{
	TestCall first, second, third, fresh, many;

	open_all(0, 0);
	begin(&first, RPC_GET_WINDOW, false, NAMES("e1"));
	begin(&second, RPC_GET_TRAILING, false, NAMES("e1"));
	begin(&third, RPC_GET_WINDOW, false, NAMES("e1"));
	ok(asked == 1, "equal reads at the same time are one");
	begin(&fresh, RPC_GET_WINDOW_MANY, true, NAMES("e1", "e1"));
	ok(asked == 2 && pending[1]->fresh, "a fresh read is its own, and asks once too");
	begin(&many, RPC_GET_WINDOW_MANY, false, NAMES("e3", "e1"));
	ok(asked == 3 && pending[2]->count == 1, "a call of many joins what is under way");
	first.rpc.canceled(&first.rpc);
	answer_store(STORE_READ);
	ok(first.answers == 0 && second.answers == 1 && third.counts[0] == 5,
	   "who leaves takes nobody along, though he came first");
	ok(many.answers == 0, "a call of many waits for all");
	answer_store(STORE_READ);
	ok(fresh.answers == 1 && fresh.counts[0] == 5 && fresh.counts[1] == 5,
	   "the fresh read answers");
	answer_store(STORE_AWAY);
	ok(many.answers == 1 && many.code == RPC_UNAVAILABLE &&
		   strcmp(many.message, "the store can not be reached, try again") == 0,
	   "a failed read fails who waits for it, without internals");

	begin(&first, RPC_GET_WINDOW, false, NAMES("e1"));
	ok(asked == 4, "what was answered is asked anew without a cache");
	begin(&second, RPC_GET_WINDOW, false, NAMES("e1"));
	answer_store(STORE_READ);
	ok(first.answers == 1 && second.answers == 1, "once for all who ask meanwhile");
	reads_close(reads);
}

/* What nobody waits for any more is not asked for, unless it is on its way: then it is kept for who comes. */
static void
test_forgotten(void)
{
	TestCall first, second, many, other;

	open_all(60000, 10000);
	begin(&first, RPC_GET_WINDOW, false, NAMES("e1"));
	begin(&second, RPC_GET_WINDOW, false, NAMES("e1"));
	begin(&many, RPC_GET_WINDOW_MANY, false, NAMES("e2", "e1", "e3", "e2"));
	begin(&other, RPC_GET_WINDOW, false, NAMES("e3"));
	first.rpc.canceled(&first.rpc);
	ok(pending_count == 2, "a read that one of two has left is asked for");
	many.rpc.canceled(&many.rpc);
	ok(pending_count == 2, "so is one of many of which one is waited for");
	second.rpc.canceled(&second.rpc);
	ok(pending_count == 1 && pending[0]->count == 2, "one that all have left is not");
	other.rpc.canceled(&other.rpc);
	ok(pending_count == 0 && reads_memory(reads) == 0, "nothing is left of it");

	sent = true;
	begin(&first, RPC_GET_WINDOW, false, NAMES("e1"));
	first.rpc.canceled(&first.rpc);
	ok(pending_count == 1, "one that is on its way goes on");
	begin(&second, RPC_GET_WINDOW, false, NAMES("e1"));
	answer_store(STORE_READ);
	ok(second.answers == 1 && second.counts[0] == 5, "for who comes meanwhile");
	sent = false;

	begin(&many, RPC_GET_WINDOW_MANY, true, NAMES("e4", "e5"));
	begin(&other, RPC_GET_WINDOW_MANY, true, NAMES("e4", "e6"));
	answer_store(STORE_AWAY);
	answer_store(STORE_AWAY);
	ok(many.code == RPC_UNAVAILABLE && other.code == RPC_UNAVAILABLE && reads_memory(reads) < 1000,
	   "a failure leaves nothing either");
	reads_close(reads);
}

static void
test_cache(void)
{
	TestCall call;
	char	 name[16];
	size_t	 most = 0;

	open_all(60000, 10000);
	begin(&call, RPC_GET_WINDOW, false, NAMES("e1"));
	answer_store(STORE_READ);
	begin(&call, RPC_GET_WINDOW, false, NAMES("e1"));
	ok(call.answers == 1 && call.counts[0] == 5 && asked == 1, "what was just read is remembered");
	begin(&call, RPC_GET_WINDOW, true, NAMES("e1"));
	ok(asked == 2, "but not for a fresh read");
	answer_store(STORE_READ);
	for (int i = 0; i < 1000; i++)
	{
		snprintf(name, sizeof(name), "e%d", i);
		begin(&call, RPC_GET_WINDOW, false, NAMES(name));
		if (pending_count > 0)
			answer_store(STORE_READ);
		most = reads_memory(reads) > most ? reads_memory(reads) : most;
	}
	ok(most <= 11000, "it takes no more memory than it may, %zu bytes", most);
	asked = 0;
	begin(&call, RPC_GET_WINDOW, false, NAMES("e999"));
	ok(asked == 0, "the last are remembered");
	begin(&call, RPC_GET_WINDOW, false, NAMES("e0"));
	ok(asked == 1, "the first are not");
	answer_store(STORE_AWAY);
	begin(&call, RPC_GET_WINDOW, false, NAMES("e0"));
	ok(asked == 2, "a failure is not remembered");
	answer_store(STORE_READ);
	reads_close(reads);

	open_all(20, 10000);
	begin(&call, RPC_GET_WINDOW, false, NAMES("e1"));
	answer_store(STORE_READ);
	usleep(25000);
	begin(&call, RPC_GET_WINDOW, false, NAMES("e1"));
	ok(asked == 2, "nothing is remembered for longer than it may");
	answer_store(STORE_READ);
	reads_close(reads);
}

int
main(void)
{
	test_answers();
	test_flights();
	test_forgotten();
	test_cache();
	return done_testing();
}
