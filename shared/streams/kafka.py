"""The event stream on Apache Kafka: explicit partitions, no rebalancing, only committed messages.

Each publish is one transaction: all of its messages are stored or none. Transactions end with a
marker that takes an offset of its own, so offsets skip numbers.
"""

import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka import TopicPartition as Place
from confluent_kafka.admin import NewTopic  # type: ignore[attr-defined]

from shared.ports.event_stream import (
    StoredMessage,
    StreamError,
    StreamUnavailable,
    TopicPartition,
    UnknownTopic,
)
from shared.streams.kafka_brokers import Brokers
from shared.streams.kafka_connection import (
    CALL_TIMEOUT_S,
    Lookup,
    consumer_settings,
    new_admin,
    new_consumer,
    port_error,
    stored,
    translated,
)
from shared.streams.kafka_writer import KafkaStreamWriter
from shared.streams.topology import WRITER_EPOCHS, Topic

_FETCH_WAIT_MS: Final = 1_000
_REACHABLE_TIMEOUT_S: Final = 1.0


class KafkaEventStream:
    """EventStream on the cluster at `host:port[,host:port]`."""

    def __init__(self, brokers: Brokers, lookup: Lookup | None = None) -> None:
        self._brokers = brokers
        self._lookup = lookup or Lookup(brokers)
        self._partitions: dict[str, int] = {}
        self._lock = threading.Lock()

    def ensure_topics(self, partitions: Mapping[str, int]) -> None:
        self.create(Topic(topic, count) for topic, count in partitions.items())
        found = self._lookup.topics()
        for topic, wanted in partitions.items():
            if found.get(topic) != wanted:
                raise StreamError(f"topic {topic} has {found.get(topic)} partitions, not {wanted}")

    def end_offset(self, partition: TopicPartition) -> int:
        self.require([partition])
        return self._lookup.bounds(partition)[1]

    def read_last(self, partition: TopicPartition) -> StoredMessage | None:
        self.require([partition])
        return self._lookup.read_last(partition, *self._lookup.settled_bounds(partition))

    def read_from(self, partition: TopicPartition, offset: int) -> list[StoredMessage]:
        """Return the partition's messages from `offset` to its end."""
        return self._lookup.read(partition, offset)

    def writer(self, writer_id: str, epoch: int) -> KafkaStreamWriter:
        self.create([WRITER_EPOCHS])
        return KafkaStreamWriter(self, self._brokers, self._lookup, writer_id, epoch)

    def reader(
        self, group: str, partitions: Sequence[TopicPartition], *, from_beginning: bool = True
    ) -> "KafkaStreamReader":
        self.require(partitions)
        reader = KafkaStreamReader(self._brokers, group, partitions)
        try:
            for partition in partitions:
                position = reader.committed(partition)
                if position is None:
                    first, end = self._lookup.bounds(partition)
                    position = first if from_beginning else end
                reader.seek(partition, position)
        except BaseException:
            reader.close()
            raise
        return reader

    def trim(self, partition: TopicPartition, keep_messages: int) -> int:
        """Forget nothing: how long Kafka keeps messages is a setting of its topics."""
        self.require([partition])
        return 0

    def close(self) -> None:
        self._lookup.close()

    def require(self, partitions: Iterable[TopicPartition]) -> None:
        """Raise UnknownTopic unless all partitions exist; counts never change, so they are kept."""
        for partition in partitions:
            if not 0 <= partition.partition < self._count(partition.topic):
                raise UnknownTopic(f"{partition.topic}-{partition.partition} does not exist")

    def _count(self, topic: str) -> int:
        with self._lock:
            if topic not in self._partitions:
                found = self._lookup.topics(topic)
                if topic not in found:
                    return 0
                self._partitions[topic] = found[topic]
            return self._partitions[topic]

    def create(self, topics: Iterable[Topic]) -> None:
        """Create those of the topics that do not exist, and wait until they can be used."""
        existing = self._lookup.topics()
        missing = [topic for topic in topics if topic.name not in existing]
        if not missing:
            return
        admin = new_admin(self._brokers)
        # -1: as many replicas as the cluster's default says.
        asked = [NewTopic(it.name, it.partitions, -1, config=it.settings) for it in missing]
        futures = admin.create_topics(asked, request_timeout=CALL_TIMEOUT_S)
        for future in futures.values():
            try:
                future.result(timeout=CALL_TIMEOUT_S)
            except KafkaException as error:
                if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                    raise port_error(error.args[0]) from error
        for topic in missing:
            for number in range(topic.partitions):
                self._wait_until_led(TopicPartition(topic.name, number))

    def _wait_until_led(self, partition: TopicPartition) -> None:
        """A partition exists before a broker leads it, and can be used only then."""
        deadline = time.monotonic() + CALL_TIMEOUT_S
        while True:
            try:
                # Asking for the topic first: a client that once knew of none waits seconds for it.
                if partition.topic in self._lookup.topics(partition.topic):
                    self._lookup.bounds(partition)
                    return
            except StreamUnavailable:
                if time.monotonic() > deadline:
                    raise
            time.sleep(0.02)


class KafkaStreamReader:
    """A consumer with its partitions assigned; the group serves only to keep its positions."""

    def __init__(
        self,
        brokers: Brokers,
        group: str,
        partitions: Sequence[TopicPartition],
        fetch_wait_ms: int = _FETCH_WAIT_MS,
    ) -> None:
        self._settings: dict[str, Any] = consumer_settings(brokers, group)
        self._settings |= {"fetch.wait.max.ms": fetch_wait_ms, "error_cb": self._note_error}
        self._consumer = new_consumer(self._settings)
        self._positions = dict.fromkeys(partitions, 0)
        self._assigned = False
        self._doubt_reachable = False

    def poll(self, max_messages: int, timeout_ms: int) -> list[StoredMessage]:
        deadline = time.monotonic() + timeout_ms / 1_000
        self._assign()
        while True:
            with translated():
                first = self._consumer.poll(max(deadline - time.monotonic(), 0))
                rest = self._consumer.consume(max_messages - 1, 0) if first is not None else []
            messages = [] if first is None else self._received([first, *rest])
            if messages:
                self._doubt_reachable = False
                return messages
            if time.monotonic() >= deadline:
                self._check_reachable()
                return []

    def position(self, partition: TopicPartition) -> int:
        return self._positions[partition]

    def commit(self, positions: Mapping[TopicPartition, int]) -> None:
        if positions:
            places = [Place(at.topic, at.partition, offset) for at, offset in positions.items()]
            self._check_reachable()  # a commit itself waits 45 s for a coordinator that is away
            with translated():
                self._consumer.commit(offsets=places, asynchronous=False)

    def committed(self, partition: TopicPartition) -> int | None:
        place = Place(partition.topic, partition.partition)
        with translated():
            (found,) = self._consumer.committed([place], timeout=CALL_TIMEOUT_S)
            if found.error is not None:
                raise port_error(found.error)
        return found.offset if found.offset >= 0 else None

    def seek(self, partition: TopicPartition, offset: int) -> None:
        if partition not in self._positions:
            raise UnknownTopic(f"{partition} is not one of this reader's partitions")
        self._positions[partition] = max(offset, 0)
        if self._assigned:
            # A consumer that is assigned again may still report what it fetched before.
            self._consumer.close()
            self._consumer = new_consumer(self._settings)
            self._assigned = False

    def close(self) -> None:
        self._consumer.close()

    def _assign(self) -> None:
        """Begin to read from the positions on."""
        if not self._assigned:
            places = [
                Place(at.topic, at.partition, offset) for at, offset in self._positions.items()
            ]
            with translated():
                self._consumer.assign(places)
            self._assigned = True

    def _received(self, batch: Iterable[Any]) -> list[StoredMessage]:
        """Return the messages of a batch; take note of how far the partitions are read."""
        messages = []
        for received in batch:
            error = received.error()
            if error is None:
                message = stored(received)
                messages.append(message)
                position = message.offset + 1
            elif error.code() == KafkaError._PARTITION_EOF:
                position = received.offset()
            else:
                self._note_error(error)
                continue
            self._positions[TopicPartition(received.topic(), received.partition())] = position
        return messages

    def _note_error(self, error: KafkaError) -> None:
        """librdkafka goes on by itself after errors; an empty poll then asks whether it can."""
        self._doubt_reachable = True

    def _check_reachable(self) -> None:
        if not self._doubt_reachable:
            return
        with translated():
            self._consumer.list_topics(timeout=_REACHABLE_TIMEOUT_S)
        self._doubt_reachable = False
