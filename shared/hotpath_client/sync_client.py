"""The blocking client of the order-entry protocol: thread-safe, reconnecting, with time-outs."""

import select
import socket
import threading
import time
from collections.abc import Callable, Collection, Sequence
from typing import Final, Self

from shared.domain.commands import Command
from shared.hotpath_client import answers
from shared.hotpath_client.epochs import Epochs
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
from shared.wire.tokens import TokenIssuer

TokenSource = Callable[[], str]
_READ_BYTES: Final = 1 << 16
_FIRST_QUERY: Final = 1 << 62
_RENEW_BEFORE_S: Final = 5.0  # a session is renewed this long before its token expires


def service_tokens(private_key_pem: bytes, scopes: Collection[str]) -> TokenSource:
    """Return a source of fresh service tokens signed with the key."""
    issuer = TokenIssuer(private_key_pem)
    return lambda: issuer.service(scopes)


class SyncEngineClient:
    """A service session, opened at the first call and again whenever it is gone.

    Implements shared.ports.engine.Engine. One request is under way at a time; `submit_many`
    pipelines. A call that fails after its command was sent does not repeat it: the caller knows
    whether the id makes that harmless. Where a shard is given, the engine of another one counts
    as unavailable; so does, always, one that was replaced by an engine that this client has seen.
    """

    def __init__(
        self,
        address: str,
        token_source: TokenSource,
        timeout_ms: int = 2000,
        *,
        session_kind: int = frames.SERVICE,
        shard: int | None = None,
    ) -> None:
        host, _, port = address.rpartition(":")
        self._address = (host or "127.0.0.1", int(port))
        self._token_source = token_source
        self._timeout_s = timeout_ms / 1000
        self._kind = session_kind
        self._shard = shard
        self._lock = threading.Lock()
        self._epochs = Epochs()
        self._connection: Connection | None = None
        self._request = 0  # commands are numbered apart: a member's have to be in a row
        self._queries = _FIRST_QUERY

    def submit(self, command: Command, *, traceparent: str = "") -> CommandResult:
        """Return the durable command's place and events; refusals are REJECTED events.

        Raises
        ------
        EngineBusy
            It was not queued.
        EngineRefused
            This session may not send it.
        EngineUnavailable
            No answer came; the command may have been taken.
        """
        (answer,) = self.submit_many([command], traceparent=traceparent)
        if isinstance(answer, EngineError):
            raise answer
        return answer

    def submit_many(
        self, commands: Sequence[Command], *, traceparent: str = ""
    ) -> list[CommandResult | EngineError]:
        """Send commands without waiting between them; return one answer each, in order.

        A command that the gateway refused has its EngineError in its place. Raises
        EngineUnavailable when not all answers came.
        """
        trace = frames.trace_bytes(traceparent)
        found: list[CommandResult | EngineError] = []
        with self._lock:
            connection = self._connected()
            step = max(1, connection.logon.window // 2)
            for start in range(0, len(commands), step):
                requests = [
                    frames.encode_command(self._next_request(), command.words(), trace)
                    for command in commands[start : start + step]
                ]
                first = self._request - len(requests) + 1
                received = self._exchange(connection, requests)
                received.sort(key=answers.request_of)  # refusals overtake results
                shard = connection.logon.shard
                found += [self._result(data, first + i, shard) for i, data in enumerate(received)]
        return found

    def account(self, account_id: int) -> AccountView | None:
        return answers.account_view(self._query(frames.QUERY_ACCOUNT, account_id), self._shard or 0)

    def book(self, instrument_id: int, depth: int = 0) -> BookView | None:
        return answers.book_view(self._query(frames.QUERY_BOOK, instrument_id, depth))

    def open_orders(self, account_id: int) -> list[OpenOrder]:
        return answers.open_orders(self._query(frames.QUERY_OPEN_ORDERS, account_id))

    def order(self, order_id: int) -> answers.OrderView | None:
        """Return what the engine knows of an order id, or None if no command ever used it."""
        return answers.order_view(self._query(frames.QUERY_ORDER, order_id))

    def status(self) -> EngineStatus:
        return answers.engine_status(self._query(frames.QUERY_STATUS, 0))

    def close(self) -> None:
        with self._lock:
            self._drop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _query(self, kind: int, argument: int, depth: int = 0) -> frames.QueryAnswer:
        with self._lock:
            connection = self._connected()
            self._queries += 1
            query = frames.Query(self._queries, kind, argument, depth)
            (data,) = self._exchange(connection, [frames.encode_query(query)])
        if frames.frame_type(data) == frames.REJECT:
            raise answers.error_of(frames.decode_reject(data))
        answer = frames.decode_query_answer(data)
        self._check_number(answer.request, query.request)
        return answer

    def _result(self, data: bytes, request: int, shard: int) -> CommandResult | EngineError:
        if frames.frame_type(data) == frames.REJECT:
            reject = frames.decode_reject(data)
            self._check_number(reject.request, request)
            return answers.error_of(reject)
        result = frames.decode_result(data)
        self._check_number(result.request, request)
        return answers.command_result(result, shard)

    def _check_number(self, answered: int, asked: int) -> None:
        """Raise when an answer is another request's: the connection is of no more use."""
        if answered != asked:
            self._drop()
            raise EngineUnavailable(f"request {asked} got the answer to {answered}")

    def _next_request(self) -> int:
        self._request += 1
        return self._request

    def _connected(self) -> "Connection":
        """Return a live session: the present one unless it was closed or nears its end."""
        if self._connection is not None and not self._connection.usable():
            self._drop()
        if self._connection is None:
            opened = Connection(self._address, self._kind, self._token_source(), self._timeout_s)
            if self._shard not in (None, opened.logon.shard):
                opened.close()
                raise EngineUnavailable(
                    f"{_text(self._address)} is shard {opened.logon.shard}, not {self._shard}"
                )
            try:
                self._epochs.check(opened.logon.epoch)
            except EngineUnavailable:
                opened.close()
                raise
            self._connection = opened
            if self._kind == frames.MEMBER:
                self._request = opened.logon.next_request - 1
        return self._connection

    def _exchange(self, connection: "Connection", requests: Sequence[bytes]) -> list[bytes]:
        try:
            return connection.exchange(requests, time.monotonic() + self._timeout_s)
        except (OSError, frames.FrameError) as error:
            self._drop()
            raise EngineUnavailable(f"engine at {_text(self._address)}: {error}") from error
        except EngineError:
            self._drop()
            raise

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class Connection:
    """One logged-on TCP connection."""

    def __init__(self, address: tuple[str, int], kind: int, token: str, timeout_s: float) -> None:
        try:
            self._socket = socket.create_connection(address, timeout_s)
        except OSError as error:
            raise EngineUnavailable(f"engine at {_text(address)}: {error}") from error
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._frames = frames.FrameBuffer(frames.MAX_ANSWER_BYTES)
        self._received: list[bytes] = []
        try:
            self._socket.sendall(frames.encode_logon(frames.Logon(kind, token)))
            answer = self._next_answer(time.monotonic() + timeout_s)
            if frames.frame_type(answer) == frames.REJECT:
                raise answers.error_of(frames.decode_reject(answer))
            self.logon = frames.decode_logon_accepted(answer)
        except (OSError, frames.FrameError) as error:
            self.close()
            raise EngineUnavailable(f"logon at {_text(address)}: {error}") from error
        except EngineError:
            self.close()
            raise

    def usable(self) -> bool:
        """Return whether the session is open still and will be for a while.

        Between requests the gateway sends nothing but heartbeats and its last words.
        """
        if time.time() + _RENEW_BEFORE_S > self.logon.expires_ms / 1000:
            return False
        try:
            while select.select([self._socket], [], [], 0)[0]:
                data = self._socket.recv(_READ_BYTES)
                if not data:
                    return False
                for received in self._frames.feed(data):
                    if frames.frame_type(received) == frames.REJECT:
                        return False
        except (OSError, frames.FrameError):
            return False
        return True

    def exchange(self, requests: Sequence[bytes], deadline: float) -> list[bytes]:
        """Send the requests and return as many answers."""
        self._socket.settimeout(max(0.001, deadline - time.monotonic()))
        self._socket.sendall(b"".join(requests))
        return [self._next_answer(deadline) for _ in requests]

    def send(self, data: bytes) -> None:
        """Send a frame that is not answered."""
        self._socket.sendall(data)

    def close(self) -> None:
        self._socket.close()

    def _next_answer(self, deadline: float) -> bytes:
        """Return the next frame that answers a request; raise what a closing reject stands for."""
        while True:
            while self._received:
                data = self._received.pop()
                kind = frames.frame_type(data)
                if kind in (frames.HEARTBEAT, frames.EXECUTION_REPORT):
                    continue
                if kind == frames.REJECT:
                    reject = frames.decode_reject(data)
                    if reject.request == 0:
                        raise answers.error_of(reject)
                return data
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                raise TimeoutError("no answer in time")
            self._socket.settimeout(left_s)
            received = self._socket.recv(_READ_BYTES)
            if not received:
                raise ConnectionResetError("the gateway closed the session")
            self._received = self._frames.feed(received)[::-1]


def _text(address: tuple[str, int]) -> str:
    return f"{address[0]}:{address[1]}"
