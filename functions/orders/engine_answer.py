"""An answer of the engine as steps of one order, equal to what `order-events` will say of them.

Only the sender's own order is of interest here; what the command did to others comes by the topic.
"""

from dataclasses import dataclass
from typing import Final

from msgspec import structs

from shared.domain import names
from shared.domain import records as r
from shared.domain.commands import PlaceOrder
from shared.domain.events import EngineEvent
from shared.domain.extended_orders import PlaceExtendedOrder
from shared.domain.ids import trade_id
from shared.domain.reject_codes import RejectCode
from shared.ports.engine import CommandResult
from shared.wire.order_terms import instructions_of
from shared.wire.stream_events import OrderEvent

_STEPS: Final = {
    r.ORDER_ACCEPTED: "ACCEPTED",
    r.REJECTED: "REJECTED",
    r.TRADE_EXECUTED: "FILL",
    r.ORDER_RESTED: "RESTED",
    r.ORDER_CANCELLED: "CANCELLED",
    r.ORDER_REPLACED: "REPLACED",
    r.ORDER_TRIGGERED: "TRIGGERED",
    r.ORDER_EXPIRED: "EXPIRED",
    r.ORDER_REPRICED: "REPRICED",
    r.ORDER_REPLENISHED: "REPLENISHED",
    r.ORDER_REDUCED: "REDUCED",
}


def refusal(result: CommandResult) -> RejectCode | None:
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


def placed(
    command: PlaceOrder | PlaceExtendedOrder, result: CommandResult, origin: Origin
) -> list[OrderEvent]:
    """Return the steps of a placed order; none when the engine knew it already."""
    if refusal(result) is RejectCode.DUPLICATE_ID:
        return []
    return _steps(command.order_id, result, origin, command)


def changed(order_id: int, result: CommandResult, origin: Origin) -> list[OrderEvent]:
    """Return the steps of an order that was cancelled or replaced; none when that was refused."""
    steps = _steps(order_id, result, origin, None)
    return [step for step in steps if step.type != "REJECTED"]


def _steps(
    order_id: int,
    result: CommandResult,
    origin: Origin,
    placing: PlaceOrder | PlaceExtendedOrder | None,
) -> list[OrderEvent]:
    """Return what the command's events say of one order, also where another order met it."""
    steps = []
    for event in result.events:
        if event.kind == r.TRADE_EXECUTED and event.contra_order_id == order_id:
            steps.append(_fill(event, origin, is_contra=True))
        elif event.order_id != order_id:
            continue
        elif event.kind == r.TRADE_EXECUTED:
            steps.append(_fill(event, origin, is_contra=False))
        elif event.kind in _STEPS:
            steps.append(_step(event, origin, placing))
    return steps


def _bare(event: EngineEvent, origin: Origin) -> OrderEvent:
    """Return what every step says."""
    return OrderEvent(
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


def _fill(event: EngineEvent, origin: Origin, is_contra: bool) -> OrderEvent:
    liquidity = "MAKER" if is_contra else "TAKER"
    fill = structs.replace(
        _bare(event, origin),
        last_price_ticks=event.price_ticks,
        last_quantity_lots=event.quantity_lots,
        trade_id=str(trade_id(origin.shard, event.sequence, event.index)),
        liquidity="AUCTION" if event.flags & r.FLAG_AUCTION else liquidity,
    )
    if not is_contra:
        return fill
    return structs.replace(
        fill,
        account_id=str(event.contra_account_id),
        order_id=str(event.contra_order_id),
        leaves_lots=event.contra_leaves_lots,
    )


def _step(
    event: EngineEvent, origin: Origin, placing: PlaceOrder | PlaceExtendedOrder | None
) -> OrderEvent:
    """Return one event as a step; `placing` gives the terms that ACCEPTED and REJECTED carry."""
    step = _bare(event, origin)
    if event.kind in (r.ORDER_ACCEPTED, r.REJECTED) and placing is not None:
        step = structs.replace(
            step,
            side=names.SIDES[placing.side],
            order_type=names.ORDER_TYPES[placing.order_type],
            time_in_force=names.TIMES_IN_FORCE[placing.time_in_force],
            price_ticks=placing.price_ticks,
            quantity_lots=placing.quantity_lots,
            instructions=instructions_of(placing.words()),
        )
    match event.kind:
        case r.ORDER_REPLACED:
            return structs.replace(
                step,
                side=names.SIDES[event.side],
                price_ticks=event.price_ticks,
                quantity_lots=event.quantity_lots,
            )
        case r.ORDER_RESTED | r.ORDER_TRIGGERED:
            return structs.replace(step, price_ticks=event.price_ticks)
        case r.ORDER_REPRICED:
            return structs.replace(
                step, price_ticks=event.price_ticks, leaves_lots=event.quantity_lots
            )
        case r.ORDER_REPLENISHED | r.ORDER_REDUCED:
            return structs.replace(step, last_quantity_lots=event.quantity_lots)
        case r.REJECTED:
            return structs.replace(step, leaves_lots=0, reason=event.reject_code.name)
        case r.ORDER_CANCELLED:
            return structs.replace(step, leaves_lots=0, reason=event.cancel_reason.name)
        case r.ORDER_EXPIRED:
            return structs.replace(step, leaves_lots=0, reason=event.expiry_reason.name)
    return step
