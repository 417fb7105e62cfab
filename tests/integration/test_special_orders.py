"""Orders of every type through the API: what the engine makes of them, and what is shown of it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from functions.orders.resend import resend
from shared.domain import records as r
from shared.domain.commands import PlaceOrder, SetInstrumentState
from shared.domain.extended_orders import PlaceExtendedOrder
from shared.domain.ids import SOURCE_BACKOFFICE, administrative_id
from shared.domain.market_commands import ExpireOrders, SetAccountTerm, Uncross
from tests.support.core_engine import START_NS
from tests.support.orders import BOB, OrdersStack, orders
from tests.support.servers import migrated_databases, postgres_server, stores

__all__ = ["migrated_databases", "orders", "postgres_server", "stores"]

NOVA = 2
TOMORROW = f"{datetime.now(UTC) + timedelta(days=1):%Y-%m-%dT%H:%M:%SZ}"


def admin(number: int) -> int:
    return administrative_id(SOURCE_BACKOFFICE, number)


def steps_of(orders: OrdersStack, order_id: str, account: int = BOB) -> list[str]:
    return [step["step"] for step in orders.steps(order_id, account)]


def sell(orders: OrdersStack, price: str, quantity: str = "50", **more: Any) -> Any:
    answer = orders.place(BOB, side="SELL", price=price, quantity=quantity, **more)
    assert answer.status == 201, answer
    return answer.json


def book(orders: OrdersStack) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    view = orders.engine.book(NOVA, 0)
    assert view is not None
    sides = [[(row.price_ticks, row.quantity_lots) for row in s] for s in (view.bids, view.asks)]
    return sides[0], sides[1]


def test_a_plain_order_stays_one_of_eight_words_at_any_price(orders: OrdersStack) -> None:
    answer = orders.place(price="123.45", quantity="1")
    assert (answer.status, answer.json["hidden"], answer.json["stop_price"]) == (201, False, None)
    assert isinstance(orders.engine.commands[-1], PlaceOrder)
    orders.place(time_in_force="DAY")
    assert isinstance(orders.engine.commands[-1], PlaceExtendedOrder)


def test_a_stop_waits_is_triggered_and_trades(orders: OrdersStack) -> None:
    stop = orders.place(
        BOB, side="SELL", type="STOP", price=None, stop_price="9.80", quantity="30"
    ).json
    assert (stop["status"], stop["stop_price"], stop["price"]) == ("PENDING", "9.80", None)
    orders.place(price="9.80", quantity="100")
    sell(orders, "9.80", "40")  # trades at 9.80, which triggers the stop in the same command
    orders.project()
    shown = orders.show(stop["order_id"], BOB)
    assert (shown["status"], shown["average_price"]) == ("FILLED", "9.800000")
    assert steps_of(orders, stop["order_id"]) == ["NEW", "ACCEPTED", "TRIGGERED", "FILL"]


def test_a_trailing_stop_follows_the_market(orders: OrdersStack) -> None:
    trailing = orders.place(
        BOB, side="SELL", type="TRAILING_STOP", price=None, trailing_offset="0.20", quantity="10"
    ).json
    assert (trailing["trailing_offset"], trailing["peg_offset"]) == ("0.20", None)
    for price, wanted in (("10.40", "10"), ("10.25", "10"), ("10.20", "20")):
        orders.place(price=price, quantity=wanted)
        sell(orders, price, "10")
    orders.project()
    assert orders.show(trailing["order_id"], BOB)["status"] == "FILLED"
    assert "TRIGGERED" in steps_of(orders, trailing["order_id"])


def test_an_iceberg_shows_its_display_quantity_alone(orders: OrdersStack) -> None:
    iceberg = sell(orders, "10.10", "100", display_quantity="20")
    assert (iceberg["display_quantity"], iceberg["open_quantity"]) == ("20", "100")
    assert book(orders)[1] == [(1_010, 20)]
    orders.place(price="10.10", quantity="30")
    assert book(orders)[1] == [(1_010, 10)]
    orders.project()
    assert "REPLENISHED" in steps_of(orders, iceberg["order_id"])
    assert orders.show(iceberg["order_id"], BOB)["open_quantity"] == "70"


def test_a_hidden_order_is_not_shown_and_trades(orders: OrdersStack) -> None:
    sell(orders, "10.00", hidden=True)
    assert book(orders) == ([], [])
    assert orders.place(quantity="50").json["status"] == "FILLED"


def test_fill_or_kill_and_minimum_quantity(orders: OrdersStack) -> None:
    sell(orders, "10.00", "50")
    killed = orders.place(quantity="60", time_in_force="FOK").json
    assert (killed["status"], killed["reason"]) == ("CANCELLED", "fok_not_filled")
    few = orders.place(quantity="80", time_in_force="IOC", minimum_quantity="60").json
    assert (few["status"], few["reason"]) == ("CANCELLED", "minimum_not_met")
    assert orders.place(quantity="50", time_in_force="FOK").json["status"] == "FILLED"


def test_market_to_limit_takes_its_limit_from_the_best_price(orders: OrdersStack) -> None:
    sell(orders, "9.90", "50")
    answer = orders.place(type="MARKET_TO_LIMIT", price=None, quantity="70").json
    assert (answer["filled_quantity"], answer["open_quantity"]) == ("50", "20")
    assert answer["price"] == "9.90"
    assert book(orders)[0] == [(990, 20)]


def test_a_pegged_order_follows_and_is_not_shown(orders: OrdersStack) -> None:
    orders.place(price="9.50", quantity="10")
    pegged = orders.place(
        type="PEGGED", price="11.00", peg_price_type="PRIMARY", quantity="10"
    ).json
    assert pegged["peg_price_type"] == "PRIMARY"
    orders.place(price="9.60", quantity="10")
    assert book(orders)[0] == [(960, 10), (950, 10)]
    orders.project()
    history = orders.steps(pegged["order_id"])
    assert (history[-1]["step"], history[-1]["price"]) == ("REPRICED", "9.60")


def test_one_cancels_other(orders: OrdersStack) -> None:
    take_profit = sell(orders, "10.50")
    stop_loss = orders.place(
        BOB,
        side="SELL",
        type="STOP_LIMIT",
        price="9.40",
        stop_price="9.50",
        quantity="50",
        contingency_type="OCO",
        linked_order_id=take_profit["order_id"],
    ).json
    assert stop_loss["linked_order_id"] == take_profit["order_id"]
    orders.place(price="10.50", quantity="10")
    orders.project()
    cancelled = orders.show(stop_loss["order_id"], BOB)
    assert (cancelled["status"], cancelled["reason"]) == ("CANCELLED", "linked")
    assert orders.show(take_profit["order_id"], BOB)["open_quantity"] == "40"


def test_one_triggers_other(orders: OrdersStack) -> None:
    first = orders.place(price="9.00", quantity="10").json
    second = orders.place(
        side="BUY",
        price="8.00",
        quantity="10",
        contingency_type="OTO",
        linked_order_id=first["order_id"],
    ).json
    assert book(orders)[0] == [(900, 10)]
    sell(orders, "9.00", "10")
    orders.project()
    assert orders.show(second["order_id"])["status"] == "PENDING"
    assert book(orders)[0] == [(800, 10)]


def test_an_order_good_till_a_date_expires(orders: OrdersStack) -> None:
    order = orders.place(time_in_force="GTD", expire_at=TOMORROW).json
    assert order["expire_at"].startswith(TOMORROW[:19])
    last = (datetime.fromisoformat(TOMORROW) + timedelta(days=1)).timestamp()
    orders.engine.step_ns = (int(last) * 10**9 - START_NS) // len(orders.engine.commands)
    orders.engine.submit(ExpireOrders(admin(1)))
    orders.project()
    shown = orders.show(order["order_id"])
    assert (shown["status"], shown["reason"], shown["open_quantity"]) == (
        "EXPIRED",
        "time_reached",
        "0",
    )
    assert orders.request("DELETE", f"/api/v1/orders/{order['order_id']}").code == "order_not_open"


def test_post_only_is_refused_where_it_would_take(orders: OrdersStack) -> None:
    sell(orders, "10.00")
    assert orders.place(post_only=True).code == "would_trade"
    assert orders.place(post_only=True, price="9.99").json["post_only"] is True


def test_a_member_does_not_trade_with_itself(orders: OrdersStack) -> None:
    resting = sell(orders, "10.00", "50")
    reduced = orders.place(BOB, quantity="20", self_trade_prevention="DECREMENT").json
    assert (reduced["status"], reduced["reason"]) == ("CANCELLED", "self_trade")
    orders.project()
    assert orders.show(resting["order_id"], BOB)["quantity"] == "30"
    assert steps_of(orders, resting["order_id"])[-1] == "REDUCED"


def test_a_short_sale_needs_margin_and_located_shares(orders: OrdersStack) -> None:
    short: dict[str, Any] = {"side": "SELL_SHORT", "quantity": "10", "price": "10.00"}
    assert orders.place(**short, locate_quantity="10").code == "short_not_allowed"
    orders.engine.submit(SetAccountTerm(r.SET_MARGIN, admin(2), 1001, 200))
    assert orders.place(**short, locate_quantity="5").code == "locate_too_small"
    answer = orders.place(**short, locate_quantity="10").json
    assert (answer["status"], answer["side"]) == ("PENDING", "SELL_SHORT")


def test_an_auction_has_no_taker(orders: OrdersStack) -> None:
    orders.engine.submit(SetInstrumentState(admin(3), NOVA, r.SESSION_VOLATILITY_AUCTION))
    assert orders.place(time_in_force="IOC").code == "not_in_session"
    buy, offer = orders.place(price="10.20").json, sell(orders, "10.00", "100")
    orders.engine.submit(Uncross(admin(4), NOVA, r.SESSION_CONTINUOUS))
    orders.project()
    for order, account in ((buy, 1001), (offer, BOB)):
        assert orders.show(order["order_id"], account)["status"] == "FILLED"
        assert orders.steps(order["order_id"], account)[-1]["liquidity"] == "AUCTION"
    assert [trade.aggressor_side for trade in orders.engine.trade_executions()] == ["NONE"]


def test_what_cannot_be_replaced_says_so(orders: OrdersStack) -> None:
    stop = orders.place(type="STOP", price=None, stop_price="11.00").json["order_id"]
    path = f"/api/v1/orders/{stop}"
    assert orders.request("PATCH", path, {"quantity": "5"}).code == "replace_not_possible"
    assert orders.request("PATCH", path, {"price": "9.00"}).code == "replace_not_possible"


def test_an_unanswered_order_is_sent_again_as_it_was(orders: OrdersStack) -> None:
    orders.engine.is_down = True
    terms: dict[str, Any] = {"type": "STOP_LIMIT", "stop_price": "10.50", "time_in_force": "GTD"}
    answer = orders.place(**terms, expire_at=TOMORROW, client_order_id="again")
    assert (answer.status, answer.json["status"]) == (202, "PENDING")
    orders.engine.is_down = False
    orders.run("update orders.orders set created_at = created_at - interval '1 minute'")
    report = resend(lambda: orders.dsn, orders.service)
    assert (report.sent, report.answered) == (1, 1)
    sent = orders.engine.commands[-1]
    assert isinstance(sent, PlaceExtendedOrder)
    assert (sent.stop_price_ticks, sent.order_type) == (1_050, r.STOP_LIMIT)
    assert orders.show(answer.json["order_id"])["stop_price"] == "10.50"
    repeated = orders.place(**terms, expire_at=TOMORROW, client_order_id="again")
    assert (repeated.status, repeated.json["order_id"]) == (202, answer.json["order_id"])


REFUSED = [
    ({"type": "MARKET", "price": None, "time_in_force": "DAY"}, "time_in_force_not_for_type"),
    ({"type": "STOP", "price": None, "time_in_force": "IOC"}, "time_in_force_not_for_type"),
    ({"type": "MARKET", "price": None, "post_only": True}, "flag_not_for_type"),
    ({"hidden": True, "display_quantity": "5"}, "hidden_and_iceberg"),
    ({"post_only": True, "time_in_force": "FOK"}, "post_only_must_rest"),
    ({"minimum_quantity": "5"}, "minimum_needs_ioc"),
    ({"hidden": True, "time_in_force": "IOC"}, "display_must_rest"),
    (
        {"time_in_force": "AT_OPEN", "self_trade_prevention": "CANCEL_BOTH"},
        "self_trade_mode_without_use",
    ),
    ({"type": "STOP", "price": None}, "stop_price_required"),
    ({"stop_price": "9.00"}, "stop_price_not_allowed"),
    ({"type": "STOP", "stop_price": "9.00"}, "price_not_allowed"),
    ({"type": "TRAILING_STOP", "price": None}, "trailing_offset_required"),
    ({"type": "PEGGED"}, "peg_price_type_required"),
    ({"type": "PEGGED", "peg_price_type": "MARKET"}, "peg_offset_required"),
    ({"peg_offset": "0.10"}, "peg_offset_not_allowed"),
    ({"time_in_force": "GTD"}, "expire_at_required"),
    ({"expire_at": TOMORROW}, "expire_at_not_allowed"),
    ({"time_in_force": "GTD", "expire_at": "2020-01-01T00:00:00Z"}, "invalid_expire_at"),
    ({"time_in_force": "GTD", "expire_at": "2999-01-01T00:00:00Z"}, "invalid_expire_at"),
    ({"time_in_force": "GTD", "expire_at": "2026-02-30T00:00:00Z"}, "invalid_expire_at"),
    ({"display_quantity": "101"}, "display_quantity_too_large"),
    ({"display_quantity": "0"}, "invalid_display_quantity"),
    ({"contingency_type": "OCO"}, "linked_order_id_required"),
    ({"contingency_type": "OCO", "linked_order_id": "9223372036854775808"}, "unknown_link"),
    ({"contingency_type": "OCO", "linked_order_id": str(BOB << 32 | 1)}, "unknown_link"),
    ({"locate_quantity": "5"}, "locate_quantity_not_allowed"),
    ({"price": "99999999999999999.99"}, "invalid_price"),
]


@pytest.mark.parametrize("changes, code", REFUSED)
def test_a_form_that_no_session_takes_is_refused_at_the_edge(
    orders: OrdersStack, changes: dict[str, Any], code: str
) -> None:
    sent_before = len(orders.engine.commands)
    answer = orders.place(**changes)
    assert (answer.status, answer.code) == (422, code)
    assert len(orders.engine.commands) == sent_before


@pytest.mark.parametrize(
    "changes",
    [
        {"hidden": "yes"},
        {"type": "FUNNY"},
        {"expire_at": "tomorrow"},
        {"linked_order_id": "-1"},
        {"stop_price": "1e5"},
        {"peg_price_type": "BEST"},
        {"cancel_on_disconnect": True},
    ],
)
def test_members_of_another_kind_are_refused(orders: OrdersStack, changes: Any) -> None:
    assert orders.place(**changes).status == 400


def test_the_stream_alone_tells_the_instructions(orders: OrdersStack) -> None:
    orders.place(display_quantity="20")
    orders.place(type="STOP", price=None, stop_price="12.00", time_in_force="DAY")
    orders.project()
    query = "select order_type, time_in_force, instructions from orders.orders order by order_id"
    with_answers = orders.dump()[0], orders.rows(query)
    orders.forget()
    orders.project()
    assert (orders.dump()[0], orders.rows(query)) == with_answers
