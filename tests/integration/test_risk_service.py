"""Risk on real PostgreSQL, Redis and core: positions once, a hot copy that is never wrong."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
import psycopg
import pytest
import redis

from functions.risk import app, wiring
from functions.risk.alerts import BURST
from functions.risk.hot_positions import HotPositions
from functions.risk.service import RiskService
from shared.domain import records as r
from shared.domain.commands import PlaceOrder, SetAccountState, SetLimits, Settle
from shared.domain.ids import (
    SOURCE_BACKOFFICE,
    SOURCE_SETTLEMENT,
    SOURCE_USERS,
    administrative_id,
    member_order_id,
)
from shared.ports.event_stream import Message
from tests.support.core_engine import CoreEngine
from tests.support.lambda_events import Context, HttpAnswer, access_claims, call, http_event
from tests.support.orders import msk_event
from tests.support.servers import (
    MigratedDatabases,
    Server,
    migrated_databases,
    postgres_server,
    redis_server,
    stores,
)

__all__ = ["migrated_databases", "postgres_server", "redis_server", "stores"]

ALICE, BOB = 1001, 1002


@dataclass
class RiskStack:
    engine: CoreEngine
    service: RiskService
    cache: redis.Redis
    dsn: str
    numbers: Iterator[int]

    def get(self, path: str, account: int = ALICE) -> HttpAnswer:
        claims = access_claims(account_id=account)
        return call(app.handler, http_event("GET", path, claims=claims))

    def positions(self, account: int = ALICE) -> Any:
        answer = self.get("/api/v1/risk/positions", account)
        assert answer.status == 200, answer
        return answer.json

    def deliver(self, messages: list[Message] | None = None) -> None:
        """Hand over what was published, each topic to its consumer."""
        given = self.engine.published if messages is None else messages
        for topic, handler in (
            ("trade-executions", app.trade_executions_handler),
            ("risk-events", app.risk_events_handler),
        ):
            chosen = [message for message in given if message.topic == topic]
            if chosen:
                assert handler(msk_event(chosen), Context()) == {"batchItemFailures": []}

    def trade(self, buyer: int, seller: int, lots: int, price_ticks: int) -> None:
        for account, side in ((seller, r.SELL), (buyer, r.BUY)):
            order_id = member_order_id(account, next(self.numbers))
            self.engine.submit(
                PlaceOrder(account, order_id, 2, side, r.LIMIT, r.GTC, lots, price_ticks)
            )

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.dsn) as connection:
            return connection.execute(query.encode()).fetchall()


@pytest.fixture
def risk(
    migrated_databases: MigratedDatabases,
    redis_server: Server,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[RiskStack]:
    """Alice and Bob with cash and 1,000 deposited NOVA each; nothing delivered yet."""
    engine = CoreEngine()
    for account in (ALICE, BOB):
        engine.open_account(account, cash_minor=10**9, NOVA=1_000)
    cache = redis.Redis.from_url(redis_server.url, retry=None, socket_connect_timeout=0.2)
    cache.flushdb()
    service = RiskService(migrated_databases.service["risk"], HotPositions(cache), lambda: engine)
    monkeypatch.setattr(wiring, "service", lambda: service)
    monkeypatch.setenv("REDIS_URL", redis_server.url)
    owner = migrated_databases.owner["clearing"]
    yield RiskStack(engine, service, cache, owner, iter(range(1, 100_000)))
    cache.flushdb()
    cache.close()
    with psycopg.connect(owner) as connection:
        connection.execute(
            "truncate risk.applied_trades, risk.applied_events, risk.positions, risk.last_prices, "
            "risk.risk_limits, risk.engine_limits, risk.rejections, risk.alerts, risk.engine_outbox"
        )


def test_a_position_tells_quantity_cost_and_profit(risk: RiskStack) -> None:
    risk.trade(ALICE, BOB, 100, 1_000)
    risk.trade(ALICE, BOB, 100, 1_100)
    risk.trade(BOB, ALICE, 50, 1_200)
    risk.deliver()
    (position,) = risk.positions()["positions"]
    assert position == {
        "symbol": "NOVA",
        "currency": "USD",
        "quantity": "1150",
        "traded_quantity": "150",
        "deposited_quantity": "1000",
        "average_cost": "10.500000",
        "last_price": "12.00",
        "market_value": "13800.00",
        "realised_pnl": "75.00",
        "unrealised_pnl": "225.00",
    }


def test_positions_equal_the_engines(risk: RiskStack) -> None:
    trade_a_while(risk)
    risk.deliver()
    for account in (ALICE, BOB):
        view = risk.engine.account(account)
        assert view is not None
        (position,) = risk.positions(account)["positions"]
        assert int(position["quantity"]) == view.positions[0].total_lots


def trade_a_while(risk: RiskStack) -> None:
    choose = random.Random(5)
    for _ in range(60):
        buyer, seller = choose.sample([ALICE, BOB], 2)
        risk.trade(buyer, seller, choose.randint(1, 20), choose.randint(950, 1050))


def test_batches_delivered_again_change_nothing(risk: RiskStack) -> None:
    trade_a_while(risk)
    risk.deliver()
    before = risk.rows("select * from risk.positions order by 1, 2")
    choose = random.Random(6)
    for start in range(0, len(risk.engine.published), 9):
        for _ in range(choose.randint(1, 5)):
            risk.deliver(risk.engine.published[start : start + 9])
    risk.deliver()
    assert risk.rows("select * from risk.positions order by 1, 2") == before


def test_settlement_moves_no_quantity(risk: RiskStack) -> None:
    risk.trade(ALICE, BOB, 100, 1_000)
    risk.engine.submit(Settle(administrative_id(SOURCE_SETTLEMENT, 1), ALICE, 2, -100_000, 100))
    risk.deliver()
    assert risk.positions()["positions"][0]["quantity"] == "1100"


def test_the_first_read_fills_the_hot_copy_and_later_ones_come_from_it(risk: RiskStack) -> None:
    risk.trade(ALICE, BOB, 100, 1_000)
    risk.deliver()
    first, second = risk.positions(), risk.positions()
    assert (first["source"], second["source"]) == ("database", "cache")
    assert first["positions"] == second["positions"]
    risk.trade(ALICE, BOB, 10, 1_000)
    risk.deliver()
    third = risk.positions()
    assert (third["source"], third["positions"][0]["traded_quantity"]) == ("cache", "110")


def test_a_copy_that_was_lost_is_made_again_from_the_database(risk: RiskStack) -> None:
    risk.trade(ALICE, BOB, 100, 1_000)
    risk.deliver()
    before = risk.positions()["positions"]
    risk.cache.flushdb()
    risk.trade(ALICE, BOB, 10, 1_000)
    risk.deliver()  # writes one position through; the copy is not complete by that
    found = risk.positions()
    assert found["source"] == "database"
    assert found["positions"][0]["traded_quantity"] == "110"
    assert len(found["positions"]) == len(before)


def test_a_fill_that_read_old_rows_does_not_undo_a_newer_write(risk: RiskStack) -> None:
    risk.trade(ALICE, BOB, 100, 1_000)
    risk.deliver()
    hot = HotPositions(risk.cache)
    old = risk.service.report(ALICE).positions
    risk.trade(ALICE, BOB, 10, 1_000)
    risk.deliver()
    hot.fill(ALICE, old, [])
    found = hot.get(ALICE)
    assert found is not None and found[0].traded_lots == 110


def test_without_the_cache_positions_come_from_the_database(
    risk: RiskStack, redis_server: Server
) -> None:
    risk.trade(ALICE, BOB, 100, 1_000)
    redis_server.stop()
    try:
        risk.deliver()
        found = risk.positions()
        assert (found["source"], found["positions"][0]["traded_quantity"]) == ("database", "100")
    finally:
        redis_server.start()


def test_limits_reach_the_engine_and_bind(risk: RiskStack) -> None:
    answer = app.admin_handler(limits_action(max_order_lots=10), Context())
    assert answer == {"answered": 1, "left": 0, "rejected": []}
    shown = risk.get("/api/v1/risk/limits").json
    assert (shown["max_order_lots"], shown["max_open_orders"], shown["in_force"]) == (
        10,
        None,
        True,
    )
    result = risk.engine.submit(
        PlaceOrder(ALICE, member_order_id(ALICE, 1), 2, r.BUY, r.LIMIT, r.GTC, 11, 1_000)
    )
    assert result.events[0].reject_code.name == "ORDER_SIZE_LIMIT"


def limits_action(**changes: Any) -> dict[str, Any]:
    return {
        "action": "set_limits",
        "account_id": ALICE,
        "max_order_lots": None,
        "max_order_value_minor": None,
        "max_position_lots": None,
        "max_open_orders": None,
        "decided_by": "operator",
    } | changes


def test_limits_decided_while_the_engine_is_down_are_sent_later(risk: RiskStack) -> None:
    risk.engine.is_down = True
    assert app.admin_handler(limits_action(max_open_orders=1), Context())["left"] == 1
    assert risk.get("/api/v1/risk/limits").json["in_force"] is False
    risk.engine.is_down = False
    assert app.admin_handler({"action": "resend"}, Context())["answered"] == 1
    assert risk.get("/api/v1/risk/limits").json["in_force"] is True


def test_limits_that_others_set_are_shown_as_the_engine_told_them(risk: RiskStack) -> None:
    assert risk.get("/api/v1/risk/limits").json["in_force"] is False  # nothing is known yet
    app.admin_handler(limits_action(max_open_orders=1), Context())
    by_users = administrative_id(SOURCE_USERS, 77)
    risk.engine.submit(SetLimits(by_users, ALICE, r.NO_LIMIT, 5_000, r.NO_LIMIT, r.NO_LIMIT))
    risk.deliver()
    shown = risk.get("/api/v1/risk/limits").json
    assert (shown["max_order_value_minor"], shown["max_open_orders"]) == (5_000, None)
    assert shown["in_force"] is True


@pytest.mark.parametrize(
    "changes",
    [
        {"max_order_lots": -1},
        {"max_order_lots": 1 << 62},
        {"max_order_lots": True},
        {"max_order_lots": "5"},
        {"account_id": 0},
        {"account_id": 1 << 30},
        {"decided_by": ""},
        {"action": "delete_everything"},
        {"extra": 1},
    ],
)
def test_a_malformed_action_is_refused_and_sends_nothing(
    risk: RiskStack, changes: dict[str, Any]
) -> None:
    sent_before = len(risk.engine.commands)
    answer = app.admin_handler(limits_action(**changes), Context())
    assert answer["error"] == "invalid_action" and answer["fields"]
    assert len(risk.engine.commands) == sent_before
    assert risk.rows("select * from risk.risk_limits") == []


def test_a_burst_of_refused_orders_raises_one_alert(risk: RiskStack) -> None:
    risk.engine.step_ns = 0
    for number in range(BURST + 5):
        risk.engine.submit(
            PlaceOrder(ALICE, member_order_id(ALICE, number), 2, r.SELL, r.LIMIT, r.GTC, 9_999, 900)
        )
    risk.deliver()
    risk.deliver()
    alerts = risk.rows("select kind, account_id from risk.alerts where kind = 'REJECTION_BURST'")
    assert alerts == [("REJECTION_BURST", ALICE)]
    assert risk.rows("select rejected from risk.rejections") == [(BURST + 5,)]


def test_a_halted_account_is_an_alert(risk: RiskStack) -> None:
    risk.deliver()
    before = len(risk.rows("select * from risk.alerts"))
    command_id = administrative_id(SOURCE_BACKOFFICE, 1)
    risk.engine.submit(SetAccountState(command_id, BOB, r.ACCOUNT_HALTED))
    risk.deliver()
    alerts = risk.rows("select account_id, detail from risk.alerts order by alert_id")
    assert alerts[before:] == [(BOB, "HALTED")]


def test_positions_are_those_of_the_caller_alone(risk: RiskStack) -> None:
    risk.trade(ALICE, BOB, 100, 1_000)
    risk.deliver()
    assert risk.positions(1003) == {"account_id": "1003", "source": "database", "positions": []}
    assert risk.positions(BOB)["positions"][0]["traded_quantity"] == "-100"


def test_a_record_that_is_no_trade_is_named(risk: RiskStack) -> None:
    bad = Message("trade-executions", 2, b"2", msgspec.json.encode({"v": 1}))
    answer = app.trade_executions_handler(msk_event([bad]), Context())
    assert len(answer["batchItemFailures"]) == 1
