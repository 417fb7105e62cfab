"""A shard's journal on Kafka: each batch of records is one transaction, and its ids fence.

A transactional id that has just committed cannot begin again until the broker has written its
markers, and the client then waits 20 ms before it asks once more. So a writer has several ids and
takes them in turn, one transaction after the other: 13 to 20 ms a batch instead of 40. A writer is
shut out when all of its ids are taken: until then it may still store, and what it stores is read.
"""

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from confluent_kafka import IsolationLevel, KafkaError, KafkaException, Producer
from confluent_kafka import Message as Delivered

from shared.ports.event_stream import StreamUnavailable, TopicPartition, WriterFenced
from shared.ports.journal_topic import CopiedRecord
from shared.streams.kafka import KafkaEventStream, KafkaStreamReader
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
from shared.streams.record_parts import PART_BYTES, Joiner, part_of, parts_of
from shared.streams.topology import (
    JOURNAL_GROUP,
    MAX_MESSAGE_BYTES,
    beats_topic,
    journal_topic,
)

IDS: Final = 3
_TRANSACTION_TIMEOUT_MS: Final = 10_000
_FIRST_TAKE_S: Final = 0.15
# A fetch that waits is not woken by the end of a transaction that is undone, and a takeover waits.
_FETCH_WAIT_MS: Final = 50
_BEAT_TIMEOUT_MS: Final = 1_000
_QUEUED_KIB: Final = 2_097_151  # the longest record there can be, 1 GiB, is queued in one go


class KafkaJournalTopic:
    """The topics `hotpath-journal.<shard>` and `hotpath-beats.<shard>`."""

    def __init__(self, brokers: Brokers, shard: int, part_bytes: int = PART_BYTES) -> None:
        self._brokers = brokers
        self._part_bytes = part_bytes  # a longer record is stored in parts
        self._topics = (journal_topic(shard), beats_topic(shard))
        self._journal, self._beats = (TopicPartition(topic.name, 0) for topic in self._topics)
        self._lookup = Lookup(brokers)
        self._stream = KafkaEventStream(brokers, self._lookup)
        self._beater: Producer | None = None
        self._prepared: list[Producer] = []
        self._lock = threading.Lock()

    def ensure(self) -> None:
        self._stream.create(self._topics)

    def prepare(self) -> None:
        with self._lock:
            if not self._prepared:
                self._prepared = self._producers()

    def writer(self) -> "KafkaJournalWriter":
        with self._lock:
            producers, self._prepared = self._prepared or self._producers(), []
        producers = self._take_over(producers)
        self._lookup.settled_bounds(self._journal)
        return KafkaJournalWriter(producers, self._journal, self._lookup, self._part_bytes)

    def last(self) -> CopiedRecord | None:
        # What a writer that is gone has left open hides nothing that is committed before it.
        while True:
            first, end = self._lookup.bounds(self._journal)
            found = self._lookup.read_last(self._journal, first, end)
            if found is None:
                return None
            number, count = part_of(found)
            if number == count:
                break
            # The end was that of the record before, and this one has been stored since.
        parts = [found]
        begin = found.offset
        while len(parts) < count:  # between them may be what was undone
            begin = max(first, begin - 2 * count)
            # Up to a marker, reading may go one message too far.
            read = self._lookup.read(self._journal, begin, found.offset)
            parts = [part for part in read if part.offset < found.offset] + [found]
        return Joiner().add(parts[-count:])[0]

    def end(self, *, settled: bool = True) -> int:
        bounds = self._lookup.settled_bounds if settled else self._lookup.bounds
        return bounds(self._journal)[1]

    def reader(self, offset: int) -> "KafkaJournalReader":
        return KafkaJournalReader(self._brokers, self._journal, offset)

    def beat(self, text: bytes) -> None:
        if self._beater is None:
            self._beater = new_producer(
                client_settings(self._brokers)
                | {"acks": 1, "linger.ms": 0, "message.timeout.ms": _BEAT_TIMEOUT_MS}
            )
        try:
            self._beater.produce(self._beats.topic, text, None, 0)
            self._beater.poll(0)
        except (BufferError, KafkaException):
            pass  # a beat that cannot be sent is one that is missed

    def last_beat(self) -> bytes | None:
        found = self._stream.read_last(self._beats)
        return None if found is None else found.value

    def beats(self) -> int:
        found = self._lookup.latest(
            [self._beats], IsolationLevel.READ_UNCOMMITTED, _BEAT_TIMEOUT_MS / 1000
        )
        return found[self._beats]

    def close(self) -> None:
        self._prepared = []
        self._stream.close()

    def _take_over(self, producers: list[Producer]) -> list[Producer]:
        """Return the only producers of their ids; side by side, for each may take a while."""
        boxes = [[producer] for producer in producers]
        producers.clear()  # each is to go as soon as it is given up
        with ThreadPoolExecutor(len(boxes)) as pool:
            return list(pool.map(self._take, range(len(boxes)), boxes))

    def _take(self, number: int, box: list[Producer]) -> Producer:
        """Return a producer that has its id.

        Where a transaction is to be undone first, the client asks again after half a second only. A
        new one asks at once. The one before has to be gone by then: it would shut out the new one.
        """
        producer = box.pop()
        deadline_s, wait_s = time.monotonic() + CALL_TIMEOUT_S, _FIRST_TAKE_S
        while True:
            try:
                producer.init_transactions(wait_s)
                return producer
            except KafkaException as error:
                found = port_error(error.args[0])
                if isinstance(found, Fenced):
                    raise WriterFenced(str(found)) from error
                if not isinstance(found, StreamUnavailable) or time.monotonic() > deadline_s:
                    raise found from error
            del producer
            producer, wait_s = self._producer(number), min(1.3 * wait_s, CALL_TIMEOUT_S / 2)

    def _producers(self) -> list[Producer]:
        producers = [self._producer(number) for number in range(IDS)]
        with translated():
            for producer in producers:
                producer.list_topics(self._journal.topic, timeout=CALL_TIMEOUT_S)
        return producers

    def _producer(self, number: int) -> Producer:
        settings: dict[str, Any] = client_settings(self._brokers) | {
            "transaction.timeout.ms": _TRANSACTION_TIMEOUT_MS,
            "message.timeout.ms": _TRANSACTION_TIMEOUT_MS,
            "message.max.bytes": MAX_MESSAGE_BYTES,
            "queue.buffering.max.kbytes": _QUEUED_KIB,
            "linger.ms": 0,
            "compression.type": "lz4",
            "retry.backoff.ms": 5,
            "retry.backoff.max.ms": 100,
            "transactional.id": f"{self._journal.topic}.{number}",
        }
        return new_producer(settings)


class KafkaJournalWriter:
    """Writes with producers that have taken their ids."""

    def __init__(
        self,
        producers: Sequence[Producer],
        partition: TopicPartition,
        lookup: Lookup,
        part_bytes: int,
    ) -> None:
        self._producers = list(producers)
        self._part_bytes = part_bytes
        self._partition = partition
        self._lookup = lookup
        self._turn = 0
        self._seen = False
        self._end = 0
        self._error: KafkaError | None = None

    def store(self, records: Sequence[tuple[int, bytes]]) -> None:
        if not self._producers:
            raise StreamUnavailable("kafka: this writer has failed before")
        producer = self._producers[self._turn % len(self._producers)]
        self._turn += 1
        self._error = None
        try:
            with translated():
                producer.begin_transaction()
                for epoch, data in records:
                    self._produce(producer, epoch.to_bytes(8, "little"), data)
                producer.commit_transaction(CALL_TIMEOUT_S)
            if self._error is not None:
                raise port_error(self._error)
            self._see()
        except Fenced as error:
            self.close()
            raise WriterFenced(str(error)) from error
        except BufferError as error:
            self.close()
            raise StreamUnavailable(f"kafka: the queue to the broker is full: {error}") from error
        except BaseException:
            self.close()
            raise

    def _produce(self, producer: Producer, key: bytes, data: bytes) -> None:
        for headers, part in parts_of(data, self._part_bytes):
            producer.produce(
                self._partition.topic,
                part,
                key,
                0,
                on_delivery=self._on_delivery,
                headers=list(headers),
            )

    def close(self) -> None:
        """Let the producers go. They are not closed in good order: that would wait for Kafka."""
        producers, self._producers = self._producers, []
        for producer in producers:
            producer.purge()

    def _see(self) -> None:
        """Wait until readers see the first batch.

        A broker that dies between deciding a transaction and marking it may forget the markers of a
        partition that is new to it, and hide what follows: better found out before anything waits.
        """
        if not self._seen:
            self._lookup.wait_until_visible({self._partition: self._end})
            self._seen = True

    def _on_delivery(self, error: KafkaError | None, message: Delivered) -> None:
        if error is not None:
            self._error = error
        else:
            self._end = (message.offset() or 0) + 1


class KafkaJournalReader:
    """A consumer of one journal topic, in no group's name."""

    def __init__(self, brokers: Brokers, partition: TopicPartition, offset: int) -> None:
        self._partition = partition
        self._joiner = Joiner()
        self._reader = KafkaStreamReader(brokers, JOURNAL_GROUP, [partition], _FETCH_WAIT_MS)
        self._reader.seek(partition, offset)

    def poll(self, max_records: int, timeout_ms: int) -> list[CopiedRecord]:
        return self._joiner.add(self._reader.poll(max_records, timeout_ms))

    @property
    def position(self) -> int:
        pending = self._joiner.pending_offset
        return self._reader.position(self._partition) if pending is None else pending

    def close(self) -> None:
        self._reader.close()
