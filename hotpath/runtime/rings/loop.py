"""The innermost loop of the rings: look, take, journal, answer. Compiled with the core."""

from collections.abc import Callable, Mapping
from time import perf_counter_ns, time_ns
from typing import Final, Protocol, final

from librt.vecs import vec
from mypy_extensions import i64

from hotpath.core.words import zeros
from hotpath.runtime.journal.segment_end import SegmentEnd
from hotpath.runtime.rings.answers import RingAnswers, record_words
from hotpath.runtime.rings.batch import RingBatch, RingEnd
from shared.wire.ring import RingBroken

# Fault points; hotpath/runtime/faults.py defines them.
RECEIVED: Final = "received"
APPLIED: Final = "applied"
ACKNOWLEDGED: Final = "acknowledged"

BUSY_NS: Final = 1_000_000  # how far a busy turn may go beyond its end


class Store(Protocol):
    """The sequencer as the loop needs it."""

    sequence: int  # of the last durable command
    time_ns: int  # of the last batch

    def store(self, record: bytes, first_sequence: int, commands: int) -> None:
        """Return when the record is durable."""
        ...

    def advance(self, sequence: int) -> None:
        """Take note of what is durable, and tell who follows the journal."""
        ...


class Host(Protocol):
    """What is asked for now and then. Interpreted, so as little as can be."""

    def passes(self, point: str) -> None:
        """Come past a fault point; called when a fault is set."""
        ...

    def before_answers(self) -> None:
        """Look up repeated orders; called when a batch has any."""
        ...

    def tell_members(self) -> None:
        """Send execution reports; called when members are logged on."""
        ...

    def end_broken(self) -> None:
        """End the sessions whose rings are of no more use; called when there are any."""
        ...


@final
class Latencies:
    """Commands by how long they took, between the bounds that are given in nanoseconds."""

    def __init__(self, bounds_ns: list[int]) -> None:
        self._bounds: vec[i64] = zeros(len(bounds_ns))
        for index, bound in enumerate(bounds_ns):
            self._bounds[index] = bound
        self._counts: vec[i64] = zeros(len(bounds_ns) + 1)
        self.sum_ns: i64 = 0

    def add(self, latency_ns: i64, commands: i64) -> None:
        bounds = self._bounds
        size: i64 = len(bounds)
        index: i64 = 0
        while index < size and bounds[index] < latency_ns:
            index += 1
        self._counts[index] += commands
        self.sum_ns += latency_ns * commands

    def drain(self) -> list[int]:
        """Return the counts, and the sum behind them; begin anew."""
        found = [int(count) for count in self._counts]
        found.append(int(self.sum_ns))
        self._counts = zeros(len(self._counts))
        self.sum_ns = 0
        return found


@final
class StatusWords:
    """The mapped status file, and which of its words these are."""

    def __init__(self, words: memoryview, durable_sequence: i64, follower_waits: i64) -> None:
        self.words = words
        self.durable_sequence: i64 = durable_sequence
        self.follower_waits: i64 = follower_waits


@final
class RingLoop:
    """Serves all rings of `batch`."""

    def __init__(
        self,
        batch: RingBatch,
        store: Store,
        host: Host,
        checksum: Callable[[bytes], int],
        members: Mapping[int, object],
        has_fault: bool,
        bounds_ns: list[int],
        end: SegmentEnd,
        is_quick: bool,
        status: StatusWords,
    ) -> None:
        self._end = end
        self._status = status
        self._is_quick = is_quick  # what is written is durable, and nothing stands in between
        self.append_latencies = Latencies(bounds_ns)
        self._batch = batch
        self._answers = RingAnswers(batch)
        self._store = store
        self._host = host
        self._checksum = checksum
        self._members = members
        self._has_fault = has_fault
        self.ack_latencies = Latencies(bounds_ns)
        self.commands: i64 = 0  # these three since they were counted last
        self.event_words: i64 = 0
        self.batches: i64 = 0

    def is_asked(self, until_ns: i64) -> bool:
        """Return True as soon as a ring has something to do, False at `until_ns` if none has."""
        rings = self._batch.rings
        while True:
            for ring in rings:
                if ring.broken == "" and _has_work(ring):
                    return True
            now: i64 = perf_counter_ns()
            if now >= until_ns:
                return False

    def serve(self, until_ns: i64, admit: i64) -> i64:
        """Serve until `until_ns` of the performance counter, and no later than `BUSY_NS` behind it.

        A client that never pauses keeps nobody on the sockets waiting for longer. Returns how many
        of the `admit` commands that may be taken were.
        """
        admitted: i64 = 0
        last_ns: i64 = until_ns + BUSY_NS
        while self.is_asked(until_ns):
            self._commit(admit - admitted)
            admitted += self._batch.admitted
            now: i64 = perf_counter_ns()
            if now >= last_ns:
                break
        return admitted

    def _commit(self, admit: i64) -> None:
        """Take a batch, make it durable, and hand over its answers."""
        batch = self._batch
        store = self._store
        started: i64 = perf_counter_ns()
        first: i64 = store.sequence + 1
        now: i64 = max(time_ns(), store.time_ns)
        if self._has_fault:
            self._host.passes(RECEIVED)
        batch.take(first, now, admit)
        count: i64 = batch.made.count
        if count > 0:
            if self._has_fault:
                self._host.passes(APPLIED)
            store.time_ns = now
            synced: i64 = self._end.synced_offset
            head, body = batch.made.record(synced, batch.traces, self._checksum)
            self._store_record(head, body, first, count)
            if len(batch.duplicates) > 0:
                self._host.before_answers()
        is_broken = self._answers.answer()
        if count > 0:
            if len(self._members) > 0:
                self._host.tell_members()
            if self._has_fault:
                self._host.passes(ACKNOWLEDGED)
            self.commands += count
            self.batches += 1
            self.event_words += batch.engine.event_words
            self.ack_latencies.add(perf_counter_ns() - started, count)
        if is_broken:
            self._host.end_broken()

    def _store_record(self, head: bytes, body: bytes, first: i64, count: i64) -> None:
        """Make a record durable."""
        if self._is_quick:
            started: i64 = perf_counter_ns()
            if self._end.append(head, body, count):
                self.append_latencies.add(perf_counter_ns() - started, 1)
                self._advance(first + count - 1)
                return
        self._store.store(head + body, first, count)

    def _advance(self, sequence: i64) -> None:
        """Say what is durable now; the long way when somebody sleeps until then."""
        self._store.sequence = int(sequence)
        status = self._status
        status.words[status.durable_sequence] = sequence
        waits: i64 = status.words[status.follower_waits]
        if waits != 0:
            self._store.advance(int(sequence))


def _has_work(ring: RingEnd) -> bool:
    """Return whether the ring has requests, or room for an answer that waits."""
    try:
        if ring.is_behind():
            return ring.writer.room() >= record_words(ring.backlog, ring.backlog_at)
        return ring.reader.waiting() > 0
    except RingBroken:
        return True  # who looks again finds out, and says so
