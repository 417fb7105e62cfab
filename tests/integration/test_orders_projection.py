"""The order projector and broken parts: once each, in any repetition, and nothing lost."""

import random
from itertools import pairwise

import pytest

from functions.orders import app
from functions.orders.resend import ResendReport, resend
from shared.domain import records as r
from shared.domain.commands import CancelOrder, PlaceOrder
from shared.domain.ids import member_order_id
from shared.ports.event_stream import Message
from shared.wire.stream_events import SettlementEvent
from tests.support.lambda_events import Context
from tests.support.orders import ALICE, BOB, OrdersStack, msk_event, orders
from tests.support.servers import migrated_databases, postgres_server, stores

__all__ = ["migrated_databases", "orders", "postgres_server", "stores"]


def trade_a_while(orders: OrdersStack, number: int = 60) -> None:
    """Place, replace and cancel orders of both users, some of which trade."""
    choose = random.Random(7)
    open_ids: list[tuple[int, str]] = []
    for _ in range(number):
        account = choose.choice([ALICE, BOB])
        side = "BUY" if account == ALICE else "SELL"
        price = f"{choose.randint(990, 1010) / 100:.2f}"
        answer = orders.place(account, side=side, price=price, quantity=str(choose.randint(1, 90)))
        open_ids.append((account, answer.json["order_id"]))
        if choose.random() < 0.3:
            owner, order_id = choose.choice(open_ids)
            orders.request("DELETE", f"/api/v1/orders/{order_id}", account=owner)
        if choose.random() < 0.2:
            owner, order_id = choose.choice(open_ids)
            path = f"/api/v1/orders/{order_id}"
            orders.request("PATCH", path, {"quantity": "5", "price": price}, account=owner)


def test_projecting_batches_one_to_five_times_gives_what_once_gives(orders: OrdersStack) -> None:
    trade_a_while(orders)
    orders.project()
    once = orders.dump()
    messages = [item for item in orders.engine.published if item.topic == "order-events"]
    choose = random.Random(11)
    at = 0
    while at < len(messages):
        size = choose.randint(1, 20)
        for _ in range(choose.randint(1, 5)):
            orders.project(messages[at : at + size])
        at += size
    assert orders.dump() == once


def test_reading_the_topic_again_from_its_beginning_changes_nothing(orders: OrdersStack) -> None:
    trade_a_while(orders)
    orders.project()
    before = orders.dump()
    orders.project()
    assert orders.dump() == before


def test_the_stream_alone_tells_what_the_answers_told(orders: OrdersStack) -> None:
    trade_a_while(orders)
    orders.project()
    with_answers = orders.dump()[0]
    orders.forget()
    orders.project()
    assert orders.dump()[0] == with_answers


def test_a_members_own_order_appears_with_its_terms(orders: OrdersStack) -> None:
    order_id = member_order_id(BOB, 7)
    orders.engine.submit(PlaceOrder(BOB, order_id, 2, r.SELL, r.LIMIT, r.GTC, 40, 1_050))
    orders.project()
    shown = orders.show(str(order_id), BOB)
    assert (shown["symbol"], shown["side"], shown["quantity"], shown["price"]) == (
        "NOVA",
        "SELL",
        "40",
        "10.50",
    )
    orders.engine.submit(CancelOrder(BOB, order_id, 2))
    orders.project()
    assert orders.show(str(order_id), BOB)["status"] == "CANCELLED"


def test_history_names_every_step_with_its_place_in_the_journal(orders: OrdersStack) -> None:
    order_id = orders.place(quantity="50").json["order_id"]
    orders.place(BOB, side="SELL", quantity="20")
    orders.place(BOB, side="SELL", quantity="30")
    orders.project()
    steps = orders.steps(order_id)
    assert [(step["step"], step["status"]) for step in steps] == [
        ("NEW", "NEW"),
        ("ACCEPTED", "PENDING"),
        ("FILL", "PARTIALLY_FILLED"),
        ("FILL", "FILLED"),
    ]
    places = [(step["sequence"], step["index"]) for step in steps[1:]]
    assert all(before < after for before, after in pairwise(places))
    assert {step["trade_id"] for step in steps[2:]} == {
        trade.trade_id for trade in orders.engine.trade_executions()
    }


def test_a_step_of_an_order_never_accepted_is_reported_and_not_swallowed(
    orders: OrdersStack,
) -> None:
    orders.engine.submit(
        PlaceOrder(BOB, member_order_id(BOB, 1), 2, r.SELL, r.LIMIT, r.GTC, 40, 1_050)
    )
    orders.engine.submit(CancelOrder(BOB, member_order_id(BOB, 1), 2))
    cancelled = [item for item in orders.engine.published if item.topic == "order-events"][-1:]
    with pytest.raises(Exception, match="the first is"):
        app.order_events_handler(msk_event(cancelled), Context())
    assert orders.dump()[1] == []


def test_a_record_that_is_no_event_is_named_and_the_others_are_applied(
    orders: OrdersStack,
) -> None:
    orders.engine.submit(
        PlaceOrder(BOB, member_order_id(BOB, 1), 2, r.SELL, r.LIMIT, r.GTC, 40, 1_050)
    )
    good = [item for item in orders.engine.published if item.topic == "order-events"]
    bad = Message("order-events", good[0].partition, b"1", b'{"type": 1')
    answer = app.order_events_handler(msk_event([bad, *good]), Context())
    assert [item["itemIdentifier"]["offset"] for item in answer["batchItemFailures"]] == [0]
    assert len(orders.rows("select * from orders.orders")) == 1


# --- the engine away ----------------------------------------------------------------------------


def age_orders(orders: OrdersStack) -> None:
    """Make all orders old enough to be sent again."""
    orders.run("update orders.orders set created_at = created_at - interval '1 minute'")


def test_while_the_engine_is_down_an_order_is_taken_and_pending(orders: OrdersStack) -> None:
    orders.engine.is_down = True
    answer = orders.place()
    assert (answer.status, answer.json["status"]) == (202, "PENDING")
    assert [step["step"] for step in orders.steps(answer.json["order_id"])] == ["NEW", "PENDING"]


def test_pending_orders_are_sent_when_the_engine_is_back(orders: OrdersStack) -> None:
    orders.engine.is_down = True
    order_ids = [orders.place().json["order_id"] for _ in range(5)]
    age_orders(orders)
    assert resend(orders.dsn, orders.service) == ResendReport(sent=0, answered=0)
    orders.engine.is_down = False
    assert resend(orders.dsn, orders.service) == ResendReport(sent=5, answered=5)
    assert resend(orders.dsn, orders.service) == ResendReport(sent=0, answered=0)
    book = orders.engine.book(2, 1)
    assert book is not None and book.bids[0].orders == 5
    assert {orders.show(order_id)["sequence"] is not None for order_id in order_ids} == {True}


def test_every_minute_idempotency_keys_of_long_ago_are_forgotten(orders: OrdersStack) -> None:
    for age_hours in (71, 73):
        orders.run(
            "insert into orders.idempotency_keys (scope, key, request_hash, owner, held_until, "
            f"status, created_at) values ('scope', 'of-{age_hours}-hours', '', gen_random_uuid(), "
            f"now(), 201, now() - interval '{age_hours} hours')"
        )
    report = app.resend_handler({}, Context())
    assert report == {"sent": 0, "answered": 0, "forgotten_keys": 1}
    assert orders.rows("select key from orders.idempotency_keys") == [("of-71-hours",)]


def test_an_order_whose_answer_was_lost_is_not_placed_twice(orders: OrdersStack) -> None:
    orders.engine.lose_answers = 1
    order_id = orders.place().json["order_id"]
    age_orders(orders)
    assert resend(orders.dsn, orders.service) == ResendReport(sent=1, answered=0)
    book = orders.engine.book(2, 1)
    assert book is not None and book.bids[0].quantity_lots == 100
    orders.project()
    assert orders.show(order_id)["sequence"] is not None
    assert resend(orders.dsn, orders.service) == ResendReport(sent=0, answered=0)


def test_an_order_refused_unheard_and_taken_later_ends_as_taken(orders: OrdersStack) -> None:
    """The engine does not remember what it refused, so the second sending is judged anew."""
    orders.engine.lose_answers = 1
    order_id = orders.place(1003).json["order_id"]  # an account that the engine does not know yet
    orders.engine.open_account(1003, cash_minor=1_000_000)
    age_orders(orders)
    assert resend(orders.dsn, orders.service) == ResendReport(sent=1, answered=1)
    orders.project()
    assert orders.show(order_id, 1003)["status"] == "PENDING"
    assert [step["step"] for step in orders.steps(order_id, 1003)] == [
        "NEW",
        "PENDING",
        "REJECTED",
        "ACCEPTED",
    ]


def test_a_cancel_while_the_engine_is_down_is_unavailable_and_changes_nothing(
    orders: OrdersStack,
) -> None:
    order_id = orders.place().json["order_id"]
    orders.engine.is_down = True
    answer = orders.request("DELETE", f"/api/v1/orders/{order_id}")
    assert (answer.status, answer.code) == (503, "engine_unavailable")
    assert "retry-after" in answer.headers
    assert orders.show(order_id)["status"] == "PENDING"


# --- settlement ---------------------------------------------------------------------------------


def settlement_of(orders: OrdersStack, account: int, sequence: int = 1) -> SettlementEvent:
    """Return what the settlement service says once all trades of an account are settled."""
    mine = [
        (trade, trade.buy_order_id if int(trade.buy_account_id) == account else trade.sell_order_id)
        for trade in orders.engine.trade_executions()
        if str(account) in (trade.buy_account_id, trade.sell_account_id)
    ]
    return SettlementEvent(
        type="SETTLED",
        sequence=sequence,
        time_ns=1,
        batch_id="1",
        instruction_id=f"i{account}",
        account_id=str(account),
        instrument_id=2,
        currency="USD",
        cash_minor=0,
        quantity_lots=0,
        trade_ids=[trade.trade_id for trade, _ in mine],
        order_ids=sorted({order_id for _, order_id in mine}),
    )


@pytest.mark.parametrize("settlement_first", [False, True])
def test_a_filled_order_is_settled_whichever_news_comes_first(
    orders: OrdersStack, settlement_first: bool
) -> None:
    resting = orders.place().json["order_id"]
    orders.place(BOB, side="SELL")
    event = settlement_of(orders, ALICE)
    if settlement_first:
        orders.settle(event)
        orders.project()
    else:
        orders.project()
        orders.settle(event)
    assert orders.show(resting)["status"] == "SETTLED"
    assert [step["step"] for step in orders.steps(resting)][-1] == "SETTLED"
    before = orders.dump()
    orders.settle(event, event)
    orders.project()
    assert orders.dump() == before


def test_an_order_that_is_open_is_not_settled_by_what_it_traded_so_far(
    orders: OrdersStack,
) -> None:
    resting = orders.place(quantity="100").json["order_id"]
    orders.place(BOB, side="SELL", quantity="40")
    orders.project()
    orders.settle(settlement_of(orders, ALICE))
    assert orders.show(resting)["status"] == "PARTIALLY_FILLED"
    orders.place(BOB, side="SELL", quantity="60")
    orders.project()
    assert orders.show(resting)["status"] == "FILLED"  # its second trade is not settled
    orders.settle(settlement_of(orders, ALICE, sequence=2))
    assert orders.show(resting)["status"] == "SETTLED"
