"""Three engines share the instruments: trading, settlement, and one of them away."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from functions.payments.credit_lines import settled_minor
from infra.local import provision, settings
from infra.local.api import ApiClient
from infra.local.settlement import settle
from infra.local.stack import LocalStack
from shared.hotpath_client import ShardedEngine
from shared.reference import instruments
from tests.support.e2e_platform import Platform, status_of
from tests.support.waiting import wait_for

pytestmark = pytest.mark.slow

SHARDS = 3
ACROSS = ("NOVA", "ORBT")  # of shards 1 and 2


@pytest.fixture(scope="module")
def platform() -> Iterator[Platform]:
    with settings.temporary() as own:
        own = replace(own, shards=SHARDS)
        own.save()
        with LocalStack(own) as stack:
            yield Platform(stack)


def trade(buyer: ApiClient, seller: ApiClient, symbol: str, price: str, quantity: str) -> list[str]:
    """Let two people trade with each other; return both orders."""
    sold = seller.place_order(symbol, "SELL", quantity, price)
    bought = buyer.place_order(symbol, "BUY", quantity, price)
    for api, order in ((seller, sold), (buyer, bought)):
        status_of(api, order["order_id"], "FILLED")
    return [sold["order_id"], bought["order_id"]]


def cash_by_shard(engine: ShardedEngine, account_id: int) -> list[int]:
    view = engine.account(account_id)
    assert view is not None
    return [part.settled_minor for part in view.parts]


def free_cash(engine: ShardedEngine, account_id: int) -> int:
    """Return what can be withdrawn: settled, and needed by no order."""
    view = engine.account(account_id)
    assert view is not None
    return sum(settled_minor(part) for part in view.parts)


@pytest.fixture(scope="module")
def traded(platform: Platform) -> Platform:
    """The platform after trades at two engines, settled: some of Alice's cash is away from home."""
    with platform.alice() as alice, platform.bob() as bob:
        orders = [
            *trade(alice, bob, "NOVA", "10.00", "10"),
            *trade(bob, alice, "ORBT", "25.00", "20"),
        ]
        platform.settle_down()
        outcome = settle(platform.settings)
        assert (outcome["status"], outcome["output"]["reconciliation"]["breaks"]) == (
            "SUCCEEDED",
            0,
        )
        for api, order_id in ((bob, orders[0]), (alice, orders[1]), (alice, orders[2])):
            status_of(api, order_id, "SETTLED")
    return platform


def test_orders_at_several_engines_settle_and_reconcile(traded: Platform) -> None:
    platform = traded
    trades = platform.rows("clearing", "select shard, instrument_id from settlement.trades")
    assert {(row["shard"], row["instrument_id"]) for row in trades} == {
        (instruments().by_symbol[symbol].shard, instruments().by_symbol[symbol].instrument_id)
        for symbol in ACROSS
    }
    moves = platform.rows("clearing", "select distinct state from payments.credit_moves")
    assert [row["state"] for row in moves] == ["DONE"]


def test_a_withdrawal_gathers_what_lies_at_other_engines(traded: Platform) -> None:
    platform = traded
    with platform.alice() as alice, provision.engine_client(platform.settings) as engine:
        account_id = int(alice.call("GET", "/api/v1/users/me")["account_id"])
        before = cash_by_shard(engine, account_id)
        everything = free_cash(engine, account_id)
        assert everything > before[engine.home(account_id)], "some lies elsewhere"
        amount = f"{everything // 100}.{everything % 100:02}"
        body = {"amount": amount, "currency": "USD"}
        asked = alice.call("POST", "/api/v1/withdrawals", body, idempotency_key="everything")
        path = f"/api/v1/withdrawals/{asked['withdrawal_id']}"
        wait_for(
            lambda: alice.call("GET", path)["status"] == "PAID", timeout_s=60, what="the payout"
        )
        left = sum(before) - everything
        wait_for(lambda: sum(cash_by_shard(engine, account_id)) == left, what="the cash to be gone")


def test_while_one_engine_is_away_the_others_trade(platform: Platform) -> None:
    states = {part["name"]: part["state"] for part in platform.stack.status()["parts"]}
    wanted = [f"{name}-{n}" for name in ("engine", "publisher", "follower") for n in (1, 2)]
    assert {states[name] for name in (*wanted, "engine", "publisher", "follower")} == {"healthy"}
    platform.stack.kill("engine-2")
    with platform.bob() as bob:
        waiting = bob.place_order("ORBT", "SELL", "10", "30.00")
        assert (waiting["status"], waiting.get("reason")) == ("PENDING", None)
        nova = bob.place_order("NOVA", "SELL", "1", "20.00")
        cancelled = bob.call("DELETE", f"/api/v1/orders/{nova['order_id']}")
        assert cancelled["status"] == "CANCELLED"
        platform.stack.start("engine-2")
        platform.heal()
        bob.call("DELETE", f"/api/v1/orders/{waiting['order_id']}")
        status_of(bob, waiting["order_id"], "CANCELLED")
    for shard in range(SHARDS):
        done = platform.run("journal", "verify", "--json", "--shard", str(shard))
        assert done.code == 0, done.errors
