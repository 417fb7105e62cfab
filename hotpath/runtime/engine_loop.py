"""The engine's loop: one thread that reads sockets, commits batches and answers, in that order."""

import logging
import select
import signal
import socket
import sys
import time
from collections.abc import Callable
from itertools import islice
from typing import Final

from hotpath.runtime.core_host import CoreHost
from hotpath.runtime.faults import ACKNOWLEDGED, RECEIVED, Faults
from hotpath.runtime.gateway.order_entry import Gateway, PendingCommand
from hotpath.runtime.gateway.repeats import Repeats
from hotpath.runtime.journal.keeper import JournalKeeper
from hotpath.runtime.journal.marks import StateMarks
from hotpath.runtime.journal.own_snapshot import OwnSnapshot
from hotpath.runtime.journal.status_file import HALTED, OPEN, STOPPED, StatusFile
from hotpath.runtime.journal.writer import JournalFailed
from hotpath.runtime.metrics import Metrics
from hotpath.runtime.replication.gate import WAIT_MS, ReplicationGate
from hotpath.runtime.rings.attached import Rings
from hotpath.runtime.sequencer import Committed, Sequencer
from hotpath.runtime.stream_bound import StreamBound
from shared.domain import records as r
from shared.wire import frames
from shared.wire.frames import GatewayCode

log = logging.getLogger("engine")

BATCH_COMMANDS: Final = 4096
_TIDY_S: Final = 0.5
_RINGS_NS: Final = 100_000  # how long the rings are looked at before the sockets have their turn
_RING_SLEEP_S: Final = 0.002
_PAUSE_EVERY_S: Final = 0.1
_PAUSE_S: Final = 0.000_02
_ASKED_PAUSE_EVERY_S: Final = 0.001  # while somebody asks for the health
_ASKED_S: Final = 0.25
_SWITCH_S: Final = 0.000_5  # how long another thread may keep the interpreter
_JOIN_S: Final = 0.0005  # between two stretches of what is sent to a member again
_STOP_WITHIN_S: Final = 3.0  # mode `replicated`: how long a stop waits for the last batch's copy


class Readiness:
    """An epoll set, as the gateway needs it."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._watched: set[int] = set()
        self.poll = self._epoll.poll

    def watch(self, descriptor: int, *, write: bool) -> None:
        events = select.EPOLLIN | (select.EPOLLOUT if write else 0)
        if descriptor in self._watched:
            self._epoll.modify(descriptor, events)
        else:
            self._epoll.register(descriptor, events)
            self._watched.add(descriptor)

    def watch_arrivals(self, descriptor: int) -> None:
        """Tell once of each arrival at a listener that is another thread's."""
        self._epoll.register(descriptor, select.EPOLLIN | select.EPOLLET)

    def forget(self, descriptor: int) -> None:
        self._epoll.unregister(descriptor)
        self._watched.discard(descriptor)


class EngineLoop:
    """Runs until it is told to stop, or until the journal fails."""

    def __init__(
        self,
        *,
        listener: socket.socket,
        readiness: Readiness,
        gateway: Gateway,
        sequencer: Sequencer,
        core: CoreHost,
        repeats: Repeats,
        rings: Rings,
        keeper: JournalKeeper,
        marks: StateMarks,
        own_snapshot: OwnSnapshot,
        status: StatusFile,
        status_words: Callable[[], list[int]],
        stream_bound: StreamBound,
        gate: ReplicationGate | None,
        metrics: Metrics,
        faults: Faults,
        spin: bool,
        health_descriptor: int,
    ) -> None:
        self._listener = listener
        self._readiness = readiness
        self._gateway = gateway
        self._sequencer = sequencer
        self._core = core
        self._repeats = repeats
        self._rings = rings
        self._keeper = keeper
        self._marks = marks
        self._own_snapshot = own_snapshot
        self._status = status
        self._status_words = status_words
        self._stream_bound = stream_bound
        self._gate = gate
        self._metrics = metrics
        self._faults = faults
        self._spin = spin
        self._is_stopping = False
        self._health_descriptor = health_descriptor  # of its listener; below zero: none
        self._asked_until_s = 0.0
        self._pause_due_s = 0.0
        self._tidy_due_s = 0.0
        self._beat_due_s = 0.0  # of the beats while a batch waits for its copy
        self._wake_in, self._wake_out = socket.socketpair()

    def stop_on_signals(self) -> None:
        """Let SIGTERM and SIGINT end the loop, also while it sleeps; SIGUSR2: see OwnSnapshot."""
        self._wake_in.setblocking(False)
        self._wake_out.setblocking(False)
        signal.set_wakeup_fd(self._wake_out.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self.stop)
        signal.signal(signal.SIGUSR2, self._own_snapshot.ask)
        self._readiness.watch(self._wake_in.fileno(), write=False)

    def stop(self, *_: object) -> None:
        self._is_stopping = True

    def run(self) -> int:
        """Return the process's exit code: 0 when stopped, 1 when the journal failed."""
        self._readiness.watch(self._listener.fileno(), write=False)
        if self._health_descriptor >= 0:
            self._readiness.watch_arrivals(self._health_descriptor)
        if self._gate is not None:
            self._readiness.watch(self._gate.sleeper.descriptor, write=False)
            self._gate.meanwhile = self._meanwhile
        self._gateway.durable_sequence = self._sequencer.sequence
        self._status.state = OPEN
        sys.setswitchinterval(_SWITCH_S)
        try:
            self._serve()
        except JournalFailed as error:
            self._halt(error)
            return 1
        self._gateway.end_all(GatewayCode.SHUTTING_DOWN, "the engine stops")
        self._status.state = STOPPED
        return 0

    def _serve(self) -> None:
        while not self._is_stopping or self._gateway.commands:
            now_s = time.monotonic()
            if now_s >= self._tidy_due_s:
                self._tidy(now_s)
                self._tidy_due_s = now_s + _TIDY_S
            busy = (
                self._spin
                or self._gateway.commands
                or self._core.has_work_left
                or self._is_stopping
            )
            ready = self._readiness.poll(0.0) if busy else self._sleep()
            started_ns = time.perf_counter_ns()
            self._read(ready, time.monotonic())
            if self._gateway.commands or self._core.has_work_left:
                self._commit(started_ns)
            if self._gateway.logins.have_work:
                self._gateway.logins.advance()
            if self._gateway.queries:
                self._answer_queries()
            self._gateway.flush()
            if self._rings.are_there:
                self._gateway.rate.fill(time.perf_counter_ns())
                self._rings.serve(time.perf_counter_ns() + _RINGS_NS)
                self._let_threads_run(now_s)
            self._keeper.tell()

    def _meanwhile(self) -> None:
        """Hear the sessions, ask nothing of the core: while a batch waits for its copy.

        Raises JournalFailed when the engine is told to stop and the copy does not come.
        """
        assert self._gate is not None
        if self._is_stopping and self._gate.waited_s() > _STOP_WITHIN_S:
            raise JournalFailed("told to stop while the journal is not copied")
        ready = self._readiness.poll(0.0 if self._spin else WAIT_MS / 1000)
        now_s = time.monotonic()
        self._gateway.durable_sequence = self._sequencer.sequence  # rings tell it late
        self._gateway.logins.is_held = True
        self._read(ready, now_s)
        # Not `_tidy_due_s`: an engine that always waits would never come to the rest of `_tidy`.
        if now_s >= self._beat_due_s:
            self._status.beat()
            self._gateway.tidy(now_s)
            self._beat_due_s = now_s + _TIDY_S
        self._gateway.logins.is_held = False
        self._gateway.flush()

    def _let_threads_run(self, now_s: float) -> None:
        """Sleep for a moment now and then, more often while health is asked for, so that its
        threads get their turn.

        A loop that gives the interpreter back for a microsecond at a time, over and over, takes it
        again before a waiting thread is awake, which then waits for seconds.
        """
        if now_s >= self._pause_due_s:
            is_asked = now_s < self._asked_until_s
            self._pause_due_s = now_s + (_ASKED_PAUSE_EVERY_S if is_asked else _PAUSE_EVERY_S)
            time.sleep(_PAUSE_S)

    def _sleep(self) -> list[tuple[int, int]]:
        """Wait for a socket. With rings, clients are told to send a frame behind a request."""
        rings = self._rings
        if self._gateway.logins.have_work:
            return self._readiness.poll(_JOIN_S)
        if not rings.are_there:
            return self._readiness.poll(_TIDY_S)
        rings.announce_sleep(True)
        # A client that has not seen it sends no frame, so the rings are looked at once more; and as
        # two processors may each miss what the other has just stored, the sleep is short.
        ready = self._readiness.poll(0.0 if rings.are_asked() else _RING_SLEEP_S)
        rings.announce_sleep(False)
        return ready

    def _read(self, ready: list[tuple[int, int]], now_s: float) -> None:
        gateway = self._gateway
        gate = self._gate
        gateway.order_refusal = self._stream_bound.refusal() or (gate.refusal() if gate else "")
        gateway.rate.fill(time.perf_counter_ns())
        for descriptor, events in ready:
            session = gateway.sessions.get(descriptor)
            if session is None:
                if descriptor == self._listener.fileno():
                    gateway.accept(now_s)
                elif descriptor == self._wake_in.fileno():
                    self._wake_in.recv(64)
                elif descriptor == self._health_descriptor:
                    self._asked_until_s = now_s + _ASKED_S
                    self._pause_due_s = 0.0
                elif gate is not None and descriptor == gate.sleeper.descriptor:
                    gate.sleeper.drain()
                continue
            if events & select.EPOLLOUT:
                gateway.write(session)
            if events & ~select.EPOLLOUT:
                gateway.read(session, now_s)

    def _commit(self, started_ns: int) -> None:
        """Take a batch from the queue, make it durable, and hand over its answers.

        The batch is empty when there is only work that the core has left over.
        """
        self._faults.at(RECEIVED)
        queue = self._gateway.commands
        batch = list(islice(queue, BATCH_COMMANDS))
        traces = [
            (number, trace)
            for number, (_, _, frame) in enumerate(batch)
            if (trace := frame[16:40]) != frames.NO_TRACE
        ]
        committed = self._sequencer.commit([frame for _, _, frame in batch], traces)
        for _ in range(committed.taken):
            queue.popleft()
        self._answer(batch[: committed.taken], committed)
        metrics = self._metrics
        metrics.batches += 1
        metrics.commands += len(committed.events)
        metrics.ack_latency.add(time.perf_counter_ns() - started_ns, committed.taken)

    def _answer(self, batch: list[PendingCommand], committed: Committed) -> None:
        gateway, metrics = self._gateway, self._metrics
        gateway.durable_sequence = self._sequencer.sequence
        self._repeats.begin_batch()
        first, time_ns = committed.first_sequence, committed.time_ns
        for number, (pending, found) in enumerate(zip(batch, committed.events, strict=False)):
            metrics.events += len(found) // frames.EVENT_BYTES
            if found[0] == r.REJECTED:
                metrics.rejects[int.from_bytes(found[2:4], "little")] += 1
                repeat = self._repeats.find(pending[2], found)
                if repeat is not None:
                    gateway.answer_repeat(pending, first + number, repeat)
                    # What the core went on with behind the refusal is others' news.
                    gateway.report(pending[0], first + number, time_ns, found)
                    continue
            gateway.answer(pending, first + number, time_ns, found)
        for number in range(committed.taken, len(committed.events)):
            found = committed.events[number]
            metrics.events += len(found) // frames.EVENT_BYTES
            gateway.report(None, first + number, time_ns, found)
        gateway.flush()
        self._faults.at(ACKNOWLEDGED)

    def _answer_queries(self) -> None:
        """Answer from a state whose every command is durable: batches are never half done here."""
        core = self._core
        for pending in self._gateway.take_queries():
            query = pending[1]
            words: list[int] | None
            if query.kind == frames.QUERY_STATUS:
                words = self._status_words()
            elif query.kind == frames.QUERY_ACCOUNT:
                words = core.account(query.argument)
            elif query.kind == frames.QUERY_BOOK:
                words = core.book(query.argument, query.depth)
            elif query.kind == frames.QUERY_OPEN_ORDERS:
                words = core.open_orders(query.argument)
            else:
                words = core.order(query.argument)
            self._gateway.answer_query(pending, words)

    def _tidy(self, now_s: float) -> None:
        self._status.beat()
        if self._gate is not None:
            self._gate.check()
        self._rings.tidy(now_s)
        self._gateway.tidy(now_s)
        self._gateway.flush()
        self._keeper.tidy()
        self._marks.tidy(self._sequencer.sequence, now_s)
        self._own_snapshot.tidy(self._sequencer.sequence)

    def _halt(self, error: JournalFailed) -> None:
        """Say that the journal failed; acknowledge nothing from here on."""
        self._status.state = HALTED
        log.critical("halted at durable sequence %d: %s", self._sequencer.sequence, error)
        for session in self._gateway.sessions.values():
            session.out.clear()
        self._gateway.end_all(GatewayCode.ENGINE_HALTED, "what is unanswered may have been taken")
