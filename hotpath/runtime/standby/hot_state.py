"""A second state beside the engine's, rebuilt from the journal as it grows and compared with it."""

from pathlib import Path

from hotpath.core.api import Engine
from hotpath.runtime.batch import BatchApplier
from hotpath.runtime.journal.reader import JournalTail, Tail
from hotpath.runtime.journal.recovery import Known, check_hash, replay
from shared.wire.journal import EPOCH, MARK


class HotState:
    """Follows one journal. Every record's events are compared, and every hash that is noted."""

    def __init__(self, directory: Path, shard: int, durable_sequence: int) -> None:
        """Begin at the newest snapshot, and come close to the end at once.

        Raises JournalError when the journal cannot be read, or leads to another state.
        """
        known = Known.from_snapshot(directory, shard, durable_sequence) or Known.nothing()
        self._tail = JournalTail(directory, known.tail)
        self._applier = BatchApplier(known.engine)
        self._next_sequence = known.tail.next_sequence
        self._epoch = known.tail.epoch
        self._last_time_ns = known.last_time_ns
        self.marks = 0  # hashes that were the same

    @property
    def engine(self) -> Engine:
        return self._applier.engine

    @property
    def sequence(self) -> int:
        """Return the last sequence that the state holds."""
        return self._next_sequence - 1

    def advance(self, durable_sequence: int) -> bool:
        """Take in some of what is durable; return whether there was any.

        Raises
        ------
        JournalDiverged
            This core gives other events, or another state, than the one that wrote the journal.
        JournalDamaged
            A segment is missing, or its header is not sound.
        """
        records = self._tail.read(durable_sequence)
        for record in records:
            place = f"sequence {record.first_sequence}"
            if record.kind in (EPOCH, MARK):
                check_hash(self.engine.state_hash(), record, place)
                self.marks += 1
                if record.kind == EPOCH:
                    self._epoch = record.epoch().epoch
                continue
            replay(self._applier, record, record.count, place)
            self._next_sequence += record.count
            self._last_time_ns = record.time_ns
        return bool(records)

    def known(self) -> Known:
        """Return what a writer that takes over need not read again."""
        tail = Tail(*self._tail.place, self._next_sequence, self._epoch, 0)
        return Known(self.engine, tail, self._last_time_ns)

    def close(self) -> None:
        self._tail.close()
