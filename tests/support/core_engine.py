"""The Engine port on the real core, in this process: what services' tests trade against.

No journal, no socket: a command is stamped and applied at once, and `published` holds the messages
that the publisher would make of it. `is_down` makes every call fail; `lose_answers` makes it act
and then fail, so many times.
"""

import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

from hotpath.core.api import Engine as Core
from hotpath.runtime.publisher.stream_messages import messages
from shared.domain import records as r
from shared.domain.commands import AddAccount, Command, DepositShares, MoveCash
from shared.domain.events import decode_event
from shared.domain.ids import SOURCE_LEDGER, SOURCE_USERS, administrative_id
from shared.ports.engine import (
    AccountView,
    BookLevel,
    BookView,
    CommandResult,
    EngineStatus,
    EngineUnavailable,
    OpenOrder,
    PositionView,
)
from shared.ports.event_stream import Message
from shared.reference import instruments
from shared.wire.journal import JournaledCommand
from shared.wire.stream_events import (
    MARKET_DATA,
    ORDER_EVENTS,
    RISK_EVENTS,
    TRADE_EXECUTIONS,
    MarketDataUpdate,
    OrderEvent,
    RiskEvent,
    TradeExecution,
)

SHARD = 1
START_NS = 1_780_000_000_000_000_000  # 2026-05-28T20:26:40Z
USD = 840


@dataclass
class CoreEngine:
    """Implements shared.ports.engine.Engine; time goes on by a second with every command."""

    published: list[Message] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)
    is_down: bool = False
    lose_answers: int = 0
    step_ns: int = 1_000_000_000
    _core: Any = field(default_factory=lambda: Core(max_ids=1 << 16, max_orders=1 << 14))
    _lock: Any = field(default_factory=threading.RLock)
    _numbers: Iterator[int] = field(default_factory=lambda: iter(range(1, 1 << 40)))

    def __post_init__(self) -> None:
        for command in instruments().engine_commands():
            self.submit(command)

    # --- the port ------------------------------------------------------------------------------

    def submit(self, command: Command, *, traceparent: str = "") -> CommandResult:
        with self._lock:
            self._check()
            result = self._apply(command, traceparent)
            if self.lose_answers > 0:
                self.lose_answers -= 1
                raise EngineUnavailable("the answer was lost")
            return result

    def account(self, account_id: int) -> AccountView | None:
        with self._lock:
            self._check()
            found = self._core.queries.account(account_id)
            if found is None:
                return None
            positions = [PositionView(*row) for row in self._core.queries.positions(account_id)]
            return AccountView(account_id, *found, positions)  # type: ignore[call-arg]

    def book(self, instrument_id: int, depth: int) -> BookView | None:
        with self._lock:
            self._check()
            levels = self._core.queries.book_levels(instrument_id, depth)
            state = self._core.queries.instrument(instrument_id)
            if levels is None or state is None:
                return None
            bids, asks = ([BookLevel(*row) for row in side] for side in levels)
            return BookView(instrument_id, state[0], self._core.sequence, bids, asks)

    def open_orders(self, account_id: int) -> list[OpenOrder]:
        with self._lock:
            self._check()
            return [OpenOrder(*row) for row in self._core.queries.open_orders(account_id)]

    def status(self) -> EngineStatus:
        self._check()
        sequence = self._core.sequence
        return EngineStatus(SHARD, 1, sequence, sequence, False, "", 0, "os", 0)

    # --- what tests ask of it ------------------------------------------------------------------

    def open_account(self, account_id: int, cash_minor: int = 0, **shares: int) -> None:
        """Open an account with cash and with lots of instruments, by symbol."""
        self.submit(AddAccount(self._id(SOURCE_USERS), account_id, USD))
        if cash_minor:
            self.submit(MoveCash(r.DEPOSIT_CASH, self._id(SOURCE_LEDGER), account_id, cash_minor))
        for symbol, lots in shares.items():
            number = instruments().by_symbol[symbol].instrument_id
            self.submit(DepositShares(self._id(SOURCE_LEDGER), account_id, number, lots))

    def order_events(self) -> list[OrderEvent]:
        return self._decoded(ORDER_EVENTS, OrderEvent)

    def trade_executions(self) -> list[TradeExecution]:
        return self._decoded(TRADE_EXECUTIONS, TradeExecution)

    def market_data(self) -> list[MarketDataUpdate]:
        return self._decoded(MARKET_DATA, MarketDataUpdate)

    def risk_events(self) -> list[RiskEvent]:
        return self._decoded(RISK_EVENTS, RiskEvent)

    def _decoded(self, topic: str, kind: Any) -> list[Any]:
        return [
            msgspec.json.decode(message.value, type=kind)
            for message in self.published
            if message.topic == topic
        ]

    def _id(self, source: int) -> int:
        return administrative_id(source, next(self._numbers))

    def _check(self) -> None:
        if self.is_down:
            raise EngineUnavailable("down")

    def _apply(self, command: Command, traceparent: str) -> CommandResult:
        self.commands.append(command)
        return self._apply_words(command.words(), traceparent)

    def _apply_words(self, words: list[int], traceparent: str) -> CommandResult:
        sequence = self._core.sequence + 1
        time_ns = START_NS + sequence * self.step_ns
        self._core.reset_events()
        record = struct.pack(f"<{len(words)}q", *words)
        self._core.apply_stamped(record, 0, sequence, time_ns)
        data = self._core.events_bytes()
        size = 8 * r.EVENT_WORDS
        rows = tuple(
            struct.unpack_from(f"<{r.EVENT_WORDS}q", data, start)
            for start in range(0, len(data), size)
        )
        words[r.C_SEQUENCE], words[r.C_TIME_NS] = sequence, time_ns
        trace = bytes.fromhex(traceparent[3:35] + traceparent[36:52]) if traceparent else b""
        journaled = JournaledCommand(sequence, time_ns, tuple(words), rows, trace)
        self.published += [message for _, message in messages(SHARD, journaled)]
        if self._core.has_work_left:
            self._apply_words([r.CONTINUE, *[0] * (r.COMMAND_WORDS - 1)], "")
        events = [decode_event(row, sequence, index, time_ns) for index, row in enumerate(rows)]
        return CommandResult(sequence, time_ns, events)
