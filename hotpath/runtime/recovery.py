"""Rebuilds the state from the journal and proves on the way that it gives the same events."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hotpath.core.api import Engine
from hotpath.runtime.batch import BatchApplier
from hotpath.runtime.journal_reader import JournalScan, Tail
from shared.wire.journal import EPOCH, JournalError, Record


class JournalDiverged(JournalError):
    """Replaying a command gave other events than the journal holds."""


@dataclass(frozen=True, slots=True)
class Recovered:
    """The state at the end of the journal."""

    engine: Engine
    tail: Tail
    last_time_ns: int

    @property
    def sequence(self) -> int:
        return self.tail.next_sequence - 1


def recover(
    directory: Path,
    shard: int | None = None,
    *,
    until: int | None = None,
    on_progress: Callable[[int], None] = lambda _sequence: None,
) -> Recovered:
    """Replay the journal, up to sequence `until` if it is given.

    Raises
    ------
    JournalDamaged, JournalError
        It cannot be read; see JournalScan.
    JournalDiverged
        This core answers other than the one that wrote it.
    """
    engine = Engine()
    applier = BatchApplier(engine)
    scan = JournalScan(directory, shard)
    last_time_ns = 0
    for path, offset, record in scan:
        if record.kind == EPOCH:
            _check_hash(engine, record, path, offset)
            continue
        count = record.count
        if until is not None:
            count = max(0, min(count, until - record.first_sequence + 1))
        if count:
            _replay(applier, record, count, f"{path} at byte {offset}")
            last_time_ns = record.time_ns
            on_progress(record.first_sequence + count - 1)
    assert scan.tail is not None
    return Recovered(engine, scan.tail, last_time_ns)


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


def _check_hash(engine: Engine, record: Record, path: Path, offset: int) -> None:
    """Compare the state with the hash that a writer noted when it started."""
    noted = record.epoch().state_hash
    if noted != engine.state_hash():
        raise JournalDiverged(f"{path} at byte {offset}: the state's hash is not the one noted")
