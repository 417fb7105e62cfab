"""The event stream on Redis Streams: one Redis stream per partition, the offset as entry id.

The message at offset n is the entry `n+1-0` of `stream:{topic}:{partition}`. A Lua script checks
the writer's epoch and that the batch starts at the partition's end, then appends it: a repeated or
a late batch is refused by Redis itself. The server must not evict (`noeviction`) and must sync
before it answers (`appendfsync always`).

    topics             hash   topic → number of partitions
    writers            hash   writer id → "epoch:session" of the writer that may publish
    group:{group}      hash   "topic:partition" → committed position
"""

import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, Final

from shared.ports.event_stream import (
    MAX_EPOCH,
    Message,
    StoredMessage,
    StreamError,
    TopicPartition,
    UnknownTopic,
    WriterFenced,
    WriterForgotten,
)
from shared.streams.batches import Batches, by_partition, not_yet_stored
from shared.streams.entry_codec import decode_entry, encode_entries
from shared.streams.redis_connection import RedisConnection

# A script is synced to the disk as a whole, and keeps the server from others while it runs.
_ENTRIES_PER_SCRIPT: Final = 4_000
_BYTES_PER_SCRIPT: Final = 1 << 20
_ENTRIES_PER_READ: Final = 5_000
_BLOCK_SLICE_MS: Final = 5_000
_PUBLISH_ATTEMPTS: Final = 5

_Script = Sequence[Any]

_OPEN_WRITER: Final = """
local current = redis.call('HGET', KEYS[1], ARGV[1])
if current and tonumber(string.match(current, '^%d+')) > tonumber(ARGV[2]) then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. ':' .. ARGV[3])
return 1
"""

# Returns {status, end offset}: OK, MOVED (the batch does not start at the end), FENCED, or
# FORGOTTEN (there is no writer of that name).
_APPEND: Final = """
local writer = redis.call('HGET', KEYS[2], ARGV[1])
if not writer then return {'FORGOTTEN', 0} end
if writer ~= ARGV[2] then return {'FENCED', 0} end
local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)
local finish = 0
if #last > 0 then finish = tonumber(string.match(last[1][1], '^%d+')) end
if finish ~= tonumber(ARGV[3]) then return {'MOVED', finish} end
for i = 4, #ARGV do
  finish = finish + 1
  redis.call('XADD', KEYS[1], string.format('%d-0', finish), 'm', ARGV[i])
end
return {'OK', finish}
"""


class RedisEventStream:
    """EventStream on one Redis server, at `redis://host:port/db`."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection = RedisConnection(url)
        self._partitions: dict[str, int] = {}

    def ensure_topics(self, partitions: Mapping[str, int]) -> None:
        if not partitions:
            return
        self.execute_all(("HSETNX", "topics", topic, n) for topic, n in partitions.items())
        counts = self.execute("HMGET", "topics", *partitions)
        for (topic, wanted), found in zip(partitions.items(), counts, strict=True):
            if int(found) != wanted:
                raise StreamError(f"topic {topic} has {int(found)} partitions, not {wanted}")

    def end_offset(self, partition: TopicPartition) -> int:
        return self.end_offsets([partition])[partition]

    def end_offsets(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """Return the end offset of each partition, read in one round trip."""
        self.require(partitions)
        newest = zip(partitions, self._newest(partitions), strict=True)
        return {partition: _end_of(entries) for partition, entries in newest}

    def read_last(self, partition: TopicPartition) -> StoredMessage | None:
        self.require([partition])
        (entries,) = self._newest([partition])
        return _message(partition, entries[0]) if entries else None

    def read_from(self, partition: TopicPartition, offset: int) -> Iterator[StoredMessage]:
        """Yield the partition's messages from `offset` to its end."""
        while True:
            entries = self.execute(
                "XRANGE", _key(partition), f"{offset + 1}-0", "+", "COUNT", _ENTRIES_PER_READ
            )
            yield from (_message(partition, entry) for entry in entries)
            if len(entries) < _ENTRIES_PER_READ:
                return
            offset = _end_of(entries[-1:])

    def writer(self, writer_id: str, epoch: int) -> "RedisStreamWriter":
        return RedisStreamWriter(self, writer_id, epoch)

    def reader(
        self, group: str, partitions: Sequence[TopicPartition], *, from_beginning: bool = True
    ) -> "RedisStreamReader":
        self.require(partitions)
        committed = self.committed(group, partitions)
        ends = {} if from_beginning else self.end_offsets(partitions)
        positions = {}
        for partition, position in committed.items():
            positions[partition] = ends.get(partition, 0) if position is None else position
        return RedisStreamReader(
            self, RedisConnection(self._url, _BLOCK_SLICE_MS), group, positions
        )

    def trim(self, partition: TopicPartition, keep_messages: int) -> int:
        if keep_messages < 1:
            raise ValueError(f"keep_messages is {keep_messages}; the newest entry has to stay")
        end = self.end_offset(partition)
        first = min(end - keep_messages, *self._committed_by_all(partition), end)
        if first <= 0:
            return 0
        return int(self.execute("XTRIM", _key(partition), "MINID", "=", f"{first + 1}-0"))

    def _committed_by_all(self, partition: TopicPartition) -> list[int]:
        """Return the position of each group that has one in the topic: 0 where none is here yet."""
        topic = f"{partition.topic}:".encode()
        cursor, positions = b"0", []
        while True:
            cursor, keys = self.execute("SCAN", cursor, "MATCH", "group:*", "COUNT", 1_000)
            for fields in self.execute_all(("HGETALL", key) for key in keys):
                found = dict(zip(fields[::2], fields[1::2], strict=True))
                if any(name.startswith(topic) for name in found):
                    positions.append(int(found.get(_field(partition).encode(), 0)))
            if cursor == b"0":
                return positions

    def close(self) -> None:
        self._connection.close()

    # --- for the writers and readers of this module ---------------------------------------------

    def require(self, partitions: Iterable[TopicPartition]) -> None:
        """Raise UnknownTopic unless all partitions exist; counts never change, so they are kept."""
        for partition in partitions:
            if not 0 <= partition.partition < self._count(partition.topic):
                raise UnknownTopic(f"{partition.topic}-{partition.partition} does not exist")

    def execute(self, *command: Any) -> Any:
        return self._connection.execute(*command)

    def execute_all(self, commands: Iterable[Sequence[Any]]) -> list[Any]:
        """Send all commands at once; return their replies."""
        return self._connection.execute_all(commands)

    def committed(
        self, group: str, partitions: Sequence[TopicPartition]
    ) -> dict[TopicPartition, int | None]:
        """Return the group's committed position of each partition."""
        if not partitions:
            return {}
        fields = [_field(partition) for partition in partitions]
        found = self.execute("HMGET", f"group:{group}", *fields)
        return {
            partition: None if position is None else int(position)
            for partition, position in zip(partitions, found, strict=True)
        }

    def _count(self, topic: str) -> int:
        if topic not in self._partitions:
            count = self.execute("HGET", "topics", topic)
            if count is None:
                return 0
            self._partitions[topic] = int(count)
        return self._partitions[topic]

    def _newest(self, partitions: Sequence[TopicPartition]) -> list[Any]:
        return self.execute_all(
            ("XREVRANGE", _key(partition), "+", "-", "COUNT", 1) for partition in partitions
        )


class RedisStreamWriter:
    """The writer of `writer_id` until one of the same or a higher epoch opens it again."""

    def __init__(self, stream: RedisEventStream, writer_id: str, epoch: int) -> None:
        if not 0 <= epoch <= MAX_EPOCH:
            raise ValueError(f"epoch {epoch} is outside 0..2^53-1")
        self._stream = stream
        self._writer_id = writer_id
        session = uuid.uuid4().hex
        self._token = f"{epoch}:{session}"
        # Per partition the end before the publish under way, and whether some of it may be stored.
        self._base: dict[TopicPartition, int] = {}
        self._doubtful: set[TopicPartition] = set()
        if not stream.execute("EVAL", _OPEN_WRITER, 1, "writers", writer_id, epoch, session):
            raise WriterFenced(f"writer {writer_id} was opened with an epoch above {epoch}")

    def publish(self, messages: Sequence[Message]) -> None:
        batches = self._grouped(messages)
        doubtful = self._doubtful & batches.keys()
        self._doubtful.update(batches)
        for _ in range(_PUBLISH_ATTEMPTS):
            places = {
                partition: self._missing(partition, batch, partition in doubtful)
                for partition, batch in batches.items()
            }
            if self._append(self._scripts(places)):
                for partition, (first_offset, missing) in places.items():
                    self._base[partition] = first_offset + len(missing)
                self._doubtful.difference_update(batches)
                return
            doubtful = set(batches)
        raise StreamError(f"writer {self._writer_id}: other writers append to its partitions")

    def publish_parts(self, parts: Iterable[Sequence[Message]]) -> None:
        parts = iter(parts)
        taken: list[Message] = []
        if not self._doubtful:
            ends: dict[TopicPartition, int] = {}
            if self._append(self._begun(parts, taken, ends)):
                self._base.update(ends)
                self._doubtful.clear()
                return
        self.publish([*taken, *chain.from_iterable(parts)])

    def close(self) -> None:
        """Nothing to give back: connections belong to the stream."""

    def _missing(
        self, partition: TopicPartition, batch: list[Message], doubtful: bool
    ) -> tuple[int, list[Message]]:
        """Return where the rest of the batch belongs, and that rest."""
        base = self._base[partition]
        if not doubtful:
            return base, batch
        stored = list(self._stream.read_from(partition, base))
        end = stored[-1].offset + 1 if stored else base
        return end, not_yet_stored(stored, batch)

    def _grouped(self, messages: Sequence[Message]) -> Batches:
        """Return the messages by partition; from now on it is known where each begins."""
        batches = by_partition(messages)
        self._stream.require(batches)
        unseen = [partition for partition in batches if partition not in self._base]
        self._base.update(self._stream.end_offsets(unseen))
        return batches

    def _begun(
        self,
        parts: Iterable[Sequence[Message]],
        taken: list[Message],
        ends: dict[TopicPartition, int],
    ) -> Iterator[_Script]:
        """Yield what appends the parts, noted as taken and as perhaps stored."""
        for part in parts:
            taken += part
            batches = self._grouped(part)
            self._doubtful.update(batches)
            places = {at: (ends.get(at, self._base[at]), batch) for at, batch in batches.items()}
            yield from self._scripts(places)
            ends.update((at, first + len(batch)) for at, (first, batch) in places.items())

    def _scripts(
        self, places: Mapping[TopicPartition, tuple[int, list[Message]]]
    ) -> Iterator[_Script]:
        """Yield what appends each partition's messages from an offset on."""
        timestamp_ms = time.time_ns() // 1_000_000
        for partition, (first_offset, batch) in places.items():
            for chunk in _chunks(encode_entries(batch, timestamp_ms)):
                owner = (self._writer_id, self._token, first_offset)
                yield ("EVAL", _APPEND, 2, _key(partition), "writers", *owner, *chunk)
                first_offset += len(chunk)

    def _append(self, scripts: Iterable[_Script]) -> bool:
        """Run the scripts; return False when a partition's end was not where it belongs."""
        statuses = {status for status, _ in self._stream.execute_all(scripts)}
        if b"FENCED" in statuses:
            raise WriterFenced(f"writer {self._writer_id} was opened again elsewhere")
        if b"FORGOTTEN" in statuses:
            raise WriterForgotten(f"the stream knows no writer {self._writer_id} any more")
        return b"MOVED" not in statuses


class RedisStreamReader:
    """Reads its partitions over a connection of its own, so that waiting keeps nobody else."""

    def __init__(
        self,
        stream: RedisEventStream,
        connection: RedisConnection,
        group: str,
        positions: dict[TopicPartition, int],
    ) -> None:
        self._stream = stream
        self._connection = connection
        self._group = group
        self._positions = positions
        self._by_key = {_key(partition).encode(): partition for partition in positions}

    def poll(self, max_messages: int, timeout_ms: int) -> list[StoredMessage]:
        deadline = time.monotonic() + timeout_ms / 1_000
        while True:
            left_ms = int((deadline - time.monotonic()) * 1_000)
            messages = self._read(max_messages, min(left_ms, _BLOCK_SLICE_MS))
            if messages or left_ms <= 0:
                return messages

    def position(self, partition: TopicPartition) -> int:
        return self._positions[partition]

    def commit(self, positions: Mapping[TopicPartition, int]) -> None:
        if positions:
            fields = [word for item in positions.items() for word in (_field(item[0]), item[1])]
            self._stream.execute("HSET", f"group:{self._group}", *fields)

    def committed(self, partition: TopicPartition) -> int | None:
        return self._stream.committed(self._group, [partition])[partition]

    def seek(self, partition: TopicPartition, offset: int) -> None:
        if partition not in self._positions:
            raise UnknownTopic(f"{partition} is not one of this reader's partitions")
        self._positions[partition] = max(offset, 0)

    def close(self) -> None:
        self._connection.close()

    def _read(self, max_messages: int, block_ms: int) -> list[StoredMessage]:
        if not self._positions:
            return []
        # COUNT is per stream. The least recently served come first, so none is starved.
        partitions = list(self._positions)
        command: list[Any] = ["XREAD", "COUNT", -(-max_messages // len(partitions))]
        if block_ms > 0:
            command += ["BLOCK", block_ms]
        command.append("STREAMS")
        command += [_key(partition) for partition in partitions]
        command += [f"{self._positions[partition]}-0" for partition in partitions]
        reply = self._connection.execute(*command)
        messages: list[StoredMessage] = []
        for key, entries in reply or ():
            partition = self._by_key[key]
            taken = [
                _message(partition, entry) for entry in entries[: max_messages - len(messages)]
            ]
            if taken:
                messages += taken
                del self._positions[partition]
                self._positions[partition] = taken[-1].offset + 1
        return messages


def _chunks(entries: list[bytes]) -> Iterator[list[bytes]]:
    """Cut entries into parts that one script appends."""
    chunk: list[bytes] = []
    size = 0
    for entry in entries:
        if chunk and (len(chunk) == _ENTRIES_PER_SCRIPT or size + len(entry) > _BYTES_PER_SCRIPT):
            yield chunk
            chunk, size = [], 0
        chunk.append(entry)
        size += len(entry)
    if chunk:
        yield chunk


def _key(partition: TopicPartition) -> str:
    return f"stream:{partition.topic}:{partition.partition}"


def _field(partition: TopicPartition) -> str:
    return f"{partition.topic}:{partition.partition}"


def _end_of(entries: Sequence[Any]) -> int:
    """Return the end offset that the newest entry, if any, makes."""
    return int(entries[0][0].partition(b"-")[0]) if entries else 0


def _message(partition: TopicPartition, entry: Any) -> StoredMessage:
    entry_id, (_, packed) = entry
    offset = int(entry_id.partition(b"-")[0]) - 1
    return decode_entry(partition.topic, partition.partition, offset, packed)
