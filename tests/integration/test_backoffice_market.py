"""Operators' actions through Chalice's routing: sessions, the day, the kill switch."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from functions.backoffice import actions, market, minutely
from functions.backoffice import app as backoffice
from functions.backoffice.models import ActionRequest
from shared.domain import records as r
from shared.domain.commands import MoveCash, PlaceOrder
from shared.domain.extended_orders import PlaceExtendedOrder
from shared.domain.ids import SOURCE_LEDGER, administrative_id, member_order_id, trade_id
from shared.domain.market_commands import EndOfDay
from shared.edge import settings as edge_settings
from shared.edge.problems import Problem
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
    """Stands for the settlement function; test_trade_amendments.py has the real one."""

    def conclude_amendment(self, amendment_id: int, trade_id: int, applied: bool) -> None:
        assert trade_id not in (404, 409, int(_OF_HIGH_SHARD)), "what was refused is no affair"

    def ask_amendment(self, amendment_id: int, trade_id: int, corrected: Any) -> dict[str, Any]:
        if trade_id in (404, int(_OF_HIGH_SHARD)):
            return {"outcome": "NOT_FOUND"}
        if trade_id == 409:
            return {"outcome": "NETTED"}
        terms = {"price_ticks": 1_000, "quantity_lots": 10}
        parties = {"buyer_id": 1, "seller_id": 2}
        place = {"instrument_id": NOVA, "sequence": trade_id, "index": 1}
        return {"outcome": "AMENDING", **place, **parties, **terms}


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
        connection.execute("truncate admin.actions, admin.engine_outbox, admin.amendments")


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


@pytest.fixture
def pass_time(migrated_databases: MigratedDatabases) -> Callable[[int], None]:  # noqa: F811
    """Return how to let minutes pass since all answers of the engine."""

    def passed(minutes: int) -> None:
        with psycopg.connect(migrated_databases.owner["core"]) as connection:
            connection.execute(
                "update admin.engine_outbox set answered_at = answered_at - %s * interval '1 min'",
                (minutes,),
            )

    return passed


def end_day() -> tuple[int, str]:
    status, answer = post("/market/end-of-day")
    return status, answer.get("code") or answer["engine"]


def test_a_day_that_has_just_ended_is_not_ended_again(
    engine: CoreEngine, pass_time: Callable[[int], None]
) -> None:
    deposit = MoveCash(r.DEPOSIT_CASH, administrative_id(SOURCE_LEDGER, 1 << 20), 1, 500)
    engine.submit(deposit)  # and its answer is not heard
    assert end_day() == (200, "APPLIED")
    sent = len(engine.commands)
    assert end_day() == (409, "trading_day_just_ended")
    pass_time(59)
    assert end_day() == (409, "trading_day_just_ended")
    assert len(engine.commands) == sent
    engine.submit(deposit)
    account = engine.account(1)
    assert account is not None and account.total_minor == 10**9 + 500  # once
    assert nova("session", session="CLOSED")[0] == 200
    assert nova("end-of-day")[1]["engine"] == "APPLIED"  # an instrument's own day is another matter
    pass_time(2)
    assert end_day() == (200, "APPLIED")


def test_an_end_of_day_that_waits_for_the_engine_is_the_only_one(
    engine: CoreEngine, pass_time: Callable[[int], None]
) -> None:
    engine.is_down = True
    assert end_day() == (202, "PENDING")
    pass_time(600)
    assert end_day() == (409, "trading_day_just_ended")
    engine.is_down = False
    minutely.run(backoffice._source, engine, Settlement(), instruments(), START_NS)
    assert end_day() == (409, "trading_day_just_ended")  # the hour begins with the answer
    assert sum(isinstance(it, EndOfDay) for it in engine.commands) == 1


def test_of_two_ends_of_a_day_at_once_one_is_carried_out(engine: CoreEngine) -> None:
    def end(_number: int) -> str:
        try:
            action, request = market.end_of_day(None), ActionRequest(**WHO)
            return actions.carry_out(backoffice._source, engine, action, request).engine
        except Problem as problem:
            return problem.code

    with ThreadPoolExecutor(4) as pool:
        found = sorted(pool.map(end, range(4)))
    assert found == ["APPLIED", *["trading_day_just_ended"] * 3]
    assert sum(isinstance(it, EndOfDay) for it in engine.commands) == 1


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
        before = minutely.run(source, engine, Settlement(), instruments(), far - 1)
        assert (before.answered, before.expiring) == (1, False)
        assert session(engine) == r.SESSION_HALTED
        nova("session", session="VOLATILITY_AUCTION")
        assert minutely.run(source, engine, Settlement(), instruments(), far - 1).calls == 1
        assert engine.market_data()[-1].auction is not None
        engine.step_ns = 10**15
        assert minutely.run(source, engine, Settlement(), instruments(), far).expiring
        assert [order.order_id for order in engine.open_orders(1)] == [member_order_id(1, 1)]
    finally:
        with psycopg.connect(migrated_databases.owner["core"]) as connection:
            connection.execute("truncate orders.orders")
