"""Publishes the durable journal to the event stream, each message once in effect.

On start it fences its predecessor, reads the newest message of every partition, and goes on behind
it in each. A process of its own: `python -m hotpath.runtime.publisher`.
"""

import fcntl
import logging
import os
import random
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from hotpath.runtime.config import ConfigError, PublisherConfig
from hotpath.runtime.faults import PUBLISHED, Faults
from hotpath.runtime.journal_reader import JournalTail
from hotpath.runtime.status_file import StatusFile
from hotpath.runtime.stream_messages import messages
from hotpath.runtime.wake import Sleeper
from shared.ports.event_stream import (
    EventStream,
    Message,
    StreamUnavailable,
    StreamWriter,
    TopicPartition,
    WriterFenced,
)
from shared.streams import open_stream
from shared.wire.journal import JournalError, Record
from shared.wire.stream_events import PARTITIONS, SETTLEMENT_EVENTS

log = logging.getLogger("publisher")

EPOCH_FILE: Final = "publisher.epoch"
POSITION_FILE: Final = "publisher.position"
TOPICS: Final = tuple(topic for topic in PARTITIONS if topic != SETTLEMENT_EVENTS)
_IDLE_MS: Final = 200  # how long a lost wake-up may cost
_BATCH_BYTES: Final = 256 << 10
_FIRST_BACKOFF_S: Final = 0.05
_LAST_BACKOFF_S: Final = 2.0
_CHECKPOINT_S: Final = 2.0


class _Place(msgspec.Struct):
    """Where the journal holds what a stored message tells of."""

    sequence: int
    index: int


class _Checkpoint(msgspec.Struct):
    """All messages up to `sequence` were stored when the partitions ended at `ends`.

    It only spares work at the next start, and only while no partition is shorter than it says.
    """

    sequence: int
    ends: dict[str, int]


@dataclass(slots=True)
class _Resume:
    """What one partition holds already: everything up to and with its newest message."""

    sequence: int
    index: int
    value: bytes
    is_passed: bool = False

    def is_stored(self, sequence: int, index: int, message: Message) -> bool:
        """Return whether the predecessor stored this message; asked for each one, in order."""
        if self.is_passed or (sequence, index) > (self.sequence, self.index):
            self.is_passed = True
            return False
        # One trade may tell two accounts of one partition: its bytes say which came last.
        if (sequence, index) == (self.sequence, self.index) and message.value == self.value:
            self.is_passed = True
        return True


class Publisher:
    """Follows one journal and writes one shard's messages."""

    def __init__(
        self, journal: Path, stream: EventStream, status: StatusFile, faults: Faults | None = None
    ) -> None:
        self._journal = journal
        self._stream = stream
        self._status = status
        self._shard = status.shard
        self._faults = faults or Faults()
        self._tail = JournalTail(journal)
        self._writer: StreamWriter | None = None
        self._resume: dict[TopicPartition, _Resume] = {}
        self._pending: list[Message] = []
        self._skip_to = 0
        self._read_sequence = 0
        self.published = 0  # messages, by this process

    def open(self) -> None:
        """Fence the predecessor, then find out how far it came.

        Raises
        ------
        WriterFenced
            A publisher with a higher epoch is there.
        StreamError
            The stream cannot be used now; call again.
        """
        self._stream.ensure_topics({topic: PARTITIONS[topic] for topic in TOPICS})
        epoch = next_epoch(self._journal)
        self._writer = self._stream.writer(f"publisher-{self._shard}", epoch)
        ends = {partition: self._read_end(partition) for partition in _partitions()}
        self._resume = {partition: end for partition, end in ends.items() if end is not None}
        self._skip_to = self._checkpointed()
        log.info("publishing with epoch %d from sequence %d on", epoch, self._skip_to + 1)

    @property
    def is_open(self) -> bool:
        return self._writer is not None

    @property
    def read_sequence(self) -> int:
        """Return the last sequence taken from the journal."""
        return self._read_sequence

    def step(self) -> bool:
        """Publish some of what is durable and not yet published; return whether there was any.

        Raises StreamError when the stream failed; the next call goes on with the same messages.
        """
        assert self._writer is not None, "open() comes first"
        if not self._pending and not self._take_more():
            return False
        if self._pending:
            self._writer.publish(self._pending)
            self._faults.at(PUBLISHED)
            self.published += len(self._pending)
            self._pending = []
        self._status.published_sequence = self._read_sequence
        return True

    def save_checkpoint(self) -> None:
        """Note how far everything is stored, so that the next start reads less."""
        ends = {_name(partition): self._stream.end_offset(partition) for partition in _partitions()}
        content = msgspec.json.encode(_Checkpoint(self._status.published_sequence, ends))
        replacement = self._journal / f"{POSITION_FILE}.new"
        replacement.write_bytes(content)
        replacement.replace(self._journal / POSITION_FILE)

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        self._tail.close()

    def _take_more(self) -> bool:
        records = self._tail.read(self._status.durable_sequence, _BATCH_BYTES)
        for record in records:
            if record.last_sequence > self._skip_to:
                self._pending += self._not_stored(record)
        if records:
            self._read_sequence = records[-1].last_sequence
        return bool(records)

    def _not_stored(self, record: Record) -> list[Message]:
        found = []
        for command in record.commands():
            for index, message in messages(self._shard, command):
                resume = self._resume.get(TopicPartition(message.topic, message.partition))
                if resume is None or not resume.is_stored(command.sequence, index, message):
                    found.append(message)
        return found

    def _read_end(self, partition: TopicPartition) -> _Resume | None:
        last = self._stream.read_last(partition)
        if last is None:
            return None
        place = msgspec.json.decode(last.value, type=_Place)
        return _Resume(place.sequence, place.index, last.value)

    def _checkpointed(self) -> int:
        """Return the sequence up to which nothing needs to be looked at; 0 when not known."""
        try:
            content = (self._journal / POSITION_FILE).read_bytes()
            checkpoint = msgspec.json.decode(content, type=_Checkpoint)
        except (FileNotFoundError, msgspec.DecodeError):
            return 0
        for partition in _partitions():
            if self._stream.end_offset(partition) < checkpoint.ends.get(_name(partition), 0):
                return 0
        return checkpoint.sequence


def next_epoch(journal: Path) -> int:
    """Return a number higher than every one given before for this journal, and remember it."""
    descriptor = os.open(journal / EPOCH_FILE, os.O_RDWR | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        epoch = int(file.read() or 0) + 1
        file.seek(0)
        file.write(str(epoch))
        file.flush()
        os.fsync(file.fileno())
    return epoch


class PublisherProcess:
    """Runs one publisher until it is told to stop or is fenced."""

    def __init__(self, config: PublisherConfig) -> None:
        self._config = config
        self._stopping = False
        self._beat_due = 0.0
        self._checkpoint_due = 0.0

    def stop(self, *_: object) -> None:
        self._stopping = True

    def run(self) -> int:
        """Return the process's exit code: 0 when stopped, 3 when fenced, 1 without a journal."""
        status = self._wait_for_engine()
        if status is None:
            return 0
        stream = open_stream(self._config.stream_url)
        faults = Faults(self._config.fault)
        publisher = Publisher(self._config.journal, stream, status, faults)
        sleeper = Sleeper(self._config.journal)
        try:
            self._follow(publisher, status, sleeper)
        except WriterFenced as error:
            log.error("another publisher took over: %s", error)
            return 3
        except JournalError as error:
            log.critical("the journal cannot be read: %s", error)
            return 1
        finally:
            publisher.close()
            sleeper.close()
            stream.close()
            status.close()
        return 0

    def _wait_for_engine(self) -> StatusFile | None:
        while not self._stopping:
            try:
                status = StatusFile(self._config.journal, create=False)
            except FileNotFoundError:
                pass
            else:
                if status.valid:
                    return status
                status.close()
            self._beat()
            time.sleep(_FIRST_BACKOFF_S)
        return None

    def _follow(self, publisher: Publisher, status: StatusFile, sleeper: Sleeper) -> None:
        backoff_s = _FIRST_BACKOFF_S
        while not self._stopping:
            self._beat()
            try:
                if not publisher.is_open:
                    publisher.open()
                was_busy = publisher.step()
                backoff_s = _FIRST_BACKOFF_S
                if was_busy:
                    self._checkpoint_due = self._checkpoint_due or time.monotonic() + _CHECKPOINT_S
                    continue
                self._checkpoint(publisher)
            except StreamUnavailable as error:
                log.warning("the stream is away, next try in %.2f s: %s", backoff_s, error)
                time.sleep(backoff_s * random.uniform(0.5, 1.0))
                backoff_s = min(2 * backoff_s, _LAST_BACKOFF_S)
                continue
            self._sleep(publisher, status, sleeper)

    def _sleep(self, publisher: Publisher, status: StatusFile, sleeper: Sleeper) -> None:
        """Wait for the engine's wake-up, asked for before the last look at what is durable."""
        status.follower_waits = True
        if status.durable_sequence <= publisher.read_sequence:
            sleeper.sleep(_IDLE_MS)
        status.follower_waits = False

    def _checkpoint(self, publisher: Publisher) -> None:
        if 0 < self._checkpoint_due <= time.monotonic():
            publisher.save_checkpoint()
            self._checkpoint_due = 0.0

    def _beat(self) -> None:
        if self._config.health_file is not None and time.monotonic() >= self._beat_due:
            self._config.health_file.touch()
            self._beat_due = time.monotonic() + 1.0


def _partitions() -> list[TopicPartition]:
    return [TopicPartition(topic, n) for topic in TOPICS for n in range(PARTITIONS[topic])]


def _name(partition: TopicPartition) -> str:
    return f"{partition.topic}-{partition.partition}"


def main() -> int:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        process = PublisherProcess(PublisherConfig.from_environment())
    except (ConfigError, ValueError) as error:
        log.critical("%s", error)
        return 2
    signal.signal(signal.SIGTERM, process.stop)
    signal.signal(signal.SIGINT, process.stop)
    return process.run()


if __name__ == "__main__":
    sys.exit(main())
