"""The use cases of orders: place, cancel, replace, look. Outcomes are values, faults raise."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Final

from functions.orders import engine_answer, history, projection, store
from functions.orders.buying_power import need_of
from functions.orders.engine_answer import Origin
from functions.orders.history import Step
from functions.orders.lifecycle import fold, sent
from functions.orders.store import NewOrder, OrderFilter, StoredOrder
from functions.orders.terms import Terms
from shared.domain.commands import CancelOrder, Command, ReplaceOrder
from shared.domain.reject_codes import RejectCode
from shared.ports.clock import Clock, SystemClock
from shared.ports.engine import CommandResult, Engine, EngineError
from shared.ports.failures import InfrastructureUnavailable
from shared.postgres.pool import DatabaseUnavailable, PoolSource
from shared.postgres.unit_of_work import UnitOfWork
from shared.reference import instruments
from shared.wire.stream_events import OrderEvent

REPEAT_WAIT_S: Final = 2.0  # how long a repeated request waits for the first one's answer
_REPEAT_POLL_S: Final = 0.02


# (account, shard, needed, enough, traceparent) → what arrived, all in minor units
BringCredit = Callable[[int, int, int, int, str], int]


class Sending(Enum):
    """What sending an order came to."""

    ANSWERED = auto()  # the engine said what came of it
    KNOWN = (
        auto()
    )  # the engine had it from an earlier sending; `order-events` tells what came of it
    SILENT = auto()  # no answer: it may have it or not


@dataclass(frozen=True, slots=True)
class Placed:
    """The order is stored, and was sent."""

    order: StoredOrder
    sending: Sending


@dataclass(frozen=True, slots=True)
class Repeated:
    """The client order id was used for the same request before: here is its order."""

    order: StoredOrder


@dataclass(frozen=True, slots=True)
class ClientOrderIdReused:
    """The client order id was used for another request."""


@dataclass(frozen=True, slots=True)
class LinkedElsewhere:
    """The order that it is linked with trades at another engine."""


@dataclass(frozen=True, slots=True)
class Changed:
    order: StoredOrder


@dataclass(frozen=True, slots=True)
class NotFound:
    """The account has no such order."""


@dataclass(frozen=True, slots=True)
class NotOpen:
    """The order is done, so it can be neither cancelled nor replaced."""

    order: StoredOrder


@dataclass(frozen=True, slots=True)
class Refused:
    """The engine refused the change; the order is as it was."""

    code: RejectCode


class OrderService:
    """Use cases over one database and one engine."""

    def __init__(
        self,
        source: PoolSource,
        engine: Callable[[], Engine],
        clock: Clock | None = None,
        shard_of: Callable[[int], int] = lambda instrument_id: 0,
        bring_credit: BringCredit | None = None,
    ) -> None:
        self._source = source
        self._engine = engine
        self._clock = clock or SystemClock()
        self._shard_of = shard_of
        self._bring_credit = bring_credit

    def place(self, order: NewOrder) -> Placed | Repeated | ClientOrderIdReused | LinkedElsewhere:
        """Store an order, then send it.

        Raises
        ------
        DatabaseUnavailable
            Nothing was sent; the order may be stored, and is then sent later.
        """
        with UnitOfWork(self._source) as uow:
            if self._is_linked_elsewhere(uow, order):
                return LinkedElsewhere()
            stored = store.insert_new(uow, order)
            uow.commit()
        if stored is None:
            return self._repeated(order)
        return self.send(stored)

    def send(self, order: StoredOrder) -> Placed:
        """Send a stored order to the engine and store what it answers.

        Without an answer the order is PENDING: the engine may have it or not, and sending it
        again is harmless. An answer that cannot be stored is given all the same, since
        `order-events` repeats it.
        """
        command = order.terms.command(order.account_id, order.order_id)
        try:
            result = self._submit(order, command, order.terms)
        except EngineError:
            return Placed(self._store_sent(order), Sending.SILENT)
        steps = engine_answer.placed(command, result, Origin(result.shard, order.trace_id))
        if not steps:
            return Placed(self._store_sent(order), Sending.KNOWN)
        return Placed(self._store_steps(order, steps), Sending.ANSWERED)

    def traded_beside(self, instrument_id: int) -> set[int]:
        """Return the instruments of an instrument's engine, with itself."""
        shard, numbers = self._shard_of(instrument_id), [it.instrument_id for it in instruments()]
        return {instrument_id, *(it for it in numbers if self._shard_of(it) == shard)}

    def save_answer(self, order_id: int, status: int, body: str) -> None:
        """Keep a request's answer, so that its repetition gets the same bytes."""
        try:
            with UnitOfWork(self._source) as uow:
                store.save_answer(uow, order_id, status, body)
                uow.commit()
        except DatabaseUnavailable:
            pass  # the repetition then gets the order as it stands

    def cancel(self, account_id: int, order_id: int) -> Changed | NotFound | NotOpen | Refused:
        """Cancel an open order.

        Raises
        ------
        EngineError
            Whether the order is cancelled is unknown; cancelling it again is harmless.
        """
        order = self._open_order(account_id, order_id)
        if not isinstance(order, StoredOrder):
            return order
        command = CancelOrder(account_id, order_id, order.terms.instrument_id)
        return self._change(order, command, order.terms)

    def replace(
        self,
        account_id: int,
        order_id: int,
        new_terms: Callable[[StoredOrder], Terms],
    ) -> Changed | NotFound | NotOpen | Refused:
        """Give an open order new terms; `new_terms` works them out from the order as it stands.

        Raises
        ------
        EngineError
            Whether the order is replaced is unknown.
        """
        order = self._open_order(account_id, order_id)
        if not isinstance(order, StoredOrder):
            return order
        terms = new_terms(order)
        command = ReplaceOrder(
            account_id, order_id, terms.instrument_id, terms.price_ticks, terms.quantity_lots
        )
        return self._change(order, command, terms)

    def get(self, account_id: int, order_id: int) -> StoredOrder | None:
        """Return an account's own order."""
        with UnitOfWork(self._source) as uow:
            return store.find(uow, account_id, order_id)

    def history(self, account_id: int, order_id: int) -> tuple[StoredOrder, list[Step]] | None:
        """Return an account's own order and its steps."""
        with UnitOfWork(self._source) as uow:
            order = store.find(uow, account_id, order_id)
            return None if order is None else (order, history.steps_of(uow, order_id))

    def page(self, account_id: int, wanted: OrderFilter) -> list[StoredOrder]:
        """Return an account's own orders, newest first."""
        with UnitOfWork(self._source) as uow:
            return store.find_page(uow, account_id, wanted)

    def _is_linked_elsewhere(self, uow: UnitOfWork, order: NewOrder) -> bool:
        told = order.terms.instructions
        if told is None or not told.linked_order_id:
            return False
        linked = store.find(uow, order.account_id, int(told.linked_order_id))
        return linked is not None and self._shard_of(linked.terms.instrument_id) != self._shard_of(
            order.terms.instrument_id
        )

    def _repeated(self, order: NewOrder) -> Repeated | ClientOrderIdReused:
        """Return the first request's order, once it has an answer or the wait is over."""
        assert order.client_order_id is not None
        deadline = time.monotonic() + REPEAT_WAIT_S
        while True:
            with UnitOfWork(self._source) as uow:
                first = store.find_by_client_order_id(uow, order.account_id, order.client_order_id)
            assert first is not None, "insert_new found it"
            if first.request_hash != order.request_hash:
                return ClientOrderIdReused()
            if first.answer_status is not None or time.monotonic() >= deadline:
                return Repeated(first)
            time.sleep(_REPEAT_POLL_S)

    def _open_order(self, account_id: int, order_id: int) -> StoredOrder | NotFound | NotOpen:
        """Return an order that may be changed, making sure that the engine has it."""
        order = self.get(account_id, order_id)
        if order is None:
            return NotFound()
        if order.state.place[0] == 0 and not order.state.is_done:
            order = self.send(order).order
        return NotOpen(order) if order.state.is_done else order

    def _submit(self, order: StoredOrder, command: Command, terms: Terms) -> CommandResult:
        """Send a command; one that lacks buying power once more, after credit was brought there.

        Refused commands are not remembered, so the same id is judged anew.
        """
        engine = self._engine()
        result = engine.submit(command, traceparent=order.traceparent)
        if (
            self._bring_credit is None
            or engine_answer.refusal(result) is not RejectCode.INSUFFICIENT_FUNDS
        ):
            return result
        instrument = instruments().by_id[terms.instrument_id]
        try:
            book = None if terms.price_ticks else engine.book(terms.instrument_id, 1)
            need_minor, enough_minor = need_of(terms, instrument, book)
            moved_minor = self._bring_credit(
                order.account_id, result.shard, need_minor, enough_minor, order.traceparent
            )
        except InfrastructureUnavailable:
            return result
        if moved_minor == 0:
            return result
        return engine.submit(command, traceparent=order.traceparent)

    def _change(
        self, order: StoredOrder, command: Command, terms: Terms
    ) -> Changed | NotOpen | Refused:
        result = self._submit(order, command, terms)
        code = engine_answer.refusal(result)
        if code is RejectCode.UNKNOWN_ORDER:
            return NotOpen(order)  # it was filled or cancelled, and the stream has yet to say so
        if code is not None:
            return Refused(code)
        origin = Origin(result.shard, order.trace_id)
        steps = engine_answer.changed(order.order_id, result, origin)
        return Changed(self._store_steps(order, steps))

    def _store_steps(self, order: StoredOrder, steps: list[OrderEvent]) -> StoredOrder:
        try:
            with UnitOfWork(self._source) as uow:
                applied = projection.apply_events(uow, steps)
                uow.commit()
        except DatabaseUnavailable:
            return replace(order, state=fold(order.state, steps))
        return applied[order.order_id]

    def _store_sent(self, order: StoredOrder) -> StoredOrder:
        pending = replace(order, state=sent(order.state))
        try:
            with UnitOfWork(self._source) as uow:
                store.mark_sent(uow, pending, self._clock.now_ns())
                uow.commit()
        except DatabaseUnavailable:
            pass  # it stays NEW and is sent again like one that is PENDING
        return pending
