"""Marks orders SETTLED: done, and every trade of theirs settled, whichever news comes first."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from functions.orders import store
from functions.orders.store import StoredOrder
from shared.domain.orders import OrderStatus
from shared.postgres.unit_of_work import UnitOfWork
from shared.wire.stream_events import SettlementEvent

SETTLED: str = "SETTLED"


def apply_settlements(uow: UnitOfWork, events: Iterable[SettlementEvent]) -> list[StoredOrder]:
    """Remember which trades settled and mark the orders that this completes; return those."""
    order_ids: set[int] = set()
    for event in events:
        if event.type != SETTLED:
            continue
        uow.connection.execute(
            "insert into orders.settled_trades (trade_id, account_id, instruction_id, time_ns) "
            "select trade_id, %s, %s, %s from unnest(%s::bigint[]) as t (trade_id) "
            "order by trade_id on conflict (trade_id, account_id) do nothing",
            (
                int(event.account_id),
                event.instruction_id,
                event.time_ns,
                [int(trade_id) for trade_id in event.trade_ids],
            ),
        )
        order_ids.update(int(order_id) for order_id in event.order_ids)
    orders = store.lock(uow, list(order_ids)) if order_ids else {}
    return settle_done(uow, list(orders.values()))


def settle_done(uow: UnitOfWork, orders: Sequence[StoredOrder]) -> list[StoredOrder]:
    """Mark those of the locked orders SETTLED that are done and have no unsettled trade."""
    candidates = {
        order.order_id: order
        for order in orders
        if order.state.is_done
        and order.state.filled_lots > 0
        and order.state.status is not OrderStatus.SETTLED
    }
    if not candidates:
        return []
    rows = uow.connection.execute(
        "update orders.orders as o set status = 'SETTLED', updated_at = clock_timestamp() "
        "where o.order_id = any(%s) and not exists ("
        "  select 1 from orders.order_history h where h.order_id = o.order_id and h.step = 'FILL' "
        "  and not exists (select 1 from orders.settled_trades s "
        "                  where s.trade_id = h.trade_id and s.account_id = o.account_id)) "
        "returning o.order_id, o.updated_at, (extract(epoch from o.updated_at) * 1e9)::bigint",
        (list(candidates),),
    ).fetchall()
    settled: list[StoredOrder] = []
    for order_id, updated_at, time_ns in rows:
        order = candidates[order_id]
        after = replace(
            order, state=replace(order.state, status=OrderStatus.SETTLED), updated_at=updated_at
        )
        store.insert_platform_step(uow, after, OrderStatus.SETTLED, time_ns)
        settled.append(after)
    return settled
