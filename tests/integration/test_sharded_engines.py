"""Three real engines behind one port: what goes where, what goes to all, and one that is away."""

from collections.abc import Iterator
from dataclasses import replace

import psycopg
import pytest

from functions.backoffice import minutely
from functions.backoffice.actions import carry_out
from functions.backoffice.adapters import SettlementService
from functions.backoffice.market import set_session
from functions.backoffice.models import ActionRequest
from shared.domain import records as r
from shared.domain.commands import (
    CancelOrder,
    DepositShares,
    MassCancel,
    MoveCash,
    PlaceOrder,
    SetAccountState,
)
from shared.domain.ids import member_order_id
from shared.domain.reject_codes import RejectCode
from shared.hotpath_client import ShardedEngine, SyncEngineClient
from shared.ports.engine import CommandResult, EngineUnavailable, ShardsUnavailable
from shared.reference import Instruments, instruments
from shared.wire.tokens import SCOPES
from tests.support.servers import MigratedDatabases
from tests.support.shards import SHARDS, Shards, shard_of, three_engines

ACCOUNT = 1  # its home is shard 1


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shards]:
    with three_engines(tmp_path_factory.mktemp("shards")) as shards:
        with shards.client() as client:
            for command in shards.market():
                assert refusal(client.submit(command)) is None
        yield shards


@pytest.fixture
def client(market: Shards) -> Iterator[ShardedEngine]:
    with market.client() as client:
        yield client


def refusal(result: CommandResult) -> object:
    return next((e.reject_code for e in result.events if e.kind == r.REJECTED), None)


def sale(number: int, instrument_id: int) -> PlaceOrder:
    order_id = member_order_id(ACCOUNT, number)
    return PlaceOrder(ACCOUNT, order_id, instrument_id, r.SELL, r.LIMIT, r.GTC, 5, 100)


def test_orders_rest_at_their_instruments_shard(market: Shards, client: ShardedEngine) -> None:
    for number, instrument_id in enumerate((3, 4, 5)):
        shares = DepositShares(market.next_id(), ACCOUNT, instrument_id, 100)
        assert client.submit(shares).shard == shard_of(instrument_id)
        placed = client.submit(sale(number, instrument_id))
        assert (refusal(placed), placed.shard) == (None, shard_of(instrument_id))
        found = client.shard(placed.shard).open_orders(ACCOUNT)
        assert [order.instrument_id for order in found] == [instrument_id]
    assert [order.instrument_id for order in client.open_orders(ACCOUNT)] == [3, 4, 5]
    view = client.account(ACCOUNT)
    assert view is not None
    assert [(p.instrument_id, p.reserved_sell_lots) for p in view.positions] == [
        (3, 5),
        (4, 5),
        (5, 5),
    ]
    assert (view.total_minor, view.open_orders, len(view.parts)) == (1_000_000, 3, SHARDS)
    assert [part.total_minor for part in view.parts] == [0, 1_000_000, 0]
    cancel = CancelOrder(ACCOUNT, member_order_id(ACCOUNT, 1), 4)
    assert client.submit(cancel).shard == 1
    for instrument_id in (3, 5):
        client.submit(MassCancel(ACCOUNT, instrument_id))
    assert client.open_orders(ACCOUNT) == []


def test_withdrawals_are_held_at_the_accounts_home(market: Shards, client: ShardedEngine) -> None:
    hold = MoveCash(r.HOLD_WITHDRAWAL, market.next_id(), ACCOUNT, 500)
    assert client.submit(hold).shard == client.home(ACCOUNT) == 1
    release = MoveCash(r.RELEASE_WITHDRAWAL, market.next_id(), ACCOUNT, hold_id=hold.command_id)
    assert refusal(client.submit(release)) is None


def test_a_command_for_all_is_finished_by_its_id(market: Shards, client: ShardedEngine) -> None:
    """With one engine killed the others carry it out, and the repeat reaches the rest."""
    halt = SetAccountState(market.next_id(), 2, r.ACCOUNT_HALTED)
    market.engines[2].kill()
    with pytest.raises(ShardsUnavailable) as raised:
        client.submit(halt)
    assert set(raised.value.failures) == {2}
    assert [(part.shard, refusal(part)) for part in raised.value.answers] == [(0, None), (1, None)]
    rest = raised.value.others
    assert isinstance(rest, ShardedEngine)
    assert rest.book(3) is not None
    with pytest.raises(EngineUnavailable):
        rest.book(5)
    with pytest.raises(ShardsUnavailable):
        client.account(2)  # no sum is given of which a part is missing
    market.engines[2].start()
    with market.client() as again:
        result = again.submit(halt)
        assert refusal(result) is RejectCode.DUPLICATE_ID  # as the first shard says
        codes = [refusal(part) for part in result.parts]
        assert codes == [RejectCode.DUPLICATE_ID, RejectCode.DUPLICATE_ID, None]
        view = again.account(2)
        assert view is not None
        assert [part.state for part in view.parts] == [r.ACCOUNT_HALTED] * SHARDS


def test_an_address_of_another_shard_is_not_used(market: Shards) -> None:
    first = market.engines[0]
    with (
        SyncEngineClient(first.address, lambda: first.issuer.service(SCOPES), shard=2) as wrong,
        pytest.raises(EngineUnavailable, match="is shard 0, not 2"),
    ):
        wrong.status()


def test_each_shard_tells_its_status(client: ShardedEngine) -> None:
    assert [getattr(status, "shard", None) for status in client.statuses().values()] == [0, 1, 2]


@pytest.fixture
def dsn(migrated_databases: MigratedDatabases) -> Iterator[str]:
    """The back office's database; what operators did is forgotten afterwards."""
    yield migrated_databases.service["backoffice"]
    with psycopg.connect(migrated_databases.owner["core"]) as connection:
        connection.execute("truncate admin.actions, admin.engine_outbox")


def test_an_operator_is_told_what_each_engine_did(market: Shards, dsn: str) -> None:
    """A market-wide halt acts on the engines that answer, and reaches the other one later."""
    market.engines[1].kill()
    request = ActionRequest(operator="ops", reason="a test of the market-wide halt")
    with market.client() as client:
        halted = carry_out(lambda: dsn, client, set_session(None, "HALTED"), request)
        told = [(item.shard, item.engine) for item in halted.shards]
        assert (halted.engine, told) == ("PENDING", [(0, "APPLIED"), (1, "AWAY"), (2, "APPLIED")])
        report = minutely.run(
            lambda: dsn, client, SettlementService(), _Listed((3, 4, 5)), time_ns=10**18
        )
        assert (report.answered, report.calls) == (0, 0)
    market.engines[1].start()
    with market.client() as client:
        report = minutely.run(
            lambda: dsn, client, SettlementService(), _Listed((3, 4, 5)), time_ns=10**18
        )
        assert report.answered == 1
        books = [client.book(number) for number in (3, 4, 5)]
        assert [book.state for book in books if book] == [r.SESSION_HALTED] * 3
        resumed = carry_out(lambda: dsn, client, set_session(None, "CONTINUOUS"), request)
        assert resumed.engine == "APPLIED"
        assert [item.engine for item in resumed.shards] == ["APPLIED"] * 3


class _Listed(Instruments):
    """Instruments of which only the numbers matter."""

    def __init__(self, numbers: tuple[int, ...]) -> None:
        first = next(iter(instruments()))
        super().__init__(
            [
                replace(first, instrument_id=number, symbol=str(number), isin=str(number))
                for number in numbers
            ]
        )
