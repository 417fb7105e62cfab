"""What the stream is told about one journaled command: a pure function of the journal.

Publishing the same command again gives the same bytes in the same order, so a publisher that comes
back can find by comparison how far its predecessor came. `message_encoder` says the same of the
everyday commands, faster; what changes here for those changes there.
"""

from collections.abc import Callable, Iterator
from typing import Final

import msgspec

from hotpath.runtime.publisher.administration_messages import MARKET_KINDS, administered
from hotpath.runtime.publisher.market_messages import aggressor_side, market_updates
from hotpath.runtime.publisher.told import Told, name_of
from shared.domain import names
from shared.domain import records as r
from shared.domain.events import EngineEvent
from shared.domain.reject_codes import CancelReason, ExpiryReason, RejectCode
from shared.ports.event_stream import Message
from shared.wire import stream_events as s
from shared.wire.frames import traceparent
from shared.wire.journal import JournaledCommand
from shared.wire.order_terms import instructions_of

_PLACING: Final = (r.PLACE_ORDER, r.PLACE_ORDER_EXTENDED)
_ORDER_COMMANDS: Final = (*_PLACING, r.CANCEL_ORDER, r.REPLACE_ORDER, r.MASS_CANCEL, r.BATCH)

_Event = s.OrderEvent | s.TradeExecution | s.MarketDataUpdate | s.RiskEvent
_Keyed = tuple[str, int, _Event]  # topic, numeric key, event
_encode = msgspec.json.Encoder().encode

Headers = tuple[tuple[str, bytes], ...]


def messages(shard: int, command: JournaledCommand) -> list[tuple[int, Message]]:
    """Return the messages about one command, each with the index of the event it tells of.

    They stand in the order in which they are published; within a topic no index goes down.
    """
    told = Told(shard, command)
    headers = trace_headers(command.trace) if command.trace else ()
    found = []
    for topic, key, event in (*_of_each_event(told), *_of_markets(told)):
        partition = s.partition_of(topic, key, shard)
        message = Message(topic, partition, str(key).encode(), _encode(event), headers)
        found.append((event.index, message))
    return found


def trace_headers(trace: bytes) -> Headers:
    """Return the headers by which a command's trace goes on."""
    return (("traceparent", traceparent(trace).encode()),)


def _of_each_event(told: Told) -> Iterator[_Keyed]:
    for event in told.events:
        teller = _TELLERS.get(event.kind)
        if teller is not None:
            yield from teller(told, event)


def _of_markets(told: Told) -> Iterator[_Keyed]:
    for update in market_updates(told):
        yield s.MARKET_DATA, update.instrument_id, update


def _accepted(told: Told, event: EngineEvent) -> Iterator[_Keyed]:
    yield _own(event, _with_terms(told, event, "ACCEPTED", event.leaves_lots))


def _rejected(told: Told, event: EngineEvent) -> Iterator[_Keyed]:
    """Tell of a refusal. A repeated order is no news: its first command stands."""
    kind = told.asked(event)[r.C_HEADER] & 0xFF
    if event.code == RejectCode.DUPLICATE_ID or kind not in _ORDER_COMMANDS:
        return
    reason = name_of(RejectCode, event.code)
    if kind in _PLACING:
        order = _with_terms(told, event, "REJECTED", 0)
        yield _own(event, msgspec.structs.replace(order, reason=reason))
    risk = msgspec.structs.replace(told.risk_event(event, "ORDER_REJECTED"), reason=reason)
    yield s.RISK_EVENTS, event.account_id, risk


def _with_terms(told: Told, event: EngineEvent, type_: str, leaves_lots: int) -> s.OrderEvent:
    """Return the event with the order's terms, as the command that placed it gave them."""
    words = told.asked(event)
    header = words[r.C_HEADER]
    return msgspec.structs.replace(
        told.order_event(event, type_, event.account_id, event.order_id, leaves_lots),
        side=names.SIDES.get(header >> 8 & 0xFF, ""),
        order_type=names.ORDER_TYPES.get(header >> 16 & 0xFF, ""),
        time_in_force=names.TIMES_IN_FORCE.get(header >> 24 & 0xFF, ""),
        price_ticks=words[r.C_PRICE],
        quantity_lots=words[r.C_QUANTITY],
        instructions=instructions_of(words),
    )


def _traded(told: Told, event: EngineEvent) -> Iterator[_Keyed]:
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
            liquidity="AUCTION" if event.flags & r.FLAG_AUCTION else liquidity,
        )
        yield s.ORDER_EVENTS, account, fill
    yield s.TRADE_EXECUTIONS, event.instrument_id, _execution(told, event)


def _execution(told: Told, event: EngineEvent) -> s.TradeExecution:
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
        aggressor_side=aggressor_side(event),
        buy_order_id=buyer[0],
        buy_account_id=buyer[1],
        sell_order_id=seller[0],
        sell_account_id=seller[1],
        trace_id=told.trace_id,
    )


def _rested(told: Told, event: EngineEvent) -> Iterator[_Keyed]:
    rested = told.order_event(event, "RESTED", event.account_id, event.order_id, event.leaves_lots)
    yield _own(event, msgspec.structs.replace(rested, price_ticks=event.price_ticks))


def _cancelled(told: Told, event: EngineEvent) -> Iterator[_Keyed]:
    cancelled = told.order_event(event, "CANCELLED", event.account_id, event.order_id, 0)
    reason = name_of(CancelReason, event.code)
    yield _own(event, msgspec.structs.replace(cancelled, reason=reason))


def _expired(told: Told, event: EngineEvent) -> Iterator[_Keyed]:
    expired = told.order_event(event, "EXPIRED", event.account_id, event.order_id, 0)
    reason = name_of(ExpiryReason, event.code)
    yield _own(event, msgspec.structs.replace(expired, reason=reason))


def _moved(told: Told, event: EngineEvent) -> Iterator[_Keyed]:
    """Tell that a stop is triggered, or a pegged order stands at another price."""
    type_ = "TRIGGERED" if event.kind == r.ORDER_TRIGGERED else "REPRICED"
    moved = told.order_event(event, type_, event.account_id, event.order_id, event.quantity_lots)
    yield _own(event, msgspec.structs.replace(moved, price_ticks=event.price_ticks))


def _resized(told: Told, event: EngineEvent) -> Iterator[_Keyed]:
    """Tell what an iceberg displays now, or what a prevented self-trade took off."""
    type_ = "REPLENISHED" if event.kind == r.ORDER_REPLENISHED else "REDUCED"
    resized = told.order_event(
        event, type_, event.account_id, event.order_id, event.words[r.E_LEAVES]
    )
    yield _own(event, msgspec.structs.replace(resized, last_quantity_lots=event.quantity_lots))


def _replaced(told: Told, event: EngineEvent) -> Iterator[_Keyed]:
    replaced = told.order_event(
        event, "REPLACED", event.account_id, event.order_id, event.quantity_lots
    )
    new_terms = msgspec.structs.replace(
        replaced,
        side=names.SIDES[event.side],
        price_ticks=event.price_ticks,
        quantity_lots=event.quantity_lots,
    )
    yield _own(event, new_terms)


def _account_state(told: Told, event: EngineEvent) -> Iterator[_Keyed]:
    state = r.ACCOUNT_ACTIVE if event.kind == r.ACCOUNT_ADDED else event.quantity_lots
    changed = told.risk_event(event, "ACCOUNT_STATE")
    named = msgspec.structs.replace(changed, state=names.ACCOUNT_STATES.get(state, str(state)))
    yield s.RISK_EVENTS, event.account_id, named


def _limits(told: Told, event: EngineEvent) -> Iterator[_Keyed]:
    changed = told.risk_event(event, "LIMITS")
    limits = list(event.words[r.E_LIMITS : r.E_LIMITS + 4])
    yield s.RISK_EVENTS, event.account_id, msgspec.structs.replace(changed, limits=limits)


def _balance(told: Told, event: EngineEvent) -> Iterator[_Keyed]:
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


def _fee(told: Told, event: EngineEvent) -> Iterator[_Keyed]:
    charged = told.risk_event(event, "FEE")
    delta, total = event.words[r.E_DELTA], event.words[r.E_TOTAL]
    yield (
        s.RISK_EVENTS,
        event.account_id,
        msgspec.structs.replace(charged, delta=delta, total=total),
    )


def _administered(told: Told, event: EngineEvent) -> Iterator[_Keyed]:
    key, told_of_it = administered(told, event)
    yield s.RISK_EVENTS, key, told_of_it


_TELLERS: Final[dict[int, Callable[[Told, EngineEvent], Iterator[_Keyed]]]] = {
    r.ORDER_ACCEPTED: _accepted,
    r.REJECTED: _rejected,
    r.TRADE_EXECUTED: _traded,
    r.ORDER_RESTED: _rested,
    r.ORDER_CANCELLED: _cancelled,
    r.ORDER_REPLACED: _replaced,
    r.ORDER_EXPIRED: _expired,
    r.ORDER_TRIGGERED: _moved,
    r.ORDER_REPRICED: _moved,
    r.ORDER_REPLENISHED: _resized,
    r.ORDER_REDUCED: _resized,
    r.CASH_CHANGED: _balance,
    r.POSITION_CHANGED: _balance,
    r.ACCOUNT_ADDED: _account_state,
    r.ACCOUNT_STATE_CHANGED: _account_state,
    r.LIMITS_CHANGED: _limits,
    r.FEE_CHARGED: _fee,
    **dict.fromkeys(MARKET_KINDS, _administered),
}


def _own(event: EngineEvent, told: s.OrderEvent) -> _Keyed:
    return s.ORDER_EVENTS, event.account_id, told
