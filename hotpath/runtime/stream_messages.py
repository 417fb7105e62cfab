"""What the stream is told about one journaled command: a pure function of the journal.

Publishing the same command again gives the same bytes in the same order, so a publisher that comes
back can find by comparison how far its predecessor came. `message_encoder` says the same of the
everyday commands, faster; what changes here for those changes there.
"""

from collections.abc import Callable, Iterator
from typing import Final

import msgspec

from shared.domain import records as r
from shared.domain.events import EngineEvent, decode_event
from shared.domain.ids import trade_id
from shared.domain.reject_codes import CancelReason, RejectCode
from shared.ports.event_stream import Message
from shared.wire import stream_events as s
from shared.wire.frames import traceparent
from shared.wire.journal import JournaledCommand

SIDES: Final = {r.BUY: "BUY", r.SELL: "SELL"}
ORDER_TYPES: Final = {r.LIMIT: "LIMIT", r.MARKET: "MARKET"}
TIMES_IN_FORCE: Final = {r.GTC: "GTC", r.IOC: "IOC"}
ACCOUNT_STATES: Final = {
    r.ACCOUNT_ACTIVE: "ACTIVE",
    r.ACCOUNT_REDUCING: "REDUCING",
    r.ACCOUNT_HALTED: "HALTED",
}
INSTRUMENT_STATES: Final = {r.INSTRUMENT_CONTINUOUS: "CONTINUOUS", r.INSTRUMENT_HALTED: "HALTED"}
_ORDER_COMMANDS: Final = (r.PLACE_ORDER, r.CANCEL_ORDER, r.REPLACE_ORDER, r.MASS_CANCEL)
_LEFT_THE_BOOK: Final = (CancelReason.REQUESTED, CancelReason.MASS_CANCEL)

_Event = s.OrderEvent | s.TradeExecution | s.MarketDataUpdate | s.RiskEvent
_Keyed = tuple[str, int, _Event]  # topic, numeric key, event
_encode = msgspec.json.Encoder().encode

Headers = tuple[tuple[str, bytes], ...]


class _Told:
    """One command with its events, and what all messages about it have in common."""

    def __init__(self, shard: int, command: JournaledCommand) -> None:
        self.shard = shard
        self.command = command
        self.kind = command.words[r.C_HEADER] & 0xFF
        self.trace_id = command.trace[:16].hex() if command.trace else ""
        self.events = [
            decode_event(words, command.sequence, index, command.time_ns)
            for index, words in enumerate(command.events)
        ]

    def trade_id(self, event: EngineEvent) -> str:
        return str(trade_id(self.shard, event.sequence, event.index))

    def order_event(
        self, event: EngineEvent, type_: str, account_id: int, order_id: int, leaves_lots: int
    ) -> s.OrderEvent:
        return s.OrderEvent(
            type=type_,
            shard=self.shard,
            sequence=event.sequence,
            index=event.index,
            time_ns=event.time_ns,
            account_id=str(account_id),
            order_id=str(order_id),
            instrument_id=event.instrument_id,
            leaves_lots=leaves_lots,
            trace_id=self.trace_id,
        )

    def risk_event(self, event: EngineEvent, type_: str) -> s.RiskEvent:
        return s.RiskEvent(
            type=type_,
            shard=self.shard,
            sequence=event.sequence,
            index=event.index,
            time_ns=event.time_ns,
            account_id=str(event.account_id) if event.account_id else "",
            instrument_id=event.instrument_id,
            command_id=str(event.order_id) if event.order_id else "",
            trace_id=self.trace_id,
        )


def messages(shard: int, command: JournaledCommand) -> list[tuple[int, Message]]:
    """Return the messages about one command, each with the index of the event it tells of.

    They stand in the order in which they are published; within a topic no index goes down.
    """
    told = _Told(shard, command)
    headers = trace_headers(command.trace) if command.trace else ()
    found = []
    for topic, key, event in (*_of_each_event(told), *_market_data(told)):
        partition = s.partition_of(topic, key)
        message = Message(topic, partition, str(key).encode(), _encode(event), headers)
        found.append((event.index, message))
    return found


def trace_headers(trace: bytes) -> Headers:
    """Return the headers by which a command's trace goes on."""
    return (("traceparent", traceparent(trace).encode()),)


def _of_each_event(told: _Told) -> Iterator[_Keyed]:
    for event in told.events:
        teller = _TELLERS.get(event.kind)
        if teller is not None:
            yield from teller(told, event)


def _accepted(told: _Told, event: EngineEvent) -> Iterator[_Keyed]:
    yield _own(event, _with_terms(told, event, "ACCEPTED", event.leaves_lots))


def _rejected(told: _Told, event: EngineEvent) -> Iterator[_Keyed]:
    """Tell of a refusal. A repeated order is no news: its first command stands."""
    if event.code == RejectCode.DUPLICATE_ID or told.kind not in _ORDER_COMMANDS:
        return
    reason = _name(RejectCode, event.code)
    if told.kind == r.PLACE_ORDER:
        order = _with_terms(told, event, "REJECTED", 0)
        yield _own(event, msgspec.structs.replace(order, reason=reason))
    risk = msgspec.structs.replace(told.risk_event(event, "ORDER_REJECTED"), reason=reason)
    yield s.RISK_EVENTS, event.account_id, risk


def _with_terms(told: _Told, event: EngineEvent, type_: str, leaves_lots: int) -> s.OrderEvent:
    """Return the event with the order's terms, as the command that placed it gave them."""
    words = told.command.words
    header = words[r.C_HEADER]
    return msgspec.structs.replace(
        told.order_event(event, type_, event.account_id, event.order_id, leaves_lots),
        side=SIDES.get(header >> 8 & 0xFF, ""),
        order_type=ORDER_TYPES.get(header >> 16 & 0xFF, ""),
        time_in_force=TIMES_IN_FORCE.get(header >> 24 & 0xFF, ""),
        price_ticks=words[r.C_PRICE],
        quantity_lots=words[r.C_QUANTITY],
    )


def _traded(told: _Told, event: EngineEvent) -> Iterator[_Keyed]:
    fills = (
        (event.account_id, event.order_id, event.leaves_lots, "TAKER"),
        (event.contra_account_id, event.contra_order_id, event.contra_leaves_lots, "MAKER"),
    )
    for account, order, leaves, liquidity in fills:
        fill = told.order_event(event, "FILL", account, order, leaves)
        fill = msgspec.structs.replace(
            fill,
            last_price_ticks=event.price_ticks,
            last_quantity_lots=event.quantity_lots,
            trade_id=told.trade_id(event),
            liquidity=liquidity,
        )
        yield s.ORDER_EVENTS, account, fill
    yield s.TRADE_EXECUTIONS, event.instrument_id, _execution(told, event)


def _execution(told: _Told, event: EngineEvent) -> s.TradeExecution:
    aggressor = (str(event.order_id), str(event.account_id))
    resting = (str(event.contra_order_id), str(event.contra_account_id))
    buyer, seller = (aggressor, resting) if event.side == r.BUY else (resting, aggressor)
    return s.TradeExecution(
        shard=told.shard,
        sequence=event.sequence,
        index=event.index,
        time_ns=event.time_ns,
        trade_id=told.trade_id(event),
        instrument_id=event.instrument_id,
        price_ticks=event.price_ticks,
        quantity_lots=event.quantity_lots,
        aggressor_side=SIDES[event.side],
        buy_order_id=buyer[0],
        buy_account_id=buyer[1],
        sell_order_id=seller[0],
        sell_account_id=seller[1],
        trace_id=told.trace_id,
    )


def _rested(told: _Told, event: EngineEvent) -> Iterator[_Keyed]:
    rested = told.order_event(event, "RESTED", event.account_id, event.order_id, event.leaves_lots)
    yield _own(event, msgspec.structs.replace(rested, price_ticks=event.price_ticks))


def _cancelled(told: _Told, event: EngineEvent) -> Iterator[_Keyed]:
    cancelled = told.order_event(event, "CANCELLED", event.account_id, event.order_id, 0)
    reason = _name(CancelReason, event.code)
    yield _own(event, msgspec.structs.replace(cancelled, reason=reason))


def _replaced(told: _Told, event: EngineEvent) -> Iterator[_Keyed]:
    replaced = told.order_event(
        event, "REPLACED", event.account_id, event.order_id, event.quantity_lots
    )
    new_terms = msgspec.structs.replace(
        replaced,
        side=SIDES[event.side],
        price_ticks=event.price_ticks,
        quantity_lots=event.quantity_lots,
    )
    yield _own(event, new_terms)


def _account_state(told: _Told, event: EngineEvent) -> Iterator[_Keyed]:
    state = r.ACCOUNT_ACTIVE if event.kind == r.ACCOUNT_ADDED else event.quantity_lots
    changed = told.risk_event(event, "ACCOUNT_STATE")
    named = msgspec.structs.replace(changed, state=ACCOUNT_STATES.get(state, str(state)))
    yield s.RISK_EVENTS, event.account_id, named


def _instrument_state(told: _Told, event: EngineEvent) -> Iterator[_Keyed]:
    changed = told.risk_event(event, "INSTRUMENT_STATE")
    named = msgspec.structs.replace(changed, state=_state_of(event), account_id="")
    yield s.RISK_EVENTS, event.instrument_id, named


def _limits(told: _Told, event: EngineEvent) -> Iterator[_Keyed]:
    changed = told.risk_event(event, "LIMITS")
    limits = list(event.words[r.E_LIMITS : r.E_LIMITS + 4])
    yield s.RISK_EVENTS, event.account_id, msgspec.structs.replace(changed, limits=limits)


def _balance(told: _Told, event: EngineEvent) -> Iterator[_Keyed]:
    changed = told.risk_event(event, "CASH" if event.kind == r.CASH_CHANGED else "POSITION")
    figures = msgspec.structs.replace(
        changed,
        delta=event.words[r.E_DELTA],
        total=event.words[r.E_TOTAL],
        settled=event.words[r.E_SETTLED],
        reserved=event.words[r.E_RESERVED],
        held=event.words[r.E_HELD],
    )
    yield s.RISK_EVENTS, event.account_id, figures


_TELLERS: Final[dict[int, Callable[[_Told, EngineEvent], Iterator[_Keyed]]]] = {
    r.ORDER_ACCEPTED: _accepted,
    r.REJECTED: _rejected,
    r.TRADE_EXECUTED: _traded,
    r.ORDER_RESTED: _rested,
    r.ORDER_CANCELLED: _cancelled,
    r.ORDER_REPLACED: _replaced,
    r.CASH_CHANGED: _balance,
    r.POSITION_CHANGED: _balance,
    r.ACCOUNT_ADDED: _account_state,
    r.ACCOUNT_STATE_CHANGED: _account_state,
    r.INSTRUMENT_ADDED: _instrument_state,
    r.INSTRUMENT_STATE_CHANGED: _instrument_state,
    r.LIMITS_CHANGED: _limits,
}


def _market_data(told: _Told) -> Iterator[_Keyed]:
    """Yield the one update of the public book that the command made, if it made one."""
    levels: list[s.LevelChange] = []
    trades: list[s.MarketTrade] = []
    state, first = "", None
    for event in told.events:
        changes = _level_changes(event)
        levels += changes
        if event.kind == r.TRADE_EXECUTED:
            trades.append(_public_trade(told, event))
        elif event.kind in (r.INSTRUMENT_ADDED, r.INSTRUMENT_STATE_CHANGED):
            state = _state_of(event)
        elif not changes:
            continue
        first = first or event
    if first is not None:
        update = s.MarketDataUpdate(
            shard=told.shard,
            sequence=first.sequence,
            index=first.index,
            time_ns=first.time_ns,
            instrument_id=first.instrument_id,
            levels=levels,
            trades=trades,
            state=state,
            trace_id=told.trace_id,
        )
        yield s.MARKET_DATA, first.instrument_id, update


def _public_trade(told: _Told, event: EngineEvent) -> s.MarketTrade:
    return s.MarketTrade(
        trade_id=told.trade_id(event),
        price_ticks=event.price_ticks,
        quantity_lots=event.quantity_lots,
        aggressor_side=SIDES[event.side],
    )


def _level_changes(event: EngineEvent) -> list[s.LevelChange]:
    """Return the new totals of the price levels that an event touched."""
    side, words = event.side, event.words
    if event.kind == r.TRADE_EXECUTED:  # it took from the other side
        side = r.SELL if side == r.BUY else r.BUY
    now = _level(side, event.price_ticks, words[r.E_LEVEL_LOTS])
    if event.kind in (r.TRADE_EXECUTED, r.ORDER_RESTED):
        return [now]
    if event.kind == r.ORDER_ACCEPTED:
        return [now] if event.is_resting else []
    if event.kind == r.ORDER_CANCELLED:
        return [now] if event.code in _LEFT_THE_BOOK else []
    if event.kind == r.ORDER_REPLACED:
        old = _level(side, words[r.E_OLD_PRICE], words[r.E_OLD_LEVEL_LOTS])
        if not event.is_resting:
            return [old]
        return [now] if old.price_ticks == now.price_ticks else [old, now]
    return []


def _level(side: int, price_ticks: int, quantity_lots: int) -> s.LevelChange:
    return s.LevelChange(side=SIDES[side], price_ticks=price_ticks, quantity_lots=quantity_lots)


def _own(event: EngineEvent, told: s.OrderEvent) -> _Keyed:
    return s.ORDER_EVENTS, event.account_id, told


def _state_of(event: EngineEvent) -> str:
    if event.kind == r.INSTRUMENT_ADDED:
        return INSTRUMENT_STATES[r.INSTRUMENT_CONTINUOUS]
    return INSTRUMENT_STATES.get(event.quantity_lots, str(event.quantity_lots))


def _name(codes: type[RejectCode] | type[CancelReason], code: int) -> str:
    try:
        return codes(code).name
    except ValueError:  # a newer engine's code must not stop the stream
        return f"CODE_{code}"
