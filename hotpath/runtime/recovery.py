"""Rebuilds the state from the journal and proves on the way that it gives the same events."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hotpath.core.api import Engine
from hotpath.runtime.batch import BatchApplier
from hotpath.runtime.journal_reader import JournalScan, Tail, segment_number
from hotpath.runtime.snapshots import Place, load_newest
from shared.wire.journal import EPOCH, JournalError, Record


class JournalDiverged(JournalError):
    """Replaying a command gave other events than the journal holds."""


@dataclass(frozen=True, slots=True)
class Recovered:
    """The state at the end of the journal."""

    engine: Engine
    tail: Tail
    last_time_ns: int
    snapshot_sequence: int = 0  # from where on it was replayed
    place: Place | None = None  # of the last record that was applied whole

    @property
    def sequence(self) -> int:
        return self.tail.next_sequence - 1


def recover(
    directory: Path,
    shard: int | None = None,
    *,
    until: int | None = None,
    from_snapshot: bool = False,
    on_progress: Callable[[int], None] = lambda _sequence: None,
) -> Recovered:
    """Replay the journal, up to sequence `until` if it is given.

    `from_snapshot` starts at the newest snapshot that is sound and not behind `until`; what the
    journal holds before it is not read.

    Raises
    ------
    JournalDamaged, JournalError
        It cannot be read; see JournalScan.
    JournalDiverged
        This core answers other than the one that wrote it.
    """
    place: Place | None
    snapshot = load_newest(directory, shard, until) if from_snapshot else None
    if snapshot is None:
        engine, last_time_ns, start, place = Engine(), 0, None, None
    else:
        place = snapshot.place
        engine, last_time_ns = snapshot.engine, place.time_ns
        start = Tail(place.segment, place.end_offset, place.sequence + 1, place.epoch, 0)
    state_hash = snapshot.state_hash if snapshot else None
    applier = BatchApplier(engine)
    scan = JournalScan(directory, shard, start)
    for path, offset, record in scan:
        if record.kind == EPOCH:
            if until is not None and record.first_sequence > until + 1:
                continue  # of a later moment than the one asked for
            # Restarts without a command in between note the same hash: it is worked out once.
            if state_hash is None:
                state_hash = engine.state_hash()
            _check_hash(state_hash, record, path, offset)
            continue
        count = record.count
        if until is not None:
            count = max(0, min(count, until - record.first_sequence + 1))
        if count:
            state_hash = None
            _replay(applier, record, count, f"{path} at byte {offset}")
            last_time_ns = record.time_ns
            if count == record.count:
                last = (segment_number(path), offset, offset + len(record.data), record.check)
                sequence = record.last_sequence
                place = Place(*last, sequence, last_time_ns, scan.epoch, scan.shard_read)
            on_progress(record.first_sequence + count - 1)
    assert scan.tail is not None
    snapshot_sequence = snapshot.place.sequence if snapshot else 0
    return Recovered(engine, scan.tail, last_time_ns, snapshot_sequence, place)


def _replay(applier: BatchApplier, record: Record, count: int, place: str) -> None:
    applier.replay(record.command_bytes(), count)
    expected = record.event_bytes()
    if count < record.count:
        expected = expected[: len(applier.events)]
    if applier.events == expected:
        return
    counts = record.event_counts()
    differing = [i for i in range(count) if counts[i] != applier.event_counts[i]]
    first = record.first_sequence + (differing[0] if differing else 0)
    raise JournalDiverged(
        f"{place}: replay gives other events than were journaled, from sequence {first} on"
    )


def _check_hash(state_hash: int, record: Record, path: Path, offset: int) -> None:
    """Compare the state's hash with the one that a writer noted when it started."""
    if record.epoch().state_hash != state_hash:
        raise JournalDiverged(f"{path} at byte {offset}: the state's hash is not the one noted")
