"""Runs the reconciliation over all accounts and keeps what it found."""

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from functions.settlement import credit
from functions.settlement.reconciliation import Books, Break, compare_account, compare_house
from shared.ports.engine import Engine
from shared.ports.ledger import HOUSE, Purpose
from shared.postgres.ledger import PostgresLedger
from shared.postgres.ledger_audit import conservation
from shared.postgres.pool import PoolSource
from shared.postgres.unit_of_work import UnitOfWork
from shared.reference import Instruments

SETTLING_TIME_MS: Final = 10_000  # trades and commands on their way get this long to arrive
_PAUSE_S: Final = 0.25
_MEMBER_PURPOSES: Final = (Purpose.SETTLED, Purpose.WITHDRAWAL)  # what the engine counts as owned


@dataclass(frozen=True, slots=True)
class Result:
    accounts: int
    breaks: Sequence[Break]


def reconcile(
    source: PoolSource,
    engine: Engine,
    instruments: Instruments,
    batch_id: date,
    settling_time_ms: int = SETTLING_TIME_MS,
) -> Result:
    """Compare all accounts with the engine, store the breaks, and return them.

    The engine runs ahead of the trades that are captured and of commands that are sent, so a
    difference counts as a break only if it is still there after `settling_time_ms`.
    """
    deadline = time.monotonic() + settling_time_ms / 1_000
    while True:
        books, house = _read_books(source)
        transit = credit.in_transit(source, engine)
        breaks = house + [
            item
            for account in books
            for item in compare_account(
                account,
                engine.account(account.account_id),
                engine.open_orders(account.account_id),
                instruments,
                transit.get(account.account_id, 0),
            )
        ]
        if not breaks or time.monotonic() >= deadline:
            break
        time.sleep(_PAUSE_S)
    with UnitOfWork(source) as uow:
        breaks = sorted(breaks + _refused_commands(uow) + _unpaid(uow) + credit.stuck(uow))
        _store(uow, batch_id, len(books), breaks)
        uow.commit()
    return Result(len(books), breaks)


def _read_books(source: PoolSource) -> tuple[list[Books], list[Break]]:
    """Read ledger and obligations as of one moment."""
    settled: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    unsettled: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    clearing: dict[str, int] = defaultdict(int)
    with UnitOfWork(source) as uow:
        uow.connection.execute("set transaction isolation level repeatable read, read only")
        for account, amount in PostgresLedger(uow.connection).posted_balances().items():
            if account.owner == HOUSE and account.purpose is Purpose.CLEARING:
                clearing[account.asset] += amount
            elif account.owner != HOUSE and account.purpose in _MEMBER_PURPOSES:
                settled[int(account.owner.removeprefix("M:"))][account.asset] += amount
        for account_id, asset, amount in uow.connection.execute(_UNSETTLED):
            unsettled[account_id][asset] += int(amount)
        all_settled = {asset: int(total) for asset, total in uow.connection.execute(_ALL_SETTLED)}
        house = compare_house(conservation(uow.connection), clearing, all_settled)
    books = [
        Books(account_id, settled.get(account_id, {}), unsettled.get(account_id, {}))
        for account_id in sorted({*settled, *unsettled})
    ]
    return books, house


def _assets(condition: str, key: str) -> str:
    """Return SQL that gives (key, asset, amount) for both legs of the obligations."""
    table = "settlement.obligations o join settlement.trades t using (trade_id)"
    return (
        f"select {key} o.currency as asset, sum(o.cash_minor) from {table} where {condition} "
        f"group by {key} o.currency union all "
        f"select {key} t.isin, sum(o.quantity_lots) from {table} where {condition} "
        f"group by {key} t.isin"
    )


_UNSETTLED: Final = _assets("o.state not in ('SETTLED', 'BUSTED')", "o.account_id,")
_ALL_SETTLED: Final = _assets("o.state = 'SETTLED'", "")


def _refused_commands(uow: UnitOfWork) -> list[Break]:
    """Return the settlement commands that the engine has refused."""
    rows = uow.connection.execute(
        "select account_id, command_id, reject_code from settlement.engine_outbox "
        "where reject_code is not null and answered_at is not null"
    )
    return [Break("command_refused", row[0], str(row[1]), "accepted", str(row[2])) for row in rows]


def _unpaid(uow: UnitOfWork) -> list[Break]:
    """Return settled instructions with cash whose payment was never confirmed."""
    rows = uow.connection.execute(
        "select account_id, instruction_id from settlement.instructions "
        "where state = 'SETTLED' and cash_minor <> 0 and payment_outcome <> 'CONFIRMED'"
    )
    return [Break("payment", row[0], row[1], "CONFIRMED", "none") for row in rows]


def _store(uow: UnitOfWork, batch_id: date, accounts: int, breaks: Sequence[Break]) -> None:
    """Store the result, unless the batch's last one says the same."""
    rows = [
        (item.kind, item.account_id, item.subject, item.expected, item.found) for item in breaks
    ]
    last = uow.connection.execute(
        "select reconciliation_id, accounts from settlement.reconciliations "
        "where batch_id = %s order by reconciliation_id desc limit 1",
        (batch_id,),
    ).fetchone()
    if last is not None and last[1] == accounts and _stored_breaks(uow, last[0]) == rows:
        return
    row = uow.connection.execute(
        "insert into settlement.reconciliations (batch_id, accounts) values (%s, %s) "
        "returning reconciliation_id",
        (batch_id, accounts),
    ).fetchone()
    assert row is not None
    for item in rows:
        uow.connection.execute(
            "insert into settlement.breaks (reconciliation_id, kind, account_id, subject, "
            "expected, found) values (%s, %s, %s, %s, %s, %s)",
            (row[0], *item),
        )


def _stored_breaks(uow: UnitOfWork, reconciliation_id: int) -> list[tuple[str, int, str, str, str]]:
    rows = uow.connection.execute(
        "select kind, account_id, subject, expected, found from settlement.breaks "
        "where reconciliation_id = %s",
        (reconciliation_id,),
    )
    return sorted((row[0], row[1], row[2], row[3], row[4]) for row in rows)
