"""Settlement API and trade capture through their handlers: own settlements, nobody else's."""

import base64
import time
from collections.abc import Iterator
from datetime import date
from typing import Any

import msgspec
import pytest

from functions.settlement import app, batch
from shared.domain.ids import member_order_id, trade_id
from shared.postgres.unit_of_work import UnitOfWork
from shared.reference import instruments
from shared.wire.stream_events import TRADE_EXECUTIONS, TradeExecution
from tests.support.clearing import NOVA, ClearingDatabase, clearing_database
from tests.support.lambda_events import access_claims, call, http_event
from tests.support.servers import (  # noqa: F401
    MigratedDatabases,
    Server,
    migrated_databases,
    postgres_server,
    redis_server,
    stores,
)

ANNE, BERT, CLEO = 1001, 1002, 1003


@pytest.fixture
def database(
    postgres_server: Server,  # noqa: F811
    migrated_databases: MigratedDatabases,  # noqa: F811
    redis_server: Server,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[ClearingDatabase]:
    with clearing_database(postgres_server, migrated_databases) as found:
        monkeypatch.setattr(app, "_source", lambda: found.settlement)
        monkeypatch.setenv("REDIS_URL", redis_server.url)
        yield found


def execution(sequence: int) -> TradeExecution:
    """Return a trade in which Anne buys from Bert."""
    return TradeExecution(
        shard=0,
        sequence=sequence,
        index=1,
        time_ns=time.time_ns(),
        trade_id=str(trade_id(0, sequence, 1)),
        instrument_id=NOVA.instrument_id,
        price_ticks=1_001,
        quantity_lots=5,
        aggressor_side="BUY",
        buy_order_id=str(member_order_id(ANNE, sequence)),
        buy_account_id=str(ANNE),
        sell_order_id=str(member_order_id(BERT, sequence)),
        sell_account_id=str(BERT),
    )


def deliver(*values: bytes) -> dict[str, Any]:
    """Invoke the capture function as the stream does."""
    records = [
        {
            "topic": TRADE_EXECUTIONS,
            "partition": 0,
            "offset": offset,
            "timestamp": 1,
            "timestampType": "CREATE_TIME",
            "key": "",
            "value": base64.b64encode(value).decode(),
            "headers": [],
        }
        for offset, value in enumerate(values)
    ]
    event = {"eventSource": "aws:kafka", "records": {f"{TRADE_EXECUTIONS}-0": records}}
    return app.trade_capture_handler(event, None)


def net_all(database: ClearingDatabase) -> date:
    day = batch.business_date("next", time.time_ns())
    assert day is not None
    with UnitOfWork(database.settlement) as uow:
        batch.open_batch(uow, day)
        batch.net_due(uow, instruments(), day)
        uow.commit()
    return day


def get(path: str, account_id: int | None, **query: str) -> Any:
    event = http_event("GET", path, claims=access_claims(account_id=account_id))
    event["queryStringParameters"] = query or None
    return call(app.handler, event)


def test_a_member_reads_its_settlements_with_their_trades(database: ClearingDatabase) -> None:
    deliver(*(msgspec.json.encode(execution(sequence)) for sequence in (1, 2)))
    day = net_all(database)

    listed = get("/api/v1/settlements", ANNE)
    assert listed.status == 200
    (item,) = listed.json["settlements"]
    assert (item["batch_id"], item["symbol"]) == (day.isoformat(), "NOVA")
    assert (item["cash"], item["quantity"], item["state"]) == ("-100.10", "10", "NETTED")

    shown = get(f"/api/v1/settlements/{item['instruction_id']}", ANNE)
    assert [trade["trade_id"] for trade in shown.json["trades"]] == [
        str(trade_id(0, sequence, 1)) for sequence in (1, 2)
    ]
    assert {trade["side"] for trade in shown.json["trades"]} == {"BUY"}


def test_another_members_settlement_is_not_found(database: ClearingDatabase) -> None:
    deliver(msgspec.json.encode(execution(1)))
    net_all(database)
    (item,) = get("/api/v1/settlements", ANNE).json["settlements"]
    path = f"/api/v1/settlements/{item['instruction_id']}"
    for stranger in (BERT, CLEO):
        assert get(path, stranger).code == "settlement_not_found"
    assert get("/api/v1/settlements", CLEO).json["settlements"] == []


def test_pages_follow_each_other_without_gap_or_repeat(database: ClearingDatabase) -> None:
    for sequence in (1, 2, 3):
        deliver(msgspec.json.encode(execution(sequence)))
        net_all(database)  # one instruction each, since each netting takes what is open
    seen: list[str] = []
    before: dict[str, str] = {}
    for _ in range(3):
        page = get("/api/v1/settlements", ANNE, limit="1", **before).json
        seen += [item["instruction_id"] for item in page["settlements"]]
        before = {"before": page["next_before"]}
    assert len(set(seen)) == 3
    assert seen == sorted(seen, reverse=True)


def test_who_has_no_account_or_asks_wrongly_is_refused(database: ClearingDatabase) -> None:
    assert get("/api/v1/settlements", None).code == "account_not_open"
    assert get("/api/v1/settlements", ANNE, limit="0").code == "invalid_request"
    assert get("/api/v1/settlements", ANNE, limit="201").code == "invalid_request"
    assert get("/api/v1/settlements", ANNE, before=str(1 << 63)).code == "invalid_request"
    assert get("/api/v1/settlements", ANNE, before=str((1 << 63) - 1)).status == 200
    assert get("/api/v1/settlements/x';--", ANNE).status in (400, 404)


@pytest.mark.parametrize("deliveries", [1, 2, 5])
def test_a_batch_delivered_many_times_is_captured_once(
    database: ClearingDatabase, deliveries: int
) -> None:
    values = [msgspec.json.encode(execution(sequence)) for sequence in range(1, 11)]
    for _ in range(deliveries):
        assert deliver(*values) == {"batchItemFailures": []}
    with UnitOfWork(database.settlement) as uow:
        counts = uow.connection.execute(
            "select (select count(*) from settlement.trades), "
            "(select count(*) from settlement.obligations), "
            "(select sum(cash_minor) from settlement.obligations)"
        ).fetchone()
    assert counts == (10, 20, 0)


def test_a_record_that_is_no_trade_is_named_and_the_others_are_captured(
    database: ClearingDatabase,
) -> None:
    answer = deliver(msgspec.json.encode(execution(1)), b"{}", msgspec.json.encode(execution(2)))
    place = {"partition": f"{TRADE_EXECUTIONS}-0", "offset": 1}
    assert answer == {"batchItemFailures": [{"itemIdentifier": place}]}
    with UnitOfWork(database.settlement) as uow:
        assert uow.connection.execute("select count(*) from settlement.trades").fetchone() == (2,)
