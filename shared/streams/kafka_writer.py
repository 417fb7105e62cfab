"""The Kafka writer: one transaction per publish, fenced by Kafka and by the epoch that it keeps."""

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, Final, Protocol

from confluent_kafka import KafkaError, Producer
from confluent_kafka import Message as Delivered

from shared.ports.event_stream import (
    MAX_EPOCH,
    MAX_MESSAGE_BYTES,
    Message,
    StoredMessage,
    StreamUnavailable,
    TopicPartition,
    WriterFenced,
)
from shared.streams.batches import Batches, by_partition, not_yet_stored
from shared.streams.kafka_brokers import Brokers
from shared.streams.kafka_connection import (
    CALL_TIMEOUT_S,
    Fenced,
    Lookup,
    client_settings,
    new_producer,
    port_error,
    translated,
)
from shared.streams.kafka_epochs import EPOCH_TOPIC, WriterEpoch, read_epoch

_TAKE_OVER_ATTEMPTS: Final = 5
_TRANSACTION_TIMEOUT_MS: Final = 30_000
_DELIVERY_TIMEOUT_MS: Final = 10_000
_QUEUED_MESSAGES: Final = 1_000_000


class _Partitions(Protocol):
    """What the writer asks of its stream."""

    def require(self, partitions: Sequence[TopicPartition]) -> None: ...

    def end_offset(self, partition: TopicPartition) -> int: ...

    def read_from(self, partition: TopicPartition, offset: int) -> list[StoredMessage]: ...


class KafkaStreamWriter:
    """The writer of `writer_id` until one of the same or a higher epoch opens it again.

    After any failure the producer is dropped. The next publish opens it again, which makes Kafka
    finish what was under way, and then looks which of its messages are stored.
    """

    def __init__(
        self,
        stream: _Partitions,
        brokers: Brokers,
        lookup: Lookup,
        writer_id: str,
        epoch: int,
    ) -> None:
        if not 0 <= epoch <= MAX_EPOCH:
            raise ValueError(f"epoch {epoch} is outside 0..2^53-1")
        self._stream = stream
        self._brokers = brokers
        self._lookup = lookup
        self._writer_id = writer_id
        self._identity = WriterEpoch(epoch, uuid.uuid4().hex)
        self._producer: Producer | None = None
        self._recorded = False  # whether the epoch topic has ever held this writer's identity
        self._delivered: dict[TopicPartition, int] = {}
        self._delivery_error: KafkaError | None = None
        # Per partition a position before the publish under way; whether some of it may be stored.
        self._base: dict[TopicPartition, int] = {}
        self._doubtful: set[TopicPartition] = set()
        self._open()

    def publish(self, messages: Sequence[Message]) -> None:
        batches = self._grouped(messages)
        doubtful = self._doubtful & batches.keys()
        self._doubtful.update(batches)
        for _ in range(_TAKE_OVER_ATTEMPTS):
            producer = self._open()
            ends, missing = self._missing(batches, doubtful)
            try:
                self._commit(producer, [missing])
            except Fenced:
                doubtful = set(batches)
                continue
            for partition in batches:
                self._base[partition] = max(self._delivered.get(partition, 0), ends[partition])
            self._doubtful.difference_update(batches)
            return
        raise StreamUnavailable(f"writer {self._writer_id} is fenced again and again")

    def publish_parts(self, parts: Iterable[Sequence[Message]]) -> None:
        parts = iter(parts)
        taken: list[Message] = []
        if not self._doubtful:
            try:
                self._commit(self._open(), self._begun(parts, taken))
            except Fenced:
                taken += chain.from_iterable(parts)  # `publish` finds out whether wrongly
            else:
                for partition in self._doubtful:
                    self._base[partition] = self._delivered[partition]
                self._doubtful.clear()
                return
        self.publish([*taken, *chain.from_iterable(parts)])

    def close(self) -> None:
        self._drop()

    # --- the messages ---------------------------------------------------------------------------

    def _begun(self, parts: Iterable[Sequence[Message]], taken: list[Message]) -> Iterator[Batches]:
        """Yield the parts by partition, noted as taken and as perhaps stored."""
        for part in parts:
            taken += part
            batches = self._grouped(part)
            self._doubtful.update(batches)
            yield batches

    def _grouped(self, messages: Sequence[Message]) -> Batches:
        """Return the messages by partition; from now on it is known where each begins."""
        batches = by_partition(messages)
        self._stream.require(list(batches))
        for partition in batches:
            if partition not in self._base:
                self._base[partition] = self._stream.end_offset(partition)
        return batches

    def _missing(
        self, batches: Mapping[TopicPartition, list[Message]], doubtful: set[TopicPartition]
    ) -> tuple[dict[TopicPartition, int], Batches]:
        """Return a position after what is known of each partition, and all that is not stored."""
        ends, missing = {}, {}
        for partition, batch in batches.items():
            ends[partition] = self._base[partition]
            if partition in doubtful:
                stored = self._stream.read_from(partition, ends[partition])
                batch = not_yet_stored(stored, batch)
                ends[partition] = stored[-1].offset + 1 if stored else ends[partition]
            if batch:
                missing[partition] = batch
        return ends, missing

    def _commit(self, producer: Producer, parts: Iterable[Batches]) -> None:
        """Store all messages in one transaction; whatever fails, the producer is dropped.

        A transaction is decided before its markers are written. A broker that is killed in between
        may forget them for topics that are new to it, and then hides these messages for good. So
        nothing counts as stored before readers can see it.
        """
        self._delivered.clear()
        self._delivery_error = None
        try:
            with translated():
                has_begun = False
                for batches in parts:
                    if batches and not has_begun:
                        producer.begin_transaction()
                        has_begun = True
                    self._queue(producer, batches)
                if has_begun:
                    producer.commit_transaction(CALL_TIMEOUT_S)
            self._lookup.wait_until_visible(self._delivered)
        except BufferError as error:
            self._drop()
            raise StreamUnavailable(f"kafka: the queue to the broker is full: {error}") from error
        except BaseException:
            self._drop()
            raise

    def _queue(self, producer: Producer, batches: Batches) -> None:
        for partition, batch in batches.items():
            self._produce(producer, partition, batch)
            producer.poll(0)
            if self._delivery_error is not None:
                raise port_error(self._delivery_error)

    def _produce(
        self, producer: Producer, partition: TopicPartition, batch: Sequence[Message]
    ) -> None:
        """Queue one partition's messages; the last one's delivery says where they end.

        Queueing many at once costs half as much as one by one, but takes no headers.
        """
        topic, number, last = partition.topic, partition.partition, batch[-1]
        run: list[dict[str, Any]] = []
        for message in batch:
            if not message.headers:
                run.append({"value": message.value, "key": message.key})
                continue
            _produce_run(producer, partition, run)
            run = []
            producer.produce(
                topic,
                message.value,
                message.key,
                number,
                on_delivery=self._on_delivery if message is last else None,
                headers=list(message.headers),
            )
        if run:
            run[-1]["callback"] = self._on_delivery
            _produce_run(producer, partition, run)

    def _on_delivery(self, error: KafkaError | None, message: Delivered) -> None:
        if error is not None:
            self._delivery_error = error
        else:
            topic, partition, offset = message.topic(), message.partition(), message.offset()
            assert topic is not None and partition is not None and offset is not None
            self._delivered[TopicPartition(topic, partition)] = offset + 1

    # --- who may publish ------------------------------------------------------------------------

    def _open(self) -> Producer:
        """Return a producer that is known to be the rightful one of this writer id.

        Kafka fences whoever came first, even if it came with the higher epoch. So each side looks
        at the epochs: the lower one gives up, the higher one takes the id back.
        """
        if self._producer is not None:
            return self._producer
        for _ in range(_TAKE_OVER_ATTEMPTS):
            self._check_not_superseded()  # before disturbing the rightful writer
            producer = self._new_producer()
            try:
                with translated():
                    producer.init_transactions(CALL_TIMEOUT_S)
                self._producer = producer
                if self._check_not_superseded() != self._identity:
                    self._record_identity(producer)
            except Fenced:
                self._drop()
                continue
            except BaseException:
                self._drop()
                raise
            return producer
        raise StreamUnavailable(f"writer {self._writer_id} is fenced again and again")

    def _check_not_superseded(self) -> WriterEpoch | None:
        """Return the writer id's record; WriterFenced if another is the rightful writer."""
        found = read_epoch(self._lookup, self._writer_id)
        if found is None or found == self._identity:
            return found
        higher = found.epoch > self._identity.epoch
        later = self._recorded and found.epoch == self._identity.epoch
        if higher or later:
            raise WriterFenced(f"writer {self._writer_id} is open with epoch {found.epoch}")
        return found

    def _record_identity(self, producer: Producer) -> None:
        record = Message(EPOCH_TOPIC, 0, self._writer_id.encode(), self._identity.encode())
        self._commit(producer, [{TopicPartition(EPOCH_TOPIC, 0): [record]}])
        self._recorded = True

    def _new_producer(self) -> Producer:
        settings: dict[str, Any] = client_settings(self._brokers) | {
            "transactional.id": self._writer_id,  # implies acks=all and idempotence
            "transaction.timeout.ms": _TRANSACTION_TIMEOUT_MS,
            "message.timeout.ms": _DELIVERY_TIMEOUT_MS,
            "message.max.bytes": MAX_MESSAGE_BYTES + 4_096,
            "linger.ms": 100,  # a commit sends at once; until then, requests may grow
            "compression.type": "lz4",  # messages of one batch differ in a few digits
            "queue.buffering.max.messages": _QUEUED_MESSAGES,
        }
        return new_producer(settings)

    def _drop(self) -> None:
        """Let the producer go. It is not closed in good order: that would wait for the broker."""
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.purge()


def _produce_run(producer: Producer, partition: TopicPartition, run: list[dict[str, Any]]) -> None:
    """Queue messages without headers."""
    if not run:
        return
    if producer.produce_batch(partition.topic, run, partition.partition) < len(run):
        errors = [message["_error"] for message in run if "_error" in message]
        if errors and isinstance(fenced := port_error(errors[0]), Fenced):
            raise fenced
        raise StreamUnavailable(f"kafka: {len(errors)} messages were not queued: {errors[:1]}")
