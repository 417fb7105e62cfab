"""Sends commands at a given rate and notes when each is answered: for measurements. Compiled.

The loop is open: a command is due at its time whether or not earlier ones are answered, and its
latency counts from then, so that waiting behind a slow one counts as well. A `window` bounds how
many may be unanswered; without an interval that makes a closed loop, whose latencies count from
the sending.
"""

import select
import socket
from collections.abc import Callable
from time import perf_counter_ns
from typing import Final, final

from librt.strings import read_i64_le
from librt.vecs import vec
from mypy_extensions import i64

from shared.wire.ring import REFUSAL, W_ENGINE_SLEEPS, QueueReader, QueueWriter

ANSWERED: Final = 1
REFUSED: Final = 2  # by the gateway

_COMMAND_WORDS: Final = 8  # all commands are of this length
_REQUEST_WORDS: Final = 10
_MOST_AT_ONCE: Final = 512
_PATIENCE_NS: Final = 10_000_000_000
_FRAME_PREFIX: Final = 40
_REJECT: Final = 3
_LOW_HALF: Final = 0xFFFF_FFFF
_READ_BYTES: Final = 1 << 18


class Stalled(Exception):
    """Nothing was answered for ten seconds."""


def lateness(count: i64, interval_ns: i64) -> list[int]:
    """Return by how many ns a loop that does nothing is late at each due time: the noise floor."""
    found: list[int] = []
    start: i64 = perf_counter_ns()
    number: i64 = 1
    while number <= count:
        due: i64 = start + number * interval_ns
        now: i64 = perf_counter_ns()
        while now < due:
            now = perf_counter_ns()
        found.append(int(now - due))
        number += 1
    return found


@final
class Record:
    """When each command of a run was due and answered, and how."""

    def __init__(self, count: i64) -> None:
        self.due = _zeros(count)
        self.latencies = _zeros(count)
        self.outcomes = _zeros(count)
        self.answered: i64 = 0

    def answer(self, number: i64, now: i64, outcome: i64) -> None:
        self.latencies[number] = now - self.due[number]
        self.outcomes[number] = outcome
        self.answered += 1

    def count_of(self, outcome: i64) -> int:
        """Return how many commands ended so."""
        count: i64 = 0
        at: i64 = 0
        size: i64 = len(self.outcomes)
        while at < size:
            if self.outcomes[at] == outcome:
                count += 1
            at += 1
        return int(count)

    def rows(self) -> list[tuple[int, int, int]]:
        """Return (due, latency, outcome) of each command."""
        return [
            (int(self.due[at]), int(self.latencies[at]), int(self.outcomes[at]))
            for at in range(len(self.due))
        ]


@final
class RingPacer:
    """One client with a shared-memory ring. `wake` is called when the engine sleeps."""

    def __init__(
        self,
        words: memoryview,
        requests: QueueWriter,
        answers: QueueReader,
        wake: Callable[[], None],
    ) -> None:
        self._words = words
        self._requests = requests
        self._answers = answers
        self._wake = wake
        self._out: vec[i64] = _zeros(_MOST_AT_ONCE * _REQUEST_WORDS)
        self._view = memoryview(self._out)
        self._next_request: i64 = 1

    def run(self, commands: bytes, first: i64, count: i64, interval_ns: i64, window: i64) -> Record:
        """Send `count` commands from number `first` on, and return when all are answered.

        Behind the last one the first one follows.
        """
        have: i64 = len(commands) // (_COMMAND_WORDS * 8)
        record = Record(count)
        base: i64 = self._next_request
        self._next_request = base + count
        sent: i64 = 0
        start: i64 = perf_counter_ns() + 1_000_000
        heard: i64 = start
        while record.answered < count:
            now: i64 = perf_counter_ns()
            due: i64 = count
            if interval_ns > 0:
                due = min(count, (now - start) // interval_ns + 1) if now >= start else 0
            end: i64 = min(due, record.answered + window, sent + _MOST_AT_ONCE)
            if end > sent and self._requests.room() >= (end - sent) * _REQUEST_WORDS:
                end = min(end, sent + have - (first + sent) % have)  # those are in a row
                self._send(commands, (first + sent) % have, base, sent, end)
                while sent < end:
                    record.due[sent] = start + sent * interval_ns if interval_ns > 0 else now
                    sent += 1
            if self._receive(record, base):
                heard = now
            elif now - heard > _PATIENCE_NS and sent > record.answered:
                raise Stalled(f"{int(record.answered)} of {int(sent)} are answered")
        return record

    def _send(self, commands: bytes, at_command: i64, base: i64, sent: i64, end: i64) -> None:
        """Send the commands that stand from `at_command` on as numbers `sent` … `end` - 1."""
        out = self._out
        source: i64 = at_command * _COMMAND_WORDS * 8
        at: i64 = 0
        while sent < end:
            out[at] = _REQUEST_WORDS
            out[at + 1] = base + sent
            index: i64 = 0
            while index < _COMMAND_WORDS:
                out[at + 2 + index] = read_i64_le(commands, source + index * 8)
                index += 1
            source += _COMMAND_WORDS * 8
            at += _REQUEST_WORDS
            sent += 1
        self._requests.write(self._view, 0, at)
        sleeps: i64 = self._words[W_ENGINE_SLEEPS]
        if sleeps != 0:
            self._wake()

    def _receive(self, record: Record, base: i64) -> bool:
        count: i64 = self._answers.waiting()
        if count == 0:
            return False
        data: bytes = self._answers.peek(count)
        self._answers.release(count)
        now: i64 = perf_counter_ns()
        at: i64 = 0
        while at < count:
            head: i64 = read_i64_le(data, at * 8)
            number: i64 = read_i64_le(data, at * 8 + 8) - base
            outcome: i64 = REFUSED if head >> 32 & 0xFF == REFUSAL else ANSWERED
            record.answer(number, now, outcome)
            at += head & _LOW_HALF
        return True


@final
class TcpPacer:
    """Clients with a connection each, logged on as services; they take turns."""

    def __init__(self, connections: list[socket.socket]) -> None:
        self._connections = connections
        self._rest: list[bytes] = [b"" for _ in connections]  # parts of frames
        self._number_of: dict[int, int] = {}
        self._poll = select.epoll()
        for number, connection in enumerate(connections):
            connection.setblocking(False)
            self._poll.register(connection.fileno(), select.EPOLLIN)
            self._number_of[connection.fileno()] = number
        self._next_request: i64 = 1

    def run(self, commands: bytes, first: i64, count: i64, interval_ns: i64, window: i64) -> Record:
        """Send `count` commands from number `first` on, and return when all are answered.

        Behind the last one the first one follows.
        """
        have: i64 = len(commands) // (_COMMAND_WORDS * 8)
        record = Record(count)
        base: i64 = self._next_request
        self._next_request = base + count
        sent: i64 = 0
        start: i64 = perf_counter_ns() + 1_000_000
        heard: i64 = start
        while record.answered < count:
            now: i64 = perf_counter_ns()
            due: i64 = count
            if interval_ns > 0:
                due = min(count, (now - start) // interval_ns + 1) if now >= start else 0
            if sent < due and sent < record.answered + window:
                record.due[sent] = start + sent * interval_ns if interval_ns > 0 else now
                source: i64 = (first + sent) % have * _COMMAND_WORDS * 8
                self._send(sent, base + sent, commands[source : source + _COMMAND_WORDS * 8])
                sent += 1
            if self._receive(record, base):
                heard = now
            elif now - heard > _PATIENCE_NS and sent > record.answered:
                raise Stalled(f"{int(record.answered)} of {int(sent)} are answered")
        return record

    def _send(self, number: i64, request: i64, words: bytes) -> None:
        """Send one COMMAND frame; shared/wire/frames.py defines it."""
        frame: bytes = _FRAME_HEADER + int(request).to_bytes(8, "little") + _NO_TRACE + words
        connection = self._connections[number % len(self._connections)]
        if connection.send(frame) != len(frame):
            raise Stalled("the gateway does not read")

    def _receive(self, record: Record, base: i64) -> bool:
        has_any: bool = False
        for descriptor, _ in self._poll.poll(0):
            number: int = self._number_of[descriptor]
            data: bytes = self._connections[number].recv(_READ_BYTES)
            if len(data) == 0:
                raise Stalled("the gateway has ended the session")
            now: i64 = perf_counter_ns()
            self._rest[number] = _take(self._rest[number] + data, record, base, now)
            has_any = True
        return has_any


_FRAME_HEADER: Final = (_FRAME_PREFIX + _COMMAND_WORDS * 8).to_bytes(4, "little") + b"\x04\x01\0\0"
_NO_TRACE: Final = bytes(24)


def _take(data: bytes, record: Record, base: i64, now: i64) -> bytes:
    """Note what the frames answer; return the part of one that is left."""
    at: i64 = 0
    size: i64 = len(data)
    while size - at >= 16:
        head: i64 = read_i64_le(data, at)
        length: i64 = head & _LOW_HALF
        if length > size - at:
            break
        number: i64 = read_i64_le(data, at + 8) - base
        if 0 <= number < len(record.due):
            outcome: i64 = REFUSED if head >> 32 & 0xFF == _REJECT else ANSWERED
            record.answer(number, now, outcome)
        at += length
    return data[at:]


def _zeros(count: i64) -> vec[i64]:
    return vec[i64]([0] * int(count))
