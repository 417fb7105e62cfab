"""Work that one command leaves over: the engine goes on with it by commands of its own, which it
journals; clients' commands come between, and a crash in the middle changes nothing."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from hotpath.runtime.journal.reader import JournalScan
from hotpath.runtime.journal.recovery import recover
from hotpath.runtime.journal.status_file import StatusFile
from hotpath.runtime.standby.hot_state import HotState
from shared.domain import records as r
from shared.domain.commands import Batch, CancelOrder, MassCancel, ReplaceOrder
from shared.domain.events import EngineEvent
from shared.domain.extended_orders import PlaceExtendedOrder
from shared.domain.ids import member_order_id
from shared.domain.reject_codes import RejectCode
from shared.hotpath_client import MemberSession, SyncEngineClient
from shared.hotpath_client.ring_client import ShmEngineClient
from shared.ports.engine import CommandResult, EngineRefused, EngineUnavailable
from shared.wire.frames import encode_command
from shared.wire.journal import JournaledCommand
from shared.wire.tokens import SCOPES
from tests.support.engine import (
    INSTRUMENT,
    EngineProcess,
    engine,
    kinds,
    limit_order,
    wait_for,
)

__all__ = ["engine"]

ORDERS = 3_000
ClientOf = Callable[[EngineProcess], SyncEngineClient]


def ring_client(engine: EngineProcess) -> ShmEngineClient:
    return ShmEngineClient(engine.address, lambda: engine.issuer.service(SCOPES), 10_000)


BOTH_WAYS = pytest.mark.parametrize("client_of", [EngineProcess.client, ring_client])


def rest_orders(client: SyncEngineClient, account: int = 1, orders: int = ORDERS) -> None:
    client.submit_many([limit_order(account, n, r.BUY, 50 + n % 40, 1) for n in range(orders)])


def journaled(engine: EngineProcess) -> list[JournaledCommand]:
    return [one for _, _, record in JournalScan(engine.journal) for one in record.commands()]


def kind_of(command: JournaledCommand) -> int:
    return command.words[r.C_HEADER] & 0xFF


@BOTH_WAYS
def test_a_mass_cancel_of_many_orders_is_finished_by_commands_of_the_engines(
    engine: EngineProcess, client_of: ClientOf
) -> None:
    with client_of(engine) as client, engine.client() as other:
        rest_orders(client)
        answer = client.submit(MassCancel(1, INSTRUMENT))
        assert answer.events[0].kind == r.MASS_CANCELLED
        assert answer.events[0].quantity_lots == ORDERS
        assert answer.events[-1].kind == r.WORK_REMAINS
        wait_for(lambda: other.status().open_orders == 0, "all orders are cancelled")
        state_hash = other.status().state_hash
    following = [kind_of(one) for one in journaled(engine)][answer.sequence :]
    assert set(following) == {r.CONTINUE}
    assert len(following) > 4
    engine.kill()
    engine.start()
    with engine.client() as client:
        assert client.status().state_hash == state_hash


@BOTH_WAYS
def test_other_commands_come_between(engine: EngineProcess, client_of: ClientOf) -> None:
    with client_of(engine) as client:
        rest_orders(client)
        others = [limit_order(2, n, r.BUY, 40, 1) for n in range(200)]
        answers = client.submit_many([MassCancel(1, INSTRUMENT), *others])
        assert all(isinstance(answer, CommandResult) for answer in answers)
        with engine.client() as asking:
            wait_for(lambda: asking.status().open_orders == len(others), "the others stay")
            assert len(asking.open_orders(2)) == len(others)


def test_work_goes_on_after_a_crash_and_followers_make_no_commands_of_their_own(
    engine: EngineProcess, tmp_path: Path
) -> None:
    with engine.client() as client:
        rest_orders(client)
    engine.kill()
    engine.start(TRADING_FAULT="written:1")  # it dies with the mass cancel written, not answered
    with engine.client() as client, pytest.raises(EngineUnavailable):
        client.submit(MassCancel(1, INSTRUMENT))
    assert engine.wait() != 0
    left = recover(engine.journal)
    assert left.engine.has_work_left
    assert left.engine.open_order_count > 0
    engine.start()
    with engine.client() as client:
        wait_for(lambda: client.status().open_orders == 0, "the work is done")
        status = client.status()
    followed = HotState(engine.journal, 0, 0)
    with StatusFile(engine.journal, create=False) as noted:
        while followed.advance(noted.durable_sequence):
            pass
    assert followed.sequence == status.sequence
    assert followed.engine.state_hash() == status.state_hash
    followed.close()


def test_members_hear_of_what_the_engines_own_commands_do(engine: EngineProcess) -> None:
    async def scenario() -> list[EngineEvent]:
        heard: list[EngineEvent] = []
        token = engine.issuer.member(1)
        owner = await MemberSession.connect(engine.address, token, heard.extend)
        for n in range(0, ORDERS, 500):
            orders = [limit_order(1, n + i, r.BUY, 50, 1) for i in range(500)]
            await asyncio.gather(*(owner.submit(order) for order in orders))
        result = await owner.submit(MassCancel(1, INSTRUMENT))
        heard += result.events
        while sum(event.kind == r.ORDER_CANCELLED for event in heard) < ORDERS:
            await asyncio.sleep(0.01)
        await owner.close()
        return heard

    heard = asyncio.run(asyncio.wait_for(scenario(), 60))
    cancelled = {event.order_id for event in heard if event.kind == r.ORDER_CANCELLED}
    assert cancelled == {member_order_id(1, n) for n in range(ORDERS)}


def test_a_member_sees_nothing_of_the_work_on_others_orders(engine: EngineProcess) -> None:
    """Its own command goes on with a sweep of another's orders; its answer is its own."""

    async def scenario() -> list[CommandResult]:
        member = await MemberSession.connect(engine.address, engine.issuer.member(2))
        with engine.client() as client:
            rest_orders(client)
            sweep = asyncio.to_thread(client.submit, MassCancel(1, INSTRUMENT))
            orders = [limit_order(2, n, r.BUY, 40, 1) for n in range(300)]
            _, *answers = await asyncio.gather(sweep, *(member.submit(one) for one in orders))
        await member.close()
        return answers

    for answer in asyncio.run(scenario()):
        assert kinds(answer) in ([r.ORDER_ACCEPTED], [r.ORDER_ACCEPTED, r.WORK_REMAINS])


def test_a_client_cannot_send_what_the_engine_sends_itself(engine: EngineProcess) -> None:
    class Words:
        def words(self) -> list[int]:
            return [r.CONTINUE, 0, 0, 0, 0, 0, 0, 0]

    for client_of in (EngineProcess.client, ring_client):
        with client_of(engine) as client, pytest.raises(EngineRefused):
            client.submit(Words())  # type: ignore[arg-type]


# --- batches -------------------------------------------------------------------------------------


@BOTH_WAYS
def test_a_batch_is_one_command_whose_parts_are_judged_alone(
    engine: EngineProcess, client_of: ClientOf
) -> None:
    one, two = limit_order(1, 1, r.BUY, 100, 5), limit_order(1, 2, r.BUY, 101, 7)
    batch = Batch(
        1,
        (
            *(one, two),
            limit_order(1, 1, r.BUY, 99, 1),
            ReplaceOrder(1, one.order_id, INSTRUMENT, 100, 4),
            CancelOrder(1, two.order_id, INSTRUMENT),
            limit_order(2, 1, r.BUY, 99, 1),
        ),
    )
    with client_of(engine) as client:
        result = client.submit(batch)
        assert kinds(result) == [
            *(r.ORDER_ACCEPTED, r.ORDER_ACCEPTED, r.REJECTED),
            *(r.ORDER_REPLACED, r.ORDER_CANCELLED, r.REJECTED, r.BATCH_DONE),
        ]
        refused = [event.reject_code for event in result.events if event.kind == r.REJECTED]
        assert refused == [RejectCode.DUPLICATE_ID, RejectCode.NOT_OWNER]
        done = result.events[-1]
        assert (done.quantity_lots, done.leaves_lots) == (4, 2)
        (open_order,) = client.open_orders(1)
        assert open_order.leaves_lots == 4
        state_hash = client.status().state_hash
    (command,) = [one for one in journaled(engine) if kind_of(one) == r.BATCH]
    assert command.sequence == result.sequence
    assert len(command.words) == 8 * (1 + len(batch.commands))
    engine.kill()
    engine.start()
    with engine.client() as client:
        assert client.status().state_hash == state_hash


@BOTH_WAYS
def test_the_longest_batch_goes_through(engine: EngineProcess, client_of: ClientOf) -> None:
    orders = tuple(
        PlaceExtendedOrder(
            1, member_order_id(1, n), INSTRUMENT, r.BUY, r.LIMIT, r.DAY, 5, 100 + n % 7
        )
        for n in range(r.MAX_BATCH)
    )
    with client_of(engine) as client:
        answers = client.submit_many([Batch(1, orders), *[Batch(1, orders)] * 9])
    first, *again = [answer for answer in answers if isinstance(answer, CommandResult)]
    assert kinds(first) == [r.ORDER_ACCEPTED] * r.MAX_BATCH + [r.BATCH_DONE]
    assert len(again) == 9
    for answer in again:
        assert kinds(answer) == [r.REJECTED] * r.MAX_BATCH + [r.BATCH_DONE]


@pytest.mark.parametrize("count", [0, -1, 65, 1 << 62])
@BOTH_WAYS
def test_a_batch_of_a_wrong_number_is_refused(
    engine: EngineProcess, client_of: ClientOf, count: int
) -> None:
    class Words:
        def words(self) -> list[int]:
            return [r.BATCH, 1, 0, 0, count, 0, 0, 0]

    with client_of(engine) as client:
        (refusal,) = client.submit(Words()).events  # type: ignore[arg-type]
    assert refusal.reject_code is RejectCode.MALFORMED


def test_a_batch_that_is_cut_short_ends_its_session_alone(engine: EngineProcess) -> None:
    words = Batch(1, (limit_order(1, 1, r.BUY, 100, 5), limit_order(1, 2, r.BUY, 100, 5))).words()
    with engine.client() as other:
        other.status()
        for cut in (words[:-1], words[:-8], words[:9], [*words, 0]):
            with engine.client() as client:
                connection = client._connected()
                with pytest.raises(EngineUnavailable, match="MALFORMED_FRAME"):
                    connection.exchange([encode_command(1, cut)], time.monotonic() + 10)
        assert other.status().open_orders == 0
