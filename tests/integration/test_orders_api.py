"""Orders through their API: stored, sent, answered; refused at the edge; nobody else's."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from functions.orders.lifecycle import TERMINAL
from functions.orders.service import Placed, Repeated
from functions.orders.store import NewOrder
from functions.orders.terms import Terms
from shared.domain.commands import PlaceOrder
from tests.support.orders import ALICE, BOB, OrdersStack, orders
from tests.support.servers import Server, migrated_databases, postgres_server, stores

__all__ = ["migrated_databases", "orders", "postgres_server", "stores"]


def test_an_order_that_rests_is_pending_with_all_of_it_open(orders: OrdersStack) -> None:
    answer = orders.place(price="9.50", client_order_id="mine-1")
    assert answer.status == 201, answer
    assert answer.json["status"] == "PENDING"
    assert answer.json["open_quantity"] == "100"
    assert answer.json["client_order_id"] == "mine-1"
    assert answer.json["price"] == "9.50"
    assert answer.json["sequence"] == len(orders.engine.commands)
    assert [step["step"] for step in orders.steps(answer.json["order_id"])] == ["NEW", "ACCEPTED"]


def test_an_order_that_meets_another_is_filled_at_the_resting_price(orders: OrdersStack) -> None:
    resting = orders.place(BOB, side="SELL", price="9.90", quantity="60").json
    answer = orders.place(price="10.00", time_in_force="IOC").json
    assert (answer["status"], answer["reason"]) == ("CANCELLED", "ioc_remainder")
    assert (answer["filled_quantity"], answer["average_price"]) == ("60", "9.900000")
    assert orders.show(resting["order_id"], BOB)["status"] == "PENDING"
    orders.project()
    assert orders.show(resting["order_id"], BOB)["status"] == "FILLED"


def test_the_average_price_counts_every_fill(orders: OrdersStack) -> None:
    orders.place(BOB, side="SELL", price="9.90", quantity="1")
    orders.place(BOB, side="SELL", price="9.91", quantity="2")
    answer = orders.place(quantity="3").json
    assert (answer["status"], answer["average_price"]) == ("FILLED", "9.906667")


def test_a_market_order_takes_what_there_is(orders: OrdersStack) -> None:
    orders.place(BOB, symbol="ORBT", side="SELL", price="25.05", quantity="30")
    answer = orders.place(symbol="ORBT", type="MARKET", price=None, quantity="20").json
    assert (answer["status"], answer["filled_quantity"], answer["price"]) == ("FILLED", "20", None)


def test_what_the_engine_refuses_is_stored_as_rejected(orders: OrdersStack) -> None:
    answer = orders.place(quantity="1000000", price="99.00")
    assert (answer.status, answer.code) == (422, "insufficient_funds")
    stored = orders.show(answer.json["order_id"])
    assert (stored["status"], stored["reason"]) == ("REJECTED", "insufficient_funds")


MALFORMED = [
    ({"price": "10.001"}, 422, "invalid_price"),
    ({"symbol": "ORBT", "price": "10.01"}, 422, "price_off_tick"),
    ({"symbol": "ORBT", "quantity": "15"}, 422, "quantity_off_lot"),
    ({"quantity": "1.5"}, 422, "invalid_quantity"),
    ({"quantity": "0"}, 422, "invalid_quantity"),
    ({"quantity": "1000001"}, 422, "quantity_too_large"),
    ({"price": "99999999999.99"}, 422, "invalid_price"),
    ({"price": "0.00"}, 422, "invalid_price"),
    ({"price": None}, 422, "price_required"),
    ({"type": "MARKET"}, 422, "price_not_allowed"),
    ({"type": "MARKET", "price": None, "time_in_force": "GTC"}, 422, "time_in_force_not_for_type"),
    ({"symbol": "NOPE"}, 422, "unknown_instrument"),
    ({"side": "buy"}, 400, "invalid_request"),
    ({"price": 10}, 400, "invalid_request"),
    ({"quantity": True}, 400, "invalid_request"),
    ({"price": "NaN"}, 400, "invalid_request"),
    ({"price": "1e3"}, 400, "invalid_request"),
    ({"price": "-1"}, 400, "invalid_request"),
    ({"price": "9" * 5000}, 400, "invalid_request"),
    ({"client_order_id": "a b"}, 400, "invalid_request"),
    ({"account_id": "1002"}, 400, "unknown_field"),
    ({"status": "FILLED"}, 400, "unknown_field"),
]


@pytest.mark.parametrize("changes, status, code", MALFORMED)
def test_bad_input_is_refused_with_a_stable_code_and_leaves_no_trace(
    orders: OrdersStack, changes: dict[str, Any], status: int, code: str
) -> None:
    sent_before = len(orders.engine.commands)
    answer = orders.place(**changes)
    assert (answer.status, answer.code) == (status, code)
    assert len(orders.engine.commands) == sent_before
    assert orders.rows("select * from orders.orders") == []


def test_the_same_request_again_gets_the_same_bytes_and_trades_once(orders: OrdersStack) -> None:
    first = orders.place(client_order_id="once")
    again = orders.place(client_order_id="once")
    assert (again.status, again.text) == (first.status, first.text)
    assert orders.place(client_order_id="once", price="9.99").code == "client_order_id_reused"
    assert orders.place(BOB, client_order_id="once").status == 201
    assert len(orders.rows("select * from orders.orders")) == 2


def test_fifty_at_once_under_one_client_order_id_are_one_order(orders: OrdersStack) -> None:
    terms = Terms(2, "BUY", "LIMIT", "GTC", 1_000, 100)
    order = NewOrder(ALICE, "alice", "many", b"hash", terms, "trace", "", 1)

    def place(_: int) -> str:
        outcome = orders.service.place(order)
        if isinstance(outcome, Placed):
            orders.service.save_answer(outcome.order.order_id, 201, "the answer")
            return "placed"
        assert isinstance(outcome, Repeated)
        return outcome.order.answer_body or ""

    with ThreadPoolExecutor(max_workers=8) as threads:
        outcomes = Counter(threads.map(place, range(50)))
    assert outcomes == {"placed": 1, "the answer": 49}
    assert sum(isinstance(command, PlaceOrder) for command in orders.engine.commands) == 1


def test_an_idempotency_key_repeats_the_answer(orders: OrdersStack) -> None:
    body = {"symbol": "NOVA", "side": "BUY", "type": "LIMIT", "quantity": "1", "price": "1.00"}
    headers = {"idempotency-key": "key-12345678"}
    first = orders.request("POST", "/api/v1/orders", body, headers=headers)
    again = orders.request("POST", "/api/v1/orders", body, headers=headers)
    assert first.status == 201
    assert again.text == first.text
    other = orders.request("POST", "/api/v1/orders", body | {"quantity": "2"}, headers=headers)
    assert (other.status, other.code) == (422, "idempotency_key_reused")


def test_an_open_order_is_cancelled_and_then_is_not_open(orders: OrdersStack) -> None:
    order_id = orders.place().json["order_id"]
    cancelled = orders.request("DELETE", f"/api/v1/orders/{order_id}")
    assert (cancelled.status, cancelled.json["status"]) == (200, "CANCELLED")
    assert cancelled.json["reason"] == "requested"
    again = orders.request("DELETE", f"/api/v1/orders/{order_id}")
    assert (again.status, again.code) == (409, "order_not_open")


def test_a_replaced_order_has_its_new_terms_and_keeps_its_fills(orders: OrdersStack) -> None:
    order_id = orders.place().json["order_id"]
    orders.place(BOB, side="SELL", quantity="30")
    replaced = orders.request(
        "PATCH", f"/api/v1/orders/{order_id}", {"price": "9.00", "quantity": "50"}
    ).json
    assert (replaced["status"], replaced["price"], replaced["open_quantity"]) == (
        "REPLACED",
        "9.00",
        "50",
    )
    orders.project()  # tells of the fill, which came before the replacement
    shown = orders.show(order_id)
    assert (shown["status"], shown["quantity"]) == ("REPLACED", "80")
    assert (shown["filled_quantity"], shown["open_quantity"]) == ("30", "50")
    assert [step["step"] for step in orders.steps(order_id)] == [
        "NEW",
        "ACCEPTED",
        "FILL",
        "REPLACED",
    ]


@pytest.mark.parametrize("body", [{}, {"quantity": "0"}, {"price": "10.001"}])
def test_a_replacement_that_makes_no_order_is_refused(orders: OrdersStack, body: Any) -> None:
    order_id = orders.place().json["order_id"]
    sent_before = len(orders.engine.commands)
    assert orders.request("PATCH", f"/api/v1/orders/{order_id}", body).status == 422
    assert len(orders.engine.commands) == sent_before


def test_orders_are_listed_newest_first_page_by_page(orders: OrdersStack) -> None:
    placed = [orders.place(price=f"{price}.00").json["order_id"] for price in range(1, 6)]
    seen: list[str] = []
    cursor: str | None = None
    while True:
        query = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = orders.request("GET", "/api/v1/orders", query=query).json
        seen += [order["order_id"] for order in page["orders"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == placed[::-1]


def test_lists_may_be_narrowed_by_status_and_symbol(orders: OrdersStack) -> None:
    orders.place()
    orbt = orders.place(symbol="ORBT", price="20.00").json["order_id"]
    gone = orders.place().json["order_id"]
    orders.request("DELETE", f"/api/v1/orders/{gone}")

    def listed(**query: str) -> list[str]:
        page = orders.request("GET", "/api/v1/orders", query=query).json
        return [order["order_id"] for order in page["orders"]]

    assert listed(symbol="ORBT") == [orbt]
    assert listed(status="CANCELLED") == [gone]
    assert orders.request("GET", "/api/v1/orders", query={"status": "GONE"}).status == 400
    assert orders.request("GET", "/api/v1/orders", query={"cursor": "x"}).code == "invalid_cursor"


@pytest.mark.parametrize(
    "method, suffix, body",
    [
        ("GET", "", None),
        ("GET", "/history", None),
        ("DELETE", "", None),
        ("PATCH", "", {"price": "1.00"}),
    ],
)
def test_another_users_order_is_not_found_and_stays_as_it_is(
    orders: OrdersStack, method: str, suffix: str, body: Any
) -> None:
    order_id = orders.place(ALICE).json["order_id"]
    before, sent = orders.dump(), len(orders.engine.commands)
    answer = orders.request(method, f"/api/v1/orders/{order_id}{suffix}", body, account=BOB)
    assert (answer.status, answer.code) == (404, "order_not_found")
    assert (orders.dump(), len(orders.engine.commands)) == (before, sent)


def test_a_users_list_is_for_that_user_alone(orders: OrdersStack) -> None:
    orders.place(ALICE)
    alice = (orders.claims_of(ALICE) or {})["sub"]
    own = orders.request("GET", f"/api/v1/orders/user/{alice}", account=ALICE)
    assert len(own.json["orders"]) == 1
    other = orders.request("GET", f"/api/v1/orders/user/{alice}", account=BOB)
    assert (other.status, other.code) == (404, "user_not_found")


def test_an_id_that_names_no_order_is_not_found(orders: OrdersStack) -> None:
    for order_id in ("1", str((1 << 63) - 1), str(1 << 63), "9" * 19):
        answer = orders.request("GET", f"/api/v1/orders/{order_id}")
        assert (answer.status, answer.code) == (404, "order_not_found")


def test_a_user_without_an_account_may_not_trade(orders: OrdersStack) -> None:
    orders.claims[0] = {"sub": "someone", "token_use": "access"}
    answer = orders.place(0)
    assert (answer.status, answer.code) == (403, "account_not_open")


def test_every_order_that_is_done_says_so(orders: OrdersStack) -> None:
    orders.place(BOB, side="SELL", quantity="50")
    orders.place(quantity="50")
    orders.project()
    for status, leaves in orders.rows("select status, leaves_lots from orders.orders"):
        assert (status in TERMINAL) == (leaves == 0)


def test_without_the_database_nothing_is_sent_and_the_client_is_told_to_come_again(
    orders: OrdersStack, postgres_server: Server
) -> None:
    open_order = orders.place().json["order_id"]
    sent_before = len(orders.engine.commands)
    postgres_server.stop()
    try:
        for answer in (orders.place(), orders.request("DELETE", f"/api/v1/orders/{open_order}")):
            assert (answer.status, answer.code) == (503, "database_unavailable")
            assert int(answer.headers["retry-after"]) > 0
    finally:
        postgres_server.start()
    assert len(orders.engine.commands) == sent_before
    assert orders.place().status == 201
