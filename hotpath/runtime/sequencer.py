"""Gives commands their sequence and time, applies them, and makes them durable before all else."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from hotpath.runtime.faults import APPLIED, SYNCED, WRITTEN, Faults
from hotpath.runtime.journal.segment_end import SegmentEnd
from hotpath.runtime.journal.status_file import (
    W_DURABLE_SEQUENCE,
    W_FOLLOWER_WAITS,
    StatusFile,
)
from hotpath.runtime.journal.wake import Waker
from hotpath.runtime.journal.writer import JournalWriter
from hotpath.runtime.metrics import Metrics
from hotpath.runtime.replication.gate import ReplicationGate
from shared.wire.frames import EVENT_BYTES
from shared.wire.journal import encode_batch


@dataclass(frozen=True, slots=True)
class Applied:
    """What the core made of the first commands of a batch: all of them, or as many as fit.

    Behind them stand the CONTINUE commands by which it went on with what it had left over.
    """

    taken: int  # of the commands that were given
    commands: bytes  # their words, with sequence and time stamped
    event_counts: Sequence[int]
    events: bytes


class Applier(Protocol):
    """The core as the sequencer needs it."""

    def apply(self, commands: Sequence[bytes], first_sequence: int, time_ns: int) -> Applied:
        """Apply the commands of COMMAND frames, or as many as one batch may hold."""
        ...


@dataclass(frozen=True, slots=True)
class Committed:
    """A durable batch; `events` holds each command's event bytes."""

    first_sequence: int
    time_ns: int
    taken: int  # of the commands that were given; the rest are CONTINUE commands
    events: list[bytes]


class Sequencer:
    """The one writer: every command passes here, one batch at a time.

    Sync is done in line: while it runs, commands gather in the sockets and make up the next
    batch. A helper thread would cost each batch two hand-overs of the interpreter lock, more than
    the overlap of decoding with the sync gives back.
    """

    def __init__(
        self,
        core: Applier,
        journal: JournalWriter,
        status: StatusFile,
        waker: Waker,
        metrics: Metrics,
        *,
        sequence: int,
        time_ns: int,
        faults: Faults,
        gate: ReplicationGate | None = None,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._core = core
        self._journal = journal
        self._status = status
        self._waker = waker
        self._metrics = metrics
        self._faults = faults
        self._gate = gate  # of mode `replicated`
        self._has_fault = faults.is_set
        self.time_ns = time_ns  # of the last batch
        self._clock = clock
        self.sequence = sequence  # of the last durable command

    def commit(self, commands: Sequence[bytes], traces: Sequence[tuple[int, bytes]]) -> Committed:
        """Apply the commands of COMMAND frames; return when all, or the first ones, are durable.

        Without any it goes on with what the core has left over.
        `traces` are (number in the batch, trace) of those that carry one. Raises JournalFailed when
        they could not be made durable; the core is then ahead of the journal and must not be used.
        """
        time_ns = self.time_ns = max(self._clock(), self.time_ns)
        first = self.sequence + 1
        applied = self._core.apply(commands, first, time_ns)
        count = len(applied.event_counts)
        self._faults.at(APPLIED)
        if applied.taken < len(commands):
            traces = [trace for trace in traces if trace[0] < applied.taken]
        record = encode_batch(
            first,
            time_ns,
            applied.event_counts,
            applied.commands,
            applied.events,
            traces,
            self._journal.end.synced_offset,
        )
        self.store(record, first, count)
        return Committed(first, time_ns, applied.taken, _split(applied))

    @property
    def is_quick(self) -> bool:
        """Return whether a record is durable once it is written, and no fault or test is due."""
        return self._gate is None and not self._has_fault and not self._journal.waits_for_sync

    @property
    def status_words(self) -> tuple[memoryview, int, int]:
        """Return the status file's words, and the numbers of two of them: what is durable, and
        whether the publisher waits for it."""
        return self._status.words, W_DURABLE_SEQUENCE, W_FOLLOWER_WAITS

    @property
    def segment_end(self) -> SegmentEnd:
        return self._journal.end

    def store(self, record: bytes, first: int, count: int) -> None:
        """Return when the record of applied commands is durable; raise JournalFailed as above."""
        started_ns = time.perf_counter_ns()
        self._journal.append(record, count)
        written_ns = time.perf_counter_ns()
        self._metrics.append_latency.add(written_ns - started_ns)
        if self._has_fault:
            self._faults.at(WRITTEN)
        if self._journal.waits_for_sync:
            self._journal.make_durable()
            self._metrics.sync_latency.add(time.perf_counter_ns() - written_ns)
        if self._has_fault:
            self._faults.at(SYNCED)
        if self._gate is not None:
            synced_ns = time.perf_counter_ns()
            self._gate.wait(first + count - 1, self._journal.synced_place)
            self._metrics.copy_latency.add(time.perf_counter_ns() - synced_ns)
        self.advance(first + count - 1)

    def advance(self, sequence: int) -> None:
        """Take note of what is durable, and wake the publisher if it waits for it."""
        self.sequence = sequence
        if self._status.advance(sequence):
            self._waker.wake()


def _split(applied: Applied) -> list[bytes]:
    """Return the event bytes of each command."""
    found, at = [], 0
    for count in applied.event_counts:
        end = at + count * EVENT_BYTES
        found.append(applied.events[at:end])
        at = end
    return found
