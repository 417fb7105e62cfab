"""Rebuilds the state from the journal and proves on the way that it gives the same events."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hotpath.core.api import Engine
from hotpath.runtime.batch import BatchApplier
from hotpath.runtime.journal.reader import JournalScan, Tail, segment_number
from hotpath.runtime.journal.snapshots import Place, load_newest
from shared.wire.journal import EPOCH, MARK, JournalError, Record


class JournalDiverged(JournalError):
    """Replaying a command gave other events than the journal holds."""


@dataclass(frozen=True, slots=True)
class Known:
    """A state that was rebuilt already, and where the journal goes on behind it."""

    engine: Engine
    tail: Tail
    last_time_ns: int
    state_hash: int | None = None  # when it is known, too
    place: Place | None = None

    @classmethod
    def nothing(cls) -> "Known":
        return cls(Engine(), Tail(0, 0, 1, 0, 0), 0)

    @classmethod
    def from_snapshot(
        cls, directory: Path, shard: int | None, until: int | None = None
    ) -> "Known | None":
        """Return the state of the newest sound snapshot that is not behind `until`."""
        found = load_newest(directory, shard, until)
        if found is None:
            return None
        place = found.place
        tail = Tail(place.segment, place.end_offset, place.sequence + 1, place.epoch, 0)
        return cls(found.engine, tail, place.time_ns, found.state_hash, place)


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
    known: Known | None = None,
    check_marks: bool = False,
    on_progress: Callable[[int], None] = lambda _sequence: None,
) -> Recovered:
    """Replay the journal, up to sequence `until` if it is given.

    `known` is a state to go on from; `from_snapshot` takes the newest snapshot for it that is sound
    and not behind `until`. What the journal holds before it is not read. `check_marks` compares the
    state's hash wherever the writer noted its own, which takes time.

    Raises
    ------
    JournalDamaged, JournalError
        It cannot be read; see JournalScan.
    JournalDiverged
        This core answers other than the one that wrote it.
    """
    if known is None and from_snapshot:
        known = Known.from_snapshot(directory, shard, until)
    known = known or Known.nothing()
    engine, last_time_ns, place = known.engine, known.last_time_ns, known.place
    state_hash = known.state_hash
    last: tuple[Path, int, Record, int] | None = None  # the record that was applied last, whole
    applier = BatchApplier(engine)
    scan = JournalScan(directory, shard, known.tail)
    for path, offset, record in scan:
        if record.kind in (EPOCH, MARK):
            if until is not None and record.first_sequence > until + 1:
                continue  # of a later moment than the one asked for
            if record.kind == EPOCH or check_marks:
                # Restarts without a command in between note the same hash: it is made once.
                state_hash = engine.state_hash() if state_hash is None else state_hash
                check_hash(state_hash, record, f"{path} at byte {offset}")
            continue
        count = record.count
        if until is not None:
            count = max(0, min(count, until - record.first_sequence + 1))
        if count:
            state_hash = None
            replay(applier, record, count, f"{path} at byte {offset}")
            last_time_ns = record.time_ns
            if count == record.count:
                last = (path, offset, record, scan.epoch)
            on_progress(record.first_sequence + count - 1)
    assert scan.tail is not None
    if last is not None:
        place = _place(*last, scan.shard_read)
    return Recovered(engine, scan.tail, last_time_ns, known.tail.next_sequence - 1, place)


def make_room(engine: Engine, ids: int) -> None:
    """See that the table of ids takes so many more before it grows, which takes its time."""
    table = engine.state.ids
    table.expect(table.count + ids)


def _place(path: Path, offset: int, record: Record, epoch: int, shard: int) -> Place:
    end = offset + len(record.data)
    sequence, time_ns = record.last_sequence, record.time_ns
    return Place(segment_number(path), offset, end, record.check, sequence, time_ns, epoch, shard)


def replay(applier: BatchApplier, record: Record, count: int, place: str) -> None:
    """Apply a record's first `count` commands; raise JournalDiverged unless it gives its events."""
    applier.replay(record.data, count, record.commands_at)
    expected = record.event_bytes()
    events = applier.events
    if count < record.count:
        expected = expected[: len(events)]
    if events == expected:
        return
    pairs = zip(record.event_counts(), applier.event_counts, strict=False)
    differing = [number for number, (noted, given) in enumerate(pairs) if noted != given]
    first = record.first_sequence + (differing[0] if differing else 0)
    raise JournalDiverged(
        f"{place}: replay gives other events than were journaled, from sequence {first} on"
    )


def check_hash(state_hash: int, record: Record, place: str) -> None:
    """Raise JournalDiverged unless this is the hash that the writer noted in an epoch or mark."""
    if record.epoch().state_hash != state_hash:
        raise JournalDiverged(f"{place}: the state's hash is not the one noted")
