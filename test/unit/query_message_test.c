/*
 * query_message_test.c
 *	  Requests in JSON and in protobuf: what they may leave out, and the edges of texts and numbers.
 */
#include "rpc_message.h"

#include <inttypes.h>
#include <string.h>

#include "tap.h"

#define ENTITIES_MAX 4

/* What is wrong with the request, or NULL; free it in either case. */
static const char *
decode_json(RpcMethod method, const char *text, RpcRequest *request)
{
	return rpc_request_decode(&rpc_methods[method], RPC_JSON, text, strlen(text), ENTITIES_MAX,
							  request);
}

static bool
is_entity(const RpcRequest *request, int index, const char *bytes, size_t length)
{
	return index < request->count && request->entities[index].length == length &&
		   memcmp(request->entities[index].bytes, bytes, length) == 0;
}

/* The text, as a JSON value, is this number of seconds. */
static bool
is_number(const char *text, int64_t expected)
{
	char	   json[256];
	RpcRequest request;
	bool	   same;

	snprintf(json, sizeof(json), "{\"entity\":\"k\",\"durationSeconds\":%s}", text);
	same =
		decode_json(RPC_GET_WINDOW, json, &request) == NULL && request.duration_seconds == expected;
	rpc_request_free(&request);
	return same;
}

static bool
refuses(RpcMethod method, const char *text, const char *words)
{
	RpcRequest	request;
	const char *problem = decode_json(method, text, &request);
	bool		refused = problem != NULL && strstr(problem, words) != NULL;

	if (!refused)
		printf("# %s\n", problem != NULL ? problem : "it was taken");
	rpc_request_free(&request);
	return refused;
}

static bool
refuses_number(const char *text)
{
	char json[256];

	snprintf(json, sizeof(json), "{\"entity\":\"k\",\"durationSeconds\":%s}", text);
	return refuses(RPC_GET_WINDOW, json, "a whole number of 64 bits");
}

static void
test_numbers(void)
{
	static const char *const wrong[] = {"1.5",
										"\"1.5\"",
										"9223372036854775808.0",
										"\"9223372036854775808\"",
										"\"\"",
										"\" 1\"",
										"\"1 \"",
										"\"0x10\"",
										"\"-\"",
										"\"1e\"",
										"\"1e400\"",
										"\"inf\"",
										"\"nan\"",
										"\"1\\u00002\"",
										"true",
										"[1]",
										"{}"};

	ok(is_number("604800", 604800) && is_number("\"604800\"", 604800), "a number or a string");
	ok(is_number("null", 0), "null is nothing");
	ok(is_number("9223372036854775807", INT64_MAX) &&
		   is_number("\"9223372036854775807\"", INT64_MAX),
	   "the largest, without losing a digit");
	ok(is_number("-9223372036854775808", INT64_MIN) &&
		   is_number("\"-9223372036854775808\"", INT64_MIN),
	   "the smallest");
	ok(is_number("1e2", 100) && is_number("\"1e2\"", 100) && is_number("100.0", 100),
	   "with an exponent or a fraction of nothing");
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		ok(refuses_number(wrong[i]), "%s is refused", wrong[i]);
	ok(is_number("7, \"unknown\": 18446744073709551616", 7) &&
		   is_number(
			   "\"9223372036854775807\", \"unknown\": [-1e300, 123456789012345678901234567890]",
			   INT64_MAX),
	   "a number of a field that is not known may be of any size");
	ok(refuses_number("9223372036854775808") && refuses_number("-9223372036854775809"),
	   "one of a field that is known may not");
	ok(refuses(RPC_GET, "{\"entity\":\"k\",\"unknown\":1e400}", "a number that is too large"),
	   "none may be beyond what a double holds");
}

static void
test_names(void)
{
	RpcRequest request;

	ok(decode_json(RPC_GET_RANGE,
				   "{\"entity\":\"k\",\"start_unix\":1,\"endUnix\":\"2\",\"fresh_read\":true,"
				   "\"unknown\":{\"deep\":[1,null]}}",
				   &request) == NULL &&
		   request.start_unix == 1 && request.end_unix == 2 && request.fresh_read &&
		   request.count == 1,
	   "fields go by both names, and unknown ones are ignored");
	rpc_request_free(&request);
	ok(refuses(RPC_GET_RANGE, "{\"start_unix\":1,\"startUnix\":1}", "both of its names"),
	   "but not by both at once");
	ok(decode_json(RPC_GET, "{}", &request) == NULL && is_entity(&request, 0, "", 0),
	   "an entity that is left out is empty");
	rpc_request_free(&request);
	ok(decode_json(RPC_GET_MANY, "{}", &request) == NULL && request.count == 0,
	   "a list that is left out too");
	rpc_request_free(&request);
	ok(refuses(RPC_GET, "{\"entity\":1}", "must be a string") &&
		   refuses(RPC_GET_MANY, "{\"entities\":\"a\"}", "array of strings") &&
		   refuses(RPC_GET_MANY, "{\"entities\":[null]}", "must be a string") &&
		   refuses(RPC_GET, "{\"freshRead\":1}", "true or false"),
	   "values of another type are refused");
	ok(refuses(RPC_GET_MANY, "{\"entities\":[\"\",\"\",\"\",\"\",\"\"]}", "too many"),
	   "as are more entities than allowed");
	ok(refuses(RPC_GET, "", "JSON object") && refuses(RPC_GET, "[]", "JSON object") &&
		   refuses(RPC_GET, "{\"entity\":\"a\"} x", "JSON object") &&
		   refuses(RPC_GET, "{\"entity\":\"a\"", "JSON object"),
	   "and what is no object, or more than one");
}

static void
test_texts(void)
{
	RpcRequest request;

	ok(decode_json(RPC_GET_MANY, "{\"entities\":[\"a\\u0000b\",\"\\ud83d\\ude00\",\"a\",\"a\"]}",
				   &request) == NULL &&
		   request.count == 4 && is_entity(&request, 0, "a\0b", 3) &&
		   is_entity(&request, 1, "\xf0\x9f\x98\x80", 4) && is_entity(&request, 3, "a", 1),
	   "NUL, a pair of surrogates, and the same twice");
	rpc_request_free(&request);
	ok(refuses(RPC_GET, "{\"entity\":\"\\ud83d\"}", "JSON object") &&
		   refuses(RPC_GET, "{\"entity\":\"\\ude00\\ud83d\"}", "JSON object") &&
		   refuses(RPC_GET, "{\"entity\":\"\xed\xa0\xbd\"}", "JSON object") &&
		   refuses(RPC_GET, "{\"entity\":\"\xc0\x80\"}", "JSON object"),
	   "half a pair, and bytes that are not UTF-8");
}

/* ---- protobuf ---- */

static const char *
decode_proto(RpcMethod method, const char *bytes, size_t length, RpcRequest *request)
{
	return rpc_request_decode(&rpc_methods[method], RPC_PROTO, bytes, length, ENTITIES_MAX,
							  request);
}

#define PROTO(method, text, request) decode_proto((method), (text), sizeof(text) - 1, (request))

static bool
refuses_proto(RpcMethod method, const char *bytes, size_t length, const char *words)
{
	RpcRequest	request;
	const char *problem = decode_proto(method, bytes, length, &request);
	bool		refused = problem != NULL && strstr(problem, words) != NULL;

	rpc_request_free(&request);
	return refused;
}

#define REFUSES(method, text, words) refuses_proto((method), (text), sizeof(text) - 1, (words))

static void
test_proto(void)
{
	RpcRequest request;

	ok(PROTO(RPC_GET_RANGE,
			 "\x0a\x03"
			 "a\0b\x10\xff\xff\xff\xff\xff\xff\xff\xff\x7f"
			 "\x18\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01\x20\x01\x7a\x02xy",
			 &request) == NULL &&
		   is_entity(&request, 0, "a\0b", 3) && request.start_unix == INT64_MAX &&
		   request.end_unix == INT64_MIN && request.fresh_read,
	   "NUL, the largest and the smallest number, and a field that is unknown");
	rpc_request_free(&request);
	ok(PROTO(RPC_GET, "", &request) == NULL && is_entity(&request, 0, "", 0),
	   "nothing at all is an empty entity");
	rpc_request_free(&request);
	ok(PROTO(RPC_GET_MANY, "\x0a\x01z\x0a\0\x0a\x01z", &request) == NULL && request.count == 3 &&
		   is_entity(&request, 0, "z", 1) && is_entity(&request, 1, "", 0) &&
		   is_entity(&request, 2, "z", 1),
	   "many in their order, the empty one and the same twice");
	rpc_request_free(&request);
	ok(REFUSES(RPC_GET, "\x0a\x05z", "not valid protobuf") &&
		   REFUSES(RPC_GET, "\x0a\xff\xff\xff\xff\x0f", "not valid protobuf") &&
		   REFUSES(RPC_GET, "\x10\x80", "not valid protobuf"),
	   "lengths and numbers that go on after the end are refused");
	ok(REFUSES(RPC_GET, "\x0a\x01\xff", "UTF-8") &&
		   REFUSES(RPC_GET_MANY, "\x0a\x01z\x0a\x03\xed\xa0\xbd", "UTF-8"),
	   "and entities that are not UTF-8, half a pair too");
	ok(REFUSES(RPC_GET_MANY, "\x0a\0\x0a\0\x0a\0\x0a\0\x0a\0", "too many"), "and too many");
}

/* ---- answers ---- */

static bool
encodes(RpcMethod method, RpcEncoding encoding, const RpcValue *values, int count,
		const char *expected, size_t length)
{
	Buffer out = {0};
	bool   same;

	rpc_answer_encode(&rpc_methods[method], encoding, values, count, &out);
	same = !out.failed && out.length == length &&
		   (length == 0 || memcmp(buffer_bytes(&out), expected, length) == 0);
	buffer_free(&out);
	return same;
}

#define ENCODES(method, encoding, values, count, text) \
	encodes((method), (encoding), (values), (count), (text), sizeof(text) - 1)

static void
test_answers(void)
{
	static const RpcValue absent = {0};
	static const RpcValue nothing = {true, "", 0};
	static const RpcValue empty = {true, "\x20\0\0\0\0\0\0\0", 8};
	const RpcValue		  three[] = {empty, absent, nothing};

	ok(ENCODES(RPC_GET, RPC_JSON, &absent, 1, "{\"value\":{}}"), "absent: {\"value\":{}}");
	ok(ENCODES(RPC_GET_WINDOW, RPC_JSON, &empty, 1,
			   "{\"value\":{\"present\":true,\"data\":\"IAAAAAAAAAA=\"}}"),
	   "a window without data: IAAAAAAAAAA=");
	ok(ENCODES(RPC_GET_MANY, RPC_JSON, three, 3,
			   "{\"values\":[{\"present\":true,\"data\":\"IAAAAAAAAAA=\"},{},{\"present\":true}]}"),
	   "{} for each that is absent");
	ok(ENCODES(RPC_GET_MANY, RPC_JSON, three, 0, "{}"), "no values: {}");
	ok(ENCODES(RPC_GET, RPC_PROTO, &absent, 1, "\x0a\0"), "absent in protobuf");
	ok(ENCODES(RPC_GET_MANY, RPC_PROTO, three, 3,
			   "\x0a\x0c\x08\x01\x12\x08\x20\0\0\0\0\0\0\0\x0a\0\x0a\x02\x08\x01"),
	   "three in protobuf");
	ok(ENCODES(RPC_GET_MANY, RPC_PROTO, three, 0, ""), "no values in protobuf");
}

int
main(void)
{
	test_numbers();
	test_names();
	test_texts();
	test_proto();
	test_answers();
	return done_testing();
}
