"""Orders of one account in instruments of three real engines: credit follows where it is needed."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from functions.orders import resend, store
from functions.orders.service import LinkedElsewhere, OrderService, Placed, Sending
from functions.orders.store import NewOrder
from functions.orders.terms import Terms
from functions.payments.credit_lines import ORDER, CreditLines
from shared.domain import records as r
from shared.domain.commands import AddAccount, MoveCash
from shared.domain.orders import OrderStatus
from shared.hotpath_client import ShardedEngine
from shared.postgres.unit_of_work import UnitOfWork
from shared.reference import instruments
from shared.wire.stream_events import Instructions
from tests.support.engine import USD
from tests.support.servers import MigratedDatabases
from tests.support.shards import SHARDS, Shards, three_engines

ACCOUNT = 3_000  # its home is engine 0
CASH_MINOR = 1_000_000
AAPL, NOVA, ORBT = (instruments().by_symbol[symbol] for symbol in ("AAPL", "NOVA", "ORBT"))


def shard_of(instrument_id: int) -> int:
    return instruments().shard_of(instrument_id, SHARDS)


@dataclass
class Desk:
    """The orders service over three engines, which may have credit moved."""

    shards: Shards
    engine: ShardedEngine
    service: OrderService
    lines: CreditLines
    dsn: str
    number: int = 0

    def buy(self, instrument_id: int, price_ticks: int, lots: int, linked: str = ""):
        self.number += 1
        told = Instructions(linked_order_id=linked, link="OCO") if linked else None
        terms = Terms(instrument_id, "BUY", "LIMIT", "GTC", price_ticks, lots, told)
        order = NewOrder(ACCOUNT, "user", None, b"", terms, "", "", self.number)
        return self.service.place(order)

    def store_unsent(self, instrument_id: int) -> None:
        """Store an order as a request does that ends before it sends."""
        self.number += 1
        terms = Terms(instrument_id, "BUY", "LIMIT", "GTC", 1_000, 1, None)
        with UnitOfWork(self.dsn) as uow:
            store.insert_new(uow, NewOrder(ACCOUNT, "user", None, b"", terms, "", "", self.number))
            uow.commit()

    def cash(self) -> list[int]:
        views = [self.engine.shard(number).account(ACCOUNT) for number in range(SHARDS)]
        return [0 if view is None else view.total_minor for view in views]


@pytest.fixture
def desk(tmp_path: Path, migrated_databases: MigratedDatabases) -> Iterator[Desk]:
    dsn = migrated_databases.service
    with three_engines(tmp_path) as shards:
        engine = shards.client(shard_of=shard_of)
        for command in instruments().engine_commands():
            engine.submit(command)
        engine.submit(AddAccount(shards.next_id(), ACCOUNT, USD))
        engine.submit(MoveCash(r.DEPOSIT_CASH, shards.next_id(), ACCOUNT, CASH_MINOR))
        lines = CreditLines(lambda: dsn["payments"], lambda: engine)

        def bring(account_id: int, shard: int, need: int, enough: int, trace: str) -> int:
            return lines.bring(
                account_id, shard, need, ORDER, traceparent=trace, enough_minor=enough
            )

        service = OrderService(
            lambda: dsn["orders"], lambda: engine, shard_of=shard_of, bring_credit=bring
        )
        yield Desk(shards, engine, service, lines, dsn["orders"])
        engine.close()
    with psycopg.connect(migrated_databases.owner["core"]) as connection:
        connection.execute(
            "truncate orders.orders, orders.order_history, orders.settled_trades, "
            "orders.order_numbers, orders.idempotency_keys"
        )
    with psycopg.connect(migrated_databases.owner["clearing"]) as connection:
        connection.execute("truncate payments.credit_moves")


def test_credit_follows_orders_and_comes_home_for_a_withdrawal(desk: Desk) -> None:
    nova = desk.buy(NOVA.instrument_id, 1_000, 300)
    assert isinstance(nova, Placed)
    assert (nova.sending, nova.order.state.status) == (Sending.ANSWERED, OrderStatus.PENDING)
    assert desk.cash() == [697_000, 303_000, 0]

    orbt = desk.buy(ORBT.instrument_id, 500, 10)
    assert isinstance(orbt, Placed) and orbt.order.state.status is OrderStatus.PENDING
    value_minor = ORBT.notional_minor(500, 10)
    assert desk.cash() == [697_000 - value_minor * 101 // 100, 303_000, value_minor * 101 // 100]

    too_dear = desk.buy(NOVA.instrument_id, 1_000, 1_000)
    assert isinstance(too_dear, Placed)
    assert too_dear.order.state.status is OrderStatus.REJECTED
    assert too_dear.order.state.reason == "insufficient_funds"

    linked = desk.buy(ORBT.instrument_id, 500, 1, linked=str(nova.order.order_id))
    assert isinstance(linked, LinkedElsewhere)

    for order in (nova.order, orbt.order):
        desk.service.cancel(ACCOUNT, order.order_id)
    assert desk.lines.bring_home(ACCOUNT, CASH_MINOR, "")
    assert desk.cash() == [CASH_MINOR, 0, 0]


def test_while_the_orders_engine_is_away_the_order_waits_and_others_trade(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.shards.engines[2].kill()
    waiting = desk.buy(ORBT.instrument_id, 500, 1)
    assert isinstance(waiting, Placed) and waiting.sending is Sending.SILENT
    aapl = desk.buy(AAPL.instrument_id, 58_500, 1)
    assert isinstance(aapl, Placed) and aapl.order.state.status is OrderStatus.PENDING
    nova = desk.buy(NOVA.instrument_id, 1_000, 1)  # credit comes, though not all engines answer
    assert isinstance(nova, Placed) and nova.order.state.status is OrderStatus.PENDING
    for instrument in (ORBT, NOVA, ORBT, AAPL):
        desk.store_unsent(instrument.instrument_id)
    monkeypatch.setattr(resend, "OLDER_THAN_MS", 0)
    report = resend.resend(desk.dsn, desk.service)
    assert report == resend.ResendReport(sent=2, answered=2), "those of the engines that are left"
