"""The asyncio clients of the order-entry protocol: pipelined, with execution reports."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final, Self, TypeVar

from shared.domain.commands import Command
from shared.domain.events import EngineEvent
from shared.hotpath_client import answers
from shared.hotpath_client.epochs import Epochs
from shared.hotpath_client.sync_client import TokenSource
from shared.ports.engine import (
    AccountView,
    BookView,
    CommandResult,
    EngineError,
    EngineStatus,
    EngineUnavailable,
    OpenOrder,
)
from shared.wire import frames

ReportCallback = Callable[[list[EngineEvent]], None]
_LOGON_TIMEOUT_S: Final = 5.0
_FIRST_QUERY: Final = 1 << 62
_Answer = TypeVar("_Answer")


class Session(asyncio.Protocol):
    """One logged-on connection. Requests may be sent without waiting for earlier answers."""

    def __init__(self, on_report: ReportCallback | None = None) -> None:
        self._on_report = on_report
        self._reports: asyncio.Queue[EngineEvent | None] = asyncio.Queue()
        self._frames = frames.FrameBuffer(frames.MAX_ANSWER_BYTES)
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._room = asyncio.Event()
        self._out: list[bytes] = []
        self._request = 0  # commands are numbered apart: a member's have to be in a row
        self._queries = _FIRST_QUERY
        self._closed: EngineError | None = None
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._logon: asyncio.Future[frames.LogonAccepted] = self._loop.create_future()
        self._heartbeat: asyncio.TimerHandle | None = None
        self._window = 1

    @classmethod
    async def open(
        cls, address: str, kind: int, token: str, on_report: ReportCallback | None = None
    ) -> Self:
        """Connect and log on; raise EngineUnavailable or EngineRefused."""
        host, _, port = address.rpartition(":")
        loop = asyncio.get_running_loop()
        try:
            _, session = await asyncio.wait_for(
                loop.create_connection(lambda: cls(on_report), host or "127.0.0.1", int(port)),
                _LOGON_TIMEOUT_S,
            )
        except (OSError, TimeoutError) as error:
            raise EngineUnavailable(f"engine at {address}: {error}") from error
        session._write(frames.encode_logon(frames.Logon(kind, token)))
        try:
            accepted = await asyncio.wait_for(session._logon, _LOGON_TIMEOUT_S)
        except TimeoutError as error:
            await session.close()
            raise EngineUnavailable(f"logon at {address}: no answer") from error
        session._window = max(1, accepted.window - 1)
        session._beat(accepted.heartbeat_s)
        return session

    @property
    def logon(self) -> frames.LogonAccepted:
        return self._logon.result()

    @property
    def is_open(self) -> bool:
        return self._closed is None

    @property
    def unanswered(self) -> int:
        return len(self._waiting)

    def send(self, command: Command, *, traceparent: str = "") -> "asyncio.Future[CommandResult]":
        """Queue a command and return the future of its result; raise EngineUnavailable if closed.

        The caller keeps within the gateway's window; `submit` does so by itself.
        """
        future = self._promise(self._request + 1)
        self._request += 1
        trace = frames.trace_bytes(traceparent) if traceparent else frames.NO_TRACE
        self._write(frames.encode_command(self._request, command.words(), trace))
        return future

    async def submit(self, command: Command, *, traceparent: str = "") -> CommandResult:
        """Send a command when the window has room, and return its result."""
        while len(self._waiting) >= self._window and self.is_open:
            self._room.clear()
            await self._room.wait()
        return await self.send(command, traceparent=traceparent)

    async def query(self, kind: int, argument: int, depth: int = 0) -> frames.QueryAnswer:
        self._queries += 1
        future = self._promise(self._queries)
        self._write(frames.encode_query(frames.Query(self._queries, kind, argument, depth)))
        answer: frames.QueryAnswer = await future
        return answer

    async def reports(self) -> AsyncIterator[EngineEvent]:
        """Yield execution reports' events until the session ends; needs no callback to be set."""
        while (event := await self._reports.get()) is not None:
            yield event

    async def close(self) -> None:
        if self._transport is not None and self._closed is None:
            self._write(frames.LOGOUT_FRAME)
            self._flush()
            self._transport.close()
        self._end(EngineUnavailable("the session was closed"))

    # --- asyncio.Protocol ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        try:
            for received in self._frames.feed(data):
                self._dispatch(received)
        except frames.FrameError as error:
            self._end(EngineUnavailable(f"the gateway sent {error}"))
        if len(self._waiting) < self._window:
            self._room.set()

    def connection_lost(self, error: Exception | None) -> None:
        self._end(EngineUnavailable(f"the gateway closed the session ({error or 'end of stream'})"))

    # --- own ---

    def _dispatch(self, data: bytes) -> None:
        kind = frames.frame_type(data)
        if kind == frames.COMMAND_RESULT:
            result = frames.decode_result(data)
            self._answer(result.request, answers.command_result(result))
        elif kind == frames.EXECUTION_REPORT:
            self._report(answers.report_events(frames.decode_report(data)))
        elif kind == frames.QUERY_RESULT:
            answer = frames.decode_query_answer(data)
            self._answer(answer.request, answer)
        elif kind == frames.REJECT:
            reject = frames.decode_reject(data)
            error = answers.error_of(reject)
            if reject.request == 0:
                self._end(error)
            else:
                self._answer(reject.request, error)
        elif kind == frames.LOGON_ACCEPTED:
            self._logon.set_result(frames.decode_logon_accepted(data))

    def _answer(self, request: int, value: object) -> None:
        future = self._waiting.pop(request, None)
        if future is None or future.done():
            return
        if isinstance(value, EngineError):
            future.set_exception(value)
        else:
            future.set_result(value)

    def _report(self, events: list[EngineEvent]) -> None:
        if self._on_report is not None:
            self._on_report(events)
            return
        for event in events:
            self._reports.put_nowait(event)

    def _promise(self, number: int) -> "asyncio.Future[Any]":
        if self._closed is not None:
            raise self._closed
        future: asyncio.Future[Any] = self._loop.create_future()
        self._waiting[number] = future
        return future

    def _write(self, data: bytes) -> None:
        """Collect what one turn of the loop sends, so that pipelined requests share a packet."""
        if not self._out:
            self._loop.call_soon(self._flush)
        self._out.append(data)

    def _flush(self) -> None:
        if self._out and self._transport is not None and not self._transport.is_closing():
            self._transport.write(b"".join(self._out))
        self._out.clear()

    def _beat(self, interval_s: int) -> None:
        if self._closed is None:
            self._write(frames.HEARTBEAT_FRAME)
            self._heartbeat = self._loop.call_later(interval_s, self._beat, interval_s)

    def _end(self, error: EngineError) -> None:
        """Fail what is unanswered, once."""
        if self._closed is not None:
            return
        self._closed = error
        if self._heartbeat is not None:
            self._heartbeat.cancel()
        if not self._logon.done():
            self._logon.set_exception(error)
        waiting, self._waiting = self._waiting, {}
        for future in waiting.values():
            if not future.done():
                future.set_exception(error)
        self._room.set()
        self._reports.put_nowait(None)
        if self._transport is not None:
            self._transport.close()


class MemberSession(Session):
    """An account's own session: its orders and queries, and reports of what others did to them."""

    @classmethod
    async def connect(
        cls, address: str, token: str, on_report: ReportCallback | None = None
    ) -> "MemberSession":
        """Log on with a member's token.

        `on_report` gets the events of each execution report as it arrives; without it, `reports()`
        yields them.
        """
        return await cls.open(address, frames.MEMBER, token, on_report)

    async def book(self, instrument_id: int, depth: int = 0) -> BookView | None:
        return answers.book_view(await self.query(frames.QUERY_BOOK, instrument_id, depth))

    async def account(self, account_id: int) -> AccountView | None:
        return answers.account_view(await self.query(frames.QUERY_ACCOUNT, account_id))

    async def open_orders(self, account_id: int) -> list[OpenOrder]:
        return answers.open_orders(await self.query(frames.QUERY_OPEN_ORDERS, account_id))


class AsyncEngineClient:
    """A service session for asyncio, opened at the first call and again whenever it is gone."""

    def __init__(self, address: str, token_source: TokenSource, timeout_ms: int = 2000) -> None:
        self._address = address
        self._token_source = token_source
        self._timeout_s = timeout_ms / 1000
        self._epochs = Epochs()
        self._session: Session | None = None
        self._opening = asyncio.Lock()

    async def submit(self, command: Command, *, traceparent: str = "") -> CommandResult:
        """Send a command; many may be under way. Raises as SyncEngineClient.submit does."""
        session = await self._connected()
        return await self._in_time(session.submit(command, traceparent=traceparent))

    async def account(self, account_id: int) -> AccountView | None:
        return answers.account_view(await self._query(frames.QUERY_ACCOUNT, account_id))

    async def book(self, instrument_id: int, depth: int = 0) -> BookView | None:
        return answers.book_view(await self._query(frames.QUERY_BOOK, instrument_id, depth))

    async def open_orders(self, account_id: int) -> list[OpenOrder]:
        return answers.open_orders(await self._query(frames.QUERY_OPEN_ORDERS, account_id))

    async def order(self, order_id: int) -> answers.OrderView | None:
        return answers.order_view(await self._query(frames.QUERY_ORDER, order_id))

    async def status(self) -> EngineStatus:
        return answers.engine_status(await self._query(frames.QUERY_STATUS, 0))

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _query(self, kind: int, argument: int, depth: int = 0) -> frames.QueryAnswer:
        session = await self._connected()
        return await self._in_time(session.query(kind, argument, depth))

    async def _connected(self) -> Session:
        async with self._opening:
            if self._session is None or not self._session.is_open:
                opened = await Session.open(self._address, frames.SERVICE, self._token_source())
                try:
                    self._epochs.check(opened.logon.epoch)
                except EngineUnavailable:
                    await opened.close()
                    raise
                self._session = opened
            return self._session

    async def _in_time(self, answer: Awaitable[_Answer]) -> _Answer:
        try:
            return await asyncio.wait_for(answer, self._timeout_s)
        except TimeoutError as error:
            raise EngineUnavailable("no answer in time") from error
