/*
 * rpc_symbols.h
 *	  Which names a file of protobuf defines; for reflection.
 *
 * Must not know which files there are.
 */
#ifndef QUERY_RPC_SYMBOLS_H
#define QUERY_RPC_SYMBOLS_H

#include <stdbool.h>

#include <protobuf-c/protobuf-c.h>

/*
 * Does the file, as a FileDescriptorProto, define this fully qualified name of a message, field, oneof, enum,
 * value of an enum, service or method?
 */
extern bool symbols_has(const ProtobufCBinaryData *file, const ProtobufCBinaryData *symbol);

#endif /* QUERY_RPC_SYMBOLS_H */
