"""A clearing house for tests: its own migrated database, a real engine, the real state machine."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg

from functions.payments.models import SettlementPayment
from functions.payments.settlement import confirm_payment
from functions.reporting.service import make_daily_reports
from functions.settlement.capture import capture
from functions.settlement.service import Tasks
from infra.local.settings import CHECKOUT
from shared.domain import records as r
from shared.domain.commands import AddAccount, DepositShares, MoveCash, PlaceOrder, SetLimits
from shared.domain.ids import SOURCE_LEDGER, administrative_id, member_order_id, trade_id
from shared.domain.instruments import Instrument
from shared.ports.engine import CommandResult, Engine
from shared.ports.event_stream import EventStream
from shared.ports.ledger import HOUSE, Entry, LedgerAccount, Purpose, Transfer, member
from shared.postgres.ledger import PostgresLedger
from shared.postgres.migrations import migrate
from shared.postgres.unit_of_work import UnitOfWork
from shared.reference import instruments
from shared.wire.stream_events import TradeExecution
from tests.support.servers import MigratedDatabases, Server
from tests.support.state_machine import StateMachine

USD = 840
NOVA = instruments().by_symbol["NOVA"]
ORBT = instruments().by_symbol["ORBT"]
DEFINITION = CHECKOUT / "functions" / "settlement" / "settlement.asl.json"


@dataclass(frozen=True)
class ClearingDatabase:
    """DSNs of one new clearing database, by service, and its owner's."""

    owner: str
    payments: str
    settlement: str
    reporting: str


@contextmanager
def clearing_database(server: Server, roles: MigratedDatabases) -> Iterator[ClearingDatabase]:
    """Yield a migrated clearing database of its own; it is dropped at the end."""
    name = f"clearing_{secrets.token_hex(4)}"
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute(f"create database {name} owner clearing_owner")
    owner = _in_database(roles.owner["clearing"], name)
    try:
        migrate(owner, CHECKOUT / "infra" / "sql" / "clearing")
        dsns = {
            service: _in_database(roles.service[service], name)
            for service in ("payments", "settlement", "reporting")
        }
        yield ClearingDatabase(owner, **dsns)
    finally:
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute(f"drop database {name} with (force)")


def _in_database(dsn: str, name: str) -> str:
    return urlunsplit(urlsplit(dsn)._replace(path=f"/{name}"))


def account(owner: str, asset: str, purpose: Purpose = Purpose.SETTLED) -> LedgerAccount:
    return LedgerAccount(owner, asset, purpose)


def movement(reference: str, asset: str, amount: int, account_id: int) -> Transfer:
    """Return a transfer of an opening balance to (or, negative, from) a member."""
    return Transfer(
        "OPENING_BALANCE",
        reference,
        [
            Entry(account(HOUSE, asset, Purpose.OPENING), -amount),
            Entry(account(member(account_id), asset), amount),
        ],
    )


@dataclass
class MemoryStore:
    """A report store that keeps what it is given; `puts` counts the calls."""

    objects: dict[str, bytes] = field(default_factory=dict)
    puts: int = 0

    def put(self, key: str, body: bytes, content_type: str, sha256: str) -> None:
        self.objects[key] = body
        self.puts += 1


@dataclass
class ClearingHouse:
    """Members, orders and batches over real parts."""

    database: ClearingDatabase
    engine: Engine
    stream: EventStream
    store: MemoryStore = field(default_factory=MemoryStore)
    wrap_task: Callable[[dict[str, Any], Callable[[dict[str, Any]], Any]], Any] = (
        lambda event, task: task(event)
    )
    _numbers: Iterator[int] = field(default_factory=lambda: iter(range(1, 1 << 30)))

    def __post_init__(self) -> None:
        for command in instruments().engine_commands():
            self.engine.submit(command)

    def _command_id(self) -> int:
        return administrative_id(SOURCE_LEDGER, next(self._numbers))

    def open_account(
        self, account_id: int, cash_minor: int = 0, lots: dict[Instrument, int] | None = None
    ) -> None:
        """Open a member's account and give it the same balances in ledger and engine."""
        self.engine.submit(AddAccount(self._command_id(), account_id, USD))
        limits = (r.MAX_QUANTITY_LOTS, r.NO_LIMIT, r.NO_LIMIT, 10_000)
        self.engine.submit(SetLimits(self._command_id(), account_id, *limits))
        transfers = []
        if cash_minor:
            transfers.append(movement(f"cash-{account_id}", "USD", cash_minor, account_id))
            deposit = MoveCash(r.DEPOSIT_CASH, self._command_id(), account_id, cash_minor)
            self.engine.submit(deposit)
        for instrument, quantity in (lots or {}).items():
            reference = f"{instrument.isin}-{account_id}"
            transfers.append(movement(reference, instrument.isin, quantity, account_id))
            self.engine.submit(
                DepositShares(self._command_id(), account_id, instrument.instrument_id, quantity)
            )
        if transfers:
            self.post(*transfers)

    def post(self, *transfers: Transfer) -> None:
        with UnitOfWork(self.database.payments) as uow:
            PostgresLedger(uow.connection).post_many(transfers)
            uow.commit()

    def order(
        self, account_id: int, side: int, instrument: Instrument, lots: int, price_ticks: int
    ) -> list[TradeExecution]:
        """Place a limit order; return its trades as the publisher tells them."""
        order = PlaceOrder(
            account_id=account_id,
            order_id=member_order_id(account_id, next(self._numbers)),
            instrument_id=instrument.instrument_id,
            side=side,
            order_type=r.LIMIT,
            time_in_force=r.GTC,
            quantity_lots=lots,
            price_ticks=price_ticks,
        )
        result = self.engine.submit(order)
        assert result.events[0].kind == r.ORDER_ACCEPTED, result
        return executions(result)

    def trade(
        self, buyer: int, seller: int, instrument: Instrument, lots: int, price_ticks: int
    ) -> TradeExecution:
        """Make two accounts trade with each other and capture it."""
        self.order(seller, r.SELL, instrument, lots, price_ticks)
        (execution,) = self.order(buyer, r.BUY, instrument, lots, price_ticks)
        self.capture(execution)
        return execution

    def capture(self, *trades: TradeExecution) -> int:
        with UnitOfWork(self.database.settlement) as uow:
            new = capture(uow, instruments(), trades)
            uow.commit()
        return new

    @property
    def tasks(self) -> Tasks:
        return Tasks(self.database.settlement, self.engine, self.stream, instruments())

    def settle(self, business_date: str) -> dict[str, Any]:
        """Run the state machine of template.yaml for a date; return its output."""
        tasks = {
            "SettlementTaskArn": lambda event: self.tasks.run(event["action"], event),
            "SettlementPaymentArn": self._pay,
            "DailyReportArn": self._report,
        }
        wrapped = {
            name: lambda event, task=task: self.wrap_task(event, task)
            for name, task in tasks.items()
        }
        output: dict[str, Any] = StateMachine(DEFINITION, wrapped).run(
            {"business_date": business_date}
        )
        return output

    def _pay(self, event: dict[str, Any]) -> dict[str, str]:
        payment = SettlementPayment.model_validate(event)
        return confirm_payment(self.database.payments, payment)

    def _report(self, event: dict[str, Any]) -> dict[str, Any]:
        day = date.fromisoformat(event["business_date"])
        reports = make_daily_reports(self.database.reporting, self.store, instruments(), day)
        return {"business_date": event["business_date"], "reports": reports}

    def ledger_balance(self, account_id: int, asset: str) -> int:
        with UnitOfWork(self.database.settlement) as uow:
            return PostgresLedger(uow.connection).balance(account(member(account_id), asset))

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.database.owner) as connection:
            return connection.execute(query).fetchall()


def executions(result: CommandResult) -> list[TradeExecution]:
    """Return a command's trades as `trade-executions` carries them."""
    found = []
    for event in result.events:
        if event.kind != r.TRADE_EXECUTED:
            continue
        aggressor = (str(event.order_id), str(event.account_id))
        resting = (str(event.contra_order_id), str(event.contra_account_id))
        buyer, seller = (aggressor, resting) if event.side == r.BUY else (resting, aggressor)
        found.append(
            TradeExecution(
                shard=0,
                sequence=event.sequence,
                index=event.index,
                time_ns=event.time_ns,
                trade_id=str(trade_id(0, event.sequence, event.index)),
                instrument_id=event.instrument_id,
                price_ticks=event.price_ticks,
                quantity_lots=event.quantity_lots,
                aggressor_side="BUY" if event.side == r.BUY else "SELL",
                buy_order_id=buyer[0],
                buy_account_id=buyer[1],
                sell_order_id=seller[0],
                sell_account_id=seller[1],
            )
        )
    return found


def snapshot(dsn: str) -> dict[str, list[tuple[Any, ...]]]:
    """Return the content of all tables of the clearing database, to show that nothing changed."""
    tables = (
        "select schemaname || '.' || tablename from pg_tables "
        "where schemaname in ('ledger', 'payments', 'settlement', 'reporting') order by 1"
    )
    with psycopg.connect(dsn) as connection:
        names = [row[0] for row in connection.execute(tables)]
        return {
            name: sorted(connection.execute(f"select * from {name}").fetchall(), key=repr)
            for name in names
        }


def journal_folder(base: Path) -> Path:
    folder = base / f"engine-{secrets.token_hex(4)}"
    folder.mkdir()
    return folder
