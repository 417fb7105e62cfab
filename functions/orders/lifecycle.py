"""One order's state as a fold over its steps: the same for an answer and for the event stream.

Steps of the engine arrive from two sides: in the answer to the function's own command, and from the
`order-events` topic. An answer may overtake the stream, so steps are ordered by their place in the
journal and the state is what they give in that order.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from shared.domain.ids import account_of_order
from shared.domain.orders import OrderStatus, may_follow
from shared.domain.reject_codes import RejectCode
from shared.wire.stream_events import OrderEvent

Place = tuple[int, int]  # (sequence, index) in the journal
NOT_WITH_ENGINE: Final[Place] = (0, -1)
TERMINAL: Final = frozenset(
    {
        OrderStatus.FILLED,
        OrderStatus.CANCELLED,
        OrderStatus.EXPIRED,
        OrderStatus.REJECTED,
        OrderStatus.SETTLED,
    }
)


class LifecycleError(Exception):
    """A step does not fit the order's state: events are missing or wrong."""


@dataclass(frozen=True, slots=True)
class OrderState:
    """What an order has come to. `quantity_lots` is filled and open together."""

    status: OrderStatus
    price_ticks: int
    quantity_lots: int
    leaves_lots: int
    filled_lots: int = 0
    filled_value: int = 0  # sum of ticks x lots
    reason: str = ""
    place: Place = NOT_WITH_ENGINE

    @property
    def is_done(self) -> bool:
        return self.status in TERMINAL


def new_order(price_ticks: int, quantity_lots: int) -> OrderState:
    """Return the state of an order that is stored and not sent."""
    return OrderState(OrderStatus.NEW, price_ticks, quantity_lots, leaves_lots=quantity_lots)


def place_of(event: OrderEvent) -> Place:
    return event.sequence, event.index


def sent(state: OrderState) -> OrderState:
    """Return the state after the order was sent and no answer came."""
    return replace(state, status=OrderStatus.PENDING) if state.status is OrderStatus.NEW else state


def is_step(event: OrderEvent) -> bool:
    """Return whether an event changes its order.

    A refusal does so only when it refuses the order itself, sent by its own account and well
    formed enough to be one: a refused cancel or replace, and the second sending of an order that
    the engine has (DUPLICATE_ID), leave it as it is.
    """
    if event.type != "REJECTED":
        return True
    return (
        event.reason != RejectCode.DUPLICATE_ID.name
        and "" not in (event.side, event.order_type, event.time_in_force)
        and event.quantity_lots > 0
        and event.price_ticks >= 0
        and account_of_order(int(event.order_id)) == int(event.account_id)
    )


def fold(state: OrderState, events: Iterable[OrderEvent]) -> OrderState:
    """Return the state after the events, which are in the journal's order and newer than it."""
    for event in events:
        state = advance(state, event)
    return state


def advance(state: OrderState, event: OrderEvent) -> OrderState:
    """Return the state after one step of the engine.

    Raises
    ------
    LifecycleError
        When the step may not follow, or fills more than is open.
    """
    if place_of(event) <= state.place:
        raise LifecycleError(f"step {place_of(event)} is not after {state.place}")
    before = _before(state, event)
    after = replace(_step(before, event), place=place_of(event))
    if not may_follow(before.status, after.status):
        raise LifecycleError(f"{after.status} may not follow {before.status}")
    if after.filled_lots + after.leaves_lots > after.quantity_lots or after.leaves_lots < 0:
        raise LifecycleError(f"filled and open lots pass the order's {after.quantity_lots}")
    return after


def _before(state: OrderState, event: OrderEvent) -> OrderState:
    """Return the state that a step follows: whatever the engine speaks of was sent to it.

    The engine does not remember what it refused. An order that was refused while the answer got
    lost is sent again, is then judged anew, and may be accepted.
    """
    if event.type == "ACCEPTED" and state.status is OrderStatus.REJECTED:
        return replace(state, status=OrderStatus.PENDING, reason="")
    return sent(state)


def _step(state: OrderState, event: OrderEvent) -> OrderState:
    match event.type:
        case "ACCEPTED":
            return replace(
                state,
                status=OrderStatus.PENDING,
                price_ticks=event.price_ticks,
                quantity_lots=event.quantity_lots,
                leaves_lots=event.quantity_lots,
            )
        case "REJECTED":
            return replace(
                state, status=OrderStatus.REJECTED, leaves_lots=0, reason=event.reason.lower()
            )
        case "FILL":
            return _filled(state, event)
        case "RESTED":
            limit = state.price_ticks or event.price_ticks  # market-to-limit has found its limit
            return replace(state, price_ticks=limit, leaves_lots=event.leaves_lots)
        case "TRIGGERED" | "REPRICED" | "REPLENISHED":
            return replace(state, leaves_lots=event.leaves_lots)
        case "REDUCED":
            quantity_lots = state.filled_lots + event.leaves_lots
            return replace(state, quantity_lots=quantity_lots, leaves_lots=event.leaves_lots)
        case "EXPIRED":
            return replace(
                state, status=OrderStatus.EXPIRED, leaves_lots=0, reason=event.reason.lower()
            )
        case "CANCELLED":
            return replace(
                state, status=OrderStatus.CANCELLED, leaves_lots=0, reason=event.reason.lower()
            )
        case "REPLACED":
            return replace(
                state,
                status=OrderStatus.REPLACED,
                price_ticks=event.price_ticks,
                quantity_lots=state.filled_lots + event.quantity_lots,
                leaves_lots=event.quantity_lots,
            )
    raise LifecycleError(f"unknown step {event.type!r}")


def _filled(state: OrderState, event: OrderEvent) -> OrderState:
    done = event.leaves_lots == 0
    return replace(
        state,
        status=OrderStatus.FILLED if done else OrderStatus.PARTIALLY_FILLED,
        leaves_lots=event.leaves_lots,
        filled_lots=state.filled_lots + event.last_quantity_lots,
        filled_value=state.filled_value + event.last_price_ticks * event.last_quantity_lots,
    )
