"""The one field of a Redis stream entry: timestamp, key, headers and value, packed.

timestamp_ms u64 | headers u16 | key length u32 | key | headers … | value     (little-endian)
header: name length u16 | value length u32 | name (UTF-8) | value
"""

import struct
from collections.abc import Iterable
from typing import Final

from shared.ports.event_stream import Message, StoredMessage

_PREFIX: Final = struct.Struct("<QHI")
_HEADER: Final = struct.Struct("<HI")


def encode_entries(messages: Iterable[Message], timestamp_ms: int) -> list[bytes]:
    """Return the bytes of each message's entry."""
    prefixes: dict[int, bytes] = {}  # of entries without headers, by the length of their keys
    entries = []
    for message in messages:
        key = message.key
        if message.headers:
            entries.append(_with_headers(message, timestamp_ms))
            continue
        size = len(key)
        if size not in prefixes:
            prefixes[size] = _PREFIX.pack(timestamp_ms, 0, size)
        entries.append(prefixes[size] + key + message.value)
    return entries


def _with_headers(message: Message, timestamp_ms: int) -> bytes:
    prefix = _PREFIX.pack(timestamp_ms, len(message.headers), len(message.key))
    parts = [prefix, message.key]
    for name, value in message.headers:
        encoded = name.encode()
        parts += (_HEADER.pack(len(encoded), len(value)), encoded, value)
    parts.append(message.value)
    return b"".join(parts)


def decode_entry(topic: str, partition: int, offset: int, entry: bytes) -> StoredMessage:
    """Return the message that `encode_entries` packed."""
    timestamp_ms, header_count, key_length = _PREFIX.unpack_from(entry)
    at = _PREFIX.size
    key = entry[at : at + key_length]
    at += key_length
    headers = []
    for _ in range(header_count):
        name_length, value_length = _HEADER.unpack_from(entry, at)
        at += _HEADER.size
        name = entry[at : at + name_length].decode()
        at += name_length
        headers.append((name, entry[at : at + value_length]))
        at += value_length
    return StoredMessage(topic, partition, offset, timestamp_ms, key, entry[at:], tuple(headers))
