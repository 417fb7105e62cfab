"""Publishes the durable journal to the event stream, each message once in effect.

On start it fences its predecessor, finds in the stream how far that came, and goes on from there in
each partition.
"""

import fcntl
import logging
import os
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Final

from hotpath.runtime.faults import PUBLISHED, Faults
from hotpath.runtime.journal.reader import JournalTail
from hotpath.runtime.journal.status_file import StatusFile
from hotpath.runtime.metrics import PublisherMetrics
from hotpath.runtime.publisher.record_messages import RecordMessages
from hotpath.runtime.publisher.resume import (
    BATCH_BYTES,
    TOPICS,
    Resume,
    partitions,
    save_checkpoint,
)
from shared.ports.event_stream import EventStream, Message, StreamError, StreamWriter
from shared.streams.topology import publisher_id
from shared.wire.journal import Record
from shared.wire.stream_events import partition_counts

log = logging.getLogger("publisher")

EPOCH_FILE: Final = "publisher.epoch"
_OPENINGS: Final = 1 << 20  # of publishers, that one engine's epoch has room for
_PART_MESSAGES: Final = 10_000  # the stream works on one part of a batch while the next is told


@dataclass(slots=True)
class _Batch:
    """Messages to publish together, and the last sequence that they tell of."""

    messages: list[Message]
    last_sequence: int


class Publisher:
    """Follows one journal and writes one shard's messages."""

    def __init__(
        self,
        journal: Path,
        stream: EventStream,
        status: StatusFile,
        faults: Faults | None = None,
        metrics: PublisherMetrics | None = None,
        shards: int = 1,
    ) -> None:
        self._journal = journal
        self._stream = stream
        self._status = status
        self._shard = status.shard
        self._counts = partition_counts(max(shards, status.shard + 1))
        self._messages = RecordMessages(status.shard)
        self._faults = faults or Faults()
        self._metrics = metrics or PublisherMetrics()
        self._tail = JournalTail(journal)
        self._writer: StreamWriter | None = None
        self._resume: Resume | None = None  # until the journal is read beyond what it knows
        self._pending = _Batch([], 0)

    def open(self) -> None:
        """Fence the predecessor, then find out how far it came.

        Raises
        ------
        WriterFenced
            A publisher with a higher epoch is there.
        StreamError
            The stream cannot be used now; call again.
        """
        self._stream.ensure_topics({topic: self._counts[topic] for topic in TOPICS})
        epoch = next_epoch(self._journal, self._status.epoch)
        self._writer = self._stream.writer(publisher_id(self._shard), epoch)
        try:
            self._resume = Resume(self._stream, self._journal, shard=self._shard)
        except BaseException:
            self._writer.close()
            self._writer = None
            raise
        if self._resume.place is not None:
            self._tail.go_to(self._resume.place.path, self._resume.place.offset)
        first = self._resume.first_sequence
        self._pending = _Batch([], first - 1)
        self._status.published_sequence = first - 1
        log.info("publishing with epoch %d from sequence %d on", epoch, first)

    @property
    def is_open(self) -> bool:
        return self._writer is not None

    @property
    def read_sequence(self) -> int:
        """Return the last sequence taken from the journal."""
        return self._pending.last_sequence

    def step(self) -> bool:
        """Publish some of what is durable and not yet published; return whether there was any.

        Raises StreamError when the stream failed; the next call goes on with the same messages.
        StreamDiverged when the stream holds what this journal does not say.
        """
        assert self._writer is not None, "open() comes first"
        batch = self._pending
        parts = iter([batch.messages]) if batch.messages else self._take_more()
        first = next(parts, None)
        if first is None:
            return False
        if batch.messages:
            started_ns = time.perf_counter_ns()
            try:
                self._writer.publish_parts(chain([first], parts))
            except StreamError:
                deque(parts, maxlen=0)  # what is tried next is all of the batch
                raise
            self._faults.at(PUBLISHED)
            self._metrics.publish_latency.add(time.perf_counter_ns() - started_ns)
            self._metrics.messages += len(batch.messages)
            self._metrics.batches += 1
            batch.messages = []
        self._status.published_sequence = batch.last_sequence
        return True

    def save_checkpoint(self) -> None:
        """Note how far everything is stored, so that a loss in the stream is noticed."""
        published = self._status.published_sequence
        save_checkpoint(self._stream, self._journal, published, self._shard)

    def trim(self, keep_messages: int) -> int:
        """Let the stream forget what is old and committed; return how many messages."""
        return sum(self._stream.trim(at, keep_messages) for at in partitions(shard=self._shard))

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        self._tail.close()

    def _take_more(self) -> Iterator[list[Message]]:
        """Read the next batch; yield its messages in parts, all of which become pending.

        Not ahead of time in a thread: both need the interpreter, and change hands at a loss.
        """
        pending, part = self._pending, []
        records = self._tail.read(self._status.durable_sequence, BATCH_BYTES)
        is_whole = self._resume is not None  # the stream may turn out to be another journal's
        for record in records:
            part += self._told(record)
            pending.last_sequence = record.last_sequence
            if len(part) >= _PART_MESSAGES and not is_whole:
                pending.messages += part
                yield part
                part = []
        if records:
            pending.messages += part
            yield part

    def _told(self, record: Record) -> list[Message]:
        """Return the messages about a record that are not stored."""
        found = self._messages.of(record)
        if self._resume is not None:
            found = self._resume.missing(found, record.last_sequence)
            if record.first_sequence > self._resume.last_sequence:
                self._resume = None
        return found


def next_epoch(journal: Path, engine_epoch: int = 0) -> int:
    """Return a number higher than every one given before for this journal, and remember it.

    It is higher than that of every publisher of an engine with a lower epoch, on whatever host.
    """
    descriptor = os.open(journal / EPOCH_FILE, os.O_RDWR | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        epoch = max(int(file.read() or 0) + 1, engine_epoch * _OPENINGS)
        file.seek(0)
        file.write(str(epoch))
        file.flush()
        os.fsync(file.fileno())
    return epoch
