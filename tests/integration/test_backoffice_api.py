"""The back office through Chalice's own routing, on real PostgreSQL and a real engine."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from functions.backoffice import app as backoffice
from shared.domain import records as r
from shared.edge import settings as edge_settings
from shared.ports.engine import Engine
from shared.reference import instruments
from tests.support.clearing import journal_folder
from tests.support.engine import EngineProcess, engine_process
from tests.support.lambda_events import Context
from tests.support.servers import (  # noqa: F401
    MigratedDatabases,
    Server,
    migrated_databases,
    postgres_server,
    stores,
)

NOVA = instruments().by_symbol["NOVA"]
HALT = {"operator": "operator-1", "reason": "fat finger suspected"}


class Settlement:
    """Stands for the settlement function, which has tests of its own."""

    def ledger_balances(self, account_id: int) -> list[dict[str, Any]]:
        return [{"asset": "USD", "purpose": "SETTLED", "amount": 12_345}] if account_id == 7 else []

    def batch(self, batch_id: str) -> dict[str, Any] | None:
        return {"batch_id": batch_id} if batch_id == "2026-11-24" else None


@pytest.fixture
def running(
    migrated_databases: MigratedDatabases,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[EngineProcess]:
    """An engine with the instruments, and a back office that is wired to it."""
    dsn = migrated_databases.service["backoffice"]
    with engine_process(journal_folder(tmp_path)) as process:
        client = process.client(timeout_ms=1_000)
        for command in instruments().engine_commands():
            client.submit(command)
        monkeypatch.setattr(backoffice, "_source", lambda: dsn)
        monkeypatch.setattr(backoffice, "engine", lambda: client)
        monkeypatch.setattr(backoffice, "SettlementService", Settlement)
        edge_settings.forget_secrets()
        yield process


@pytest.fixture(autouse=True)
def _no_actions_are_left(migrated_databases: MigratedDatabases) -> Iterator[None]:  # noqa: F811
    yield
    with psycopg.connect(migrated_databases.owner["core"]) as connection:
        connection.execute("truncate admin.actions, admin.engine_outbox")


def call(
    method: str,
    resource: str,
    path: dict[str, str] | None = None,
    body: Any = None,
    query: dict[str, str] | None = None,
) -> tuple[int, dict[str, Any]]:
    """Invoke the function as the REST API does; return status and document."""
    event = {
        "resource": resource,
        "path": resource,
        "httpMethod": method,
        "headers": {"content-type": "application/json"},
        "multiValueHeaders": {"content-type": ["application/json"]},
        "multiValueQueryStringParameters": {name: [text] for name, text in (query or {}).items()},
        "pathParameters": path or {},
        "stageVariables": None,
        "requestContext": {
            "httpMethod": method,
            "resourcePath": resource,
            "identity": {"sourceIp": "127.0.0.1", "apiKeyId": "key"},
            "path": resource,
        },
        "body": body if isinstance(body, str | None) else json.dumps(body),
        "isBase64Encoded": False,
    }
    answer = backoffice.handler(event, Context())
    return int(answer["statusCode"]), json.loads(answer["body"])


def halt(symbol: str = "NOVA", body: Any = None) -> tuple[int, dict[str, Any]]:
    return call("POST", "/instruments/{symbol}/halt", {"symbol": symbol}, body or HALT)


def state_of_nova(engine: Engine) -> int:
    book = engine.book(NOVA.instrument_id, 1)
    assert book is not None
    return book.state


def test_an_instrument_is_halted_and_resumed_and_the_audit_trail_says_by_whom(
    running: EngineProcess,
) -> None:
    status, halted = halt()
    assert (status, halted["engine"], halted["action"]) == (200, "APPLIED", "HALT_INSTRUMENT")
    assert state_of_nova(running.client()) == r.SESSION_HALTED

    resume = {"operator": "operator-2", "reason": "cleared"}
    status, resumed = call("POST", "/instruments/{symbol}/resume", {"symbol": "NOVA"}, resume)
    assert (status, resumed["engine"]) == (200, "APPLIED")
    assert state_of_nova(running.client()) == r.SESSION_CONTINUOUS

    _, trail = call("GET", "/audit")
    assert [(item["action"], item["operator"], item["reason"]) for item in trail["actions"]] == [
        ("RESUME_INSTRUMENT", "operator-2", "cleared"),
        ("HALT_INSTRUMENT", "operator-1", "fat finger suspected"),
    ]
    _, page = call("GET", "/audit", query={"limit": "1"})
    _, rest = call("GET", "/audit", query={"before": page["next_before"]})
    assert [item["operator"] for item in rest["actions"]] == ["operator-1"]


def test_a_halt_while_the_engine_is_down_is_kept_and_carried_out_later(
    running: EngineProcess,
) -> None:
    running.kill()
    status, halted = halt()
    assert (status, halted["engine"]) == (202, "PENDING")
    running.start(ENGINE_LISTEN=running.address)
    status, _ = call(
        "POST", "/instruments/{symbol}/halt", {"symbol": "ORBT"}, {**HALT, "reason": "another"}
    )
    assert status == 200
    assert state_of_nova(running.client()) == r.SESSION_HALTED


@pytest.mark.parametrize(
    "body",
    ["", "{", "[]", '"x"', {}, {"operator": "operator-1"}, {**HALT, "extra": 1},
     {**HALT, "reason": "x"}, {**HALT, "operator": "no spaces"}, {**HALT, "reason": 5}],
)  # fmt: skip
def test_a_bad_body_is_refused_and_nothing_is_stored(running: EngineProcess, body: Any) -> None:
    status, problem = call("POST", "/instruments/{symbol}/halt", {"symbol": "NOVA"}, body)
    assert (status, problem["code"]) == (400, "invalid_request")
    assert call("GET", "/audit")[1]["actions"] == []
    assert state_of_nova(running.client()) == r.SESSION_CONTINUOUS


def test_what_does_not_exist_is_not_found(running: EngineProcess) -> None:
    assert halt("XXXX")[1]["code"] == "instrument_not_found"
    assert call("GET", "/accounts/{account_id}", {"account_id": "424242"})[0] == 404
    assert call("GET", "/accounts/{account_id}", {"account_id": "abc"})[0] == 400
    assert call("GET", "/settlements/{batch_id}", {"batch_id": "2026-11-25"})[0] == 404
    assert call("GET", "/settlements/{batch_id}", {"batch_id": "tomorrow"})[0] == 400
    assert call("GET", "/audit", query={"limit": "0"})[0] == 400


def test_an_account_shows_what_each_part_knows_of_it(running: EngineProcess) -> None:
    status, shown = call("GET", "/accounts/{account_id}", {"account_id": "7"})
    assert status == 200
    assert shown["ledger"] == [{"asset": "USD", "purpose": "SETTLED", "amount": "123.45"}]
    assert (shown["profile"], shown["engine"], shown["open_orders"]) == (None, None, [])


def test_the_audit_trail_cannot_be_rewritten_by_the_service(
    migrated_databases: MigratedDatabases,  # noqa: F811
) -> None:
    for statement in (
        "update admin.actions set reason = 'other'",
        "delete from admin.actions",
        "truncate admin.actions",
    ):
        with (
            psycopg.connect(migrated_databases.service["backoffice"]) as connection,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            connection.execute(statement)
