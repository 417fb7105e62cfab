"""Each part is killed under load; what was answered is what was stored, sent, traded and projected.

A killed part gets SIGKILL. The load repeats a request that nobody answered, or that was answered
with 503 or 429, under its client order id, so at the end every order has one final answer.
"""

from collections.abc import Iterator

import pytest

from infra.local import deploy
from infra.local.api import ApiError
from tests.support.e2e_census import take_census
from tests.support.e2e_load import BUYER, SELLER, Load, Tally
from tests.support.e2e_platform import SYMBOL, Platform, status_of
from tests.support.waiting import wait_for

pytestmark = pytest.mark.slow

AT_LEAST = 15  # orders, before a part is killed and after it is back
DONE = {"FILLED", "SETTLED", "CANCELLED", "PARTIALLY_FILLED"}


@pytest.fixture(autouse=True)
def healed(platform: Platform) -> Iterator[None]:
    """Leave a healthy platform behind, also when a test fails half-way."""
    yield
    platform.heal()


def expect_equal_counts(platform: Platform, tally: Tally) -> None:
    """Every order was answered once for good, and all stores hold the same orders and trades."""
    assert not tally.given_up
    assert len(set(tally.order_ids)) == len(tally.placed) > 0
    platform.settle_down()
    census = take_census(platform)
    assert census.differences() == []
    assert {int(order_id) for order_id in tally.order_ids} <= set(census.orders["journal"])
    stored = platform.rows(
        "core",
        "select client_order_id, order_id from orders.orders where client_order_id = any(%s)",
        list(tally.placed),
    )
    assert {row["client_order_id"]: str(row["order_id"]) for row in stored} == {
        name: order_id for name, (_, order_id) in tally.placed.items()
    }


def test_orders_wait_while_the_engine_is_down_and_are_sent_when_it_is_back(
    platform: Platform,
) -> None:
    with Load(platform) as load:
        load.wait_for_orders(AT_LEAST, status=201)
        platform.stack.kill("engine")
        load.wait_for_orders(AT_LEAST, status=202)
        waiting = platform.rows(
            "core",
            "select status, engine_sequence from orders.orders where order_id = any(%s)",
            [int(order_id) for order_id in load.tally.with_status(202)],
        )
        assert ("PENDING", 0) in {(row["status"], row["engine_sequence"]) for row in waiting}
        platform.stack.start("engine")
        load.wait_for_orders(AT_LEAST, status=201)
    assert set(load.tally.others) == set()
    expect_equal_counts(platform, load.tally)
    unheard = [int(order_id) for order_id in load.tally.with_status(202)]
    statuses = platform.rows(
        "core", "select order_id, status from orders.orders where order_id = any(%s)", unheard
    )
    assert len(statuses) == len(unheard)
    assert {row["status"] for row in statuses} <= {"PENDING", *DONE}
    assert any(row["status"] in DONE for row in statuses)


def test_an_order_that_waited_for_the_engine_is_acknowledged_and_filled(
    platform: Platform,
) -> None:
    platform.stack.kill("engine")
    with platform.client(BUYER) as buyer, platform.client(SELLER) as seller:
        order = buyer.request(
            "POST",
            "/api/v1/orders",
            {"symbol": SYMBOL, "side": "BUY", "type": "LIMIT", "price": "25.50", "quantity": "10"},
        )
        assert order.status_code == 202
        assert order.json()["status"] == "PENDING"
        platform.stack.start("engine")
        order_id = order.json()["order_id"]
        wait_for(lambda: buyer.order(order_id)["sequence"], timeout_s=30, what="acknowledgement")
        if buyer.order(order_id)["status"] != "FILLED":
            seller.place_order(SYMBOL, "SELL", "10", "25.50")
        assert status_of(buyer, order_id, "FILLED")["filled_quantity"] == "10"


def test_orders_go_on_while_the_stream_is_down_and_projections_catch_up(
    platform: Platform,
) -> None:
    with Load(platform) as load:
        load.wait_for_orders(AT_LEAST)
        platform.stack.kill("stream")
        load.wait_for_orders(2 * AT_LEAST, status=201)
        platform.stack.start("stream")
        load.wait_for_orders(AT_LEAST, status=201)
    assert load.tally.with_status(202) == []
    assert set(load.tally.others) == set()
    expect_equal_counts(platform, load.tally)


def test_without_the_database_orders_are_refused_and_the_engine_hears_of_none(
    platform: Platform,
) -> None:
    with Load(platform) as load:
        load.wait_for_orders(AT_LEAST)
        platform.stack.kill("postgres")
        load.wait_for_answers(AT_LEAST, [503])
        sequence = platform.engine_status().sequence
        load.wait_for_answers(AT_LEAST, [503])
        assert platform.engine_status().sequence == sequence
        with platform.client(BUYER) as late, pytest.raises(ApiError):
            late.log_in()  # a token that does not name the account would be of no use
        platform.stack.start("postgres")
        load.wait_for_orders(AT_LEAST)
    assert {status for status, _ in load.tally.others} == {503}
    assert {code for _, code in load.tally.others} == {"database_unavailable"}
    assert all(int(seconds) > 0 for seconds in load.tally.retry_after)
    expect_equal_counts(platform, load.tally)


def test_requests_go_on_without_the_cache_within_a_stricter_limit(platform: Platform) -> None:
    with Load(platform) as load:
        load.wait_for_orders(AT_LEAST)
        platform.stack.kill("cache")
        load.wait_for_orders(AT_LEAST, status=201)
        # 40 at once are allowed with the cache and 10 without it.
        with platform.alice() as alice:
            answers = [alice.request("POST", "/api/v1/order-entry/tokens") for _ in range(30)]
        allowed = [answer for answer in answers if answer.status_code == 201]
        refused = [answer for answer in answers if answer.status_code == 429]
        assert len(allowed) + len(refused) == len(answers)
        assert len(allowed) >= 10
        assert refused
        assert {answer.json()["code"] for answer in refused} == {"rate_limited"}
        assert all(int(answer.headers["retry-after"]) > 0 for answer in refused)
        platform.stack.start("cache")
        load.wait_for_orders(AT_LEAST, status=201)
    expect_equal_counts(platform, load.tally)


def test_up_restores_an_emulator_that_was_killed(platform: Platform) -> None:
    deployed = deploy.require(platform.settings)
    with platform.alice() as alice:
        profile, balances = alice.profile(), alice.balances()
    with Load(platform) as load:
        load.wait_for_orders(AT_LEAST)
        platform.stack.kill("emulator")
        wait_for(lambda: load.tally.unheard >= AT_LEAST, timeout_s=30, what="requests to fail")
        platform.stack.up()
        load.wait_for_orders(AT_LEAST, status=201)
    assert deploy.require(platform.settings) == deployed
    with platform.alice() as alice:
        assert alice.log_in()
        assert alice.profile() == profile
        assert alice.balances() == balances
    expect_equal_counts(platform, load.tally)


@pytest.mark.parametrize("part", ["publisher", "consumers"])
def test_a_killed_carrier_of_events_loses_none_and_repeats_none(
    platform: Platform, part: str
) -> None:
    with Load(platform) as load:
        for _ in range(3):
            load.wait_for_orders(AT_LEAST, status=201)
            platform.stack.kill(part)
            load.wait_for_orders(AT_LEAST, status=201)
            platform.stack.start(part)
    assert load.tally.with_status(202) == []
    assert set(load.tally.others) == set()
    expect_equal_counts(platform, load.tally)
