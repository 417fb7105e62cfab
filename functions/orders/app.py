"""Entry points of orders: the HTTP API, the consumers of two topics, the resend job."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any, Final

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response, content_types
from aws_lambda_powertools.event_handler.middlewares import NextMiddleware
from aws_lambda_powertools.event_handler.openapi.params import Path, Query

from functions.orders import projection, resend, settling, wiring
from functions.orders.cursor import decode_cursor, encode_cursor
from functions.orders.form import Refusal
from functions.orders.models import (
    OrderAnswer,
    OrderHistory,
    OrderPage,
    PlaceOrderRequest,
    ReplaceOrderRequest,
    StatusText,
    Symbol,
)
from functions.orders.service import (
    Changed,
    ClientOrderIdReused,
    LinkedElsewhere,
    NotFound,
    NotOpen,
    Refused,
    Repeated,
    Sending,
)
from functions.orders.store import NewOrder, OrderFilter, StoredOrder
from functions.orders.terms import Terms, terms_of
from functions.orders.units import price_of, quantity_of
from functions.orders.view import history_step, order_answer
from shared.domain.orders import OrderStatus
from shared.edge.auth import principal
from shared.edge.http import HttpApp
from shared.edge.idempotency import Idempotency
from shared.edge.models import IdText
from shared.edge.problems import Problem
from shared.edge.rate_limit import rate_limit
from shared.edge.stream_handler import StreamRecord, stream_handler
from shared.edge.tracing import current_traceparent, trace_id
from shared.ports.clock import SystemClock
from shared.postgres.idempotency import IdempotencyStore
from shared.postgres.unit_of_work import UnitOfWork
from shared.reference import instruments
from shared.wire.stream_events import OrderEvent, SettlementEvent

app = HttpApp("orders")
handler = app.handler

_MAX_ID: Final = (1 << 63) - 1
_idempotency: Final = Idempotency("orders", lambda: wiring.source())
_ORDER: Final[Any] = {content_types.APPLICATION_JSON: {"model": OrderAnswer}}
OrderId = Annotated[IdText, Path(description="The platform's id of the order")]


def _idempotent(resolver: APIGatewayHttpResolver, next_middleware: NextMiddleware) -> Response[Any]:
    """Honour an Idempotency-Key where one is sent; the client order id serves those without."""
    if resolver.current_event.headers.get("idempotency-key") is None:
        return next_middleware(resolver)
    return _idempotency(resolver, next_middleware)


_idempotent.takes_idempotency_key = True  # type: ignore[attr-defined]  # for the API's document


@app.post(
    "/api/v1/orders",
    summary="Place an order",
    description=(
        "Answers 201 with what the engine made of it. A 202 means that the order is stored and the "
        "engine has not answered yet; it is sent until it has. The same request again under one "
        "client_order_id gets the same answer."
    ),
    tags=["orders"],
    status_code=201,
    responses={
        201: {"description": "What the engine made of it", "content": _ORDER},
        202: {"description": "Stored; the engine has not answered yet", "content": _ORDER},
    },
    middlewares=[rate_limit("orders"), _idempotent],
)
def place_order(body: PlaceOrderRequest) -> Response[OrderAnswer]:
    caller = principal(app)
    account_id = caller.trading_account()
    now_ns = SystemClock().now_ns()
    terms = _accepted(terms_of(body, instruments(), account_id, now_ns))
    outcome = wiring.service().place(
        NewOrder(
            account_id=account_id,
            user_id=caller.user_id,
            client_order_id=body.client_order_id,
            request_hash=_hash(body),
            terms=terms,
            trace_id=trace_id(),
            traceparent=current_traceparent(),
            time_ns=now_ns,
        )
    )
    if isinstance(outcome, LinkedElsewhere):
        detail = "The other order is of an instrument that another engine trades."
        raise _refused_at_the_edge(
            Refusal("linked_order_on_other_shard", "linked_order_id", detail)
        )
    if isinstance(outcome, ClientOrderIdReused):
        raise Problem(409, "client_order_id_reused", "It names another order of this account.")
    if isinstance(outcome, Repeated):
        return _first_answer(outcome.order)
    answered = outcome.sending is Sending.ANSWERED
    return _answer_and_keep(outcome.order, 201 if answered else 202)


@app.get(
    "/api/v1/orders",
    summary="List your orders, newest first",
    tags=["orders"],
    middlewares=[rate_limit("reads")],
)
def list_orders(
    status: Annotated[StatusText | None, Query()] = None,
    symbol: Annotated[Symbol | None, Query()] = None,
    cursor: Annotated[str | None, Query(max_length=64)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> OrderPage:
    return _page(status, symbol, cursor, limit)


@app.get(
    "/api/v1/orders/user/<user_id>",
    summary="List a user's orders: only your own",
    tags=["orders"],
    middlewares=[rate_limit("reads")],
)
def list_user_orders(
    user_id: Annotated[str, Path(max_length=128)],
    status: Annotated[StatusText | None, Query()] = None,
    symbol: Annotated[Symbol | None, Query()] = None,
    cursor: Annotated[str | None, Query(max_length=64)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> OrderPage:
    if user_id != principal(app).user_id:
        raise Problem(404, "user_not_found", "There is no such user for you.")
    return _page(status, symbol, cursor, limit)


@app.get(
    "/api/v1/orders/<order_id>",
    summary="Show an order",
    tags=["orders"],
    middlewares=[rate_limit("reads")],
)
def get_order(order_id: OrderId) -> OrderAnswer:
    account_id = principal(app).account_id
    order = wiring.service().get(account_id, _number(order_id)) if account_id else None
    if order is None:
        raise _no_such_order()
    return order_answer(order, instruments())


@app.get(
    "/api/v1/orders/<order_id>/history",
    summary="Show every step of an order, with its place in the engine's journal",
    tags=["orders"],
    middlewares=[rate_limit("reads")],
)
def get_order_history(order_id: OrderId) -> OrderHistory:
    account_id = principal(app).account_id
    found = wiring.service().history(account_id, _number(order_id)) if account_id else None
    if found is None:
        raise _no_such_order()
    order, steps = found
    instrument = instruments().by_id[order.terms.instrument_id]
    return OrderHistory(
        order_id=str(order.order_id), steps=[history_step(step, instrument) for step in steps]
    )


@app.delete(
    "/api/v1/orders/<order_id>",
    summary="Cancel an open order",
    tags=["orders"],
    middlewares=[rate_limit("orders")],
)
def cancel_order(order_id: OrderId) -> OrderAnswer:
    account_id = principal(app).trading_account()
    return _changed(wiring.service().cancel(account_id, _number(order_id)))


@app.patch(
    "/api/v1/orders/<order_id>",
    summary="Give an open order a new price or open quantity",
    description="The order keeps its place in the queue only for less quantity at the same price.",
    tags=["orders"],
    middlewares=[rate_limit("orders")],
)
def replace_order(order_id: OrderId, body: ReplaceOrderRequest) -> OrderAnswer:
    account_id = principal(app).trading_account()
    if body.price is None and body.quantity is None:
        raise Problem(422, "nothing_to_change", "Give a price, a quantity or both.")

    def new_terms(order: StoredOrder) -> Terms:
        return _replaced(order, body)

    return _changed(wiring.service().replace(account_id, _number(order_id), new_terms))


@stream_handler("orders", OrderEvent)
def order_events_handler(records: Sequence[StreamRecord[OrderEvent]]) -> None:
    """Apply steps of orders; those applied already are passed over."""
    with UnitOfWork(wiring.source()) as uow:
        projection.apply_events(uow, [record.value for record in records])
        uow.commit()


@stream_handler("orders", SettlementEvent)
def settlement_events_handler(records: Sequence[StreamRecord[SettlementEvent]]) -> None:
    """Mark orders SETTLED whose trades all are."""
    with UnitOfWork(wiring.source()) as uow:
        settling.apply_settlements(uow, [record.value for record in records])
        uow.commit()


def resend_handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Send again what is not known to be with the engine; forget idempotency keys of long ago."""
    if event.get("ping") is True:
        return {"pong": "orders"}
    report = resend.resend(wiring.source(), wiring.service())
    outcome = {
        "sent": report.sent,
        "answered": report.answered,
        "forgotten_keys": IdempotencyStore("orders", wiring.source()).forget_old(),
    }
    Logger(service="orders").info("resend", extra=outcome)
    return outcome


def _page(status: str | None, symbol: str | None, cursor: str | None, limit: int) -> OrderPage:
    account_id = principal(app).account_id
    instrument = instruments().by_symbol.get(symbol) if symbol is not None else None
    if symbol is not None and instrument is None:
        raise Problem(422, "unknown_instrument", "No such instrument.")
    try:
        before = decode_cursor(cursor) if cursor is not None else None
    except ValueError as error:
        raise Problem(400, "invalid_cursor", "Hand back next_cursor unchanged.") from error
    if account_id is None:
        return OrderPage(orders=[], next_cursor=None)
    instrument_id = instrument.instrument_id if instrument else None
    orders = wiring.service().page(account_id, OrderFilter(status, instrument_id, before, limit))
    last = orders[-1] if len(orders) == limit else None
    return OrderPage(
        orders=[order_answer(order, instruments()) for order in orders],
        next_cursor=encode_cursor(last.created_at, last.order_id) if last else None,
    )


def _hash(body: PlaceOrderRequest) -> bytes:
    """Return a request's hash, which members that it does not use leave as it is."""
    return hashlib.sha256(body.model_dump_json(exclude_none=True).encode()).digest()


def _accepted(found: Terms | Refusal) -> Terms:
    if isinstance(found, Refusal):
        raise _refused_at_the_edge(found)
    return found


def _replaced(order: StoredOrder, body: ReplaceOrderRequest) -> Terms:
    """Return the new terms, in which `quantity_lots` is what is to be open."""
    instrument = instruments().by_id[order.terms.instrument_id]
    price = order.state.price_ticks if body.price is None else price_of(body.price, instrument)
    lots = (
        order.state.leaves_lots if body.quantity is None else quantity_of(body.quantity, instrument)
    )
    for found in (price, lots):
        if isinstance(found, Refusal):
            raise _refused_at_the_edge(found)
    assert isinstance(price, int) and isinstance(lots, int)
    if price == 0:
        detail = "Only an order with a limit in the book can be replaced."
        raise _refused_at_the_edge(Refusal("replace_not_possible", "price", detail))
    return replace(order.terms, price_ticks=price, quantity_lots=lots)


def _refused_at_the_edge(refusal: Refusal) -> Problem:
    fault = {
        "pointer": f"/{refusal.member}",
        "code": refusal.code,
        "message": refusal.detail,
    }
    return Problem(422, refusal.code, refusal.detail, errors=[fault])


def _answer_and_keep(order: StoredOrder, status: int) -> Response[OrderAnswer]:
    answer = order_answer(order, instruments())
    wiring.service().save_answer(order.order_id, status, answer.model_dump_json())
    return _order_response(order, status, answer)


def _first_answer(order: StoredOrder) -> Response[OrderAnswer]:
    """Return the first request's answer again, or the order as it stands where none was kept."""
    if order.answer_status is None or order.answer_body is None:
        return _order_response(order, 202, order_answer(order, instruments()))
    answer = OrderAnswer.model_validate(json.loads(order.answer_body))
    return _order_response(order, order.answer_status, answer)


def _order_response(order: StoredOrder, status: int, answer: OrderAnswer) -> Response[OrderAnswer]:
    if answer.status == OrderStatus.REJECTED.value:
        raise _rejected(answer.reason or "rejected", order)
    return Response(status, content_types.APPLICATION_JSON, answer)


def _changed(outcome: Changed | NotFound | NotOpen | Refused) -> OrderAnswer:
    match outcome:
        case Changed(order):
            return order_answer(order, instruments())
        case NotFound():
            raise _no_such_order()
        case NotOpen(order):
            raise Problem(
                409,
                "order_not_open",
                "The order is done.",
                order_id=str(order.order_id),
                order_status=order.state.status.value,
            )
        case Refused(code):
            raise Problem(422, code.name.lower(), "The engine refused the change.")


def _rejected(reason: str, order: StoredOrder) -> Problem:
    return Problem(
        422,
        reason,
        "The engine refused the order.",
        order_id=str(order.order_id),
        order_status=OrderStatus.REJECTED.value,
    )


def _no_such_order() -> Problem:
    return Problem(404, "order_not_found", "You have no such order.")


def _number(order_id: str) -> int:
    number = int(order_id)
    if number > _MAX_ID:
        raise _no_such_order()
    return number
