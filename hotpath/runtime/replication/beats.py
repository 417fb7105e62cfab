"""The engine's life as the other host sees it: a beat in Kafka each 100 ms while it lives.

The engine's own heartbeat is in its status file. A beat is sent while the process that wrote the
file is there and its heart has beaten of late: a dead engine falls silent at once. One that was
stopped in order has that as its last beat.
"""

import threading
import time
from collections.abc import Callable
from typing import Final

import msgspec

from hotpath.runtime.journal.status_file import OPEN, STOPPED, StatusFile, start_ticks
from shared.ports.event_stream import StreamUnavailable
from shared.ports.journal_topic import JournalTopic

EVERY_S: Final = 0.1
_HUNG_S: Final = 1.2  # the engine beats twice a second
# Who did not look, or got no answer, for so long has seen nothing, and judges nobody...
_BLIND_S: Final = 0.5
# ...until a beat is seen, or so long has passed: an engine that was cut off takes time to return.
_AFTER_BLIND_S: Final = 5.0


class Beat(msgspec.Struct):
    """What a beat tells."""

    epoch: int
    durable_sequence: int
    process_id: int
    time_ns: int
    is_stopped: bool = False


def decode_beat(text: bytes) -> Beat:
    return msgspec.json.decode(text, type=Beat)


class Beats:
    """A thread that beats for the engine of a status file until it is stopped."""

    def __init__(self, topic: JournalTopic, status: StatusFile) -> None:
        self._topic = topic
        self._status = status
        self._is_stopping = threading.Event()
        self._beat = 0
        self._seen_s = 0.0
        self._was_open = False
        self._thread = threading.Thread(target=self._run, name="beats", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._is_stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def look(self, now_s: float) -> None:
        """Beat if there is a reason."""
        if self._lives(now_s):
            self._was_open = True
            self._send(is_stopped=False)
        elif self._was_open and self._status.state == STOPPED:
            self._was_open = False
            self._send(is_stopped=True)

    def _lives(self, now_s: float) -> bool:
        """Return whether the engine is there, open, and does not hang."""
        status = self._status
        beat = status.heartbeat_ns
        if beat != self._beat:
            self._beat, self._seen_s = beat, now_s
        is_there = bool(status.start_ticks) and start_ticks(status.process_id) == status.start_ticks
        return is_there and status.state == OPEN and now_s - self._seen_s < _HUNG_S

    def _send(self, *, is_stopped: bool) -> None:
        status = self._status
        beat = Beat(
            status.epoch, status.durable_sequence, status.process_id, time.time_ns(), is_stopped
        )
        self._topic.beat(msgspec.json.encode(beat))

    def _run(self) -> None:
        while not self._is_stopping.wait(EVERY_S):
            self.look(time.monotonic())


class BeatWatch:
    """Judges by the beats that come, so that clocks of two hosts need not agree.

    Silence counts only while Kafka answers: where it is away, nobody is judged.
    """

    def __init__(
        self,
        count: Callable[[], int],
        hung_ms: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`count` grows with each beat, and raises StreamUnavailable while it is not known."""
        self._count = count
        self._clock = clock
        self._hung_s = hung_ms / 1000
        self._limit_s = self._hung_s
        self._last: int | None = None
        self._seen_s = self._answered_s = clock()
        self.has_seen = False  # a beat: before that nobody is to be replaced

    def is_silent(self) -> bool:
        """Return whether an engine that was seen to live has not beaten for too long."""
        try:
            found = self._count()
        except StreamUnavailable:
            return False
        now_s = self._clock()
        was_blind = now_s - self._answered_s > _BLIND_S
        self._answered_s = now_s
        if found != self._last:
            self.has_seen = self.has_seen or self._last is not None
            self._last, self._seen_s, self._limit_s = found, now_s, self._hung_s
        if was_blind:  # the answer may have been long on its way
            self._seen_s, self._limit_s = now_s, max(self._hung_s, _AFTER_BLIND_S)
        return self.has_seen and now_s - self._seen_s > self._limit_s

    def give_time(self) -> None:
        """Judge nobody for a while: somebody else is about to go on."""
        self._seen_s, self._limit_s = self._clock(), max(self._hung_s, _AFTER_BLIND_S)
