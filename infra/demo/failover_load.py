"""A paced stream of orders that outlives its engine: it comes back, repeats, and notes answers."""

import random
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from shared.domain import records as r
from shared.domain.commands import (
    AddAccount,
    AddInstrument,
    CancelOrder,
    Command,
    DepositShares,
    MoveCash,
    PlaceOrder,
)
from shared.domain.ids import SOURCE_LEDGER, administrative_id, member_order_id
from shared.wire import frames

Words = Sequence[int]
INSTRUMENT: Final = 1
USD: Final = 840
ACCOUNTS: Final = 4
_WINDOW: Final = 1024
_CHUNK: Final = 64
_RECONNECT_S: Final = 0.005
_ANSWER_WITHIN_S: Final = 0.5
_SILENT_S: Final = 1.0  # one that owes answers for so long is given up


@dataclass
class Connection:
    """One session as the client saw it."""

    epoch: int
    first_answer_s: float = 0.0
    last_answer_s: float = 0.0


@dataclass
class Noted:
    """What the load was told, for comparison with the journal."""

    answered: list[tuple[Words, frames.Result]] = field(default_factory=list)
    connections: list[Connection] = field(default_factory=list)
    refused_epochs: list[int] = field(default_factory=list)


class Load:
    """Sends `rate` commands a second from a thread of its own, whoever answers.

    `address` names one place or several, of which the engine is at one at a time.
    """

    def __init__(self, address: str, token: Callable[[], str], rate: int, seed: int) -> None:
        places = (place.rpartition(":") for place in address.split(","))
        self._addresses = [(host, int(port)) for host, _, port in places]
        self._token = token
        self._rate = rate
        self._dice = random.Random(seed)
        self._number = self._request = 0
        self._unanswered: dict[int, Words] = {}
        self._is_stopping = False
        self._sent = 0
        self._paced_from_s = 0.0
        self.noted = Noted()
        self._new = self._commands()
        self._thread = threading.Thread(target=self._run, name="load", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Let what is under way be answered, then end."""
        self._is_stopping = True
        self._thread.join(20)

    @property
    def answers(self) -> int:
        return len(self.noted.answered)

    def _commands(self) -> Iterator[Words]:
        """Yield what makes a market, then orders around one price and cancels of earlier ones."""
        yield from (command.words() for command in market(ACCOUNTS, 10**15, 10**9))
        dice = self._dice
        while True:
            account = dice.randint(1, ACCOUNTS)
            if self._number > 100 and dice.random() < 0.25:
                order_id = member_order_id(account, dice.randint(1, self._number))
                yield CancelOrder(account, order_id, INSTRUMENT).words()
                continue
            self._number += 1
            yield PlaceOrder(
                account_id=account,
                order_id=member_order_id(account, self._number),
                instrument_id=INSTRUMENT,
                side=dice.choice((r.BUY, r.SELL)),
                order_type=r.LIMIT,
                time_in_force=r.GTC,
                quantity_lots=dice.randint(1, 3),
                price_ticks=dice.randint(9_990, 10_010),
            ).words()

    def _run(self) -> None:
        while not self._is_stopping or self._unanswered:
            for address in self._addresses:
                try:
                    with socket.create_connection(address, 1.0) as connection:
                        self._converse(connection)
                except (OSError, frames.FrameError):
                    time.sleep(_RECONNECT_S)

    def _converse(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(frames.encode_logon(frames.Logon(frames.SERVICE, self._token())))
        buffer = frames.FrameBuffer(frames.MAX_ANSWER_BYTES)
        again, self._unanswered = list(self._unanswered.values()), {}
        for start in range(0, len(again), _CHUNK):  # a repeat of each, in the order of the first
            self._send(connection, again[start : start + _CHUNK])
        self._paced_from_s, self._sent = time.monotonic(), 0
        heard_s = time.monotonic()
        while not self._is_stopping or self._unanswered:
            due = int((time.monotonic() - self._paced_from_s) * self._rate) - self._sent
            has_room = len(self._unanswered) + _CHUNK <= _WINDOW
            if due >= _CHUNK and has_room and not self._is_stopping:
                self._sent += _CHUNK
                self._send(connection, [next(self._new) for _ in range(_CHUNK)])
                continue
            connection.settimeout(_CHUNK / self._rate if has_room else _ANSWER_WITHIN_S)
            try:
                data = connection.recv(1 << 16)
            except TimeoutError:
                if self._unanswered and time.monotonic() - heard_s > _SILENT_S:
                    raise ConnectionError("the engine does not answer") from None
                continue
            heard_s = time.monotonic()
            if not data:
                raise ConnectionError("the engine is gone")
            for frame in buffer.feed(data):
                self._take(frame)

    def _send(self, connection: socket.socket, commands: Sequence[Words]) -> None:
        encoded = []
        for words in commands:
            self._request += 1
            self._unanswered[self._request] = words
            encoded.append(frames.encode_command(self._request, words))
        connection.settimeout(_ANSWER_WITHIN_S)
        connection.sendall(b"".join(encoded))

    def _take(self, frame: bytes) -> None:
        kind, noted = frames.frame_type(frame), self.noted
        if kind == frames.COMMAND_RESULT:
            result = frames.decode_result(frame)
            noted.answered.append((self._unanswered.pop(result.request), result))
            session = noted.connections[-1]
            session.last_answer_s = time.monotonic()
            session.first_answer_s = session.first_answer_s or session.last_answer_s
        elif kind == frames.LOGON_ACCEPTED:
            epoch = frames.decode_logon_accepted(frame).epoch
            if noted.connections and epoch < noted.connections[-1].epoch:
                noted.refused_epochs.append(epoch)
                raise ConnectionError(f"epoch {epoch} is an old engine's")
            noted.connections.append(Connection(epoch))
        elif kind == frames.REJECT:
            raise ConnectionError("the engine refuses, or is about to end")


def market(accounts: int = 2, cash_minor: int = 10**12, lots: int = 10**6) -> list[Command]:
    """Return the commands that make one instrument and funded accounts 1 … `accounts`."""
    numbers = iter(range(1, 1_000_000))

    def next_id() -> int:
        return administrative_id(SOURCE_LEDGER, next(numbers))

    commands: list[Command] = [
        AddInstrument(
            command_id=next_id(),
            instrument_id=INSTRUMENT,
            currency_number=USD,
            tick_value_minor=1,
            reference_price_ticks=10_000,
            min_price_ticks=1,
            max_price_ticks=20_000,
            max_order_lots=1_000_000,
            collar_bps=1000,
        )
    ]
    for account in range(1, accounts + 1):
        commands += [
            AddAccount(next_id(), account, USD),
            MoveCash(r.DEPOSIT_CASH, next_id(), account, cash_minor),
            DepositShares(next_id(), account, INSTRUMENT, lots),
        ]
    return commands
