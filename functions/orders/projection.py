"""Applies the engine's steps to stored orders: once each, from whichever side they come.

The function's own answers and the `order-events` topic both end here. A step is known by its order
and its place in the journal, so a batch may come again, and the topic may be read again from its
beginning, without any effect.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from functions.orders import history, settling, store
from functions.orders.history import Step
from functions.orders.lifecycle import (
    OrderState,
    advance,
    is_step,
    new_order,
    place_of,
)
from functions.orders.store import StoredOrder
from shared.domain.orders import OrderStatus
from shared.postgres.unit_of_work import UnitOfWork
from shared.wire.stream_events import OrderEvent


class UnknownOrder(Exception):
    """A step of an order whose acceptance has never been seen: an earlier message is missing."""


def apply_events(uow: UnitOfWork, events: Iterable[OrderEvent]) -> dict[int, StoredOrder]:
    """Apply steps inside the caller's unit of work; return every order that they name.

    Raises
    ------
    UnknownOrder, LifecycleError
        The steps do not fit what is stored; nothing must be committed.
    """
    by_order: dict[int, list[OrderEvent]] = {}
    for event in events:
        if is_step(event):
            by_order.setdefault(int(event.order_id), []).append(event)
    if not by_order:
        return {}
    _insert_unknown(uow, by_order)
    orders = store.lock(uow, list(by_order))
    missing = by_order.keys() - orders.keys()
    if missing:
        raise UnknownOrder(f"{len(missing)} orders, the first is {min(missing)}")
    fresh = _only_new(uow, orders, by_order)
    appended: list[Step] = []
    changed: list[StoredOrder] = []
    for order_id, steps in fresh.items():
        order = orders[order_id]
        if place_of(steps[0]) < order.state.place:
            after, added = _refold(uow, order, steps)
        else:
            after, added = _advance_all(order.state, steps)
        appended += added
        orders[order_id] = replace(order, state=after)
        changed.append(orders[order_id])
    history.append(uow, appended)
    _update(uow, changed)
    for order in settling.settle_done(uow, [order for order in changed if order.state.is_done]):
        orders[order.order_id] = order
    return orders


def _advance_all(state: OrderState, steps: Sequence[OrderEvent]) -> tuple[OrderState, list[Step]]:
    done: list[Step] = []
    for event in steps:
        state = advance(state, event)
        done.append(Step(event, state.status))
    return state, done


def _refold(
    uow: UnitOfWork, order: StoredOrder, late: Sequence[OrderEvent]
) -> tuple[OrderState, list[Step]]:
    """Work the state out from all steps again, because one came that belongs between older ones."""
    stored = history.steps_of(uow, order.order_id)
    first = stored[0].event
    start = new_order(first.price_ticks, first.quantity_lots)
    known = [step.event for step in stored if step.event.sequence > 0]
    state, steps = _advance_all(start, sorted([*known, *late], key=place_of))
    history.rewrite_statuses(uow, steps)
    if any(step.status is OrderStatus.SETTLED for step in stored):
        state = replace(state, status=OrderStatus.SETTLED)
    late_places = {place_of(event) for event in late}
    return state, [step for step in steps if place_of(step.event) in late_places]


def _only_new(
    uow: UnitOfWork,
    orders: dict[int, StoredOrder],
    by_order: dict[int, list[OrderEvent]],
) -> dict[int, list[OrderEvent]]:
    """Return, per order, the steps that are not applied yet, each once, in the journal's order."""
    suspects = [
        order_id
        for order_id, events in by_order.items()
        if any(place_of(event) <= orders[order_id].state.place for event in events)
    ]
    applied = history.places(uow, suspects) if suspects else set()
    fresh: dict[int, list[OrderEvent]] = {}
    for order_id, events in by_order.items():
        unique = {place_of(event): event for event in events}
        steps = [unique[place] for place in sorted(unique) if (order_id, place) not in applied]
        if steps:
            fresh[order_id] = steps
    return fresh


def _insert_unknown(uow: UnitOfWork, by_order: dict[int, list[OrderEvent]]) -> None:
    """Store orders that members entered on their own sessions; their first step has the terms."""
    firsts = [
        event for events in by_order.values() for event in events[:1] if event.order_type != ""
    ]
    if not firsts:
        return
    rows = [
        (
            int(event.order_id),
            int(event.account_id),
            event.instrument_id,
            event.side,
            event.order_type,
            event.time_in_force,
            event.price_ticks,
            event.quantity_lots,
            event.trace_id,
            store.encode_instructions(event.instructions),
        )
        for event in firsts
    ]
    uow.connection.execute(
        "insert into orders.orders (order_id, account_id, instrument_id, side, order_type, "
        "time_in_force, price_ticks, quantity_lots, leaves_lots, status, trace_id, instructions) "
        "select id, account, instrument, side, kind, tif, price, lots, lots, 'NEW', trace, "
        "asked::jsonb from unnest(%s::bigint[], %s::bigint[], %s::integer[], %s::text[], "
        "%s::text[], %s::text[], %s::bigint[], %s::bigint[], %s::text[], %s::text[]) "
        "as t (id, account, instrument, side, kind, tif, price, lots, trace, asked) "
        "order by id on conflict (order_id) do nothing",
        [list(column) for column in zip(*rows, strict=True)],
    )


def _update(uow: UnitOfWork, orders: Sequence[StoredOrder]) -> None:
    if not orders:
        return
    rows = [
        (
            order.order_id,
            order.state.price_ticks,
            order.state.quantity_lots,
            order.state.leaves_lots,
            order.state.filled_lots,
            order.state.filled_value,
            order.state.status.value,
            order.state.reason,
            *order.state.place,
        )
        for order in orders
    ]
    uow.connection.execute(
        "update orders.orders as o set price_ticks = t.price, quantity_lots = t.lots, "
        "leaves_lots = t.leaves, filled_lots = t.filled, filled_value = t.value, "
        "status = t.status, reason = t.reason, engine_sequence = t.sequence, "
        "engine_index = t.index, updated_at = clock_timestamp() "
        "from unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], "
        "%s::numeric[], %s::text[], %s::text[], %s::bigint[], %s::integer[]) "
        "as t (id, price, lots, leaves, filled, value, status, reason, sequence, index) "
        "where o.order_id = t.id",
        [list(column) for column in zip(*rows, strict=True)],
    )
