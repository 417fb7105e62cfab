"""The orders function on real PostgreSQL and the real core, called as Lambda calls it."""

import base64
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec
import psycopg
import pytest

from functions.orders import app, wiring
from functions.orders.service import OrderService
from shared.ports.event_stream import Message
from tests.support.core_engine import CoreEngine
from tests.support.lambda_events import Context, HttpAnswer, access_claims, call, http_event
from tests.support.servers import MigratedDatabases

ALICE, BOB = 1001, 1002


@dataclass
class OrdersStack:
    """Orders with an engine; `alice` has cash, `bob` has shares, both may have both."""

    engine: CoreEngine
    service: OrderService
    dsn: str
    owner_dsn: str
    claims: dict[int, dict[str, str]] = field(default_factory=dict)

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        account: int | None = ALICE,
        headers: dict[str, str] | None = None,
        query: dict[str, str] | None = None,
    ) -> HttpAnswer:
        event = http_event(method, path, body, claims=self.claims_of(account), headers=headers)
        event["queryStringParameters"] = query or {}
        event["rawQueryString"] = "&".join(
            f"{name}={value}" for name, value in (query or {}).items()
        )
        return call(app.handler, event)

    def claims_of(self, account: int | None) -> dict[str, str] | None:
        if account is None:
            return None
        return self.claims.setdefault(account, access_claims(account_id=account))

    def place(self, account: int = ALICE, **changes: Any) -> HttpAnswer:
        """Place a limit order to buy 100 NOVA at 10.00, with changes; None leaves a member out."""
        body = {
            "symbol": "NOVA",
            "side": "BUY",
            "type": "LIMIT",
            "quantity": "100",
            "price": "10.00",
        } | changes
        sent = {name: value for name, value in body.items() if value is not None}
        return self.request("POST", "/api/v1/orders", sent, account=account)

    def show(self, order_id: str, account: int = ALICE) -> Any:
        answer = self.request("GET", f"/api/v1/orders/{order_id}", account=account)
        assert answer.status == 200, answer
        return answer.json

    def steps(self, order_id: str, account: int = ALICE) -> list[Any]:
        answer = self.request("GET", f"/api/v1/orders/{order_id}/history", account=account)
        assert answer.status == 200, answer
        steps: list[Any] = answer.json["steps"]
        return steps

    def project(self, messages: Iterable[Message] | None = None) -> None:
        """Hand `order-events` to the projector: all that was published, or these."""
        given = self.engine.published if messages is None else messages
        chosen = [message for message in given if message.topic == "order-events"]
        answer = app.order_events_handler(msk_event(chosen), Context())
        assert answer == {"batchItemFailures": []}

    def settle(self, *events: Any) -> None:
        encoded = [
            Message("settlement-events", 0, b"1", msgspec.json.encode(event)) for event in events
        ]
        assert app.settlement_events_handler(msk_event(encoded), Context()) == {
            "batchItemFailures": []
        }

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Read with the owner's rights."""
        with psycopg.connect(self.owner_dsn) as connection:
            return connection.execute(query.encode()).fetchall()

    def run(self, statement: str) -> None:
        """Change what is stored, with the owner's rights."""
        with psycopg.connect(self.owner_dsn) as connection:
            connection.execute(statement.encode())

    def forget(self) -> None:
        """Empty the tables."""
        self.run(
            "truncate orders.orders, orders.order_history, orders.settled_trades, "
            "orders.order_numbers, orders.idempotency_keys"
        )

    def dump(self) -> list[Any]:
        """Return everything that is stored but when rows were written."""
        return [
            self.rows(
                "select order_id, account_id, price_ticks, quantity_lots, leaves_lots, "
                "filled_lots, filled_value, status, reason, engine_sequence, engine_index "
                "from orders.orders order by order_id"
            ),
            self.rows(
                "select order_id, step, engine_sequence, engine_index, status, leaves_lots, "
                "trade_id, reason from orders.order_history "
                "order by order_id, engine_sequence, engine_index, step"
            ),
            self.rows("select * from orders.settled_trades order by trade_id, account_id"),
        ]


def msk_event(messages: Iterable[Message]) -> dict[str, Any]:
    """Return messages as Lambda's event source mapping for MSK hands them over."""
    records: dict[str, list[dict[str, Any]]] = {}
    for offset, message in enumerate(messages):
        records.setdefault(f"{message.topic}-{message.partition}", []).append(
            {
                "topic": message.topic,
                "partition": message.partition,
                "offset": offset,
                "timestamp": 1_780_000_000_000,
                "timestampType": "CREATE_TIME",
                "key": base64.b64encode(message.key).decode(),
                "value": base64.b64encode(message.value).decode(),
                "headers": [],
            }
        )
    return {"eventSource": "aws:kafka", "eventSourceArn": "arn:local", "records": records}


@pytest.fixture
def orders(
    migrated_databases: MigratedDatabases, monkeypatch: pytest.MonkeyPatch
) -> Iterator[OrdersStack]:
    """Nothing stored; Alice and Bob have a million dollars, Bob 10,000 lots of each share."""
    engine = CoreEngine()
    engine.open_account(ALICE, cash_minor=100_000_000)
    engine.open_account(BOB, cash_minor=100_000_000, NOVA=10_000, ORBT=10_000)
    dsn = migrated_databases.service["orders"]
    service = OrderService(dsn, lambda: engine)
    monkeypatch.setattr(wiring, "service", lambda: service)
    monkeypatch.setattr(wiring, "source", lambda: dsn)
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")  # no cache: the local limit holds
    stack = OrdersStack(engine, service, dsn, migrated_databases.owner["core"])
    try:
        yield stack
    finally:
        stack.forget()
