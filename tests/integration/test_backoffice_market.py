"""Operators' actions through Chalice's routing: sessions, the day, the kill switch."""

import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from functions.backoffice import app as backoffice
from functions.backoffice import minutely
from shared.domain import records as r
from shared.domain.commands import PlaceOrder
from shared.domain.extended_orders import PlaceExtendedOrder
from shared.domain.ids import member_order_id, trade_id
from shared.edge import settings as edge_settings
from shared.reference import instruments
from tests.support.core_engine import START_NS, CoreEngine
from tests.support.lambda_events import Context
from tests.support.servers import (  # noqa: F401
    MigratedDatabases,
    Server,
    migrated_databases,
    postgres_server,
    stores,
)

NOVA = 2
WHO = {"operator": "operator-1", "reason": "the day's plan"}


_OF_HIGH_SHARD = str(trade_id(63, 1, 0))


class Settlement:
    """Stands for the settlement function, which has tests of its own."""

    def amend_trade(self, trade_id: int, corrected: Any) -> dict[str, Any]:
        if trade_id in (404, int(_OF_HIGH_SHARD)):
            return {"outcome": "NOT_FOUND"}
        if trade_id == 409:
            return {"outcome": "NETTED"}
        terms = {"price_ticks": 1_000, "quantity_lots": 10}
        parties = {"buyer_id": 1, "seller_id": 2}
        place = {"instrument_id": NOVA, "sequence": trade_id, "index": 1}
        return {"outcome": "AMENDED", **place, **parties, **terms}


@pytest.fixture
def engine(
    migrated_databases: MigratedDatabases,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[CoreEngine]:
    """An engine with two members, and a back office that is wired to it."""
    dsn = migrated_databases.service["backoffice"]
    engine = CoreEngine()
    engine.open_account(1, cash_minor=10**9)
    engine.open_account(2, cash_minor=10**9, NOVA=1_000)
    monkeypatch.setattr(backoffice, "_source", lambda: dsn)
    monkeypatch.setattr(backoffice, "engine", lambda: engine)
    monkeypatch.setattr(backoffice, "SettlementService", Settlement)
    edge_settings.forget_secrets()
    yield engine
    with psycopg.connect(migrated_databases.owner["core"]) as connection:
        connection.execute("truncate admin.actions, admin.engine_outbox")


def post(resource: str, path: dict[str, str] | None = None, **body: Any) -> tuple[int, Any]:
    event = {
        "resource": resource,
        "path": resource,
        "httpMethod": "POST",
        "headers": {"content-type": "application/json"},
        "multiValueHeaders": {"content-type": ["application/json"]},
        "multiValueQueryStringParameters": {},
        "pathParameters": path or {},
        "stageVariables": None,
        "requestContext": {
            "httpMethod": "POST",
            "resourcePath": resource,
            "identity": {"sourceIp": "127.0.0.1", "apiKeyId": "key"},
            "path": resource,
        },
        "body": json.dumps({**WHO, **body}),
        "isBase64Encoded": False,
    }
    answer = backoffice.handler(event, Context())
    return int(answer["statusCode"]), json.loads(answer["body"])


def nova(action: str, **body: Any) -> tuple[int, Any]:
    return post(f"/instruments/{{symbol}}/{action}", {"symbol": "NOVA"}, **body)


def place(engine: CoreEngine, account: int, number: int, side: int, price: int) -> None:
    id_ = member_order_id(account, number)
    engine.submit(PlaceOrder(account, id_, NOVA, side, r.LIMIT, r.GTC, 10, price))


def session(engine: CoreEngine) -> int:
    book = engine.book(NOVA, 1)
    assert book is not None
    return book.state


def test_a_trading_day_by_hand(engine: CoreEngine) -> None:
    assert nova("session", session="CLOSED")[1]["engine"] == "APPLIED"
    assert nova("session", session="PRE_OPEN")[1]["engine"] == "APPLIED"
    place(engine, 1, 1, r.BUY, 1_010)
    place(engine, 2, 1, r.SELL, 990)
    assert nova("indicative")[0] == 202
    auction = engine.market_data()[-1].auction
    assert auction is not None and auction.quantity_lots == 10
    status, refused = nova("session", session="CONTINUOUS")
    assert (status, refused["engine"], refused["refusal"]) == (
        200,
        "REFUSED",
        "session_cannot_follow",
    )
    assert nova("uncross", session="CONTINUOUS")[1]["engine"] == "APPLIED"
    assert session(engine) == r.SESSION_CONTINUOUS
    assert nova("end-of-day")[1]["refusal"] == "session_cannot_follow"
    nova("session", session="CLOSED")
    assert nova("end-of-day")[1]["engine"] == "APPLIED"
    assert nova("delist")[1]["refusal"] == "positions_open"
    status, day = post("/market/end-of-day")
    assert (status, day["symbol"], day["engine"]) == (200, "ALL", "APPLIED")


def test_the_market_wide_halt_reaches_every_instrument(engine: CoreEngine) -> None:
    assert post("/market/session", session="HALTED")[1]["engine"] == "APPLIED"
    states = {engine.book(number, 1).state for number in (1, 2, 3)}  # type: ignore[union-attr]
    assert states == {r.SESSION_HALTED}
    post("/market/session", session="CONTINUOUS")
    assert session(engine) == r.SESSION_CONTINUOUS


def test_the_kill_switch_cancels_and_refuses(engine: CoreEngine) -> None:
    place(engine, 1, 1, r.BUY, 900)
    _, killed = post("/kill-switch", scope="ACCOUNT", target="1", on=True)
    assert (killed["symbol"], killed["detail"], killed["engine"]) == ("ACCOUNT 1", "ON", "APPLIED")
    assert engine.open_orders(1) == []
    place(engine, 1, 2, r.BUY, 900)
    assert engine.open_orders(1) == []
    post("/kill-switch", scope="ACCOUNT", target="1", on=False)
    place(engine, 1, 3, r.BUY, 900)
    assert len(engine.open_orders(1)) == 1
    assert post("/kill-switch", scope="FIRM", on=True)[1]["symbol"] == "FIRM"
    assert engine.open_orders(1) == []


def test_a_bust_is_the_trade_with_its_terms(engine: CoreEngine) -> None:
    place(engine, 2, 1, r.SELL, 1_000)
    place(engine, 1, 1, r.BUY, 1_000)
    sequence = str(engine.trade_executions()[-1].sequence)
    status, busted = post("/trades/{trade_id}/bust", {"trade_id": sequence})
    assert (status, busted["engine"], busted["symbol"]) == (200, "APPLIED", sequence)
    told = engine.risk_events()
    assert [event.trade_id for event in told if event.type == "TRADE_BUSTED"]
    account = engine.account(1)
    assert account is not None and account.total_minor == 10**9
    correction = {"symbol": "NOVA", "price": "9.90", "quantity": "10"}
    _, refused = post("/trades/{trade_id}/correct", {"trade_id": sequence}, **correction)
    assert refused["refusal"] == "already_busted"


@pytest.mark.parametrize(
    "resource, path, body, status, code",
    [
        ("/trades/{trade_id}/bust", {"trade_id": "404"}, {}, 404, "trade_not_found"),
        ("/trades/{trade_id}/bust", {"trade_id": "409"}, {}, 409, "trade_in_settlement"),
        ("/trades/{trade_id}/bust", {"trade_id": "x"}, {}, 400, "invalid_request"),
        ("/trades/{trade_id}/bust", {"trade_id": _OF_HIGH_SHARD}, {}, 404, "trade_not_found"),
        ("/trades/{trade_id}/bust", {"trade_id": str(1 << 63)}, {}, 400, "invalid_request"),
        (
            "/trades/{trade_id}/correct",
            {"trade_id": "1"},
            {"symbol": "NOVA", "price": "0.001", "quantity": "1"},
            422,
            "invalid_terms",
        ),
        ("/kill-switch", {}, {"scope": "FIRM", "target": "1", "on": True}, 422, "invalid_target"),
        ("/kill-switch", {}, {"scope": "ACCOUNT", "on": True}, 422, "invalid_target"),
        ("/kill-switch", {}, {"scope": "PLANET", "on": True}, 400, "invalid_request"),
        ("/market/session", {}, {"session": "DELISTED"}, 400, "invalid_request"),
        ("/instruments/{symbol}/uncross", {"symbol": "NO"}, {"session": "CLOSED"}, 404, None),
    ],
)
def test_bad_requests_change_nothing(
    engine: CoreEngine, resource: str, path: Any, body: Any, status: int, code: str | None
) -> None:
    sent = len(engine.commands)
    found, problem = post(resource, path, **body)
    assert found == status
    assert code is None or problem["code"] == code
    assert len(engine.commands) == sent


def test_every_minute_what_waits_is_sent_and_what_is_due_expires(
    engine: CoreEngine,
    migrated_databases: MigratedDatabases,  # noqa: F811
) -> None:
    place(engine, 1, 1, r.BUY, 900)
    id_ = member_order_id(1, 2)
    far = START_NS + 10**15
    terms = (1, id_, NOVA, r.BUY, r.LIMIT, r.GTD, 10, 900)
    engine.submit(PlaceExtendedOrder(*terms, expiry_ns=far))
    with psycopg.connect(migrated_databases.owner["core"]) as connection:
        connection.execute(
            "insert into orders.orders (order_id, account_id, instrument_id, side, order_type, "
            "time_in_force, price_ticks, quantity_lots, leaves_lots, status, instructions) values "
            "(%s, 1, 2, 'BUY', 'LIMIT', 'GTD', 900, 10, 10, 'PENDING', %s::jsonb)",
            (id_, json.dumps({"expiry_ns": far})),
        )
    try:
        engine.is_down = True
        assert nova("session", session="HALTED")[0] == 202
        engine.is_down = False
        source = migrated_databases.service["backoffice"]
        before = minutely.run(source, engine, instruments(), far - 1)
        assert (before.answered, before.expiring) == (1, False)
        assert session(engine) == r.SESSION_HALTED
        nova("session", session="VOLATILITY_AUCTION")
        assert minutely.run(source, engine, instruments(), far - 1).calls == 1
        assert engine.market_data()[-1].auction is not None
        engine.step_ns = 10**15
        assert minutely.run(source, engine, instruments(), far).expiring
        assert [order.order_id for order in engine.open_orders(1)] == [member_order_id(1, 1)]
    finally:
        with psycopg.connect(migrated_databases.owner["core"]) as connection:
            connection.execute("truncate orders.orders")
