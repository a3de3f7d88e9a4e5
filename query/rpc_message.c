/*
 * rpc_message.c
 *	  One way for all requests, along the descriptors that protobuf-c makes of query.proto.
 *
 * The C code is made of the messages with bytes for strings, which are the same on the wire: a string in
 * C ends with its first NUL, and would not be what the caller asked for.
 */
#include "rpc_message.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "daemon/base64.h"
#include "murmur/v1/query.pb-c.h"
#include "utf8.h"

#define METHOD(number, words, lower, is_many)                          \
	[number] = {.method = (number),                                    \
				.name = (words),                                       \
				.path = "/" RPC_SERVICE "/" words,                     \
				.request = &murmur__v1__##lower##_request__descriptor, \
				.many = (is_many)}

const RpcMethodInfo rpc_methods[RPC_METHODS] = {
	METHOD(RPC_GET, "Get", get, false),
	METHOD(RPC_GET_MANY, "GetMany", get_many, true),
	METHOD(RPC_GET_WINDOW, "GetWindow", get_window, false),
	METHOD(RPC_GET_RANGE, "GetRange", get_range, false),
	METHOD(RPC_GET_WINDOW_MANY, "GetWindowMany", get_window_many, true),
	METHOD(RPC_GET_RANGE_MANY, "GetRangeMany", get_range_many, true),
	METHOD(RPC_GET_TRAILING, "GetTrailing", get_trailing, false),
	METHOD(RPC_GET_TRAILING_MANY, "GetTrailingMany", get_trailing_many, true),
};

/* ---- what a request has in common with others ---- */

static const char out_of_memory[] = "out of memory";
static const char too_many[] = "too many entities in one request";
static const char not_utf8[] = "an entity is not valid UTF-8";

/* Where a number of this name goes. */
static int64_t *
find_number(RpcRequest *request, const char *name)
{
	if (strcmp(name, "duration_seconds") == 0)
		return &request->duration_seconds;
	if (strcmp(name, "start_unix") == 0)
		return &request->start_unix;
	return &request->end_unix;
}

/* Room for the entities; false without memory. */
static bool
make_room(RpcRequest *request, size_t count)
{
	request->entities = calloc(count + 1, sizeof(RpcEntity));
	return request->entities != NULL;
}

static void
add_entity(RpcRequest *request, const void *bytes, size_t length)
{
	request->entities[request->count++] =
		(RpcEntity) {.bytes = bytes != NULL ? bytes : "", .length = length};
}

/* ---- protobuf ---- */

static const char *
take_field(RpcRequest *request, const ProtobufCMessage *message,
		   const ProtobufCFieldDescriptor *field, int entities_max)
{
	const char				  *at = (const char *) message + field->offset;
	const ProtobufCBinaryData *list = (const ProtobufCBinaryData *) at;
	size_t					   count = 1;

	switch (field->type)
	{
		case PROTOBUF_C_TYPE_INT64:
			*find_number(request, field->name) = *(const int64_t *) at;
			return NULL;
		case PROTOBUF_C_TYPE_BOOL:
			request->fresh_read = *(const protobuf_c_boolean *) at;
			return NULL;
		default:
			break;
	}
	if (field->label == PROTOBUF_C_LABEL_REPEATED)
	{
		list = *(ProtobufCBinaryData *const *) at;
		count = *(const size_t *) ((const char *) message + field->quantifier_offset);
	}
	if (count > (size_t) entities_max)
		return too_many;
	if (!make_room(request, count))
		return out_of_memory;
	for (size_t i = 0; i < count; i++)
	{
		add_entity(request, list[i].data, list[i].len);
		if (!utf8_valid(request->entities[i].bytes, request->entities[i].length))
			return not_utf8;
	}
	return NULL;
}

static const char *
decode_proto(const RpcMethodInfo *method, const void *bytes, size_t length, int entities_max,
			 RpcRequest *request)
{
	ProtobufCMessage *message = protobuf_c_message_unpack(method->request, NULL, length, bytes);
	const char		 *problem = NULL;

	request->message = message;
	if (message == NULL)
		return "the message is not valid protobuf";
	for (unsigned i = 0; i < method->request->n_fields && problem == NULL; i++)
		problem = take_field(request, message, &method->request->fields[i], entities_max);
	return problem;
}

/* ---- JSON ---- */

/* duration_seconds as JSON likes it: durationSeconds. */
static void
make_json_name(const char *name, char json_name[64])
{
	char *out = json_name;

	for (; *name != '\0'; name++)
	{
		if (*name == '_' && name[1] != '\0')
			*out++ = (char) (*++name - 'a' + 'A');
		else
			*out++ = *name;
	}
	*out = '\0';
}

/* The value of a field under either name; NULL for none and for null. */
static const char *
find_value(const json_t *object, const char *name, const json_t **value)
{
	const json_t *other;
	char		  json_name[64];

	make_json_name(name, json_name);
	*value = json_object_get(object, json_name);
	other = strcmp(json_name, name) != 0 ? json_object_get(object, name) : NULL;
	if (*value != NULL && other != NULL)
		return "a field is given under both of its names";
	if (*value == NULL)
		*value = other;
	if (json_is_null(*value))
		*value = NULL;
	return NULL;
}

static bool
whole_number(double real, int64_t *number)
{
	if (!(fabs(real) < 9223372036854775808.0) || real != floor(real))
		return false;
	*number = (int64_t) real;
	return true;
}

/* A number, or one in a string, as an int64 is too large for the numbers of JavaScript. */
static const char *
read_number(const json_t *value, int64_t *number)
{
	static const char wrong[] = "a whole number of 64 bits is needed, as a number or in a string";
	const char		 *text = json_string_value(value);
	char			 *end;

	if (json_is_integer(value))
		*number = json_integer_value(value);
	else if (json_is_real(value))
		return whole_number(json_real_value(value), number) ? NULL : wrong;
	else if (text == NULL || strlen(text) != json_string_length(value) || *text == '\0' ||
			 strspn(text, "-+0123456789.eE") != strlen(text))
		return wrong;
	else
	{
		errno = 0;
		*number = strtoll(text, &end, 10);
		if (errno != 0 || (*end != '\0' && !whole_number(strtod(text, &end), number)) ||
			*end != '\0')
			return wrong;
	}
	return NULL;
}

static const char *
read_entities(RpcRequest *request, const json_t *value, bool repeated, int entities_max)
{
	size_t count = repeated && value != NULL ? json_array_size(value) : 1;

	if (repeated && value != NULL && !json_is_array(value))
		return "entities must be an array of strings";
	if (repeated && value == NULL)
		count = 0;
	if (count > (size_t) entities_max)
		return too_many;
	if (!make_room(request, count))
		return out_of_memory;
	for (size_t i = 0; i < count; i++)
	{
		const json_t *item = repeated ? json_array_get(value, i) : value;

		if (item != NULL && !json_is_string(item))
			return "an entity must be a string";
		add_entity(request, json_string_value(item), json_string_length(item));
	}
	return NULL;
}

static const char *
read_field(RpcRequest *request, const json_t *object, const ProtobufCFieldDescriptor *field,
		   int entities_max)
{
	const json_t *value;
	const char	 *problem = find_value(object, field->name, &value);

	if (problem != NULL)
		return problem;
	switch (field->type)
	{
		case PROTOBUF_C_TYPE_INT64:
			return value != NULL ? read_number(value, find_number(request, field->name)) : NULL;
		case PROTOBUF_C_TYPE_BOOL:
			if (value != NULL && !json_is_boolean(value))
				return "freshRead must be true or false";
			request->fresh_read = json_is_true(value);
			return NULL;
		default:
			return read_entities(request, value, field->label == PROTOBUF_C_LABEL_REPEATED,
								 entities_max);
	}
}

/*
 * A field that nobody knows may be a number of any size.  Where one is beyond 64 bits, all whole numbers are read
 * as reals, which lose digits beyond 2^53: no window is that long, nor that far away.
 */
static json_t *
load_json(const void *bytes, size_t length, const char **problem)
{
	json_error_t error;
	json_t		*object = json_loadb(bytes, length, JSON_ALLOW_NUL, &error);

	if (object == NULL && json_error_code(&error) == json_error_numeric_overflow)
		object = json_loadb(bytes, length, JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &error);
	if (object == NULL && json_error_code(&error) == json_error_numeric_overflow)
		*problem = "the message has a number that is too large";
	else
		*problem = json_is_object(object) ? NULL : "the message is not a JSON object";
	return object;
}

static const char *
decode_json(const RpcMethodInfo *method, const void *bytes, size_t length, int entities_max,
			RpcRequest *request)
{
	const char *problem;

	request->json = load_json(bytes, length, &problem);
	for (unsigned i = 0; i < method->request->n_fields && problem == NULL; i++)
		problem = read_field(request, request->json, &method->request->fields[i], entities_max);
	return problem;
}

/* ---- requests ---- */

const char *
rpc_request_decode(const RpcMethodInfo *method, RpcEncoding encoding, const void *bytes,
				   size_t length, int entities_max, RpcRequest *request)
{
	*request = (RpcRequest) {0};
	return encoding == RPC_JSON ? decode_json(method, bytes, length, entities_max, request)
								: decode_proto(method, bytes, length, entities_max, request);
}

void
rpc_request_free(RpcRequest *request)
{
	if (request->message != NULL)
		protobuf_c_message_free_unpacked(request->message, NULL);
	json_decref(request->json);
	free(request->entities);
	*request = (RpcRequest) {0};
}

/* ---- answers ---- */

/* protobuf-c packs into memory that has room for all of it: the end of the buffer. */
static void
append_packed(Buffer *out, const ProtobufCMessage *message)
{
	size_t	 size = protobuf_c_message_get_packed_size(message);
	uint8_t *packed = malloc(size + 1);

	if (packed == NULL)
	{
		out->failed = true;
		return;
	}
	protobuf_c_message_pack(message, packed);
	buffer_append(out, packed, size);
	free(packed);
}

/* All single answers are the same on the wire, and so are all those of many. */
static void
encode_proto(const RpcMethodInfo *method, const RpcValue *values, int count, Buffer *out)
{
	Murmur__V1__Value		   *list = calloc((size_t) count + 1, sizeof(*list));
	Murmur__V1__Value		  **pointers = calloc((size_t) count + 1, sizeof(Murmur__V1__Value *));
	Murmur__V1__GetManyResponse many = MURMUR__V1__GET_MANY_RESPONSE__INIT;
	Murmur__V1__GetResponse		one = MURMUR__V1__GET_RESPONSE__INIT;

	if (list == NULL || pointers == NULL)
		out->failed = true;
	for (int i = 0; i < count && !out->failed; i++)
	{
		murmur__v1__value__init(&list[i]);
		list[i].present = values[i].present;
		list[i].data.data = (uint8_t *) values[i].data;
		list[i].data.len = values[i].present ? values[i].length : 0;
		pointers[i] = &list[i];
	}
	if (!out->failed)
	{
		many.n_values = (size_t) count;
		many.values = pointers;
		one.value = pointers[0];
		append_packed(out, method->many ? &many.base : &one.base);
	}
	free(list);
	free(pointers);
}

static void
append_value(const RpcValue *value, Buffer *out)
{
	char *data = value->present ? base64_encode(value->data, value->length) : NULL;

	if (value->present && data == NULL)
		out->failed = true;
	if (data == NULL)
		buffer_append_text(out, "{}");
	else if (*data == '\0')
		buffer_append_text(out, "{\"present\":true}");
	else
	{
		buffer_append_text(out, "{\"present\":true,\"data\":\"");
		buffer_append_text(out, data);
		buffer_append_text(out, "\"}");
	}
	free(data);
}

static void
encode_json(const RpcMethodInfo *method, const RpcValue *values, int count, Buffer *out)
{
	if (method->many && count == 0)
	{
		buffer_append_text(out, "{}");
		return;
	}
	buffer_append_text(out, method->many ? "{\"values\":[" : "{\"value\":");
	for (int i = 0; i < count; i++)
	{
		if (i > 0)
			buffer_append_text(out, ",");
		append_value(&values[i], out);
	}
	buffer_append_text(out, method->many ? "]}" : "}");
}

void
rpc_answer_encode(const RpcMethodInfo *method, RpcEncoding encoding, const RpcValue *values,
				  int count, Buffer *out)
{
	if (encoding == RPC_JSON)
		encode_json(method, values, count, out);
	else
		encode_proto(method, values, count, out);
}
