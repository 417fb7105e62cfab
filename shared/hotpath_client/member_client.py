"""A member's client for asyncio that comes back by itself: nothing is lost, nothing done twice."""

import asyncio
from collections.abc import Callable
from typing import Final, Self

from shared.domain.commands import Command
from shared.domain.events import EngineEvent
from shared.hotpath_client.member_stream import Accepted, Answered, MemberStream, Reported
from shared.hotpath_client.sync_client import TokenSource
from shared.ports.engine import CommandResult, EngineError, EngineRefused, EngineUnavailable
from shared.wire import frames

ReportCallback = Callable[[list[EngineEvent]], None]
_READ_BYTES: Final = 1 << 16
_FIRST_WAIT_S: Final = 0.05
_LONGEST_WAIT_S: Final = 1.0
_LOGON_TIMEOUT_S: Final = 60.0  # what was missed is sent first


class AsyncMemberClient:
    """One login. While the connection is away commands wait, and are sent once it is back."""

    def __init__(
        self,
        address: str,
        token_source: TokenSource,
        on_report: ReportCallback,
        *,
        cancel_on_disconnect: bool = False,
    ) -> None:
        host, _, port = address.rpartition(":")
        self._host, self._port = host or "127.0.0.1", int(port)
        self._token_source = token_source
        self._on_report = on_report
        self._stream = MemberStream(cancel_on_disconnect=cancel_on_disconnect)
        self._futures: dict[int, asyncio.Future[CommandResult]] = {}
        self._writer: asyncio.StreamWriter | None = None  # while logged on
        self._room = asyncio.Event()
        self._is_on = asyncio.Event()
        self._window = 1
        self._task: asyncio.Task[None] | None = None
        self._failed: EngineError | None = None
        self.connections = 0  # logons that were accepted

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._writer is not None:
            self._writer.write(frames.LOGOUT_FRAME)
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._fail(EngineUnavailable("the client was closed"))

    async def logged_on(self) -> None:
        """Return once the login is accepted; raise EngineRefused if it never will be."""
        await self._is_on.wait()
        if self._failed is not None:
            raise self._failed

    async def submit(self, command: Command, *, traceparent: str = "") -> CommandResult:
        """Return the command's result, however many connections it takes.

        Raises EngineBusy or EngineRefused when the gateway did not take it.
        """
        while self._stream.unanswered >= self._window and self._failed is None:
            self._room.clear()
            await self._room.wait()
        if self._failed is not None:
            raise self._failed
        number, frame = self._stream.command(command, traceparent)
        future: asyncio.Future[CommandResult] = asyncio.get_running_loop().create_future()
        self._futures[number] = future
        if self._writer is not None:
            self._writer.write(frame)
        return await future

    async def _run(self) -> None:
        """Keep a connection until the client is closed, or is refused for good."""
        wait_s = _FIRST_WAIT_S
        while True:
            before = self.connections
            try:
                await self._connection()
            except EngineRefused as error:
                self._fail(error)
                return
            except (OSError, EngineError, frames.FrameError, TimeoutError):
                pass
            wait_s = _FIRST_WAIT_S if self.connections > before else wait_s * 2
            await asyncio.sleep(min(wait_s, _LONGEST_WAIT_S))

    async def _connection(self) -> None:
        reader, writer = await asyncio.open_connection(self._host, self._port)
        heartbeat: asyncio.Task[None] | None = None
        buffer = frames.FrameBuffer(frames.MAX_ANSWER_BYTES)
        try:
            writer.write(self._stream.logon(self._token_source()))
            while data := await asyncio.wait_for(reader.read(_READ_BYTES), _LOGON_TIMEOUT_S):
                for frame in buffer.feed(data):
                    self._take(frame, writer)
                if heartbeat is None:
                    heartbeat = asyncio.create_task(_beat(writer))
        finally:
            self._writer = None
            if heartbeat is not None:
                heartbeat.cancel()
            writer.close()

    def _take(self, frame: bytes, writer: asyncio.StreamWriter) -> None:
        for outcome in self._stream.take(frame):
            if isinstance(outcome, Answered):
                self._answer(outcome)
            elif isinstance(outcome, Reported):
                self._on_report(outcome.events)
            elif isinstance(outcome, Accepted):
                self._writer = writer
                self._window = max(1, outcome.logon.window - 1)
                writer.write(b"".join(outcome.send))
                self.connections += 1
                self._is_on.set()
        if self._stream.unanswered < self._window:
            self._room.set()

    def _answer(self, answered: Answered) -> None:
        future = self._futures.pop(answered.number, None)
        if future is None or future.done():
            return
        if isinstance(answered.outcome, EngineError):
            future.set_exception(answered.outcome)
        else:
            future.set_result(answered.outcome)

    def _fail(self, error: EngineError) -> None:
        self._failed = error
        for future in self._futures.values():
            if not future.done():
                future.set_exception(error)
        self._futures.clear()
        self._room.set()
        self._is_on.set()


async def _beat(writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(frames.HEARTBEAT_FRAME)
        await asyncio.sleep(frames.HEARTBEAT_S)
