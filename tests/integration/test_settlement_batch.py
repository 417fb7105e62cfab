"""The settlement batch over real parts: PostgreSQL, the engine, the stream, the state machine."""

import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pytest

from functions.settlement import batch
from functions.settlement.capture import TradeConflict
from shared.domain import records as r
from shared.ports.event_stream import TopicPartition
from shared.postgres.ledger_audit import conservation, verify_chain, wrong_balances
from shared.postgres.unit_of_work import UnitOfWork
from shared.streams import open_stream
from shared.wire.stream_events import SETTLEMENT_EVENTS, SettlementEvent
from tests.support.clearing import (
    NOVA,
    ORBT,
    ClearingHouse,
    clearing_database,
    journal_folder,
    movement,
    snapshot,
)
from tests.support.engine import engine_process
from tests.support.servers import (  # noqa: F401
    MigratedDatabases,
    Server,
    migrated_databases,
    postgres_server,
    stores,
    stream_redis_server,
)

ANNE, BERT, CLEO = 1001, 1002, 1003


@pytest.fixture
def house(
    postgres_server: Server,  # noqa: F811
    migrated_databases: MigratedDatabases,  # noqa: F811
    stream_redis_server: Server,  # noqa: F811
    tmp_path: Path,
) -> Iterator[ClearingHouse]:
    """A clearing house on a new database, a new engine and an emptied stream."""
    stream = open_stream(stream_redis_server.url)
    stream.execute("FLUSHALL")  # type: ignore[attr-defined]
    with (
        clearing_database(postgres_server, migrated_databases) as database,
        engine_process(journal_folder(tmp_path)) as engine,
    ):
        yield ClearingHouse(database, engine.client(), stream)
    stream.close()


@pytest.fixture
def today() -> str:
    """The business date that "next" stands for while the test runs."""
    day = batch.business_date("next", time.time_ns())
    assert day is not None
    return day.isoformat()


def published(house: ClearingHouse) -> list[SettlementEvent]:
    """Return the settlement events in their order."""
    events = []
    for partition in range(2):
        place = TopicPartition(SETTLEMENT_EVENTS, partition)
        reader = house.stream.reader("test", [place])
        events += [
            msgspec.json.decode(message.value, type=SettlementEvent)
            for message in reader.poll(1000, 100)
        ]
        reader.close()
    return sorted(events, key=lambda event: event.sequence)


def test_trades_become_settled_money_and_shares_on_both_sides(
    house: ClearingHouse, today: str
) -> None:
    house.open_account(ANNE, cash_minor=1_000_000)
    house.open_account(BERT, lots={NOVA: 500})
    first = house.trade(ANNE, BERT, NOVA, 100, 1_000)
    second = house.trade(ANNE, BERT, NOVA, 50, 1_010)

    output = house.settle(today)

    cash = 100 * 1_000 + 50 * 1_010
    assert output["outcome"] == "DONE"
    assert output["instructions"] == {"settled": 2, "rolled": 0}
    assert output["reconciliation"] == {"accounts": 2, "breaks": 0, "first_breaks": []}
    assert house.ledger_balance(ANNE, "USD") == 1_000_000 - cash
    assert house.ledger_balance(ANNE, NOVA.isin) == 150
    assert house.ledger_balance(BERT, "USD") == cash
    assert house.ledger_balance(BERT, NOVA.isin) == 350
    view = house.engine.account(ANNE)
    assert view is not None
    assert (view.total_minor, view.settled_minor) == (1_000_000 - cash, 1_000_000 - cash)
    events = published(house)
    assert [event.type for event in events] == ["SETTLED", "SETTLED"]
    assert {event.account_id for event in events} == {str(ANNE), str(BERT)}
    for event in events:
        assert event.trade_ids == [first.trade_id, second.trade_id]
    bought = next(event for event in events if event.account_id == str(ANNE))
    assert bought.order_ids == [first.buy_order_id, second.buy_order_id]
    assert (bought.cash_minor, bought.quantity_lots) == (-cash, 150)


def test_a_second_run_of_the_same_date_changes_nothing(house: ClearingHouse, today: str) -> None:
    house.open_account(ANNE, cash_minor=1_000_000)
    house.open_account(BERT, lots={NOVA: 500})
    house.trade(ANNE, BERT, NOVA, 100, 1_000)
    first = house.settle(today)
    before, puts = snapshot(house.database.owner), house.store.puts

    second = house.settle(today)

    assert second == {**first, "published": 0}
    assert snapshot(house.database.owner) == before
    assert house.store.puts == puts
    assert len(published(house)) == 2


def test_a_trade_delivered_many_times_is_captured_once(house: ClearingHouse) -> None:
    house.open_account(ANNE, cash_minor=1_000_000)
    house.open_account(BERT, lots={NOVA: 500})
    execution = house.trade(ANNE, BERT, NOVA, 100, 1_000)
    assert [house.capture(execution, execution) for _ in range(3)] == [0, 0, 0]
    assert house.rows("select count(*) from settlement.trades") == [(1,)]
    assert house.rows("select count(*) from settlement.obligations") == [(2,)]


def test_a_known_trade_with_another_content_is_refused(house: ClearingHouse) -> None:
    house.open_account(ANNE, cash_minor=1_000_000)
    house.open_account(BERT, lots={NOVA: 500})
    execution = house.trade(ANNE, BERT, NOVA, 100, 1_000)
    with pytest.raises(TradeConflict):
        house.capture(msgspec.structs.replace(execution, quantity_lots=101))


def test_cash_that_comes_in_from_one_instruction_pays_for_another(
    house: ClearingHouse, today: str
) -> None:
    """Anne's purchase is netted first and lacks the cash that her sale brings in the same batch."""
    house.open_account(ANNE, lots={ORBT: 10})
    house.open_account(BERT, cash_minor=1_000_000, lots={NOVA: 500})
    house.trade(BERT, ANNE, ORBT, 10, 500)  # Anne sells Orbit for 250.00
    house.trade(ANNE, BERT, NOVA, 20, 1_000)  # and buys Nova for 200.00

    output = house.settle(today)

    assert output["instructions"] == {"settled": 4, "rolled": 0}
    assert output["reconciliation"]["breaks"] == 0
    assert house.rows("select passes from settlement.batches") == [(1,)]
    assert house.ledger_balance(ANNE, "USD") == 10 * 500 * ORBT.tick_value_minor - 20_000


def test_what_lacks_a_balance_rolls_to_the_next_session_and_settles_there(
    house: ClearingHouse, today: str
) -> None:
    house.open_account(ANNE, cash_minor=100_000)
    house.open_account(BERT, lots={NOVA: 500})
    house.trade(ANNE, BERT, NOVA, 100, 1_000)
    house.post(movement("taken", "USD", -100_000, ANNE))

    output = house.settle(today)

    assert output["instructions"] == {"settled": 1, "rolled": 1}
    assert {item["kind"] for item in output["reconciliation"]["first_breaks"]} == {
        "settled_cash",
        "total_cash",
    }, "the cash was taken behind the engine's back"
    rolled = [event for event in published(house) if event.type == "ROLLED"]
    assert [(event.account_id, event.reason) for event in rolled] == [
        (str(ANNE), "insufficient_balance")
    ]
    (due,) = house.rows("select due_date from settlement.obligations where side = 'BUY'")
    assert due[0] > date.fromisoformat(today)

    house.post(movement("brought back", "USD", 100_000, ANNE))
    later = house.settle(due[0].isoformat())
    assert later["instructions"] == {"settled": 1, "rolled": 0}
    assert later["reconciliation"]["breaks"] == 0


class Killed(Exception):
    """Stands for the end of a function in the middle of the batch."""


STEPS = ("open", "net", "next_pass", "prepare", "pay", "deliver", "send_commands", "reconcile",
         "publish", "finish")  # fmt: skip


@pytest.mark.parametrize("after_commit", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", STEPS)
def test_a_batch_cut_off_at_any_step_is_completed_by_the_next_run(
    house: ClearingHouse, today: str, step: str, after_commit: bool
) -> None:
    house.open_account(ANNE, cash_minor=1_000_000)
    house.open_account(BERT, lots={NOVA: 500})
    house.trade(ANNE, BERT, NOVA, 100, 1_000)

    def kill_once(event: dict[str, Any], task: Any) -> Any:
        if event.get("action", "pay" if "transfer_id" in event else "") != step:
            return task(event)
        if after_commit:
            task(event)
        raise Killed

    house.wrap_task = kill_once
    with pytest.raises(Killed):
        house.settle(today)
    assert_both_legs_or_neither(house)
    house.wrap_task = lambda event, task: task(event)
    output = house.settle(today)

    assert output["instructions"] == {"settled": 2, "rolled": 0}
    assert output["reconciliation"]["breaks"] == 0
    assert [event.type for event in published(house)] == ["SETTLED", "SETTLED"]
    assert_both_legs_or_neither(house)


def assert_both_legs_or_neither(house: ClearingHouse) -> None:
    """Anne has paid exactly where she has her shares; the ledger balances and its chain holds."""
    paid = 1_000_000 - house.rows(posted(ANNE, "USD"))[0][0]
    received = sum(row[0] for row in house.rows(posted(ANNE, NOVA.isin)))
    assert (paid, received) in [(0, 0), (100_000, 100)]
    with UnitOfWork(house.database.settlement) as uow:
        assert set(conservation(uow.connection).values()) == {0}
        assert wrong_balances(uow.connection) == []
        assert verify_chain(uow.connection).sound


def posted(account_id: int, asset: str) -> str:
    return (
        "select posted from ledger.balances join ledger.accounts using (account_id) "
        f"where owner = 'M:{account_id}' and asset = '{asset}' and purpose = 'SETTLED'"
    )


def test_a_day_that_is_no_session_is_answered_and_not_run(house: ClearingHouse) -> None:
    assert house.settle("2026-12-25") == {"outcome": "NOT_A_BUSINESS_DAY"}
    assert house.rows("select count(*) from settlement.batches") == [(0,)]


def test_an_account_that_only_rests_orders_reconciles_with_its_reservations(
    house: ClearingHouse, today: str
) -> None:
    house.open_account(CLEO, cash_minor=500_000, lots={NOVA: 10})
    house.order(CLEO, r.BUY, NOVA, 7, 900)
    house.order(CLEO, r.SELL, NOVA, 3, 1_100)
    assert house.settle(today)["reconciliation"]["breaks"] == 0
