"""Busted and corrected trades: undone in the engine and in settlement, so that the books agree."""

from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest

from functions.backoffice import market
from functions.backoffice.actions import Action
from functions.backoffice.models import CorrectTradeRequest
from shared.domain import records as r
from shared.domain.ids import SOURCE_BACKOFFICE, administrative_id
from shared.streams import open_stream
from shared.wire.stream_events import TradeExecution
from tests.support.clearing import NOVA, ClearingHouse, clearing_database
from tests.support.core_engine import CoreEngine
from tests.support.servers import (  # noqa: F401
    MigratedDatabases,
    Server,
    migrated_databases,
    postgres_server,
    stores,
    stream_redis_server,
)

ANNE, BERT = 1001, 1002
DAY = date(
    2026, 6, 1
).isoformat()  # the first session after the trades, which the core's clock dates


@pytest.fixture
def house(
    postgres_server: Server,  # noqa: F811
    migrated_databases: MigratedDatabases,  # noqa: F811
    stream_redis_server: Server,  # noqa: F811
) -> Iterator[ClearingHouse]:
    """A clearing house with an engine; Anne has cash, Bert shares."""
    stream = open_stream(stream_redis_server.url)
    stream.execute("FLUSHALL")  # type: ignore[attr-defined]
    with clearing_database(postgres_server, migrated_databases) as database:
        house = ClearingHouse(database, CoreEngine(), stream)
        house.open_account(ANNE, cash_minor=1_000_000)
        house.open_account(BERT, lots={NOVA: 500})
        yield house
    stream.close()


def amended(
    house: ClearingHouse, trade: TradeExecution, corrected: tuple[int, int] | None
) -> dict[str, Any]:
    terms = None
    if corrected is not None:
        price, lots = corrected
        number = NOVA.instrument_id
        terms = {"instrument_id": number, "price_ticks": price, "quantity_lots": lots}
    event = {"trade_id": trade.trade_id, "corrected": terms}
    return house.tasks.run("amend_trade", event)


def carry_out(house: ClearingHouse, number: int, action: Action) -> None:
    result = house.engine.submit(action.command(administrative_id(SOURCE_BACKOFFICE, number)))
    assert r.REJECTED not in [event.kind for event in result.events]


def test_a_busted_trade_is_undone_and_never_settles(house: ClearingHouse) -> None:
    kept = house.trade(ANNE, BERT, NOVA, 100, 1_000)
    gone = house.trade(ANNE, BERT, NOVA, 50, 1_010)
    found = amended(house, gone, None)
    assert (found["outcome"], found["buyer_id"], found["price_ticks"]) == ("AMENDED", ANNE, 1_010)
    carry_out(house, 1, market.bust(gone.trade_id, found))
    assert amended(house, gone, None) == found, "a repeat gives the same terms"
    assert amended(house, gone, (1_000, 50))["outcome"] == "BUSTED"

    output = house.settle(DAY)

    assert output["reconciliation"] == {"accounts": 2, "breaks": 0, "first_breaks": []}
    assert house.ledger_balance(ANNE, NOVA.isin) == 100
    assert house.ledger_balance(BERT, "USD") == 100_000
    assert amended(house, kept, None)["outcome"] == "NETTED", "what settled cannot be undone"


def test_a_corrected_trade_settles_at_its_corrected_terms(house: ClearingHouse) -> None:
    trade = house.trade(ANNE, BERT, NOVA, 100, 1_000)
    request = CorrectTradeRequest(
        operator="operator-1", reason="wrong price", symbol="NOVA", price="9.00", quantity="80"
    )
    found = amended(house, trade, (900, 80))
    assert (found["price_ticks"], found["quantity_lots"]) == (1_000, 100)
    assert amended(house, trade, (900, 80)) == found, "a repeat gives the same terms"
    carry_out(house, 1, market.correct(trade.trade_id, found, 900, 80, request))
    again = amended(house, trade, (910, 80))
    assert (again["price_ticks"], again["quantity_lots"]) == (900, 80), "terms as they are now"
    assert amended(house, trade, (910, 80)) == again
    carry_out(house, 2, market.correct(trade.trade_id, again, 910, 80, request))

    output = house.settle(DAY)

    assert output["reconciliation"]["breaks"] == 0, output
    assert house.ledger_balance(ANNE, NOVA.isin) == 80
    assert house.ledger_balance(BERT, "USD") == 80 * 910


def test_trades_that_are_not_there_are_not_found(house: ClearingHouse) -> None:
    trade = house.trade(ANNE, BERT, NOVA, 100, 1_000)
    unknown = {"trade_id": "123", "corrected": None}
    assert house.tasks.run("amend_trade", unknown)["outcome"] == "NOT_FOUND"
    other = {"instrument_id": 3, "price_ticks": 1, "quantity_lots": 1}
    event = {"trade_id": trade.trade_id, "corrected": other}
    assert house.tasks.run("amend_trade", event)["outcome"] == "NOT_FOUND"
