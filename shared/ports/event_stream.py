"""The event stream: partitioned topics with integer offsets, groups, and fenced writers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class TopicPartition:
    topic: str
    partition: int


@dataclass(frozen=True, slots=True)
class Message:
    """A message to publish; `partition` is chosen by the writer, `key` travels with it."""

    topic: str
    partition: int
    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A message as read back: offsets in a partition are 0, 1, 2 …"""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()


class StreamError(Exception):
    """The stream failed; nothing is known to be stored. The call may be repeated."""


class StreamUnavailable(StreamError):
    """The stream cannot be reached."""


class WriterFenced(StreamError):
    """A writer with a higher epoch took over; this one must stop."""


class StreamWriter(Protocol):
    """The one writer of a writer id. Opening it fences every writer of a lower epoch."""

    def publish(self, messages: Sequence[Message]) -> None:
        """Store all messages, in order within each partition; return when they are durable.

        Raises
        ------
        WriterFenced
            A higher epoch has opened this writer id.
        StreamUnavailable
            The stream cannot be reached; some messages may be stored.
        """
        ...

    def close(self) -> None: ...


class StreamReader(Protocol):
    """A member of a consumer group, with the partitions it was given for its life."""

    def poll(self, max_messages: int, timeout_ms: int) -> list[StoredMessage]:
        """Return the next messages, waiting up to `timeout_ms` when there are none."""
        ...

    def commit(self, positions: Mapping[TopicPartition, int]) -> None:
        """Store, per partition, the offset of the next message to read, after it was handled."""
        ...

    def committed(self, partition: TopicPartition) -> int | None:
        """Return the group's committed position, or None when it has none."""
        ...

    def seek(self, partition: TopicPartition, offset: int) -> None: ...

    def close(self) -> None: ...


class EventStream(Protocol):
    def ensure_topics(self, partitions: Mapping[str, int]) -> None:
        """Create missing topics; raise StreamError if one exists with another partition count."""
        ...

    def end_offset(self, partition: TopicPartition) -> int:
        """Return the offset that the next message of the partition will get."""
        ...

    def read_last(self, partition: TopicPartition) -> StoredMessage | None:
        """Return the partition's newest message, or None when it is empty."""
        ...

    def writer(self, writer_id: str, epoch: int) -> StreamWriter:
        """Open a writer and shut out those of a lower epoch; raise WriterFenced if one is higher."""
        ...

    def reader(
        self, group: str, partitions: Sequence[TopicPartition], *, from_beginning: bool = True
    ) -> StreamReader:
        """Open a reader at the group's committed positions, else at the beginning or the end."""
        ...

    def close(self) -> None: ...
