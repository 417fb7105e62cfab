"""What all Kafka clients here have in common: settings, waiting times, errors of the port."""

import logging
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from confluent_kafka import Consumer, IsolationLevel, KafkaError, KafkaException, Message, Producer
from confluent_kafka import TopicPartition as Place
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]

from shared.ports.event_stream import (
    MessageTooLarge,
    StoredMessage,
    StreamError,
    StreamUnavailable,
    TopicPartition,
    UnknownTopic,
)
from shared.streams.kafka_brokers import Brokers
from shared.streams.topology import LOOKUP_GROUP

CALL_TIMEOUT_S: Final = 10.0
_READ_LAST_WINDOW: Final = 16

# What goes wrong is raised; librdkafka need not print it as well.
_SILENT: Final = logging.getLogger("librdkafka")
_SILENT.setLevel(logging.CRITICAL + 1)

_UNKNOWN: Final = (
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError._UNKNOWN_TOPIC,
    KafkaError._UNKNOWN_PARTITION,
)
_AWAY: Final = (
    KafkaError._ALL_BROKERS_DOWN,
    KafkaError._MSG_TIMED_OUT,
    KafkaError._RESOLVE,
    KafkaError._TIMED_OUT,
    KafkaError._TIMED_OUT_QUEUE,
    KafkaError._TRANSPORT,
    # No token could be had, or one has just ended: the next one may be taken.
    KafkaError._AUTHENTICATION,
    KafkaError.SASL_AUTHENTICATION_FAILED,
    KafkaError._WAIT_COORD,
    KafkaError._NOENT,  # no leader found
    # A broker that starts, or a partition that moves to another one.
    KafkaError.BROKER_NOT_AVAILABLE,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.FENCED_LEADER_EPOCH,
    KafkaError.KAFKA_STORAGE_ERROR,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.NETWORK_EXCEPTION,
    KafkaError.NOT_COORDINATOR,
    KafkaError.NOT_ENOUGH_REPLICAS,
    KafkaError.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.OFFSET_NOT_AVAILABLE,
    KafkaError.REPLICA_NOT_AVAILABLE,
    KafkaError.REQUEST_TIMED_OUT,
    KafkaError.UNKNOWN_LEADER_EPOCH,
)


_LATEST: Final = OffsetSpec.latest()  # type: ignore[no-untyped-call]


class Fenced(StreamError):
    """Kafka says that another producer has taken this transactional id."""


_FENCED: Final = (
    KafkaError._FENCED,
    KafkaError._FATAL,  # so it says from then on; who opens it again finds out why
    KafkaError.INVALID_PRODUCER_EPOCH,
    KafkaError.PRODUCER_FENCED,
)


def client_settings(brokers: Brokers) -> dict[str, Any]:
    """Return the settings that every client has."""
    return brokers.settings() | {
        "reconnect.backoff.ms": 50,
        "reconnect.backoff.max.ms": 1_000,
        "socket.keepalive.enable": True,
        "logger": _SILENT,
    }


def consumer_settings(brokers: Brokers, group: str) -> dict[str, Any]:
    """Return the settings of a consumer with fixed partitions that sees only what is committed."""
    return client_settings(brokers) | {
        "group.id": group,
        "isolation.level": "read_committed",
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "enable.partition.eof": True,
        "auto.offset.reset": "earliest",
        "queued.max.messages.kbytes": 8_192,  # a consumer per route and partition adds up
        "fetch.queue.backoff.ms": 5,
    }


def port_error(error: KafkaError) -> StreamError:
    """Return the port's error for one of Kafka's."""
    code, text = error.code(), f"kafka: {error.str()}"
    if code in _FENCED:
        return Fenced(text)
    if code in _UNKNOWN:
        return UnknownTopic(text)
    if code == KafkaError.MSG_SIZE_TOO_LARGE:
        return MessageTooLarge(text)
    if code in _AWAY or error.retriable() or error.txn_requires_abort():
        return StreamUnavailable(text)
    return StreamError(text)


@contextmanager
def translated() -> Iterator[None]:
    """Raise the port's errors for those of the client."""
    try:
        yield
    except KafkaException as error:
        raise port_error(error.args[0]) from error


def new_consumer(settings: dict[str, Any]) -> Consumer:
    """Return a consumer; where IAM guards the brokers, StreamUnavailable if no token can be had."""
    with translated():
        return Consumer(settings)


def new_producer(settings: dict[str, Any]) -> Producer:
    """Return a producer; raises as `new_consumer` does."""
    with translated():
        return Producer(settings)


def new_admin(brokers: Brokers) -> AdminClient:
    """Return a client that administers; raises as `new_consumer` does."""
    with translated():
        return AdminClient(client_settings(brokers))


def stored(message: Message) -> StoredMessage:
    """Return a consumed message as the port describes it."""
    topic, partition, offset = message.topic(), message.partition(), message.offset()
    assert topic is not None and partition is not None and offset is not None
    headers: Iterable[tuple[str, bytes | None]] = message.headers() or ()  # type: ignore[assignment]
    return StoredMessage(
        topic=topic,
        partition=partition,
        offset=offset,
        timestamp_ms=message.timestamp()[1],
        key=_bytes(message.key()),
        value=_bytes(message.value()),
        headers=tuple((name, value or b"") for name, value in headers),
    )


def _bytes(value: bytes | str | None) -> bytes:
    return value.encode() if isinstance(value, str) else value or b""


def ping(brokers: Brokers, timeout_s: float) -> str:
    """Return how many brokers and topics there are; raise StreamUnavailable if none answers."""
    with translated():
        found = new_admin(brokers).list_topics(timeout=timeout_s)
    return f"brokers={len(found.brokers)} topics={len(found.topics)}"


class Lookup:
    """A consumer for what its own process wants to know, apart from all groups; for any thread."""

    def __init__(self, brokers: Brokers) -> None:
        self._lock = threading.Lock()
        self._brokers = brokers
        self._settings = consumer_settings(brokers, LOOKUP_GROUP) | {"fetch.wait.max.ms": 10}
        self._consumer = new_consumer(self._settings)  # for metadata; never assigned
        uncommitted = {"isolation.level": "read_uncommitted"}
        self._uncommitted = new_consumer(self._settings | uncommitted)  # likewise
        self._admin = new_admin(brokers)

    def bounds(self, partition: TopicPartition) -> tuple[int, int]:
        """Return the first offset and the end (of what is committed) of an existing partition."""
        return self._watermarks(self._consumer, partition)

    def settled_bounds(self, partition: TopicPartition) -> tuple[int, int]:
        """Return the bounds once every transaction has ended that the partition holds by now.

        Until then an end may hide messages whose publish has returned. Raises StreamUnavailable
        when one stays open; a writer that crashed leaves it so until Kafka ends it.
        """
        held = self._watermarks(self._uncommitted, partition)[1]
        deadline = time.monotonic() + CALL_TIMEOUT_S
        while (found := self.bounds(partition))[1] < held:
            if time.monotonic() > deadline:
                raise StreamUnavailable(f"kafka: a transaction stays open in {partition}")
            time.sleep(0.005)
        return found

    def wait_until_visible(self, ends: Mapping[TopicPartition, int]) -> None:
        """Return once readers of committed messages can read up to these ends.

        Raises StreamUnavailable when that takes too long.
        """
        deadline = time.monotonic() + CALL_TIMEOUT_S
        hidden = dict(ends)
        while hidden:
            for at, end in self.latest(hidden).items():
                if end >= hidden[at]:
                    del hidden[at]
            if hidden and time.monotonic() > deadline:
                raise StreamUnavailable(
                    f"kafka: a transaction stays open in {sorted(map(str, hidden))}"
                )
            if hidden:
                time.sleep(0.002)

    def read_last(self, partition: TopicPartition, first: int, end: int) -> StoredMessage | None:
        """Return the newest message before `end`, or None when there is none behind `first`."""
        window = _READ_LAST_WINDOW
        while True:
            start = max(first, end - window)  # may hold nothing but markers
            if messages := self.read(partition, start, end):
                return messages[-1]
            if start == first:
                return None
            window *= 8

    def latest(
        self,
        partitions: Iterable[TopicPartition],
        isolation: IsolationLevel = IsolationLevel.READ_COMMITTED,
        timeout_s: float = CALL_TIMEOUT_S,
    ) -> dict[TopicPartition, int]:
        """Ask the brokers where the partitions end now."""
        asked = {Place(at.topic, at.partition): _LATEST for at in partitions}
        try:
            with translated():
                answers = self._admin.list_offsets(
                    asked, isolation_level=isolation, request_timeout=timeout_s
                )
                return {
                    TopicPartition(place.topic, place.partition): answer.result(timeout_s).offset
                    for place, answer in answers.items()
                }
        except (StreamError, TimeoutError) as error:
            # It may go on asking with what it knew of a broker that has started anew since.
            self._admin = new_admin(self._brokers)
            if isinstance(error, StreamError):
                raise
            raise StreamUnavailable("kafka: no answer about where partitions end") from error

    def _watermarks(self, consumer: Consumer, partition: TopicPartition) -> tuple[int, int]:
        place = Place(partition.topic, partition.partition)
        try:
            with self._lock, translated():
                found = consumer.get_watermark_offsets(place, timeout=CALL_TIMEOUT_S)
        except UnknownTopic as error:  # a client that has lost all brokers knows no partition
            raise StreamUnavailable(str(error)) from error
        if found is None:
            raise StreamUnavailable(f"kafka: no answer about {partition}")
        return found

    def read(
        self, partition: TopicPartition, offset: int, end: int | None = None
    ) -> list[StoredMessage]:
        """Return the partition's messages from `offset` to an end, or to its settled end."""
        end = self.settled_bounds(partition)[1] if end is None else end
        messages: list[StoredMessage] = []
        # A consumer of its own: one that is assigned again may still report an end of before.
        consumer = new_consumer(self._settings)
        try:
            with translated():
                consumer.assign([Place(partition.topic, partition.partition, offset)])
                while offset < end:
                    offset = self._read_on(consumer, messages)
        finally:
            consumer.close()
        return messages

    @staticmethod
    def _read_on(consumer: Consumer, messages: list[StoredMessage]) -> int:
        """Add the next message, if that is what comes; return the position after it.

        A broker that has just restarted may report an end before the true one; more follows.
        """
        message = consumer.poll(CALL_TIMEOUT_S)
        if message is None:
            raise StreamUnavailable(f"kafka: nothing came within {CALL_TIMEOUT_S} s")
        error, offset = message.error(), message.offset()
        assert offset is not None
        if error is None:
            messages.append(stored(message))
            return offset + 1
        if error.code() == KafkaError._PARTITION_EOF:
            return offset
        raise port_error(error)

    def topics(self, topic: str | None = None) -> dict[str, int]:
        """Return the number of partitions of each topic, or of the one asked for."""
        with self._lock, translated():
            found = self._consumer.list_topics(topic, timeout=CALL_TIMEOUT_S).topics
        return {name: len(about.partitions) for name, about in found.items() if about.error is None}

    def close(self) -> None:
        with self._lock:
            self._consumer.close()
            self._uncommitted.close()
