"""The ledger on a real PostgreSQL: its rules hold for the adapter, for raw SQL and under load."""

import threading
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from shared.ports.ledger import (
    HOUSE,
    Entry,
    InsufficientBalance,
    Purpose,
    ReferenceConflict,
    Transfer,
    TransferState,
    UnbalancedTransfer,
    UnknownTransfer,
    member,
)
from shared.postgres.ledger import PostgresLedger
from shared.postgres.ledger_audit import conservation, verify_chain, wrong_balances
from shared.postgres.pool import Connection, Pool
from shared.postgres.unit_of_work import UnitOfWork
from tests.support.clearing import ClearingDatabase, account, clearing_database, movement
from tests.support.servers import (  # noqa: F401
    MigratedDatabases,
    Server,
    migrated_databases,
    postgres_server,
    stores,
)

ANNE = 1001
ANNES_CASH = account(member(ANNE), "USD")


@pytest.fixture(scope="module")
def database(
    postgres_server: Server,  # noqa: F811
    migrated_databases: MigratedDatabases,  # noqa: F811
) -> Iterator[ClearingDatabase]:
    """A database for tests that commit nothing."""
    with clearing_database(postgres_server, migrated_databases) as found:
        yield found


@pytest.fixture
def own_database(
    postgres_server: Server,  # noqa: F811
    migrated_databases: MigratedDatabases,  # noqa: F811
) -> Iterator[ClearingDatabase]:
    """A database for one test that commits."""
    with clearing_database(postgres_server, migrated_databases) as found:
        yield found


@pytest.fixture
def superuser(
    database: ClearingDatabase,
    postgres_server: Server,  # noqa: F811
) -> Iterator[Connection]:
    """A connection that may do anything, with all triggers switched off."""
    name = database.owner.rpartition("/")[2]
    with psycopg.connect(f"{postgres_server.url.rpartition('/')[0]}/{name}") as connection:
        connection.execute("set session_replication_role = replica")
        yield connection
        connection.rollback()


@pytest.fixture
def uow(database: ClearingDatabase) -> Iterator[UnitOfWork]:
    with UnitOfWork(database.payments) as found:
        yield found


@pytest.fixture
def ledger(uow: UnitOfWork) -> PostgresLedger:
    return PostgresLedger(uow.connection)


def withdrawal(reference: str, amount_minor: int) -> Transfer:
    provider = account(HOUSE, "USD", Purpose.PROVIDER)
    entries = [Entry(ANNES_CASH, -amount_minor), Entry(provider, amount_minor)]
    return Transfer("WITHDRAWAL", reference, entries)


def test_a_repeat_returns_the_first_record_and_posts_nothing(ledger: PostgresLedger) -> None:
    first = ledger.post(movement("d", "USD", 100, ANNE))
    second = ledger.post(movement("d", "USD", 100, ANNE))
    assert first.created and not second.created
    assert second.transfer_id == first.transfer_id
    assert ledger.balance(ANNES_CASH) == 100


def test_a_reference_with_other_entries_is_a_conflict(ledger: PostgresLedger) -> None:
    ledger.post(movement("d", "USD", 100, ANNE))
    with pytest.raises(ReferenceConflict):
        ledger.post(movement("d", "USD", 101, ANNE))
    assert ledger.balance(ANNES_CASH) == 100


@pytest.mark.parametrize(
    "amounts",
    [[], [0, 0], [100, -99], [1 << 62, -(1 << 62)]],
    ids=["empty", "zero", "unequal", "too large"],
)
def test_entries_that_do_not_balance_are_refused_by_code(
    ledger: PostgresLedger, amounts: list[int]
) -> None:
    opening = account(HOUSE, "USD", Purpose.OPENING)
    entries = [Entry(opening, amount) for amount in amounts]
    with pytest.raises(UnbalancedTransfer):
        ledger.post(Transfer("OPENING_BALANCE", "x", entries))


def test_an_asset_cannot_balance_another(ledger: PostgresLedger) -> None:
    entries = [Entry(ANNES_CASH, 5), Entry(account(HOUSE, "EUR", Purpose.OPENING), -5)]
    with pytest.raises(UnbalancedTransfer):
        ledger.post(Transfer("OPENING_BALANCE", "x", entries))


RAW_TRANSFER = """
    with a as (insert into ledger.accounts (owner, asset, purpose)
               values ('HOUSE', 'USD', 'OPENING'), ('M:7', %(asset)s, 'SETTLED')
               returning account_id),
         t as (insert into ledger.transfers (kind, reference) values ('RAW', 'raw')
               returning transfer_id)
    insert into ledger.entries (transfer_id, line, account_id, amount)
    select t.transfer_id, row_number() over (), a.account_id,
           case row_number() over () when 1 then -100 else %(amount)s end
    from t, a
"""
RAW_STEP = """
    insert into ledger.steps (transfer_id, state)
    select max(transfer_id), 'POSTED' from ledger.transfers
"""


@pytest.mark.parametrize("role", ["owner", "payments", "settlement"])
@pytest.mark.parametrize("asset, amount", [("USD", 99), ("EUR", 100)])
def test_entries_that_do_not_balance_are_refused_by_raw_sql(
    database: ClearingDatabase, role: str, asset: str, amount: int
) -> None:
    with psycopg.connect(getattr(database, role)) as connection:
        connection.execute(RAW_TRANSFER, {"asset": asset, "amount": amount})
        connection.execute(RAW_STEP)
        with pytest.raises(psycopg.errors.IntegrityConstraintViolation, match="balance"):
            connection.commit()


def test_raw_sql_cannot_leave_a_transfer_open_for_later_entries(
    database: ClearingDatabase,
) -> None:
    with psycopg.connect(database.payments) as connection:
        connection.execute(RAW_TRANSFER, {"asset": "USD", "amount": 100})
        with pytest.raises(psycopg.errors.IntegrityConstraintViolation, match="no step"):
            connection.commit()


def test_raw_sql_cannot_add_entries_to_a_posted_transfer(own_database: ClearingDatabase) -> None:
    with UnitOfWork(own_database.payments) as uow:
        PostgresLedger(uow.connection).post(movement("d", "USD", 100, ANNE))
        uow.commit()
    with (
        psycopg.connect(own_database.owner) as connection,
        pytest.raises(psycopg.errors.IntegrityConstraintViolation, match="sealed"),
    ):
        connection.execute(
            "insert into ledger.entries select transfer_id, line + 2, account_id, -amount "
            "from ledger.entries"
        )


@pytest.mark.parametrize("role", ["owner", "payments", "settlement"])
@pytest.mark.parametrize("table", ["accounts", "transfers", "entries", "steps", "chain"])
@pytest.mark.parametrize("statement", ["delete from {}", "update {} set {} = {}", "truncate {}"])
def test_what_is_written_cannot_be_changed(
    database: ClearingDatabase, role: str, table: str, statement: str
) -> None:
    column = {"accounts": "owner", "transfers": "kind", "entries": "amount",
              "steps": "state", "chain": "hash"}[table]  # fmt: skip
    text = statement.format(f"ledger.{table}", column, column)
    with (
        psycopg.connect(getattr(database, role)) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(text + (" cascade" if text.startswith("truncate") else ""))


@pytest.mark.parametrize("role", ["payments", "settlement"])
def test_services_cannot_write_balances_or_the_chain(database: ClearingDatabase, role: str) -> None:
    for statement in (
        "update ledger.balances set posted = posted + 1",
        "insert into ledger.chain values (1, 1, 'POSTED', sha256(''))",
        "insert into ledger.steps (transfer_id, state, recorded_us) values (1, 'POSTED', 0)",
    ):
        with (
            psycopg.connect(getattr(database, role)) as connection,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            connection.execute(statement)


def test_a_member_cannot_owe_and_the_unit_of_work_stays_usable(ledger: PostgresLedger) -> None:
    ledger.post(movement("d", "USD", 100, ANNE))
    with pytest.raises(InsufficientBalance):
        ledger.post(withdrawal("w", 101))
    ledger.post(withdrawal("w", 100))
    assert ledger.balance(ANNES_CASH) == 0


def test_a_prepared_transfer_holds_its_debits_and_credits_nobody(ledger: PostgresLedger) -> None:
    ledger.post(movement("d", "USD", 100, ANNE))
    record = ledger.prepare(withdrawal("w", 60))
    assert record.state is TransferState.PENDING
    assert ledger.balance(ANNES_CASH) == 40
    assert ledger.balance(account(HOUSE, "USD", Purpose.PROVIDER)) == 0
    with pytest.raises(InsufficientBalance):
        ledger.prepare(withdrawal("more", 41))


def test_complete_moves_what_was_held_once(ledger: PostgresLedger) -> None:
    ledger.post(movement("d", "USD", 100, ANNE))
    record = ledger.prepare(withdrawal("w", 60))
    assert ledger.complete(record.transfer_id).created
    assert not ledger.complete(record.transfer_id).created
    assert ledger.balance(ANNES_CASH) == 40
    assert ledger.balance(account(HOUSE, "USD", Purpose.PROVIDER)) == 60
    with pytest.raises(ReferenceConflict):
        ledger.void(record.transfer_id)


def test_void_gives_back_what_was_held_once(ledger: PostgresLedger) -> None:
    ledger.post(movement("d", "USD", 100, ANNE))
    record = ledger.prepare(withdrawal("w", 60))
    assert ledger.void(record.transfer_id).created
    assert not ledger.void(record.transfer_id).created
    assert ledger.balance(ANNES_CASH) == 100
    with pytest.raises(ReferenceConflict):
        ledger.complete(record.transfer_id)


def test_a_transfer_that_does_not_exist_cannot_end(ledger: PostgresLedger) -> None:
    with pytest.raises(UnknownTransfer):
        ledger.complete(424242)


def test_a_posted_transfer_cannot_be_voided_by_raw_sql(own_database: ClearingDatabase) -> None:
    with UnitOfWork(own_database.payments) as uow:
        PostgresLedger(uow.connection).post(movement("d", "USD", 100, ANNE))
        uow.commit()
    with (
        psycopg.connect(own_database.payments) as connection,
        pytest.raises(psycopg.errors.IntegrityError),
    ):
        connection.execute(RAW_STEP.replace("POSTED", "VOIDED"))


def test_nothing_is_stored_without_a_commit(own_database: ClearingDatabase) -> None:
    with UnitOfWork(own_database.payments) as uow:
        PostgresLedger(uow.connection).post(movement("d", "USD", 100, ANNE))
    with UnitOfWork(own_database.payments) as uow:
        assert PostgresLedger(uow.connection).balance(ANNES_CASH) == 0


def test_200_withdrawals_at_once_take_exactly_what_is_there(own_database: ClearingDatabase) -> None:
    pool = Pool(own_database.payments, size=16, wait_ms=30_000, statement_timeout_ms=30_000)
    with UnitOfWork(pool) as uow:
        PostgresLedger(uow.connection).post(movement("d", "USD", 1_000, ANNE))
        uow.commit()
    outcomes: list[bool] = []

    def withdraw(number: int) -> None:
        with UnitOfWork(pool) as uow:
            try:
                PostgresLedger(uow.connection).post(withdrawal(f"w{number}", 7))
            except InsufficientBalance:
                outcomes.append(False)
                return
            uow.commit()
            outcomes.append(True)

    threads = [threading.Thread(target=withdraw, args=(number,)) for number in range(200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (len(outcomes), sum(outcomes)) == (200, 1_000 // 7)
    with UnitOfWork(pool) as uow:
        assert PostgresLedger(uow.connection).balance(ANNES_CASH) == 1_000 % 7
        assert conservation(uow.connection) == {"USD": 0}
        assert verify_chain(uow.connection).sound
    pool.close()


def test_one_reference_posted_by_many_at_once_is_one_transfer(
    own_database: ClearingDatabase,
) -> None:
    pool = Pool(own_database.payments, size=16, wait_ms=30_000)
    created: list[bool] = []

    def post() -> None:
        with UnitOfWork(pool) as uow:
            created.append(
                PostgresLedger(uow.connection).post(movement("d", "USD", 5, ANNE)).created
            )
            uow.commit()

    threads = [threading.Thread(target=post) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(created) == [False] * 15 + [True]
    pool.close()


TAMPERINGS = {
    "amount": "update ledger.entries set amount = amount * 2 where transfer_id = {}",
    "owner": "update ledger.accounts set owner = 'M:666' where owner = 'M:1001'",
    "reference": "update ledger.transfers set reference = 'other' where transfer_id = {}",
    "time": "update ledger.steps set recorded_us = recorded_us + 1 where transfer_id = {}",
    "removed": "with gone as (delete from ledger.chain where transfer_id = {0}) "
    "delete from ledger.steps where transfer_id = {0}",
    "removed from the end": "delete from ledger.chain "
    "where sequence = (select max(sequence) from ledger.chain)",
    "hash": "update ledger.chain set hash = sha256('x') where transfer_id = {}",
}


@pytest.mark.parametrize("tampering", TAMPERINGS.values(), ids=TAMPERINGS.keys())
def test_the_chain_finds_what_a_superuser_changed(superuser: Connection, tampering: str) -> None:
    superuser.execute("set session_replication_role = origin")
    transfers = [movement(f"d{number}", "USD", 10 + number, ANNE) for number in range(5)]
    records = PostgresLedger(superuser).post_many(transfers)
    assert verify_chain(superuser).sound
    superuser.execute("set session_replication_role = replica")
    superuser.execute(tampering.format(records[2].transfer_id))
    assert not verify_chain(superuser).sound


def test_balances_that_do_not_follow_from_the_entries_are_found(
    own_database: ClearingDatabase,
) -> None:
    with UnitOfWork(own_database.payments) as uow:
        PostgresLedger(uow.connection).post(movement("d", "USD", 10, ANNE))
        uow.commit()
        assert wrong_balances(uow.connection) == []
    with psycopg.connect(own_database.owner) as connection:
        connection.execute("update ledger.balances set posted = posted + 1 where posted > 0")
    with UnitOfWork(own_database.payments) as uow:
        (wrong,) = wrong_balances(uow.connection)
        assert (wrong.owner, wrong.posted, wrong.posted_by_entries) == (member(ANNE), 11, 10)


def test_a_batch_is_stored_as_a_whole_or_not_at_all(ledger: PostgresLedger) -> None:
    with pytest.raises(InsufficientBalance):
        ledger.post_many([movement("d", "USD", 10, ANNE), withdrawal("w", 11)])
    assert ledger.balance(ANNES_CASH) == 0
    records: list[Any] = list(
        ledger.post_many([movement("d", "USD", 10, ANNE), withdrawal("w", 10)])
    )
    assert [record.created for record in records] == [True, True]
