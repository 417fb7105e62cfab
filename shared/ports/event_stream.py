"""The event stream: partitioned topics with integer offsets, groups, and fenced writers.

Offsets
    Integers from 0 that strictly increase within a partition. They may skip numbers (Kafka spends
    offsets on transaction markers); nothing may assume that `offset + 1` exists. A position is the
    offset to read from next; a reader that has read everything stands at `end_offset`.

Writers
    A writer id names one logical writer; a partition is fed by one writer id at a time. `publish`
    may be repeated after StreamUnavailable, on the same writer and with the same messages (more may
    follow them): what was already stored is not stored again.

Recovery of a writer that restarts
    1. Open the writer with a higher epoch (or the same one, after a crash): from then on nothing
       that the old process still has under way can be stored, and all it stored can be seen.
    2. Read `read_last` of each partition: its headers or value say how far this writer got there.
    3. Publish from each partition's own next message on. A partition without a message starts at
       the beginning. Order within a partition makes this exact: no gap, no duplicate.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import msgspec

from shared.ports.failures import InfrastructureUnavailable

# Key, value and headers of one message together, in bytes. Kafka's default limit, less overhead.
MAX_MESSAGE_BYTES: Final = 1_000_000
MAX_EPOCH: Final = 2**53 - 1


@dataclass(frozen=True, slots=True)
class TopicPartition:
    topic: str
    partition: int


class Message(msgspec.Struct, frozen=True, gc=False):
    """A message to publish; `partition` is chosen by the writer, `key` travels with it."""

    topic: str
    partition: int
    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A message as read back."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int  # when the writer published it
    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()


class StreamError(Exception):
    """The stream refused or failed; nothing is known to be stored."""


class StreamUnavailable(StreamError, InfrastructureUnavailable):
    """The stream cannot be reached, or cannot take more; the call may be repeated."""


class UnknownTopic(StreamError):
    """The topic does not exist, or not with that partition."""


class MessageTooLarge(StreamError):
    """A message exceeds MAX_MESSAGE_BYTES; none of its batch was stored."""


class WriterFenced(StreamError):
    """A writer of a higher epoch, or a later one of the same, took over; this one must stop."""


class WriterForgotten(StreamError):
    """The stream does not know this writer any more: it came back without its data. Open again."""


class StreamWriter(Protocol):
    """The one writer of a writer id; used by one thread at a time."""

    def publish(self, messages: Sequence[Message]) -> None:
        """Store all messages, in order within each partition.

        Return when they are durable and readers can see them.

        Raises
        ------
        WriterFenced
            A higher epoch, or a later writer of the same epoch, has opened this writer id.
        UnknownTopic, MessageTooLarge
            Nothing was stored.
        StreamUnavailable
            The stream cannot be reached; some messages may be stored. Repeat the call.
        """
        ...

    def publish_parts(self, parts: Iterable[Sequence[Message]]) -> None:
        """Do what `publish` of all parts together does.

        A part may be on its way already while the next one is asked for. When `parts` raises, some
        messages may be stored. To repeat after StreamUnavailable, publish all of the messages.
        """
        ...

    def close(self) -> None: ...


class StreamReader(Protocol):
    """A member of a consumer group, with the partitions it was given for its life.

    Every call raises StreamUnavailable when the stream cannot be reached; positions are kept, so
    the call may be repeated.
    """

    def poll(self, max_messages: int, timeout_ms: int) -> list[StoredMessage]:
        """Return the next messages, waiting up to `timeout_ms` when there are none."""
        ...

    def position(self, partition: TopicPartition) -> int:
        """Return where the next poll goes on: `end_offset` once a poll has come back empty."""
        ...

    def commit(self, positions: Mapping[TopicPartition, int]) -> None:
        """Store, per partition, the offset to read from next, after what precedes it is handled."""
        ...

    def committed(self, partition: TopicPartition) -> int | None:
        """Return the group's committed position, or None when it has none."""
        ...

    def seek(self, partition: TopicPartition, offset: int) -> None:
        """Go on from the first message at or after `offset`."""
        ...

    def close(self) -> None: ...


class EventStream(Protocol):
    """Safe for use by several threads; the writers and readers it opens are each for one."""

    def ensure_topics(self, partitions: Mapping[str, int]) -> None:
        """Create missing topics; raise StreamError if one exists with another partition count."""
        ...

    def end_offset(self, partition: TopicPartition) -> int:
        """Return the position of a reader that has read everything."""
        ...

    def read_last(self, partition: TopicPartition) -> StoredMessage | None:
        """Return the partition's newest message, or None when it is empty."""
        ...

    def writer(self, writer_id: str, epoch: int) -> StreamWriter:
        """Open a writer and shut out its predecessors; WriterFenced if one had a higher epoch.

        The epoch (0 … MAX_EPOCH) is remembered by the stream for good.
        """
        ...

    def reader(
        self, group: str, partitions: Sequence[TopicPartition], *, from_beginning: bool = True
    ) -> StreamReader:
        """Open a reader at the group's committed positions, else at the beginning or the end."""
        ...

    def trim(self, partition: TopicPartition, keep_messages: int) -> int:
        """Forget the partition's oldest messages; return how many.

        `keep_messages` (at least 1) stay, and so does everything that a group which has committed
        positions in the topic has not committed. A stream that forgets by settings of its own
        forgets nothing here.
        """
        ...

    def close(self) -> None: ...
