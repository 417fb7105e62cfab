"""Copies one journal, record by record, into its topic; every record once, and in order.

What the topic holds is always the beginning of the writer's journal, for only synced records are
copied, each batch as a whole, and by one replicator at a time. So after any failure, the
replicator's own or Kafka's, the topic's last record tells where to go on. A topic that ends with a
record which the journal does not hold belongs to another engine, which has taken over.
"""

from collections import deque
from pathlib import Path
from typing import Final

from hotpath.runtime.journal.names import segment_path
from hotpath.runtime.journal.wake import Waker
from hotpath.runtime.replication.journal_place import PlacedRecord, PlacedTail, find_copy
from hotpath.runtime.replication.shared_file import COPYING, ENGINE_WAKE, ReplicationFile
from shared.ports.journal_topic import CopiedRecord, JournalTopic, JournalTopicWriter
from shared.wire.journal import EPOCH, JournalDamaged, JournalError, decode_record

BATCH_BYTES: Final = 4 << 20


class JournalSuperseded(JournalError):
    """The topic goes on with records that this journal does not hold."""


class Replicator:
    """Follows the journal of a folder. `open` comes first, and again after any failure."""

    def __init__(self, journal: Path, topic: JournalTopic, file: ReplicationFile) -> None:
        self._journal = journal
        self._topic = topic
        self._file = file
        self._waker = Waker(journal, ENGINE_WAKE)
        self._writer: JournalTopicWriter | None = None
        self._tail: PlacedTail | None = None
        self._held: deque[PlacedRecord] = deque()  # read, and not copied yet
        self._epoch = 0
        self.records = self.batches = 0

    @property
    def is_open(self) -> bool:
        return self._writer is not None

    def open(self) -> None:
        """Shut out all other writers, and find where the topic ends in the journal.

        Raises
        ------
        JournalSuperseded
            The topic is another engine's. Nobody was shut out if that could be seen before.
        WriterFenced, StreamUnavailable
            Call again.
        """
        self.close()
        self._topic.ensure()
        self._topic.prepare()
        self._find_end(self._topic.last())  # before the rightful writer is disturbed
        writer = self._topic.writer()
        try:
            last = self._topic.last()
            place = self._find_end(last)
        except BaseException:
            writer.close()
            raise
        self._writer, self._tail = writer, PlacedTail(self._journal)
        self._epoch = last.epoch if last else 0
        if place is not None:
            self._tail.go_to(segment_path(self._journal, place.segment), place.end)
            self._note(place)
        self._file.state = COPYING

    def step(self) -> bool:
        """Copy what is synced, or some of it; return whether there was any.

        Raises WriterFenced or StreamUnavailable: `open` again.
        """
        assert self._writer is not None, "open() comes first"
        taken = self._take()
        if not taken:
            return False
        batch = []
        for placed in taken:
            if placed.record.kind == EPOCH:
                self._epoch = placed.record.epoch().epoch
            batch.append((self._epoch, placed.record.data))
        self._writer.store(batch)
        self._note(taken[-1])
        self.records += len(taken)
        self.batches += 1
        return True

    def close(self) -> None:
        """Forget what was read. The topic keeps what it has."""
        if self._writer is not None:
            self._writer.close()
        if self._tail is not None:
            self._tail.close()
        self._writer = self._tail = None
        self._held.clear()

    def _take(self) -> list[PlacedRecord]:
        """Return the next records that are on the disk for certain."""
        assert self._tail is not None
        synced = self._file.synced_place
        if not self._held:
            self._held.extend(self._tail.read(BATCH_BYTES))
        taken = []
        while self._held and (self._held[0].segment, self._held[0].end) <= synced:
            taken.append(self._held.popleft())
        return taken

    def _find_end(self, last: CopiedRecord | None) -> PlacedRecord | None:
        """Return the journal's record that is the topic's last; None when the topic is empty."""
        if last is None:
            return None
        record = decode_record(last.data)
        if record is None:
            raise JournalDamaged(f"the topic's record at offset {last.offset} is not sound")
        place = find_copy(self._journal, record)
        if place is None:
            raise JournalSuperseded(
                f"the topic goes on to sequence {record.last_sequence} in epoch {last.epoch} with "
                "what this journal does not hold: another engine has taken over"
            )
        return place

    def _note(self, placed: PlacedRecord) -> None:
        self._file.note_copied(placed.record.last_sequence, self._epoch)
        if self._file.engine_waits:
            self._waker.wake()
