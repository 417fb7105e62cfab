"""Credit between three real engines: kill -9 of each of them and of the mover loses nothing."""

import json
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import psycopg
import pytest

from functions.payments import credit_store as store
from functions.payments.credit_lines import ORDER, CreditLines
from functions.settlement.credit import in_transit, stuck
from shared.domain import records as r
from shared.domain.commands import AddAccount, Command, MoveCash
from shared.hotpath_client import ShardedEngine
from shared.ports.engine import CommandResult, EngineUnavailable
from shared.postgres.unit_of_work import UnitOfWork
from shared.wire.tokens import SCOPES
from tests.support.engine import ROOT, USD
from tests.support.servers import MigratedDatabases
from tests.support.shards import SHARDS, Shards, three_engines

CASH_MINOR = 1_000_000
KILLS = [(step, is_after) for step in (1, 2) for is_after in (False, True)]


@dataclass
class World:
    """The engines, the mover's database, and accounts of which each test takes new ones."""

    shards: Shards
    payments_dsn: str
    settlement_dsn: str
    last_account: int = 0

    def account(self, at: list[int] | None = None) -> int:
        """Add an account, to some engines or all, with cash at its home, engine 0."""
        self.last_account += SHARDS
        with self.shards.client() as client:
            for number in at if at is not None else range(SHARDS):
                add = AddAccount(self.shards.next_id(), self.last_account, USD)
                client.shard(number).submit(add)
            deposit = MoveCash(r.DEPOSIT_CASH, self.shards.next_id(), self.last_account, CASH_MINOR)
            assert client.submit(deposit).shard == 0
        return self.last_account

    def add(self, account_id: int, from_shard: int, to_shard: int, amount_minor: int) -> int:
        with UnitOfWork(self.payments_dsn) as uow:
            move = store.add(uow, account_id, from_shard, to_shard, amount_minor, ORDER, "")
            uow.commit()
        assert move is not None
        return move.number

    def lines(self, client: ShardedEngine) -> CreditLines:
        return CreditLines(lambda: self.payments_dsn, lambda: client)

    def resume(self, account_id: int) -> None:
        with self.shards.client() as client:
            assert self.lines(client).resume(account_id) == 1

    def advance(self, number: int) -> str:
        with self.shards.client() as client:
            return self.lines(client).advance(number)

    def balances(self, account_id: int) -> list[int]:
        """Return what the account has at each engine; with what is under way it is its cash."""
        with self.shards.client() as client:
            views = [client.shard(number).account(account_id) for number in range(SHARDS)]
            found = [0 if view is None else view.settled_minor for view in views]
            moving = in_transit(lambda: self.settlement_dsn, client).get(account_id, 0)
        assert sum(found) + moving == CASH_MINOR
        return found

    def die(self, number: int, at: int, is_after: bool) -> None:
        """Have a process take the move further and kill itself at its n-th command."""
        tokens = [(engine.address, engine.issuer.service(SCOPES)) for engine in self.shards.engines]
        told = {
            "engines": tokens,
            "dsn": self.payments_dsn,
            "number": number,
            "die_at": at,
            "die_after": is_after,
        }
        done = subprocess.run(
            [sys.executable, "-m", "tests.support.credit_mover"],
            cwd=ROOT,
            input=json.dumps(told),
            text=True,
            capture_output=True,
        )
        assert done.returncode == -signal.SIGKILL, done.stderr

    def advance_while(self, number: int, at: int, is_after: bool, act: Callable[[], None]) -> str:
        """Take a move further, and let something happen around its n-th command."""
        with self.shards.client() as client:
            sent = 0

            def meanwhile(send: Callable[[], CommandResult]) -> CommandResult:
                nonlocal sent
                sent += 1
                if sent == at and not is_after:
                    act()
                result = send()
                if sent == at and is_after:
                    act()
                    raise EngineUnavailable("the answer was lost with the engine")
                return result

            for shard in range(SHARDS):
                one = client.shard(shard)
                submit = one.submit

                def around(
                    command: Command,
                    *,
                    traceparent: str = "",
                    submit: Callable[[Command], CommandResult] = submit,
                ) -> CommandResult:
                    return meanwhile(lambda: submit(command))

                one.submit = around  # type: ignore[method-assign]
            return self.lines(client).advance(number)


@pytest.fixture(scope="module")
def world(
    tmp_path_factory: pytest.TempPathFactory, migrated_databases: MigratedDatabases
) -> Iterator[World]:
    with three_engines(tmp_path_factory.mktemp("shards")) as shards:
        yield World(
            shards,
            migrated_databases.service["payments"],
            migrated_databases.service["settlement"],
        )
    with psycopg.connect(migrated_databases.owner["clearing"]) as connection:
        connection.execute("truncate payments.credit_moves")


@pytest.mark.parametrize("step, is_after", KILLS)
def test_a_mover_killed_anywhere_is_followed_by_one_that_finishes(
    world: World, step: int, is_after: bool
) -> None:
    account_id = world.account()
    number = world.add(account_id, 0, 1, 400_000)
    world.die(number, step, is_after)
    world.balances(account_id)
    world.resume(account_id)
    assert world.balances(account_id) == [600_000, 400_000, 0]


@pytest.mark.parametrize("is_after", [False, True])
def test_what_the_other_engine_refuses_goes_back_whenever_the_mover_is_killed(
    world: World, is_after: bool
) -> None:
    account_id = world.account(at=[0])
    number = world.add(account_id, 0, 2, 400_000)
    world.die(number, 3, is_after)
    world.balances(account_id)
    world.resume(account_id)
    assert world.balances(account_id) == [CASH_MINOR, 0, 0]
    assert world.advance(number) == store.UNDONE


@pytest.mark.parametrize("victim", [0, 1])
@pytest.mark.parametrize("step, is_after", KILLS)
def test_an_engine_killed_anywhere_is_asked_again(
    world: World, victim: int, step: int, is_after: bool
) -> None:
    account_id = world.account()
    number = world.add(account_id, 0, 1, 400_000)
    engine = world.shards.engines[victim]
    world.advance_while(number, step, is_after, engine.kill)
    engine.start()
    world.balances(account_id)
    with world.shards.client() as client:
        world.lines(client).resume(account_id)
    assert world.balances(account_id) == [600_000, 400_000, 0]


def test_kills_at_random_moments_neither_make_nor_lose_money(world: World) -> None:
    """Many moves to and fro, each cut off by the death of a random part at a random command."""
    chance = random.Random(7)
    account_id = world.account()
    expected = [CASH_MINOR, 0, 0]
    for _ in range(10):
        origin = max(range(SHARDS), key=lambda shard: expected[shard])
        target = chance.choice([shard for shard in range(SHARDS) if shard != origin])
        amount_minor = chance.randint(1, expected[origin])
        number = world.add(account_id, origin, target, amount_minor)
        step, is_after = chance.choice(KILLS)
        if chance.random() < 0.6:
            world.die(number, step, is_after)
        else:
            engine = world.shards.engines[chance.choice((origin, target))]
            world.advance_while(number, step, is_after, engine.kill)
            engine.start()
        world.balances(account_id)
        assert world.advance(number) == store.DONE
        expected[origin] -= amount_minor
        expected[target] += amount_minor
        assert world.balances(account_id) == expected


def test_an_account_has_one_move_under_way(world: World) -> None:
    account_id = world.account()
    number = world.add(account_id, 0, 1, 10)
    with UnitOfWork(world.payments_dsn) as uow:
        assert store.add(uow, account_id, 0, 2, 10, ORDER, "") is None
    assert world.advance(number) == store.DONE


def test_buying_power_is_brought_from_the_richest_engines_first(world: World) -> None:
    account_id = world.account()
    with world.shards.client() as client:
        lines = world.lines(client)
        assert lines.bring(account_id, 1, 300_000, ORDER) == 300_000
        assert lines.bring(account_id, 1, 300_000, ORDER) == 0  # it is there
        assert lines.bring(account_id, 2, 900_000, ORDER) == 900_000
        assert world.balances(account_id) == [0, 100_000, 900_000]
        assert lines.bring(account_id, 1, 1_000_001, ORDER) == 0  # more than there is
        assert lines.bring(account_id, 1, 1_000_001, ORDER, enough_minor=1) == 900_000
        assert world.balances(account_id) == [0, CASH_MINOR, 0]


def test_an_engine_that_refuses_the_departure_ends_the_move(world: World) -> None:
    account_id = world.account()
    number = world.add(account_id, 1, 2, 5)  # there is nothing at engine 1
    assert world.advance(number) == store.REFUSED
    with UnitOfWork(world.payments_dsn) as uow:
        assert store.lock(uow, number).reason == "insufficient_funds"
    assert world.balances(account_id) == [CASH_MINOR, 0, 0]


def test_a_refusal_is_not_believed_while_an_earlier_sending_may_still_arrive(
    world: World, migrated_databases: MigratedDatabases
) -> None:
    account_id = world.account()
    number = world.add(account_id, 1, 2, 5)  # there is nothing at engine 1
    world.shards.engines[1].kill()
    assert world.advance(number) == store.REQUESTED
    world.shards.engines[1].start()
    assert world.advance(number) == store.REQUESTED
    with psycopg.connect(migrated_databases.owner["clearing"]) as connection:
        connection.execute(
            "update payments.credit_moves set unanswered_at = now() - interval '1 minute' "
            "where number = %s",
            (number,),
        )
    assert world.advance(number) == store.REFUSED
    assert world.balances(account_id) == [CASH_MINOR, 0, 0]


def test_moves_wait_once_for_an_engine_that_hangs_and_the_others_go_on(world: World) -> None:
    """Otherwise a hundred of them would take all the time that the minute's work has."""
    waiting = [(world.account(), 1) for _ in range(3)]
    moves = [world.add(account_id, 0, shard, 10) for account_id, shard in waiting]
    moves.append(world.add(world.account(), 0, 2, 10))
    asked = 0
    with world.shards.client() as client:

        def hang(command: Command, *, traceparent: str = "") -> CommandResult:
            nonlocal asked
            asked += 1
            raise EngineUnavailable("no answer in time")

        client.shard(1).submit = hang  # type: ignore[method-assign]
        assert world.lines(client).resume() == 1
    assert asked == 1
    with UnitOfWork(world.payments_dsn) as uow:
        states = [store.lock(uow, number).state for number in moves]
    assert states == [store.OUT, store.OUT, store.OUT, store.DONE]
    assert [world.advance(number) for number in moves] == [store.DONE] * 4


def test_a_move_that_stays_under_way_is_reported(
    world: World, migrated_databases: MigratedDatabases
) -> None:
    account_id = world.account()
    number = world.add(account_id, 0, 1, 10)
    with UnitOfWork(world.settlement_dsn) as uow:
        assert all(item.account_id != account_id for item in stuck(uow))
    with psycopg.connect(migrated_databases.owner["clearing"]) as connection:
        connection.execute(
            "update payments.credit_moves set updated_at = now() - interval '1 hour' "
            "where number = %s",
            (number,),
        )
    with UnitOfWork(world.settlement_dsn) as uow:
        found = [item for item in stuck(uow) if item.account_id == account_id]
    assert [(item.subject, item.found) for item in found] == [(str(number), "REQUESTED")]
    assert world.advance(number) == store.DONE
    with UnitOfWork(world.settlement_dsn) as uow:
        assert all(item.account_id != account_id for item in stuck(uow))
