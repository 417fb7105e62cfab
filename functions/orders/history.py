"""The order history in PostgreSQL: the engine's steps and the platform's own."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from functions.orders.lifecycle import Place
from shared.domain.orders import OrderStatus
from shared.postgres.unit_of_work import UnitOfWork
from shared.wire.stream_events import OrderEvent


@dataclass(frozen=True, slots=True)
class Step:
    """One step and the order's status after it; `event` has sequence 0 for a platform's step."""

    event: OrderEvent
    status: OrderStatus


_COLUMNS: Final = (
    "order_id, engine_sequence, engine_index, step, status, time_ns, leaves_lots, price_ticks, "
    "quantity_lots, last_price_ticks, last_quantity_lots, trade_id, liquidity, reason, trace_id"
)
_ARRAYS: Final = (
    "%s::bigint[], %s::bigint[], %s::integer[], %s::text[], %s::text[], %s::bigint[], "
    "%s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], "
    "%s::text[], %s::text[], %s::text[]"
)


def append(uow: UnitOfWork, steps: Sequence[Step]) -> None:
    """Append steps of the engine; what is there already stays as it is."""
    if not steps:
        return
    rows = [
        (
            int(step.event.order_id),
            step.event.sequence,
            step.event.index,
            step.event.type,
            step.status.value,
            step.event.time_ns,
            step.event.leaves_lots,
            step.event.price_ticks,
            step.event.quantity_lots,
            step.event.last_price_ticks,
            step.event.last_quantity_lots,
            int(step.event.trade_id) if step.event.trade_id else None,
            step.event.liquidity,
            step.event.reason,
            step.event.trace_id,
        )
        for step in steps
    ]
    uow.connection.execute(
        f"insert into orders.order_history ({_COLUMNS}) select * from unnest({_ARRAYS}) "
        "on conflict (order_id, engine_sequence, engine_index) do nothing".encode(),
        [list(column) for column in zip(*rows, strict=True)],
    )


def places(uow: UnitOfWork, order_ids: Iterable[int]) -> set[tuple[int, Place]]:
    """Return (order id, place) of every step of the engine that is stored for these orders."""
    rows = uow.connection.execute(
        "select order_id, engine_sequence, engine_index from orders.order_history "
        "where order_id = any(%s) and engine_sequence is not null",
        (list(order_ids),),
    )
    return {(order_id, (sequence, index)) for order_id, sequence, index in rows}


def steps_of(uow: UnitOfWork, order_id: int) -> list[Step]:
    """Return an order's history: NEW and PENDING, the engine's steps, SETTLED."""
    rows = uow.connection.execute(
        f"select {_COLUMNS} from orders.order_history where order_id = %s "
        "order by step = 'SETTLED', engine_sequence nulls first, engine_index, "
        "history_id".encode(),
        (order_id,),
    )
    return [_step(row) for row in rows]


def rewrite_statuses(uow: UnitOfWork, steps: Sequence[Step]) -> None:
    """Correct the statuses after a step arrived late; nothing else of a row may change."""
    for step in steps:
        uow.connection.execute(
            "update orders.order_history set status = %s where order_id = %s "
            "and engine_sequence = %s and engine_index = %s and status <> %s",
            (
                step.status,
                int(step.event.order_id),
                step.event.sequence,
                step.event.index,
                step.status,
            ),
        )


def _step(row: Sequence[Any]) -> Step:
    (order_id, sequence, index, kind, status, time_ns, leaves_lots, price_ticks) = row[:8]
    (quantity_lots, last_price_ticks, last_quantity_lots, trade_id) = row[8:12]
    liquidity, reason, trace_id = row[12:]
    event = OrderEvent(
        type=kind,
        shard=0,
        sequence=sequence or 0,
        index=index or 0,
        time_ns=time_ns,
        account_id="",
        order_id=str(order_id),
        instrument_id=0,
        leaves_lots=leaves_lots,
        price_ticks=price_ticks,
        quantity_lots=quantity_lots,
        last_price_ticks=last_price_ticks,
        last_quantity_lots=last_quantity_lots,
        trade_id="" if trade_id is None else str(trade_id),
        liquidity=liquidity,
        reason=reason,
        trace_id=trace_id,
    )
    return Step(event, OrderStatus(status))
