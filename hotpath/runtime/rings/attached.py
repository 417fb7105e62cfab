"""The shared-memory rings of an engine: made for sessions, served in batches, dropped with them.

A ring is memory without a name, sealed so that no client can cut it short under the engine. It is
opened through the engine's entry in /proc, which the system gives to the same user's processes on
the same host alone. When its session ends, for whatever reason, the ring is gone.
"""

import fcntl
import mmap
import os
import platform
from dataclasses import dataclass
from typing import Final

import google_crc32c

from hotpath.runtime.core_host import CoreHost
from hotpath.runtime.faults import Faults
from hotpath.runtime.gateway.authority import rights
from hotpath.runtime.gateway.order_entry import Gateway
from hotpath.runtime.gateway.privacy import masked
from hotpath.runtime.gateway.repeats import Repeats
from hotpath.runtime.gateway.session import Session
from hotpath.runtime.metrics import LATENCY_BOUNDS_US, Histogram, Metrics
from hotpath.runtime.rings.batch import RingBatch, RingEnd
from hotpath.runtime.rings.loop import Latencies, RingLoop, StatusWords
from hotpath.runtime.sequencer import Sequencer
from hotpath.runtime.stream_bound import ORDERS
from shared.domain import records as r
from shared.wire import frames, ring, ring_frames
from shared.wire.frames import FrameError, GatewayCode

MAX_RINGS: Final = 64
BEHIND_S: Final = 5.0  # a client that does not take its answers for so long is disconnected
_F_ADD_SEALS: Final = 1033
_SEALS: Final = 0x1 | 0x2 | 0x4  # no more seals, no shrinking, no growing
_LOOPBACK: Final = ("127.", "::1", "::ffff:127.")


@dataclass(eq=False, slots=True)
class _Attached:
    """A ring and whose it is."""

    session: Session
    end: RingEnd
    words: memoryview
    descriptor: int
    taken: int = 0
    behind_since_s: float = 0.0


class Rings:
    """Serves the rings of all sessions that asked for one."""

    def __init__(
        self,
        gateway: Gateway,
        sequencer: Sequencer,
        core: CoreHost,
        repeats: Repeats,
        metrics: Metrics,
        faults: Faults,
    ) -> None:
        self._gateway = gateway
        self._sequencer = sequencer
        self._repeats = repeats
        self._metrics = metrics
        self._faults = faults
        self._batch = RingBatch(core.engine, bytes(kind in ORDERS for kind in range(256)))
        self._loop = RingLoop(
            self._batch,
            sequencer,
            self,
            google_crc32c.value,
            gateway.members,
            faults.is_set,
            [bound_us * 1000 for bound_us in LATENCY_BOUNDS_US],
            sequencer.segment_end,
            sequencer.is_quick,
            StatusWords(*sequencer.status_words),
        )
        self._attached: dict[int, _Attached] = {}  # by the session's descriptor
        self._is_serving = self._is_stale = False
        gateway.ring_host = self

    @property
    def are_there(self) -> bool:
        return bool(self._attached)

    # --- sessions --------------------------------------------------------------------------------

    def attach(self, session: Session, asked: ring_frames.RingAttach) -> str:
        """Make a ring for a session; return the path that its client opens.

        Raises FrameError with the code for the client.
        """
        if session.descriptor in self._attached:
            raise FrameError(GatewayCode.NO_RING, "the session has a ring")
        if not ring.are_queue_sizes(asked.request_words, asked.answer_words):
            raise FrameError(GatewayCode.NO_RING, "sizes are powers of two within bounds")
        if not session.peer.startswith(_LOOPBACK) or platform.machine() not in ("x86_64", "AMD64"):
            raise FrameError(GatewayCode.NO_RING, "rings are for clients on the engine's own host")
        if len(self._attached) >= MAX_RINGS:
            raise FrameError(GatewayCode.NO_RING, f"at most {MAX_RINGS} rings")
        descriptor = os.memfd_create("order-entry", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            size = ring.ring_bytes(asked.request_words, asked.answer_words)
            os.posix_fallocate(descriptor, 0, size)
            fcntl.fcntl(descriptor, _F_ADD_SEALS, _SEALS)
            words = memoryview(mmap.mmap(descriptor, size)).cast("q")
        except OSError as error:
            os.close(descriptor)
            raise FrameError(GatewayCode.NO_RING, str(error)) from error
        ring.write_header(words, asked.request_words, asked.answer_words)
        reader, writer = ring.engine_queues(words, asked.request_words, asked.answer_words)
        end = RingEnd(reader, writer, rights(session), session.account_id)
        end.next_request, session.has_ring = session.next_request, True
        self._attached[session.descriptor] = _Attached(session, end, words, descriptor)
        self._renew()
        return f"/proc/{os.getpid()}/fd/{descriptor}"

    def detach(self, session: Session) -> None:
        """Forget the ring of a session that has ended. What was taken from it still counts."""
        attached = self._attached.pop(session.descriptor, None)
        if attached is not None:
            session.next_request = int(attached.end.next_request)
            attached.end.broken = "the session is over"  # a turn that goes on takes no more
            self._renew()
            os.close(attached.descriptor)  # the mapping goes with its last view

    def _renew(self) -> None:
        """Have all attached rings served; not while a batch of them waits for its copy."""
        self._is_stale = self._is_serving
        if not self._is_serving:
            self._batch.rings = [it.end for it in self._attached.values()]

    def tidy(self, now_s: float) -> None:
        """End the sessions that do not take their answers; called a few times a second."""
        self._count()
        for it in list(self._attached.values()):
            if it.end.taken != it.taken:
                it.taken, it.session.heard_s = it.end.taken, now_s
            if not it.end.is_behind():
                it.behind_since_s = 0.0
            elif it.behind_since_s == 0.0:
                it.behind_since_s = now_s
            elif now_s - it.behind_since_s > BEHIND_S:
                self._gateway.end(it.session, GatewayCode.SLOW_READER, "answers are not taken")

    def announce_sleep(self, is_sleeping: bool) -> None:
        """Tell the clients whether the engine sleeps, and has to be woken by a frame."""
        for it in self._attached.values():
            it.words[ring.W_ENGINE_SLEEPS] = is_sleeping

    # --- commands --------------------------------------------------------------------------------

    def are_asked(self) -> bool:
        """Return whether a ring has something to do now."""
        return self._loop.is_asked(0)

    def serve(self, until_ns: int) -> None:
        """Serve until `until_ns` of the performance counter, as long as anything comes.

        Raises JournalFailed as Sequencer.commit does.
        """
        rate = self._gateway.rate
        self._is_serving = True
        try:
            rate.left -= self._loop.serve(until_ns, 0 if self._gateway.order_refusal else rate.left)
        finally:
            self._is_serving = False
            if self._is_stale:
                self._renew()
        self._gateway.durable_sequence = self._sequencer.sequence

    def passes(self, point: str) -> None:
        self._faults.at(point)

    def before_answers(self) -> None:
        """Look up the first answers to the orders of the batch that were sent before."""
        batch, events = self._batch, self._batch.engine.events_bytes()
        self._repeats.begin_batch()
        for number, start in batch.duplicates:
            words = memoryview(batch.made.command_bytes(number)).cast("q")
            frame = frames.encode_command(0, words)
            repeat = self._repeats.find(frame, events[start : start + frames.EVENT_BYTES])
            sender = self._sender(number)
            if repeat is None or sender is None:
                continue
            told = repeat.events
            if sender.kind == frames.MEMBER:
                told = masked(told, sender.account_id)
            body = list(memoryview(told).cast("q"))[: ring.MAX_ANSWER_EVENT_WORDS]
            flags = ring.FLAG_REPEAT | (ring.FLAG_CUT if len(body) * 8 < len(told) else 0)
            size = ring.ANSWER_PREFIX_WORDS + len(body) + len(repeat.order)
            head = size | ring.RESULT << 32 | flags << 40
            batch.repeats[number] = [head, 0, repeat.sequence, repeat.time_ns, *body, *repeat.order]

    def tell_members(self) -> None:
        """Send execution reports, which go over the members' connections."""
        batch, gateway = self._batch, self._gateway
        events = batch.engine.events_bytes()
        for number, start, end in batch.touching(gateway.members):
            sequence = batch.made.first_sequence + number
            gateway.report(self._sender(number), sequence, batch.made.time_ns, events[start:end])

    def _sender(self, number: int) -> Session | None:
        for it in self._attached.values():
            if it.end.first_command <= number < it.end.end_command:
                return it.session
        return None

    def end_broken(self) -> None:
        for it in list(self._attached.values()):
            if it.end.broken:
                self._gateway.end(it.session, GatewayCode.MALFORMED_FRAME, it.end.broken)

    def _count(self) -> None:
        """Give what the loop has counted to the engine's metrics."""
        metrics, loop = self._metrics, self._loop
        metrics.batches += loop.batches
        metrics.commands += loop.commands
        metrics.events += loop.event_words // r.EVENT_WORDS
        metrics.rejects.update(self._batch.drain_rejects())
        loop.batches = loop.commands = loop.event_words = 0
        _add(loop.ack_latencies, metrics.ack_latency)
        _add(loop.append_latencies, metrics.append_latency)


def _add(latencies: Latencies, histogram: Histogram) -> None:
    found = latencies.drain()
    histogram.sum_ns += found.pop()
    histogram.counts = [a + b for a, b in zip(histogram.counts, found, strict=True)]
