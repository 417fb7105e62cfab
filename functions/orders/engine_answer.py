"""An answer of the engine as steps of one order, equal to what `order-events` will say of them.

Only the sender's own order is of interest here; what the command did to others comes by the topic.
"""

from dataclasses import dataclass
from typing import Final

from msgspec import structs

from shared.domain import records as r
from shared.domain.commands import PlaceOrder
from shared.domain.events import AnyRejectCode, EngineEvent
from shared.domain.ids import trade_id
from shared.domain.reject_codes import RejectCode
from shared.ports.engine import CommandResult
from shared.wire.stream_events import OrderEvent

_SIDES: Final = {r.BUY: "BUY", r.SELL: "SELL"}
_TYPES: Final = {r.LIMIT: "LIMIT", r.MARKET: "MARKET"}
_TIMES: Final = {r.GTC: "GTC", r.IOC: "IOC"}
_STEPS: Final = {
    r.ORDER_ACCEPTED: "ACCEPTED",
    r.REJECTED: "REJECTED",
    r.TRADE_EXECUTED: "FILL",
    r.ORDER_RESTED: "RESTED",
    r.ORDER_CANCELLED: "CANCELLED",
    r.ORDER_REPLACED: "REPLACED",
}


def refusal(result: CommandResult) -> AnyRejectCode | None:
    """Return why the engine refused the command; None when it was carried out."""
    for event in result.events:
        if event.kind == r.REJECTED:
            return event.reject_code
    return None


@dataclass(frozen=True, slots=True)
class Origin:
    """What an answer does not say of itself: the engine's shard, and the request's trace."""

    shard: int
    trace_id: str


def placed(command: PlaceOrder, result: CommandResult, origin: Origin) -> list[OrderEvent]:
    """Return the steps of a placed order; none when the engine knew it already."""
    if refusal(result) is RejectCode.DUPLICATE_ID:
        return []
    return [
        _step(event, origin, command)
        for event in result.events
        if event.kind in _STEPS and event.order_id == command.order_id
    ]


def changed(order_id: int, result: CommandResult, origin: Origin) -> list[OrderEvent]:
    """Return the steps of an order that was cancelled or replaced; none when that was refused."""
    return [
        _step(event, origin, None)
        for event in result.events
        if event.kind in _STEPS and event.kind != r.REJECTED and event.order_id == order_id
    ]


def _step(event: EngineEvent, origin: Origin, placing: PlaceOrder | None) -> OrderEvent:
    """Return one event as a step; `placing` gives the terms that ACCEPTED and REJECTED carry."""
    step = OrderEvent(
        type=_STEPS[event.kind],
        shard=origin.shard,
        sequence=event.sequence,
        index=event.index,
        time_ns=event.time_ns,
        account_id=str(event.account_id),
        order_id=str(event.order_id),
        instrument_id=event.instrument_id,
        leaves_lots=event.leaves_lots,
        trace_id=origin.trace_id,
    )
    if event.kind in (r.ORDER_ACCEPTED, r.REJECTED) and placing is not None:
        step = structs.replace(
            step,
            side=_SIDES[placing.side],
            order_type=_TYPES[placing.order_type],
            time_in_force=_TIMES[placing.time_in_force],
            price_ticks=placing.price_ticks,
            quantity_lots=placing.quantity_lots,
        )
    match event.kind:
        case r.ORDER_REPLACED:
            return structs.replace(
                step,
                side=_SIDES[event.side],
                price_ticks=event.price_ticks,
                quantity_lots=event.quantity_lots,
            )
        case r.ORDER_RESTED:
            return structs.replace(step, price_ticks=event.price_ticks)
        case r.TRADE_EXECUTED:
            return structs.replace(
                step,
                last_price_ticks=event.price_ticks,
                last_quantity_lots=event.quantity_lots,
                trade_id=str(trade_id(origin.shard, event.sequence, event.index)),
                liquidity="TAKER",
            )
        case r.REJECTED:
            return structs.replace(step, leaves_lots=0, reason=event.reject_code.name)
        case r.ORDER_CANCELLED:
            return structs.replace(step, leaves_lots=0, reason=event.cancel_reason.name)
    return step
