/*
 * rpc_symbols.c
 *	  Goes down a file's definitions, a part of the name at a time.
 */
#include "rpc_symbols.h"

#include <string.h>

#include "descriptor/names.pb-c.h"

/* What is still to be found of a name. */
typedef ProtobufCBinaryData Rest;

/* Does it begin with this name, and end there or go on behind a dot?  Then that much is taken off. */
static bool
take(Rest *rest, const ProtobufCBinaryData *name)
{
	size_t length = name->len;

	if (rest->len < length || memcmp(rest->data, name->data, length) != 0)
		return false;
	if (rest->len > length && (rest->data[length++] != '.' || rest->len == length))
		return false;
	rest->data += length;
	rest->len -= length;
	return true;
}

static bool
is_part(Rest rest, Descriptor__Part *const *parts, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (rest.len == parts[i]->name.len && take(&rest, &parts[i]->name))
			return true;
	return false;
}

/* Values of an enum stand beside it, as in C++. */
static bool
in_enums(Rest rest, Descriptor__Enum *const *enums, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if ((rest.len == enums[i]->name.len && take(&rest, &enums[i]->name)) ||
			is_part(rest, enums[i]->values, enums[i]->n_values))
			return true;
	return false;
}

static bool
in_messages(Rest rest, Descriptor__Message *const *messages, size_t count)
{
	for (size_t i = 0; i < count; i++)
	{
		const Descriptor__Message *message = messages[i];
		Rest					   inner = rest;

		if (take(&inner, &message->name))
			return inner.len == 0 || is_part(inner, message->fields, message->n_fields) ||
				   is_part(inner, message->oneofs, message->n_oneofs) ||
				   in_enums(inner, message->enums, message->n_enums) ||
				   in_messages(inner, message->messages, message->n_messages);
	}
	return false;
}

static bool
in_services(Rest rest, Descriptor__Service *const *services, size_t count)
{
	for (size_t i = 0; i < count; i++)
	{
		Rest inner = rest;

		if (take(&inner, &services[i]->name))
			return inner.len == 0 || is_part(inner, services[i]->methods, services[i]->n_methods);
	}
	return false;
}

bool
symbols_has(const ProtobufCBinaryData *file, const ProtobufCBinaryData *symbol)
{
	Descriptor__File *names = descriptor__file__unpack(NULL, file->len, file->data);
	Rest			  rest = *symbol;
	bool			  found = false;

	if (names != NULL && take(&rest, &names->package) && rest.len > 0)
		found = in_messages(rest, names->messages, names->n_messages) ||
				in_services(rest, names->services, names->n_services) ||
				in_enums(rest, names->enums, names->n_enums);
	if (names != NULL)
		descriptor__file__free_unpacked(names, NULL);
	return found;
}
