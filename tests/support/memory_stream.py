"""An event stream in memory that keeps the port's contract, and fails when it is told to.

from tests.support.memory_stream import MemoryBroker, MemoryStream
"""

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

from shared.ports.event_stream import (
    MAX_EPOCH,
    Message,
    StoredMessage,
    StreamError,
    TopicPartition,
    UnknownTopic,
    WriterFenced,
)
from shared.streams.batches import by_partition, not_yet_stored


@dataclass
class _Partition:
    messages: list[StoredMessage] = field(default_factory=list)
    end: int = 0

    def from_offset(self, offset: int) -> list[StoredMessage]:
        """Return what stands at an offset and behind it."""
        low, high = 0, len(self.messages)
        while low < high:
            middle = (low + high) // 2
            if self.messages[middle].offset < offset:
                low = middle + 1
            else:
                high = middle
        return self.messages[low:]


class MemoryBroker:
    """What outlives the clients. `passing` is called at each step of a call and may raise."""

    def __init__(self, passing: Callable[[str], None] = lambda _: None) -> None:
        self.passing = passing
        self.partitions: dict[TopicPartition, _Partition] = {}
        self.topics: dict[str, int] = {}
        self.writers: dict[str, tuple[int, int]] = {}  # epoch, session
        self.committed: dict[tuple[str, TopicPartition], int] = {}
        self.changed = threading.Condition()
        self.sessions = 0

    def at(self, place: TopicPartition) -> _Partition:
        if place not in self.partitions:
            raise UnknownTopic(f"{place.topic}-{place.partition} does not exist")
        return self.partitions[place]


class MemoryStream:
    """EventStream on a broker in this process."""

    def __init__(self, broker: MemoryBroker) -> None:
        self._broker = broker

    def ensure_topics(self, partitions: Mapping[str, int]) -> None:
        self._broker.passing("ensure")
        for topic, wanted in partitions.items():
            found = self._broker.topics.setdefault(topic, wanted)
            if found != wanted:
                raise StreamError(f"topic {topic} has {found} partitions, not {wanted}")
            for number in range(wanted):
                self._broker.partitions.setdefault(TopicPartition(topic, number), _Partition())

    def end_offset(self, partition: TopicPartition) -> int:
        self._broker.passing("end")
        return self._broker.at(partition).end

    def read_last(self, partition: TopicPartition) -> StoredMessage | None:
        self._broker.passing("last")
        messages = self._broker.at(partition).messages
        return messages[-1] if messages else None

    def writer(self, writer_id: str, epoch: int) -> "MemoryWriter":
        if not 0 <= epoch <= MAX_EPOCH:
            raise ValueError(f"epoch {epoch} is outside 0..2^53-1")
        self._broker.passing("open")
        with self._broker.changed:
            if self._broker.writers.get(writer_id, (0, 0))[0] > epoch:
                raise WriterFenced(f"writer {writer_id} was opened with an epoch above {epoch}")
            self._broker.sessions += 1
            self._broker.writers[writer_id] = (epoch, self._broker.sessions)
            return MemoryWriter(self._broker, writer_id, self._broker.writers[writer_id])

    def reader(
        self, group: str, partitions: Sequence[TopicPartition], *, from_beginning: bool = True
    ) -> "MemoryReader":
        self._broker.passing("reader")
        positions = {}
        for place in partitions:
            end = self._broker.at(place).end
            start = 0 if from_beginning else end
            positions[place] = self._broker.committed.get((group, place), start)
        return MemoryReader(self._broker, group, positions)

    def trim(self, partition: TopicPartition, keep_messages: int) -> int:
        messages = self._broker.at(partition).messages
        positions = [
            self._broker.committed.get((group, partition), 0)
            for group, place in self._broker.committed
            if place.topic == partition.topic
        ]
        limit = min(positions, default=self._broker.at(partition).end)
        forgotten = [m for m in messages[:-keep_messages] if m.offset < limit]
        del messages[: len(forgotten)]
        return len(forgotten)

    def close(self) -> None:
        """Nothing to give back."""


class MemoryWriter:
    """Stores partition by partition, so that a publish may fail in the middle."""

    def __init__(self, broker: MemoryBroker, writer_id: str, identity: tuple[int, int]) -> None:
        self._broker = broker
        self._writer_id = writer_id
        self._identity = identity
        self._doubtful: dict[TopicPartition, int] = {}  # the end before the first try

    def publish(self, messages: Sequence[Message]) -> None:
        batches = by_partition(messages)
        for place in batches:
            self._broker.at(place)
        self._broker.passing("publish")
        for place, batch in batches.items():
            with self._broker.changed:
                self._store(place, batch)
        self._broker.passing("published")
        self._doubtful.clear()

    def publish_parts(self, parts: Iterable[Sequence[Message]]) -> None:
        self.publish([*chain.from_iterable(parts)])

    def _store(self, place: TopicPartition, batch: list[Message]) -> None:
        if self._broker.writers[self._writer_id] != self._identity:
            raise WriterFenced(f"writer {self._writer_id} was opened again elsewhere")
        partition = self._broker.at(place)
        base = self._doubtful.setdefault(place, partition.end)
        for number, message in enumerate(not_yet_stored(partition.from_offset(base), batch)):
            if number % 16 == 0:
                self._broker.passing("store")
            now_ms = time.time_ns() // 1_000_000
            content = (message.key, message.value, message.headers)
            partition.messages.append(
                StoredMessage(place.topic, place.partition, partition.end, now_ms, *content)
            )
            partition.end += 1
        partition.end += 1  # a marker takes an offset, as Kafka's do
        self._broker.changed.notify_all()

    def close(self) -> None:
        """Nothing to give back."""


class MemoryReader:
    """Reads its partitions in turn."""

    def __init__(
        self, broker: MemoryBroker, group: str, positions: dict[TopicPartition, int]
    ) -> None:
        self._broker = broker
        self._group = group
        self._positions = positions

    def poll(self, max_messages: int, timeout_ms: int) -> list[StoredMessage]:
        self._broker.passing("poll")
        deadline = time.monotonic() + timeout_ms / 1_000
        with self._broker.changed:
            while True:
                messages = self._take(max_messages)
                left_s = deadline - time.monotonic()
                if messages or left_s <= 0:
                    return messages
                self._broker.changed.wait(left_s)

    def _take(self, max_messages: int) -> list[StoredMessage]:
        taken: list[StoredMessage] = []
        for place in list(self._positions):
            partition = self._broker.at(place)
            found = partition.from_offset(self._positions[place])
            part = found[: max_messages - len(taken)]
            taken += part
            if len(part) == len(found):
                self._positions[place] = max(partition.end, self._positions[place])
            elif part:
                self._positions[place] = part[-1].offset + 1
        return taken

    def position(self, partition: TopicPartition) -> int:
        return self._positions[partition]

    def commit(self, positions: Mapping[TopicPartition, int]) -> None:
        self._broker.passing("commit")
        for place, offset in positions.items():
            self._broker.committed[(self._group, place)] = offset

    def committed(self, partition: TopicPartition) -> int | None:
        self._broker.passing("committed")
        return self._broker.committed.get((self._group, partition))

    def seek(self, partition: TopicPartition, offset: int) -> None:
        if partition not in self._positions:
            raise UnknownTopic(f"{partition} is not one of this reader's partitions")
        self._positions[partition] = max(offset, 0)

    def close(self) -> None:
        """Nothing to give back."""
