"""A member's blocking client that comes back by itself: nothing is lost, nothing done twice."""

import socket
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final, Self

from shared.domain.commands import Command
from shared.domain.events import EngineEvent
from shared.hotpath_client.member_stream import Accepted, Answered, MemberStream, Reported
from shared.hotpath_client.sync_client import TokenSource
from shared.ports.engine import CommandResult, EngineError, EngineRefused, EngineUnavailable
from shared.wire import frames

_READ_BYTES: Final = 1 << 16
_RETRY_S: Final = 0.05
_TURN_S: Final = 0.2


class SyncMemberClient:
    """One login, for one caller at a time. Call `receive` now and then when there is nothing to
    submit: it takes in reports and keeps the session alive."""

    def __init__(
        self,
        address: str,
        token_source: TokenSource,
        timeout_ms: int = 10_000,
        *,
        cancel_on_disconnect: bool = False,
    ) -> None:
        host, _, port = address.rpartition(":")
        self._address = (host or "127.0.0.1", int(port))
        self._token_source = token_source
        self._timeout_s = timeout_ms / 1000
        self._stream = MemberStream(cancel_on_disconnect=cancel_on_disconnect)
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._buffer = frames.FrameBuffer(frames.MAX_ANSWER_BYTES)
        self._is_on = False
        self._window = 1
        self._beaten_s = 0.0
        self._found: dict[int, CommandResult | EngineError] = {}
        self._reports: list[EngineEvent] = []
        self.connections = 0  # logons that were accepted

    def submit(self, command: Command, *, traceparent: str = "") -> CommandResult:
        """Return the command's result, however many connections it takes.

        Raises
        ------
        EngineBusy, EngineRefused
            The gateway did not take it.
        EngineUnavailable
            No connection brought an answer in time. The next call goes on waiting for it.
        """
        (answer,) = self.submit_many([command], traceparent=traceparent)
        if isinstance(answer, EngineError):
            raise answer
        return answer

    def submit_many(
        self, commands: Sequence[Command], *, traceparent: str = ""
    ) -> list[CommandResult | EngineError]:
        """Send commands without waiting between them; return one outcome each, in order."""
        with self._lock:
            deadline = time.monotonic() + self._timeout_s
            self._wait(lambda: self._is_on, deadline)
            numbers: list[int] = []
            for command in commands:
                self._wait(lambda: self._stream.unanswered < self._window, deadline)
                number, frame = self._stream.command(command, traceparent)
                numbers.append(number)
                self._send(frame)
            wanted = set(numbers)  # refusals overtake results
            self._wait(lambda: self._found.keys() >= wanted, deadline)
            found = [self._found[number] for number in numbers]
            self._found.clear()
            return found

    def receive(self, timeout_ms: int = 0) -> list[EngineEvent]:
        """Return the events of all reports since the last call; wait for some if there are none."""
        with self._lock:
            deadline = time.monotonic() + timeout_ms / 1000
            self._turn(0.0)
            while not self._reports and time.monotonic() < deadline:
                self._turn(min(_TURN_S, deadline - time.monotonic()))
            reports, self._reports = self._reports, []
            return reports

    def close(self) -> None:
        with self._lock:
            self._send(frames.LOGOUT_FRAME)
            self._drop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _wait(self, is_done: Callable[[], bool], deadline: float) -> None:
        while not is_done():
            if time.monotonic() > deadline:
                raise EngineUnavailable("no answer in time")
            self._turn(_TURN_S)

    def _turn(self, wait_s: float) -> None:
        """Connect if need be, and take in what has come."""
        try:
            if self._socket is None:
                self._connect()
            self._beat()
            self._receive(wait_s)
        except EngineRefused:
            self._drop()
            raise
        except (OSError, EngineError, frames.FrameError):
            self._drop()
            time.sleep(min(_RETRY_S, wait_s))

    def _connect(self) -> None:
        self._socket = socket.create_connection(self._address, self._timeout_s)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = frames.FrameBuffer(frames.MAX_ANSWER_BYTES)
        self._socket.sendall(self._stream.logon(self._token_source()))

    def _receive(self, wait_s: float) -> None:
        connection = self._socket
        assert connection is not None
        connection.settimeout(max(wait_s, 0.000_1))
        try:
            data = connection.recv(_READ_BYTES)
        except TimeoutError:
            return
        connection.settimeout(self._timeout_s)
        if not data:
            raise ConnectionResetError("the gateway closed the session")
        for frame in self._buffer.feed(data):
            self._take(frame)

    def _take(self, frame: bytes) -> None:
        for outcome in self._stream.take(frame):
            if isinstance(outcome, Answered):
                self._found[outcome.number] = outcome.outcome
            elif isinstance(outcome, Reported):
                self._reports += outcome.events
            elif isinstance(outcome, Accepted):
                self._is_on = True
                self._window = max(1, outcome.logon.window - 1)
                self.connections += 1
                self._send(b"".join(outcome.send))

    def _beat(self) -> None:
        now_s = time.monotonic()
        if self._is_on and now_s - self._beaten_s > frames.HEARTBEAT_S:
            self._beaten_s = now_s
            self._send(frames.HEARTBEAT_FRAME)

    def _send(self, data: bytes) -> None:
        """Send while logged on; what is lost is sent again after the next logon."""
        if self._socket is None or not self._is_on:
            return
        try:
            self._socket.settimeout(self._timeout_s)
            self._socket.sendall(data)
        except OSError:
            self._drop()

    def _drop(self) -> None:
        self._is_on = False
        if self._socket is not None:
            self._socket.close()
            self._socket = None
