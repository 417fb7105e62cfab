"""Busted and corrected trades: engine and settlement end with one trade, whoever ends between."""

from collections.abc import Callable, Iterator
from datetime import date
from functools import partial
from typing import Any

import psycopg
import pytest

from functions.backoffice import actions, amendments, market
from functions.backoffice.models import ActionAnswer, CorrectTradeRequest
from shared.edge.problems import Problem
from shared.ports.failures import InfrastructureUnavailable
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
# The first session after the trades, which the core's clock dates.
DAY = date(2026, 6, 1).isoformat()
REQUEST = CorrectTradeRequest(
    operator="operator-1", reason="wrong price", symbol="NOVA", price="9.00", quantity="80"
)


class Office:
    """The back office with the settlement of a clearing house; `away` makes a call of it fail."""

    def __init__(self, house: ClearingHouse, source: str) -> None:
        self._house, self.source, self.away = house, lambda: source, ""

    def ask_amendment(self, amendment_id: int, trade_id: int, corrected: Any) -> dict[str, Any]:
        asked = {"amendment_id": amendment_id, "trade_id": trade_id, "corrected": corrected}
        return self._run("ask_amendment", asked)

    def conclude_amendment(self, amendment_id: int, trade_id: int, applied: bool) -> None:
        told = {"amendment_id": amendment_id, "trade_id": trade_id, "applied": applied}
        self._run("conclude_amendment", told)

    def _run(self, task: str, event: dict[str, Any]) -> dict[str, Any]:
        if self.away == task:
            raise InfrastructureUnavailable(task)
        return self._house.tasks.run(task, event)

    def amend(self, trade: TradeExecution, corrected: tuple[int, int] | None) -> ActionAnswer:
        """Bust a trade (None), or correct it to a price and a quantity."""
        terms = None
        action_of: Callable[[dict[str, Any]], actions.Action] = partial(market.bust, trade.trade_id)
        if corrected is not None:
            number = NOVA.instrument_id
            terms = {"instrument_id": number, "price_ticks": corrected[0]}
            terms["quantity_lots"] = corrected[1]
            action_of = partial(market.correct, trade.trade_id, terms, REQUEST)
        engine, number = self._house.engine, int(trade.trade_id)
        return amendments.amend(self.source, engine, self, number, terms, action_of, REQUEST)

    def refusal(self, trade: TradeExecution, corrected: tuple[int, int] | None) -> str:
        with pytest.raises(Problem) as refused:
            self.amend(trade, corrected)
        return refused.value.code

    def every_minute(self) -> int:
        """Do what the minutely job does about amendments; return how many were concluded."""
        actions.OUTBOX.send_pending(self._house.engine, self.source)
        return amendments.conclude(self.source, self)


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


@pytest.fixture
def core(migrated_databases: MigratedDatabases) -> Iterator[psycopg.Connection]:  # noqa: F811
    with psycopg.connect(migrated_databases.owner["core"], autocommit=True) as connection:
        yield connection
        connection.execute("truncate admin.actions, admin.engine_outbox, admin.amendments")


@pytest.fixture
def office(
    house: ClearingHouse,
    core: psycopg.Connection,
    migrated_databases: MigratedDatabases,  # noqa: F811
) -> Office:
    return Office(house, migrated_databases.service["backoffice"])


def let_time_pass(core: psycopg.Connection) -> None:
    core.execute("update admin.amendments set created_at = created_at - interval '3 min'")


def settles(house: ClearingHouse, lots: int, cash_minor: int) -> None:
    """Settle, and find Anne with so many shares and Bert with so much cash, and no break."""
    output = house.settle(DAY)
    assert output["reconciliation"] == {"accounts": 2, "breaks": 0, "first_breaks": []}
    assert house.ledger_balance(ANNE, NOVA.isin) == lots
    assert house.ledger_balance(BERT, "USD") == cash_minor


def test_a_busted_trade_is_undone_and_never_settles(house: ClearingHouse, office: Office) -> None:
    kept = house.trade(ANNE, BERT, NOVA, 100, 1_000)
    gone = house.trade(ANNE, BERT, NOVA, 50, 1_010)
    assert office.amend(gone, None).engine == "APPLIED"
    assert office.refusal(gone, None) == "trade_busted"
    assert office.refusal(gone, (1_000, 50)) == "trade_busted"
    settles(house, 100, 100_000)
    assert office.refusal(kept, None) == "trade_in_settlement", "what settled cannot be undone"
    assert office.every_minute() == 0, "nothing is left to be told"


def test_a_corrected_trade_settles_at_its_corrected_terms(
    house: ClearingHouse, office: Office
) -> None:
    trade = house.trade(ANNE, BERT, NOVA, 100, 1_000)
    assert office.amend(trade, (900, 80)).engine == "APPLIED"
    assert office.amend(trade, (910, 80)).engine == "APPLIED", "from the terms that hold now"
    settles(house, 80, 80 * 910)


def test_what_the_engine_refuses_is_withdrawn(house: ClearingHouse, office: Office) -> None:
    trade = house.trade(ANNE, BERT, NOVA, 100, 1_000)
    assert office.amend(trade, ((1 << 47) - 1, (1 << 31) - 1)).engine == "REFUSED"
    assert office.amend(trade, (900, 80)).engine == "APPLIED", "from the terms of the trade"
    settles(house, 80, 80 * 900)


def test_a_trade_settles_as_it_is_when_its_amendment_was_refused(
    house: ClearingHouse, office: Office
) -> None:
    trade = house.trade(ANNE, BERT, NOVA, 100, 1_000)
    office.amend(trade, ((1 << 47) - 1, (1 << 31) - 1))
    settles(house, 100, 100_000)


def test_while_the_engine_is_away_the_trade_waits_and_is_corrected_once(
    house: ClearingHouse, office: Office
) -> None:
    trade = house.trade(ANNE, BERT, NOVA, 100, 1_000)
    house.engine.is_down = True  # type: ignore[attr-defined]
    assert office.amend(trade, (900, 80)).engine == "PENDING"
    assert office.refusal(trade, (950, 90)) == "trade_amendment_pending"
    house.engine.is_down = False  # type: ignore[attr-defined]
    assert office.refusal(trade, None) == "trade_amendment_pending"
    assert office.every_minute() == 1
    assert office.amend(trade, (950, 90)).engine == "APPLIED"
    settles(house, 90, 90 * 950)


def test_an_end_before_the_command_is_stored_withdraws_the_amendment(
    house: ClearingHouse, office: Office, core: psycopg.Connection
) -> None:
    trade = house.trade(ANNE, BERT, NOVA, 100, 1_000)
    terms = {"instrument_id": NOVA.instrument_id, "price_ticks": 900, "quantity_lots": 80}
    lost = amendments._begin(office.source, int(trade.trade_id))
    assert office.ask_amendment(lost, int(trade.trade_id), terms)["outcome"] == "AMENDING"
    assert office.ask_amendment(lost, int(trade.trade_id), terms)["price_ticks"] == 1_000
    assert office.every_minute() == 0, "it may still be under way"
    let_time_pass(core)
    assert office.every_minute() == 1
    assert office.ask_amendment(lost, int(trade.trade_id), terms)["outcome"] == "WITHDRAWN"
    assert office.amend(trade, (950, 90)).engine == "APPLIED", "a different one, at right terms"
    settles(house, 90, 90 * 950)


def test_one_who_was_too_slow_cannot_send_what_was_given_up(
    house: ClearingHouse, office: Office, core: psycopg.Connection
) -> None:
    trade = house.trade(ANNE, BERT, NOVA, 100, 1_000)
    asked = office.ask_amendment

    def slowly(amendment_id: int, trade_id: int, corrected: Any) -> dict[str, Any]:
        found = asked(amendment_id, trade_id, corrected)
        let_time_pass(core)
        office.every_minute()
        return found

    office.ask_amendment = slowly  # type: ignore[method-assign]
    sent = len(house.engine.commands)  # type: ignore[attr-defined]
    assert office.refusal(trade, None) == "amendment_abandoned"
    assert len(house.engine.commands) == sent  # type: ignore[attr-defined]
    settles(house, 100, 100_000)


def test_one_that_comes_after_it_was_given_up_changes_nothing(
    house: ClearingHouse, office: Office, core: psycopg.Connection
) -> None:
    trade = house.trade(ANNE, BERT, NOVA, 100, 1_000)
    late = amendments._begin(office.source, int(trade.trade_id))
    let_time_pass(core)
    assert office.every_minute() == 1
    assert office.ask_amendment(late, int(trade.trade_id), None)["outcome"] == "WITHDRAWN"
    settles(house, 100, 100_000)


def test_settlement_that_is_away_is_told_later(house: ClearingHouse, office: Office) -> None:
    trade = house.trade(ANNE, BERT, NOVA, 100, 1_000)
    office.away = "conclude_amendment"
    assert office.amend(trade, (900, 80)).engine == "APPLIED"
    assert office.refusal(trade, (950, 90)) == "trade_amendment_pending"
    office.away = ""
    assert (office.every_minute(), office.every_minute()) == (1, 0)
    settles(house, 80, 80 * 900)


def test_a_trade_that_is_being_amended_is_in_no_batch(house: ClearingHouse, office: Office) -> None:
    trade = house.trade(ANNE, BERT, NOVA, 100, 1_000)
    office.away = "conclude_amendment"
    office.amend(trade, (900, 80))
    house.settle(DAY)
    assert house.ledger_balance(ANNE, NOVA.isin) == 0
    office.away = ""
    assert office.every_minute() == 1
    settles(house, 80, 80 * 900)


def test_trades_that_are_not_there_are_not_found(house: ClearingHouse, office: Office) -> None:
    trade = house.trade(ANNE, BERT, NOVA, 100, 1_000)
    assert office.ask_amendment(1, 123, None)["outcome"] == "NOT_FOUND"
    other = {"instrument_id": 3, "price_ticks": 1, "quantity_lots": 1}
    assert office.ask_amendment(2, int(trade.trade_id), other)["outcome"] == "NOT_FOUND"


def test_what_was_asked_and_what_became_of_it_can_only_be_added(
    house: ClearingHouse, office: Office
) -> None:
    office.amend(house.trade(ANNE, BERT, NOVA, 100, 1_000), (900, 80))
    with psycopg.connect(house.database.settlement) as connection:
        rows = connection.execute(
            "select step, price_ticks, quantity_lots from settlement.amendment_steps order by step"
        ).fetchall()
        assert rows == [("APPLIED", None, None), ("ASKED", 900, 80)]
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("update settlement.amendment_steps set step = 'WITHDRAWN'")
