"""Orders of other types than limit and market, through the public API and the public feed."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from infra.demo.listener import Listener
from infra.local import aws, deploy
from infra.local.api import ApiClient, ApiError
from tests.support.e2e_load import BUYER, SELLER
from tests.support.e2e_platform import SYMBOL, Platform, status_of
from tests.support.waiting import wait_for

pytestmark = pytest.mark.slow


@pytest.fixture
def buyer(platform: Platform) -> Iterator[ApiClient]:
    with platform.client(BUYER) as api:
        cancel_all(api)
        yield api
        cancel_all(api)


@pytest.fixture
def seller(platform: Platform) -> Iterator[ApiClient]:
    with platform.client(SELLER) as api:
        cancel_all(api)
        yield api
        cancel_all(api)


def cancel_all(api: ApiClient) -> None:
    """Cancel what rests, so that these members meet only each other."""

    def nothing_open() -> bool:
        orders = [
            order
            for status in ("PENDING", "PARTIALLY_FILLED", "REPLACED")
            for order in api.call("GET", f"/api/v1/orders?status={status}&limit=200")["orders"]
        ]
        for order in orders:
            api.request("DELETE", f"/api/v1/orders/{order['order_id']}")
        return not orders

    wait_for(nothing_open, timeout_s=60, what="all orders cancelled")


def place(api: ApiClient, side: str, quantity: str, **terms: Any) -> dict[str, Any]:
    body = {"symbol": SYMBOL, "side": side, "type": "LIMIT", "quantity": quantity, **terms}
    answer: dict[str, Any] = api.call("POST", "/api/v1/orders", body)
    return answer


def offers(platform: Platform) -> dict[str, str]:
    with platform.anonymous() as api:
        book = api.call("GET", f"/api/v1/instruments/{SYMBOL}/book")
    return {level["price"]: level["quantity"] for level in book["asks"]}


async def watch_an_iceberg(platform: Platform, buyer: ApiClient, seller: ApiClient) -> str:
    """Let an iceberg and a hidden order rest and trade while a WebSocket client listens."""
    async with Listener(platform.settings.feed_url, SYMBOL) as listener:
        shown = listener.heard.books["SELL"]
        place(seller, "SELL", "50", price="25.45", hidden=True)
        iceberg = place(seller, "SELL", "200", price="25.50", display_quantity="40")
        await listener.reach(iceberg["sequence"])
        assert (shown.get("25.45"), shown["25.50"]) == (None, "40")
        taken = place(buyer, "BUY", "100", price="25.50", time_in_force="IOC")
        assert (taken["status"], taken["average_price"]) == ("FILLED", "25.475000")
        await listener.reach(taken["sequence"])
        assert (shown.get("25.45"), shown["25.50"]) == (None, "30")
        assert listener.heard.gaps == 0
    return str(iceberg["order_id"])


def test_an_iceberg_shows_its_part_alone_and_a_hidden_order_nothing(
    platform: Platform, buyer: ApiClient, seller: ApiClient
) -> None:
    iceberg = asyncio.run(watch_an_iceberg(platform, buyer, seller))
    assert offers(platform) == {"25.50": "30"}
    platform.settle_down()
    assert seller.order(iceberg)["open_quantity"] == "150"
    steps = seller.call("GET", f"/api/v1/orders/{iceberg}/history")["steps"]
    assert "REPLENISHED" in [step["step"] for step in steps]


def test_a_stop_is_triggered_by_a_trade(
    platform: Platform, buyer: ApiClient, seller: ApiClient
) -> None:
    place(seller, "SELL", "10", price="24.60")
    place(buyer, "BUY", "10", price="24.60")  # the last price, above the stop
    place(buyer, "BUY", "100", price="24.00")
    stop = place(seller, "SELL", "30", type="STOP", stop_price="24.00")
    assert (stop["status"], stop["filled_quantity"]) == ("PENDING", "0")
    place(seller, "SELL", "40", price="24.00")
    done = status_of(seller, stop["order_id"], "FILLED")
    assert done["average_price"] == "24.000000"
    steps = seller.call("GET", f"/api/v1/orders/{stop['order_id']}/history")["steps"]
    assert [step["step"] for step in steps] == ["NEW", "ACCEPTED", "TRIGGERED", "FILL"]


def test_fill_or_kill_post_only_and_what_no_session_takes(
    buyer: ApiClient, seller: ApiClient
) -> None:
    place(seller, "SELL", "50", price="25.00")
    killed = place(buyer, "BUY", "60", price="25.00", time_in_force="FOK")
    assert (killed["status"], killed["reason"]) == ("CANCELLED", "fok_not_filled")
    for terms, code in (
        ({"price": "25.00", "post_only": True}, "would_trade"),
        (
            {"type": "STOP", "stop_price": "26.00", "time_in_force": "IOC"},
            "time_in_force_not_for_type",
        ),
    ):
        with pytest.raises(ApiError) as refused:
            place(buyer, "BUY", "60", **terms)
        assert (refused.value.status, refused.value.code) == (422, code)
    assert place(buyer, "BUY", "50", price="25.00", time_in_force="FOK")["status"] == "FILLED"


def test_a_trade_of_one_cancels_the_other(buyer: ApiClient, seller: ApiClient) -> None:
    first = place(seller, "SELL", "50", price="25.50")
    link = {"contingency_type": "OCO", "linked_order_id": first["order_id"]}
    second = place(seller, "SELL", "50", type="STOP", stop_price="22.60", **link)
    place(buyer, "BUY", "20", price="25.50")
    cancelled = status_of(seller, second["order_id"], "CANCELLED")
    assert cancelled["reason"] == "linked"
    assert status_of(seller, first["order_id"], "PARTIALLY_FILLED")["open_quantity"] == "30"


def test_an_order_good_till_a_time_expires_when_the_minute_comes(
    platform: Platform, buyer: ApiClient
) -> None:
    expire_at = f"{datetime.now(UTC) + timedelta(seconds=2):%Y-%m-%dT%H:%M:%S.%fZ}"
    order = place(buyer, "BUY", "20", price="23.00", time_in_force="GTD", expire_at=expire_at)
    assert order["status"] == "PENDING"
    function = deploy.require(platform.settings).functions["BackofficeResendFunction"]
    platform.settle_down()

    def expired() -> bool:
        aws.functions(platform.settings).invoke(FunctionName=function, Payload=b"{}")
        return bool(buyer.order(order["order_id"])["status"] == "EXPIRED")

    wait_for(expired, timeout_s=60, what="the order to expire")
    assert buyer.order(order["order_id"])["reason"] == "time_reached"
