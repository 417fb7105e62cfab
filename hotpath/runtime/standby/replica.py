"""A journal and a state on another host, made from the journal's topic, record by record.

Every record's events are compared with what this core gives, and every hash that is noted. Then
it is written to a journal of this host's own, so that an engine can go on from it.
"""

import contextlib
import os
from pathlib import Path
from typing import Final

from hotpath.core.api import Engine
from hotpath.runtime.batch import BatchApplier
from hotpath.runtime.journal.files import JournalFiles
from hotpath.runtime.journal.reader import Tail
from hotpath.runtime.journal.recovery import Known, check_hash, recover, replay
from hotpath.runtime.journal.writer import JournalWriter
from shared.ports.journal_topic import CopiedRecord
from shared.wire.journal import EPOCH, MARK, JournalDamaged, Record, decode_record

POSITION_FILE: Final = "replica.position"


class Replica:
    """Its folder's lock is held by the caller."""

    def __init__(
        self, directory: Path, shard: int, segment_bytes: int, files: JournalFiles | None = None
    ) -> None:
        """Begin where the folder's journal ends. Raises JournalError when it cannot be read."""
        recovered = recover(directory, shard, from_snapshot=True)
        self._directory = directory
        self._applier = BatchApplier(recovered.engine)
        self._next_sequence = recovered.tail.next_sequence
        self._last_time_ns = recovered.last_time_ns
        self.epoch = recovered.tail.epoch
        self._journal = JournalWriter(
            directory,
            recovered.tail,
            shard=shard,
            epoch=self.epoch,
            durability="os",
            segment_bytes=segment_bytes,
            files=files,
        )
        self.marks = 0  # hashes that were the same
        self.ignored = 0  # records of an older epoch than one before them

    @property
    def engine(self) -> Engine:
        return self._applier.engine

    @property
    def sequence(self) -> int:
        """Return the last sequence that the state holds."""
        return self._next_sequence - 1

    def position(self) -> int:
        """Return the topic's offset to read from: what precedes it is in the journal."""
        try:
            return int((self._directory / POSITION_FILE).read_text(encoding="ascii"))
        except (FileNotFoundError, ValueError):
            return 0

    def take(self, copied: CopiedRecord) -> None:
        """Take in the topic's next record; one that is known already changes nothing.

        Raises
        ------
        JournalDamaged
            The record is not sound, or does not follow what is here.
        JournalDiverged
            This core gives other events, or another state, than the one that made the record.
        JournalFailed
            This host's disk does not take it.
        """
        place = f"the topic at offset {copied.offset}"
        record = decode_record(copied.data)
        if record is None:
            raise JournalDamaged(f"{place}: the record is not sound")
        if copied.epoch < self.epoch:
            if record.last_sequence >= self._next_sequence:
                self.ignored += 1
            return
        if record.kind == EPOCH and record.epoch().epoch <= self.epoch:
            return
        if record.first_sequence != self._next_sequence:
            if record.last_sequence < self._next_sequence:
                return
            raise JournalDamaged(
                f"{place}: sequence {record.first_sequence} follows {self.sequence} here"
            )
        self._apply(record, place)
        journal, is_epoch = self._journal, record.kind == EPOCH
        if is_epoch and journal.place[0]:
            journal.sync()  # who reads a journal takes it that nothing before an epoch may be torn
        journal.append(record.copy(journal.end.synced_offset), record.count)
        if is_epoch:
            journal.sync()

    def _apply(self, record: Record, place: str) -> None:
        if record.kind in (EPOCH, MARK):
            check_hash(self.engine.state_hash(), record, place)
            self.marks += 1
            if record.kind == EPOCH:
                self.epoch = record.epoch().epoch
            return
        replay(self._applier, record, record.count, place)
        self._next_sequence += record.count
        self._last_time_ns = record.time_ns

    def sync(self, position: int) -> None:
        """Have all that was taken on the disk; remember where in the topic it ends."""
        if self._journal.place[0]:
            self._journal.sync()
        replacement = self._directory / f"{POSITION_FILE}.new"
        replacement.write_text(str(position), encoding="ascii")
        os.replace(replacement, self._directory / POSITION_FILE)
        self._journal.prepare()

    def known(self) -> Known:
        """Return what an engine that goes on from here need not read again."""
        number, offset = self._journal.place
        if not number:
            return Known.nothing()
        tail = Tail(number, offset, self._next_sequence, self.epoch, 0)
        return Known(self.engine, tail, self._last_time_ns)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._journal.close()
