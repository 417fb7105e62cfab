"""Replays a LOBSTER file against a running engine and measures how exactly it does the same.

Adds and cancels are pipelined: each answer is checked against what the messages alone say. An
execution waits for all answers before it, because it is judged by the resting account's own report.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from infra.replay.accounts import RESTING_ACCOUNT, TAKING_ACCOUNT, Run
from infra.replay.lobster_file import ADD, EXECUTE_HIDDEN, EXECUTE_VISIBLE, REDUCE, LobsterMessage
from infra.replay.queue_model import Best, Levels, QueueModel, RestingOrder
from shared.domain import records as r
from shared.domain.commands import CancelOrder, Command, PlaceOrder, ReplaceOrder
from shared.domain.events import EngineEvent
from shared.domain.instruments import Instrument
from shared.domain.reject_codes import CancelReason
from shared.hotpath_client import MemberSession
from shared.ports.engine import BookView, CommandResult, EngineError
from shared.wire.tokens import TokenIssuer

_UNANSWERED: Final = 256  # commands under way at most: a group commit carries many
_REPORT_TIMEOUT_S: Final = 10.0
_PROGRESS_EVERY: Final = 10_000
_PARTIAL: Final = (REDUCE, EXECUTE_VISIBLE)  # messages that name the lots to take off

Progress = Callable[[str], None]


@dataclass(slots=True)
class Figures:
    """What is counted; `best_differed`: messages after which the best prices were not equal."""

    adds: int = 0
    adds_traded: int = 0
    cancels: int = 0
    executions: int = 0
    executions_exact: int = 0
    skipped: int = 0
    book_equal: bool = False
    seconds: float = 0.0
    best_differed: int = 0
    refused: int = 0
    ack_ns: list[int] = field(default_factory=list)

    def document(self) -> dict[str, Any]:
        """Return what `--json` prints."""
        ordered = sorted(self.ack_ns)
        return {
            "adds": self.adds,
            "adds_traded": self.adds_traded,
            "cancels": self.cancels,
            "executions": self.executions,
            "executions_exact": self.executions_exact,
            "skipped": self.skipped,
            "book_equal": self.book_equal,
            "seconds": round(self.seconds, 3),
            "ack_us": {"p50": _percentile_us(ordered, 50), "p99": _percentile_us(ordered, 99)},
        }


class LobsterReplay:
    """One run over two member sessions."""

    def __init__(self, instrument: Instrument, run: Run) -> None:
        self._instrument = instrument
        self._run = run
        self._model = QueueModel()
        self._engine_levels = Levels()  # as the engine's own events tell them
        self._orders = {RESTING_ACCOUNT: 0, TAKING_ACCOUNT: 0}
        self._reports: asyncio.Queue[list[EngineEvent]] = asyncio.Queue()
        self._failed: BaseException | None = None
        self._sent: deque[asyncio.Future[CommandResult]] = deque()  # the last ones, in order
        self.figures = Figures()

    async def connect(self, address: str, issuer: TokenIssuer) -> None:
        """Log both accounts on; raise EngineUnavailable or EngineRefused."""
        self._taking = await MemberSession.connect(address, issuer.member(TAKING_ACCOUNT))
        token = issuer.member(RESTING_ACCOUNT)
        self._resting = await MemberSession.connect(address, token, self._reports.put_nowait)

    async def close(self) -> None:
        await self._taking.close()
        await self._resting.close()

    async def run(self, messages: Iterable[LobsterMessage], progress: Progress) -> Figures:
        """Send everything; return the figures. Raises EngineError when the engine goes away."""
        started_s = time.monotonic()
        for number, message in enumerate(messages, 1):
            await self._send(message)
            if number % _PROGRESS_EVERY == 0:
                progress(f"{number} messages in {time.monotonic() - started_s:.1f} s")
        await self._all_answered()
        book = await self._resting.book(self._instrument.instrument_id)
        self.figures.seconds = time.monotonic() - started_s
        self.figures.book_equal = self.figures.best_differed == 0 and self._is_equal(book)
        return self.figures

    async def _send(self, message: LobsterMessage) -> None:
        figures = self.figures
        if message.kind == ADD:
            figures.adds += 1
            await self._add(message)
        elif message.kind == EXECUTE_HIDDEN or message.order not in self._model.orders:
            figures.skipped += 1
        elif message.kind == EXECUTE_VISIBLE:
            figures.executions += 1
            if self._model.would_trade_first(message.order):
                await self._execute(message)
            else:  # the exchange followed something that the file does not show
                await self._reduce(message)
        else:
            figures.cancels += 1
            await self._reduce(message)

    async def _add(self, message: LobsterMessage) -> None:
        order_id = self._new_order_id(RESTING_ACCOUNT)
        resting = RestingOrder(order_id, message.side, message.price_ticks, message.quantity_lots)
        self._model.add(message.order, resting)
        await self._pipeline(
            self._place(RESTING_ACCOUNT, order_id, message.side, message, r.GTC), is_add=True
        )

    async def _reduce(self, message: LobsterMessage) -> None:
        """Take the message's lots off an order, or all of it."""
        resting = self._model.orders[message.order]
        lots = resting.leaves_lots if message.kind not in _PARTIAL else message.quantity_lots
        left = self._model.reduce(message.order, lots)
        instrument_id = self._instrument.instrument_id
        command: Command = CancelOrder(RESTING_ACCOUNT, resting.engine_id, instrument_id)
        if left:
            command = ReplaceOrder(
                RESTING_ACCOUNT, resting.engine_id, instrument_id, resting.price_ticks, left
            )
        await self._pipeline(command)

    async def _execute(self, message: LobsterMessage) -> None:
        """Trade with the order and see from its owner's report whether that is what happened."""
        await self._all_answered()
        while not self._reports.empty():
            self._reports.get_nowait()
        resting = self._model.orders[message.order]
        engine_id = resting.engine_id
        left = self._model.reduce(message.order, message.quantity_lots)
        side = r.SELL if resting.side == r.BUY else r.BUY
        order_id = self._new_order_id(TAKING_ACCOUNT)
        sent_ns = time.perf_counter_ns()
        command = self._place(TAKING_ACCOUNT, order_id, side, message, r.IOC)
        result = await self._taking.submit(command)
        self._answered(result, sent_ns, self._model.levels.bests(), is_add=False)
        if not any(event.kind == r.TRADE_EXECUTED for event in result.events):
            return
        report = await asyncio.wait_for(self._reports.get(), _REPORT_TIMEOUT_S)
        if _is_exact(report, result, engine_id, message.quantity_lots, left):
            self.figures.executions_exact += 1

    def _place(
        self, account_id: int, order_id: int, side: int, message: LobsterMessage, tif: int
    ) -> PlaceOrder:
        return PlaceOrder(
            account_id=account_id,
            order_id=order_id,
            instrument_id=self._instrument.instrument_id,
            side=side,
            order_type=r.LIMIT,
            time_in_force=tif,
            quantity_lots=message.quantity_lots,
            price_ticks=message.price_ticks,
        )

    def _new_order_id(self, account_id: int) -> int:
        self._orders[account_id] += 1
        return self._run.order_id(account_id, self._orders[account_id])

    # --- answers -----------------------------------------------------------------------------

    async def _pipeline(self, command: Command, *, is_add: bool = False) -> None:
        """Send without waiting for the answer, unless too many are under way."""
        if self._resting.unanswered >= _UNANSWERED:
            await self._answered_up_to(len(self._sent) - _UNANSWERED)
        self._raise_failure()
        expected, sent_ns = self._model.levels.bests(), time.perf_counter_ns()

        def answered(future: "asyncio.Future[CommandResult]") -> None:
            error = future.exception()
            if error is not None:
                self._failed = error
            else:
                self._answered(future.result(), sent_ns, expected, is_add=is_add)

        future = self._resting.send(command)
        future.add_done_callback(answered)
        self._sent.append(future)

    async def _all_answered(self) -> None:
        await self._answered_up_to(len(self._sent) - 1)
        self._raise_failure()

    async def _answered_up_to(self, place: int) -> None:
        """Sleep until a command is answered, and all before it: answers come in their order.

        Looking again and again would take the processor that the engine needs to answer.
        """
        if 0 <= place < len(self._sent):
            await asyncio.wait([self._sent[place]])
            await asyncio.sleep(0)  # the callbacks run
        while self._sent and self._sent[0].done():
            self._sent.popleft()

    def _raise_failure(self) -> None:
        if self._failed is not None:
            raise EngineError(f"a command was not answered: {self._failed}") from self._failed

    def _answered(
        self, result: CommandResult, sent_ns: int, expected: tuple[Best, Best], *, is_add: bool
    ) -> None:
        """Follow the engine's book by its events; compare it with what the messages say."""
        self.figures.ack_ns.append(time.perf_counter_ns() - sent_ns)
        for event in result.events:
            if event.kind == r.REJECTED:
                self.figures.refused += 1
            elif is_add and event.kind == r.TRADE_EXECUTED:
                self.figures.adds_traded += 1
            for side, price_ticks, lots in _level_changes(event):
                self._engine_levels.set(side, price_ticks, lots)
        if self._engine_levels.bests() != expected:
            self.figures.best_differed += 1

    def _is_equal(self, book: BookView | None) -> bool:
        if book is None:
            return False
        sides = zip(self._model.levels.totals, (book.bids, book.asks), strict=True)
        return all(
            totals == {level.price_ticks: level.quantity_lots for level in levels}
            for totals, levels in sides
        )


def _is_exact(
    report: list[EngineEvent], result: CommandResult, order_id: int, lots: int, left: int
) -> bool:
    """Return whether the resting account was told of this fill of this order, and nothing else."""
    trades = [event for event in result.events if event.kind == r.TRADE_EXECUTED]
    if len(report) != 1 or len(trades) != 1 or report[0].sequence != result.sequence:
        return False
    fill = report[0]
    return (
        fill.kind == r.TRADE_EXECUTED
        and fill.contra_order_id == order_id
        and fill.quantity_lots == lots
        and fill.contra_leaves_lots == left
    )


def _level_changes(event: EngineEvent) -> list[tuple[int, int, int]]:
    """Return (side, price_ticks, total lots) of the levels that an event touched."""
    lots = event.words[r.E_LEVEL_LOTS]
    if event.kind == r.TRADE_EXECUTED:
        resting_side = r.SELL if event.side == r.BUY else r.BUY
        return [(resting_side, event.price_ticks, lots)]
    if event.kind == r.ORDER_REPLACED:
        old = (event.side, event.words[r.E_OLD_PRICE], event.words[r.E_OLD_LEVEL_LOTS])
        new = (event.side, event.price_ticks, lots)
        return [old, new] if event.is_resting else [old]
    is_in_book = event.kind == r.ORDER_RESTED or (
        event.kind == r.ORDER_ACCEPTED and event.is_resting
    )
    if is_in_book or (event.kind == r.ORDER_CANCELLED and event.code == CancelReason.REQUESTED):
        return [(event.side, event.price_ticks, lots)]
    return []


def _percentile_us(ordered_ns: list[int], percent: int) -> float:
    if not ordered_ns:
        return 0.0
    return round(ordered_ns[min(len(ordered_ns) - 1, len(ordered_ns) * percent // 100)] / 1000, 1)
