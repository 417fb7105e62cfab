"""What keeps repeats harmless, against real PostgreSQL: idempotency keys, outbox, units of work."""

import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from shared.domain import records as r
from shared.domain.commands import MoveCash, SetLimits
from shared.domain.ids import SOURCE_LEDGER, administrative_id
from shared.domain.reject_codes import RejectCode
from shared.edge.idempotency import OnceRunner
from shared.edge.problems import Problem
from shared.hotpath_client import ShardedEngine
from shared.postgres import outbox
from shared.postgres.idempotency import Execute, IdempotencyStore, InFlight, SavedAnswer
from shared.postgres.outbox import Outbox
from shared.postgres.pool import DatabaseUnavailable, Pool
from shared.postgres.unit_of_work import UnitOfWork
from tests.support.fake_engine import FakeAccount, FakeEngine
from tests.support.servers import MigratedDatabases

OUTBOX = Outbox("payments")
ANSWER = SavedAnswer(201, "application/json", b'{"a": "\xc3\xa9"}')


@pytest.fixture
def pool(migrated_databases: MigratedDatabases) -> Iterator[Pool]:
    pool = Pool(migrated_databases.service["payments"], size=8, wait_ms=20_000)
    yield pool
    pool.close()


@pytest.fixture
def scope() -> str:
    return f"user-{uuid.uuid4()} POST /api/v1/deposits"


# --- idempotency ---------------------------------------------------------------------------------


def test_fifty_at_once_with_one_key_execute_once_and_get_the_same_bytes(
    pool: Pool, scope: str
) -> None:
    runner, executions = OnceRunner(IdempotencyStore("payments", pool), wait_s=20), []
    barrier = threading.Barrier(50)

    def execute() -> SavedAnswer:
        executions.append(1)
        return SavedAnswer(202, "application/json", uuid.uuid4().bytes.hex().encode())

    def ask(_: int) -> SavedAnswer:
        barrier.wait()
        return runner.run(scope, "key-0001", b"hash", execute)[0]

    with ThreadPoolExecutor(50) as threads:
        answers = set(threads.map(ask, range(50)))
    assert (len(executions), len(answers)) == (1, 1)


def test_an_answer_is_given_again_byte_for_byte(pool: Pool, scope: str) -> None:
    runner = OnceRunner(IdempotencyStore("payments", pool))
    assert runner.run(scope, "key-0001", b"hash", lambda: ANSWER) == (ANSWER, False)
    again = runner.run(scope, "key-0001", b"hash", lambda: pytest.fail("executed twice"))
    assert again == (ANSWER, True)


def test_a_key_is_its_users_and_its_routes_own(pool: Pool, scope: str) -> None:
    runner = OnceRunner(IdempotencyStore("payments", pool))
    assert not runner.run(scope, "key-0001", b"hash", lambda: ANSWER)[1]
    assert not runner.run(f"{scope}/other", "key-0001", b"hash", lambda: ANSWER)[1]


def test_another_request_under_the_same_key_is_refused(pool: Pool, scope: str) -> None:
    runner = OnceRunner(IdempotencyStore("payments", pool))
    runner.run(scope, "key-0001", b"hash", lambda: ANSWER)
    with pytest.raises(Problem) as refused:
        runner.run(scope, "key-0001", b"another", lambda: ANSWER)
    assert (refused.value.status, refused.value.code) == (422, "idempotency_key_reused")


def test_while_the_first_is_under_way_the_second_is_told_to_come_back(
    pool: Pool, scope: str
) -> None:
    store = IdempotencyStore("payments", pool)
    assert isinstance(store.claim(scope, "key-0001", b"hash"), Execute)
    with pytest.raises(Problem) as refused:
        OnceRunner(store, wait_s=0.1).run(scope, "key-0001", b"hash", lambda: ANSWER)
    assert (refused.value.status, refused.value.headers) == (409, {"Retry-After": "1"})


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_failure_frees_the_key(pool: Pool, scope: str, status: int) -> None:
    runner = OnceRunner(IdempotencyStore("payments", pool))
    failed = SavedAnswer(status, "application/problem+json", b"{}")
    assert runner.run(scope, "key-0001", b"hash", lambda: failed) == (failed, False)
    assert runner.run(scope, "key-0001", b"hash", lambda: ANSWER) == (ANSWER, False)


def test_an_exception_frees_the_key(pool: Pool, scope: str) -> None:
    runner = OnceRunner(IdempotencyStore("payments", pool))

    def fail() -> SavedAnswer:
        raise DatabaseUnavailable

    with pytest.raises(DatabaseUnavailable):
        runner.run(scope, "key-0001", b"hash", fail)
    assert runner.run(scope, "key-0001", b"hash", lambda: ANSWER) == (ANSWER, False)


def test_a_key_whose_holder_died_is_taken_over_and_the_dead_one_cannot_answer(
    pool: Pool, scope: str
) -> None:
    store = IdempotencyStore("payments", pool)
    dead = store.claim(scope, "key-0001", b"hash")
    assert isinstance(dead, Execute)
    assert isinstance(store.claim(scope, "key-0001", b"hash"), InFlight)
    with UnitOfWork(pool) as uow:
        uow.connection.execute(
            "update payments.idempotency_keys set held_until = now() - interval '1 s' "
            "where scope = %s",
            (scope,),
        )
        uow.commit()
    heir = store.claim(scope, "key-0001", b"hash")
    assert isinstance(heir, Execute)
    store.save(scope, "key-0001", dead.owner, SavedAnswer(200, "", b"late"))
    assert isinstance(store.claim(scope, "key-0001", b"hash"), InFlight)
    store.save(scope, "key-0001", heir.owner, ANSWER)
    assert store.claim(scope, "key-0001", b"hash") == ANSWER


def test_old_keys_are_forgotten_and_those_under_way_are_not(pool: Pool, scope: str) -> None:
    store = IdempotencyStore("payments", pool)
    runner = OnceRunner(store)
    for key in ("key-old1", "key-old2", "key-new1"):
        runner.run(scope, key, b"hash", lambda: ANSWER)
    assert isinstance(store.claim(scope, "key-open", b"hash"), Execute)
    with UnitOfWork(pool) as uow:
        uow.connection.execute(
            "update payments.idempotency_keys set created_at = now() - interval '73 hours' "
            "where scope = %s and key <> 'key-new1'",
            (scope,),
        )
        uow.commit()
    assert store.forget_old() == 2
    assert store.forget_old() == 0
    assert isinstance(store.claim(scope, "key-old1", b"hash"), Execute)
    assert store.claim(scope, "key-new1", b"hash") == ANSWER
    assert isinstance(store.claim(scope, "key-open", b"hash"), InFlight)


# --- units of work -------------------------------------------------------------------------------


def test_leaving_without_a_commit_rolls_back(pool: Pool, scope: str) -> None:
    with UnitOfWork(pool) as uow:
        uow.connection.execute(
            "insert into payments.webhook_events (event_id, type, object_id, outcome) "
            "values (%s, 't', 'o', 'x')",
            (scope,),
        )
    with UnitOfWork(pool) as uow:
        query = "select count(*) from payments.webhook_events where event_id = %s"
        assert uow.connection.execute(query, (scope,)).fetchone() == (0,)


def test_a_server_that_closed_an_idle_connection_is_not_noticed_by_callers(
    pool: Pool, migrated_databases: MigratedDatabases
) -> None:
    with UnitOfWork(pool) as uow:
        pid = uow.connection.info.backend_pid
    with UnitOfWork(Pool(migrated_databases.service["payments"])) as other:
        other.connection.execute("select pg_terminate_backend(%s, 5000)", (pid,))
    with UnitOfWork(pool) as uow:
        assert uow.connection.execute("select 1").fetchone() == (1,)


def test_a_connection_that_dies_in_a_transaction_is_database_unavailable(pool: Pool) -> None:
    with pytest.raises(DatabaseUnavailable), UnitOfWork(pool) as uow:
        uow.connection.execute("select pg_terminate_backend(pg_backend_pid())")


def test_a_pool_that_is_exhausted_fails_fast(migrated_databases: MigratedDatabases) -> None:
    small = Pool(migrated_databases.service["payments"], size=1, wait_ms=50)
    with UnitOfWork(small), pytest.raises(DatabaseUnavailable), UnitOfWork(small):
        pytest.fail("there is only one connection")
    small.close()


def test_a_database_that_nobody_serves_is_database_unavailable() -> None:
    nowhere = Pool("postgresql://nobody@127.0.0.1:1/core")
    with pytest.raises(DatabaseUnavailable), UnitOfWork(nowhere):
        pytest.fail("connected to nothing")


def test_a_fault_of_the_statement_stays_what_it_is(pool: Pool) -> None:
    with pytest.raises(psycopg.errors.UndefinedTable), UnitOfWork(pool) as uow:
        uow.connection.execute("select * from payments.nothing")


# --- outbox --------------------------------------------------------------------------------------


class Sender:
    """An account in an engine of its own, and the outbox rows that are about it."""

    def __init__(self, pool: Pool) -> None:
        self.pool, self.engine = pool, FakeEngine()
        self.account_id = 10_000 + uuid.uuid4().int % 100_000_000
        self.number = self.account_id * 1_000
        self.engine.accounts[self.account_id] = FakeAccount(840)

    def enqueue(self, amount_minor: int, *, commit: bool = True) -> int:
        self.number += 1
        command_id = administrative_id(SOURCE_LEDGER, self.number)
        command = MoveCash(r.DEPOSIT_CASH, command_id, self.account_id, amount_minor)
        with UnitOfWork(self.pool) as uow:
            OUTBOX.enqueue(uow, command_id, command.words(), "00-a-b-01")
            OUTBOX.enqueue(uow, command_id, command.words(), "00-a-b-01")
            if commit:
                uow.commit()
        return command_id

    def send(self):
        return OUTBOX.send_pending(self.engine, self.pool, account_id=self.account_id)

    def cash(self) -> int:
        return self.engine.accounts[self.account_id].total_minor


@pytest.fixture
def sender(pool: Pool) -> Sender:
    return Sender(pool)


def test_what_was_rolled_back_is_never_sent(sender: Sender) -> None:
    sender.enqueue(100, commit=False)
    assert sender.send().answers == []


def test_commands_go_out_once_and_in_the_order_in_which_they_were_stored(sender: Sender) -> None:
    ids = [sender.enqueue(amount) for amount in (100, 20, 3)]
    report = sender.send()
    assert [answer.command_id for answer in report.answers] == ids
    assert (report.left, sender.cash(), sender.send().answers) == (0, 123, [])


def test_a_call_that_has_sent_for_long_keeps_what_it_did_and_leaves_the_rest(
    sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [sender.enqueue(amount) for amount in (100, 20, 3)]
    monkeypatch.setattr(outbox, "LONGEST_S", -1.0)
    for sent, command_id in enumerate(ids, start=1):
        report = sender.send()
        assert [answer.command_id for answer in report.answers] == [command_id]
        assert report.left == len(ids) - sent
    assert sender.cash() == 123


def test_while_the_engine_is_away_everything_waits(sender: Sender) -> None:
    sender.enqueue(100)
    sender.enqueue(20)
    sender.engine.is_down = True
    assert (sender.send().answers, sender.send().left) == ([], 2)
    sender.engine.is_down = False
    assert (sender.send().left, sender.cash()) == (0, 120)


def test_a_lost_answer_is_asked_for_again_and_counts_once(sender: Sender) -> None:
    sender.enqueue(100)
    sender.engine.lose_answers = 1
    assert sender.send().left == 1
    (answer,) = sender.send().answers
    assert (answer.accepted, answer.sequence, sender.cash()) == (True, 1, 100)


def test_a_command_for_an_account_on_its_way_is_sent_again(sender: Sender) -> None:
    account = sender.engine.accounts.pop(sender.account_id)
    sender.enqueue(100)
    assert (sender.send().answers, sender.send().left) == ([], 1)
    sender.engine.accounts[sender.account_id] = account
    assert (sender.send().left, sender.cash()) == (0, 100)


def test_a_refusal_is_final_and_recorded(sender: Sender) -> None:
    hold = administrative_id(SOURCE_LEDGER, sender.number)
    command = MoveCash(r.HOLD_WITHDRAWAL, hold, sender.account_id, 100)
    with UnitOfWork(sender.pool) as uow:
        OUTBOX.enqueue(uow, hold, command.words())
        uow.commit()
    (answer,) = sender.send().answers
    assert answer.reject_code is RejectCode.INSUFFICIENT_FUNDS
    assert sender.send().answers == []


def test_senders_at_the_same_time_send_each_command_once(sender: Sender) -> None:
    for _ in range(20):
        sender.enqueue(1)
    with ThreadPoolExecutor(6) as threads:
        reports = list(threads.map(lambda _: sender.send(), range(6)))
    assert sum(len(report.answers) for report in reports) == 20
    assert (len(sender.engine.commands), sender.cash()) == (20, 20)


# --- several engines -----------------------------------------------------------------------------


class Several:
    """An account known to three engines, of which number 1 is its home, and its outbox rows."""

    def __init__(self, pool: Pool) -> None:
        self.pool, self.engines = pool, [FakeEngine() for _ in range(3)]
        self.account_id = 3 * (10_000 + uuid.uuid4().int % 100_000_000) + 1
        for engine in self.engines:
            engine.accounts[self.account_id] = FakeAccount(840)
        self.number = self.account_id * 1_000

    def enqueue(self, kind: int) -> int:
        """Store a deposit, which is for the home, or limits, which are for all."""
        self.number += 1
        command_id = administrative_id(SOURCE_LEDGER, self.number)
        command = (
            SetLimits(command_id, self.account_id, 1, 1, 1, 1)
            if kind == r.SET_LIMITS
            else MoveCash(r.DEPOSIT_CASH, command_id, self.account_id, 100)
        )
        with UnitOfWork(self.pool) as uow:
            OUTBOX.enqueue(uow, command_id, command.words())
            uow.commit()
        return command_id

    def send(self, limit: int = 100):
        engine = ShardedEngine(self.engines, lambda instrument_id: instrument_id % 3)
        return OUTBOX.send_pending(engine, self.pool, account_id=self.account_id, limit=limit)

    def said(self, command_id: int) -> dict[str, dict[str, object]]:
        with UnitOfWork(self.pool) as uow:
            row = uow.connection.execute(
                "select shard_answers from payments.engine_outbox where command_id = %s",
                (command_id,),
            ).fetchone()
        assert row is not None
        return row[0]


@pytest.fixture
def several(pool: Pool) -> Several:
    return Several(pool)


def test_an_engine_that_is_away_holds_up_only_what_it_is_for(several: Several) -> None:
    for_all = several.enqueue(r.SET_LIMITS)
    deposit = several.enqueue(r.DEPOSIT_CASH)
    several.engines[2].is_down = True
    report = several.send()
    assert ([answer.command_id for answer in report.answers], report.left) == ([deposit], 1)
    assert several.said(for_all) == {
        "0": {"sequence": 1, "code": None},
        "1": {"sequence": 1, "code": None},
        "2": {"away": True},
    }
    several.engines[2].is_down = False
    report = several.send()
    assert ([answer.accepted for answer in report.answers], report.left) == ([True], 0)
    assert [len(engine.first_sequences) for engine in several.engines] == [1, 2, 1]
    assert several.said(for_all)["2"] == {"sequence": 1, "code": None}


def test_nothing_passes_an_earlier_command_at_the_same_engine(several: Several) -> None:
    """The answer to the first is lost; what is behind it waits, though the engine is back."""
    first, second = several.enqueue(r.DEPOSIT_CASH), several.enqueue(r.DEPOSIT_CASH)
    several.engines[1].lose_answers = 1
    assert several.send().answers == []
    assert several.engines[1].accounts[several.account_id].total_minor == 100
    assert [answer.command_id for answer in several.send().answers] == [first, second]
    assert several.engines[1].accounts[several.account_id].total_minor == 200


def test_what_waits_for_one_engine_does_not_hide_what_is_behind_it(several: Several) -> None:
    several.engines[1].is_down = True
    for _ in range(5):
        several.enqueue(r.DEPOSIT_CASH)
    several.enqueue(r.SET_LIMITS)
    several.send(limit=2)
    assert len(several.engines[0].first_sequences) == 1
    assert several.send(limit=2).left == 6


def test_a_refusal_by_one_engine_is_the_answer(several: Several) -> None:
    del several.engines[2].accounts[several.account_id]
    command_id = several.enqueue(r.SET_LIMITS)
    assert several.send().left == 1  # the account may be on its way there
    assert several.said(command_id)["2"]["code"] == RejectCode.UNKNOWN_ACCOUNT
    several.engines[2].accounts[several.account_id] = FakeAccount(840)
    assert several.send().left == 0
