"""Orders and their history in PostgreSQL: rows in, values out. No rule lives here."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from msgspec import convert, json

from functions.orders.lifecycle import OrderState
from functions.orders.terms import Terms
from shared.domain.ids import platform_order_id
from shared.domain.orders import OrderStatus
from shared.postgres.unit_of_work import UnitOfWork
from shared.wire.stream_events import Instructions


@dataclass(frozen=True, slots=True)
class StoredOrder:
    """A row of orders.orders."""

    order_id: int
    account_id: int
    client_order_id: str | None
    request_hash: bytes | None
    terms: Terms  # as they stand now: a replace changes price and quantity
    state: OrderState
    trace_id: str
    traceparent: str
    answer_status: int | None
    answer_body: str | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class NewOrder:
    """What a request wants stored."""

    account_id: int
    user_id: str
    client_order_id: str | None
    request_hash: bytes
    terms: Terms
    trace_id: str
    traceparent: str
    time_ns: int


@dataclass(frozen=True, slots=True)
class OrderFilter:
    """Which of an account's orders to list; None means all. Newest first, after the cursor."""

    status: str | None = None
    instrument_id: int | None = None
    before: tuple[datetime, int] | None = None
    limit: int = 50


_COLUMNS: Final = (
    "order_id, account_id, client_order_id, request_hash, instrument_id, side, order_type, "
    "time_in_force, price_ticks, quantity_lots, leaves_lots, filled_lots, filled_value, status, "
    "reason, engine_sequence, engine_index, trace_id, traceparent, answer_status, answer_body, "
    "created_at, updated_at, instructions"
)


def insert_new(uow: UnitOfWork, order: NewOrder) -> StoredOrder | None:
    """Store an order as NEW under the account's next number, with its first history row.

    Return None when the account has used this client order id before. Requests of one account
    queue here, so of two with one client order id the second finds the first.
    """
    number = _next_number(uow, order.account_id)
    if order.client_order_id is not None:
        taken = uow.connection.execute(
            "select 1 from orders.orders where account_id = %s and client_order_id = %s",
            (order.account_id, order.client_order_id),
        ).fetchone()
        if taken is not None:
            return None
    order_id = platform_order_id(order.account_id, number)
    terms = order.terms
    row = uow.connection.execute(
        "insert into orders.orders (order_id, account_id, user_id, client_order_id, request_hash, "
        "instrument_id, side, order_type, time_in_force, price_ticks, quantity_lots, leaves_lots, "
        "status, trace_id, traceparent, instructions) "
        "values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, 'NEW', %s, %s, %s::jsonb) "
        f"returning {_COLUMNS}",
        (
            order_id,
            order.account_id,
            order.user_id,
            order.client_order_id,
            order.request_hash,
            terms.instrument_id,
            terms.side,
            terms.order_type,
            terms.time_in_force,
            terms.price_ticks,
            terms.quantity_lots,
            terms.quantity_lots,
            order.trace_id,
            order.traceparent,
            encode_instructions(terms.instructions),
        ),
    ).fetchone()
    assert row is not None
    stored = _stored(row)
    insert_platform_step(uow, stored, OrderStatus.NEW, order.time_ns)
    return stored


def _next_number(uow: UnitOfWork, account_id: int) -> int:
    row = uow.connection.execute(
        "insert into orders.order_numbers as n (account_id, last_number) values (%s, 1) "
        "on conflict (account_id) do update set last_number = n.last_number + 1 "
        "returning last_number",
        (account_id,),
    ).fetchone()
    assert row is not None
    return int(row[0])


def insert_platform_step(
    uow: UnitOfWork, order: StoredOrder, status: OrderStatus, time_ns: int
) -> None:
    """Append NEW, PENDING or SETTLED to the history; a repeat is a no-op."""
    uow.connection.execute(
        "insert into orders.order_history (order_id, step, status, time_ns, leaves_lots, "
        "price_ticks, quantity_lots, trace_id) values (%s, %s, %s, %s, %s, %s, %s, %s) "
        "on conflict (order_id, step) where engine_sequence is null do nothing",
        (
            order.order_id,
            status,
            status,
            time_ns,
            order.state.leaves_lots,
            order.state.price_ticks,
            order.state.quantity_lots,
            order.trace_id,
        ),
    )


def mark_sent(uow: UnitOfWork, order: StoredOrder, time_ns: int) -> None:
    """Turn NEW into PENDING: the order was sent, and no answer has come."""
    changed = uow.connection.execute(
        "update orders.orders set status = 'PENDING', updated_at = clock_timestamp() "
        "where order_id = %s and status = 'NEW'",
        (order.order_id,),
    ).rowcount
    if changed:
        insert_platform_step(uow, order, OrderStatus.PENDING, time_ns)


def save_answer(uow: UnitOfWork, order_id: int, status: int, body: str) -> None:
    """Keep the answer of the request that made the order; the first one stands."""
    uow.connection.execute(
        "update orders.orders set answer_status = %s, answer_body = %s "
        "where order_id = %s and answer_status is null",
        (status, body, order_id),
    )


def encode_instructions(told: Instructions | None) -> str | None:
    """Return instructions as the column holds them."""
    return None if told is None else json.encode(told).decode()


def find(uow: UnitOfWork, account_id: int, order_id: int) -> StoredOrder | None:
    """Return an account's order; another account's is not found."""
    return _one(uow, "account_id = %s and order_id = %s", (account_id, order_id))


def find_by_client_order_id(
    uow: UnitOfWork, account_id: int, client_order_id: str
) -> StoredOrder | None:
    return _one(uow, "account_id = %s and client_order_id = %s", (account_id, client_order_id))


def find_page(uow: UnitOfWork, account_id: int, wanted: OrderFilter) -> list[StoredOrder]:
    """Return up to `limit` orders of an account, newest first."""
    created_at, order_id = wanted.before or (None, None)
    return _many(
        uow,
        "account_id = %s and (%s::text is null or status = %s) "
        "and (%s::integer is null or instrument_id = %s) "
        "and (%s::timestamptz is null or (created_at, order_id) < (%s, %s)) "
        "order by created_at desc, order_id desc limit %s",
        (
            account_id,
            wanted.status,
            wanted.status,
            wanted.instrument_id,
            wanted.instrument_id,
            created_at,
            created_at,
            order_id,
            wanted.limit,
        ),
    )


def find_unanswered(
    uow: UnitOfWork, older_than_ms: int, after: int, limit: int, without: Collection[int] = ()
) -> list[StoredOrder]:
    """Return orders that are not known to be with the engine, by order id beyond `after`.

    Those in the instruments `without` are passed over.
    """
    return _many(
        uow,
        "status in ('NEW', 'PENDING') and engine_sequence = 0 "
        "and created_at < clock_timestamp() - make_interval(secs => %s / 1000.0) "
        "and order_id > %s and instrument_id <> all(%s) order by order_id limit %s",
        (older_than_ms, after, list(without), limit),
    )


def lock(uow: UnitOfWork, order_ids: Sequence[int]) -> dict[int, StoredOrder]:
    """Lock and return orders, always in the same order so that two transactions cannot deadlock."""
    rows = _many(uow, "order_id = any(%s) order by order_id for update", (sorted(order_ids),))
    return {row.order_id: row for row in rows}


def _one(uow: UnitOfWork, where: str, values: Sequence[Any]) -> StoredOrder | None:
    found = _many(uow, where, values)
    return found[0] if found else None


def _many(uow: UnitOfWork, where: str, values: Sequence[Any]) -> list[StoredOrder]:
    """Run a query whose condition is written in this module; values are always bound."""
    query = f"select {_COLUMNS} from orders.orders where {where}"
    return [_stored(row) for row in uow.connection.execute(query.encode(), values)]


def _stored(row: Sequence[Any]) -> StoredOrder:
    (order_id, account_id, client_order_id, request_hash, instrument_id, side, order_type) = row[:7]
    (time_in_force, price_ticks, quantity_lots, leaves_lots, filled_lots, filled_value) = row[7:13]
    (status, reason, engine_sequence, engine_index, trace_id, traceparent) = row[13:19]
    answer_status, answer_body, created_at, updated_at, instructions = row[19:]
    told = None if instructions is None else convert(instructions, Instructions)
    return StoredOrder(
        order_id=order_id,
        account_id=account_id,
        client_order_id=client_order_id,
        request_hash=None if request_hash is None else bytes(request_hash),
        terms=Terms(
            instrument_id, side, order_type, time_in_force, price_ticks, quantity_lots, told
        ),
        state=OrderState(
            status=OrderStatus(status),
            price_ticks=price_ticks,
            quantity_lots=quantity_lots,
            leaves_lots=leaves_lots,
            filled_lots=filled_lots,
            filled_value=int(filled_value),
            reason=reason,
            place=(engine_sequence, engine_index),
        ),
        trace_id=trace_id,
        traceparent=traceparent,
        answer_status=answer_status,
        answer_body=answer_body,
        created_at=created_at,
        updated_at=updated_at,
    )
