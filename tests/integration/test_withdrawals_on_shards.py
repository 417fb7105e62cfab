"""A withdrawal gathers the account's credit first: meanwhile it waits, and nothing refuses it."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from functions.payments.credit_lines import ORDER, CreditLines
from functions.payments.engine_commands import send_pending
from functions.payments.store import Withdrawal
from functions.payments.withdrawals import Withdrawals
from shared.domain import records as r
from shared.domain.commands import AddAccount, MoveCash
from shared.hotpath_client import ShardedEngine
from shared.ports.payments import Payout, ProviderUnavailable
from shared.postgres.ledger import PostgresLedger
from shared.postgres.unit_of_work import UnitOfWork
from tests.support.clearing import clearing_database, movement
from tests.support.engine import USD
from tests.support.servers import (  # noqa: F401
    MigratedDatabases,
    Server,
    migrated_databases,
    postgres_server,
    stores,
)
from tests.support.shards import Shards, three_engines

ACCOUNT = 3  # at home at the first engine
CASH_MINOR = 1_000_000


class NoProvider:
    """A payment provider that is away: withdrawals come as far as PAYING."""

    def create_payout(self, *, amount_minor: int, currency: str, reference: str) -> Payout:
        raise ProviderUnavailable

    def find_payout(self, reference: str, *, not_before_s: int) -> Payout | None:
        raise ProviderUnavailable


class Interrupted(CreditLines):
    """Credit lines of which another process sends the outbox whenever credit has been asked for."""

    def bring_home(self, account_id: int, amount_minor: int, traceparent: str) -> bool:
        send_pending(self.engines(), self.source)
        return super().bring_home(account_id, amount_minor, traceparent)


@dataclass
class Till:
    shards: Shards
    engine: ShardedEngine
    dsn: str

    def lines(self) -> CreditLines:
        return Interrupted(lambda: self.dsn, lambda: self.engine)

    def withdrawals(self) -> Withdrawals:
        return Withdrawals(
            lambda: self.dsn,
            NoProvider(),  # type: ignore[arg-type]
            lambda uow: PostgresLedger(uow.connection),
            lambda: self.engine,
            self.lines(),
        )

    def lend(self, shard: int, amount_minor: int) -> None:
        assert self.lines().bring(ACCOUNT, shard, amount_minor, ORDER) == amount_minor

    def withdraw(self, amount_minor: int) -> Withdrawal:
        wanted = Withdrawal(uuid.uuid4(), "user", ACCOUNT, amount_minor, "USD", "")
        return self.withdrawals().request(wanted)

    def held_minor(self) -> int:
        view = self.engine.shard(0).account(ACCOUNT)
        assert view is not None
        return view.held_minor


@pytest.fixture
def till(
    tmp_path: Path,
    postgres_server: Server,  # noqa: F811
    migrated_databases: MigratedDatabases,  # noqa: F811
) -> Iterator[Till]:
    with (
        clearing_database(postgres_server, migrated_databases) as database,
        three_engines(tmp_path) as shards,
    ):
        engine = shards.client(timeout_ms=1_000)
        engine.submit(AddAccount(shards.next_id(), ACCOUNT, USD))
        engine.submit(MoveCash(r.DEPOSIT_CASH, shards.next_id(), ACCOUNT, CASH_MINOR))
        with UnitOfWork(database.payments) as uow:
            PostgresLedger(uow.connection).post_many([movement("cash", "USD", CASH_MINOR, ACCOUNT)])
            uow.commit()
        yield Till(shards, engine, database.payments)
        engine.close()


def test_the_outbox_sent_while_credit_is_gathered_refuses_nothing(till: Till) -> None:
    till.lend(1, 600_000)
    till.lend(2, 300_000)
    withdrawal = till.withdraw(900_000)
    assert (withdrawal.status, withdrawal.reason) == ("PAYING", "")
    assert till.held_minor() == 900_000


def test_a_withdrawal_waits_for_the_engine_that_has_the_cash(till: Till) -> None:
    till.lend(1, 600_000)
    till.shards.engines[1].kill()
    withdrawal = till.withdraw(900_000)
    assert (withdrawal.status, till.held_minor()) == ("REQUESTED", 0)
    assert till.withdraw(400_000).status == "PAYING", "what is at home needs nobody"
    till.shards.engines[1].start()
    with till.shards.client() as till.engine:
        assert till.withdrawals().advance(withdrawal.withdrawal_id).status == "REFUSED"
        assert till.withdraw(500_000).status == "PAYING"
        assert till.held_minor() == 900_000


def test_more_than_all_engines_have_is_refused_at_once(till: Till) -> None:
    till.lend(2, 300_000)
    withdrawal = till.withdraw(CASH_MINOR + 1)
    assert (withdrawal.status, withdrawal.reason) == ("REFUSED", "insufficient_funds")
