"""The value of the DynamoDB row, read as any client in any language would."""

import struct


def decode(value):
    """(k, [(item, count), ...]) of the bytes of attribute v, in their order; items are bytes in UTF-8.

    Little-endian: uint32 k, uint32 n, then n times uint64 count, uint32
    length, the item.
    """
    k, n = struct.unpack_from("<II", value)
    offset, items = 8, []
    for _ in range(n):
        count, length = struct.unpack_from("<QI", value, offset)
        offset += 12
        items.append((value[offset:offset + length], count))
        offset += length
    if offset != len(value):
        raise ValueError(f"{len(value) - offset} bytes after the last item")
    return k, items
