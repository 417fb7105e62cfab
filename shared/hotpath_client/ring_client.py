"""The client for processes on the engine's own host: commands go through shared memory.

The session is an ordinary one over TCP, which carries logon, queries and execution reports;
commands and their results take the ring that the gateway makes for it.
"""

import mmap
import os
import time
from collections.abc import Sequence
from typing import Final

from shared.domain.commands import Command
from shared.hotpath_client import answers
from shared.hotpath_client.sync_client import Connection, SyncEngineClient, TokenSource
from shared.ports.engine import CommandResult, EngineError, EngineUnavailable
from shared.wire import frames, ring, ring_frames, views

_SPIN_S: Final = 0.0002  # an engine that is awake answers within this
_SLEEP_S: Final = 0.0001
_LOOK_S: Final = 0.02  # how often a waiting client sees whether its session lives
_NOTHING: Final = memoryview(b"").cast("q")
_EVENT_WORDS: Final = frames.EVENT_BYTES // 8


class RingLink:
    """A mapped ring. `send` and `receive` never wait."""

    def __init__(
        self,
        connection: Connection,
        timeout_s: float,
        request_words: int = ring.REQUEST_QUEUE_WORDS,
        answer_words: int = ring.ANSWER_QUEUE_WORDS,
    ) -> None:
        """Ask for a ring and map it; raise EngineError when there is none to be had."""
        asked = ring_frames.RingAttach(0, request_words, answer_words)
        (data,) = connection.exchange(
            [ring_frames.encode_ring_attach(asked)], time.monotonic() + timeout_s
        )
        attached = ring_frames.decode_ring_attached(data)
        try:
            descriptor = os.open(attached.path, os.O_RDWR)
        except OSError as error:
            raise EngineUnavailable(f"the ring at {attached.path}: {error}") from error
        try:
            size = ring.ring_bytes(attached.request_words, attached.answer_words)
            self.words = memoryview(mmap.mmap(descriptor, size)).cast("q")
        finally:
            os.close(descriptor)
        if self.words[ring.W_MAGIC] != ring.MAGIC or self.words[ring.W_VERSION] != ring.VERSION:
            raise EngineUnavailable("the engine's rings have another version")
        self.connection = connection
        self.requests, self.answers = ring.client_queues(
            self.words, attached.request_words, attached.answer_words
        )

    def send(self, words: memoryview, start: int, count: int) -> bool:
        """Send whole requests that lie in `words`; return False when they do not fit now."""
        if self.requests.room() < count:
            return False
        self.requests.write(words, start, count)
        if self.words[ring.W_ENGINE_SLEEPS]:
            self.connection.send(frames.RING_WAKE_FRAME)
        return True

    def receive(self) -> memoryview:
        """Return the words of all answers that are there."""
        count = self.answers.waiting()
        if not count:
            return _NOTHING
        data = self.answers.peek(count)
        self.answers.release(count)
        return memoryview(data).cast("q")


class ShmEngineClient(SyncEngineClient):
    """As SyncEngineClient, for a process of the engine's user on the engine's host."""

    def __init__(
        self,
        address: str,
        token_source: TokenSource,
        timeout_ms: int = 2000,
        *,
        session_kind: int = frames.SERVICE,
    ) -> None:
        super().__init__(address, token_source, timeout_ms, session_kind=session_kind)
        self._link: RingLink | None = None

    def submit_many(
        self, commands: Sequence[Command], *, traceparent: str = ""
    ) -> list[CommandResult | EngineError]:
        """Send commands as the ring has room; return one answer each, in order.

        Raises EngineUnavailable when not all answers came: what was sent may have been taken.
        """
        trace = frames.trace_bytes(traceparent)
        with self._lock:
            try:
                link = self._linked()
                requests = [
                    memoryview(_request(self._next_request(), command, trace)).cast("q")
                    for command in commands
                ]
                return self._run(link, requests, self._request - len(requests) + 1)
            except (OSError, ring.RingBroken, frames.FrameError) as error:
                self._drop()
                raise EngineUnavailable(f"the ring: {error}") from error
            except EngineError:
                self._drop()
                raise

    def _linked(self) -> RingLink:
        """Return the ring of a live session."""
        connection = self._connected()
        if self._link is None or self._link.connection is not connection:
            self._link = RingLink(connection, self._timeout_s)
        return self._link

    def _run(
        self, link: RingLink, requests: Sequence[memoryview], first: int
    ) -> list[CommandResult | EngineError]:
        """Send and receive until all is answered."""
        found: list[CommandResult | EngineError] = []
        sent = 0
        heard_s = looked_s = time.monotonic()
        while len(found) < len(requests):
            while sent < len(requests) and link.send(requests[sent], 0, len(requests[sent])):
                sent += 1
            received = decode_answers(link.receive(), first + len(found))
            now_s = time.monotonic()
            if received:
                found += received
                heard_s = now_s
            elif now_s - heard_s > self._timeout_s:
                raise EngineUnavailable("no answer in time")
            elif now_s - heard_s > _SPIN_S:
                time.sleep(_SLEEP_S)
                if now_s - looked_s > _LOOK_S:
                    looked_s = now_s
                    if not link.connection.usable():
                        raise EngineUnavailable("the gateway closed the session")
        return found

    def _drop(self) -> None:
        super()._drop()
        self._link = None


def decode_answers(words: memoryview, first: int) -> list[CommandResult | EngineError]:
    """Return the answers to requests `first`, `first` + 1 …; raise RingBroken for anything else."""
    found: list[CommandResult | EngineError] = []
    at = 0
    while at < len(words):
        size = words[at] & 0xFFFF_FFFF
        if words[at + 1] != first + len(found) or not ring.REFUSAL_WORDS <= size <= len(words) - at:
            raise ring.RingBroken("an answer to something else")
        found.append(_decode(words[at : at + size]))
        at += size
    return found


def _decode(words: memoryview) -> CommandResult | EngineError:
    kind, flags = words[0] >> 32 & 0xFF, words[0] >> 40 & 0xFF
    if kind == ring.REFUSAL:
        return answers.error_of(frames.Reject(words[1], words[2], "refused"))
    end = len(words) - (views.ORDER_WORDS if flags & ring.FLAG_REPEAT else 0)
    rows = range(ring.ANSWER_PREFIX_WORDS, end, _EVENT_WORDS)
    events = tuple(tuple(words[at : at + _EVENT_WORDS]) for at in rows)
    order = tuple(words[end:])
    return answers.command_result(frames.Result(words[1], words[2], words[3], flags, events, order))


def _request(number: int, command: Command, trace: bytes) -> bytes:
    """Return the bytes of one request record."""
    words = command.words()
    flags = 0 if trace == frames.NO_TRACE else ring.FLAG_TRACE
    traced = trace if flags else b""
    size = ring.REQUEST_PREFIX_WORDS + len(traced) // 8 + len(words)
    head = [size | flags << 16, number]
    body = [*head, *memoryview(traced).cast("q"), *words]
    return b"".join(word.to_bytes(8, "little", signed=True) for word in body)
