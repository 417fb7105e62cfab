"""Members' sessions of a real engine: numbers, gaps, what was missed, and who leaves with whom."""

import asyncio
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from shared.domain import records as r
from shared.domain.commands import CancelOrder, MassCancel
from shared.domain.events import EngineEvent
from shared.domain.ids import member_order_id
from shared.hotpath_client import AsyncMemberClient, SyncMemberClient
from shared.hotpath_client.ring_client import ShmEngineClient
from shared.ports.engine import CommandResult, EngineError, EngineRefused
from shared.wire import frames
from shared.wire.frames import GatewayCode
from shared.wire.tokens import READ, TRADE
from tests.support.engine import (
    INSTRUMENT,
    EngineProcess,
    engine,
    engine_process,
    kinds,
    limit_order,
    market,
    wait_for,
)

__all__ = ["engine"]


class Raw:
    """A member's connection by hand: sends frames, returns frames."""

    def __init__(self, engine: EngineProcess, account: int = 1) -> None:
        host, _, port = engine.address.rpartition(":")
        self.socket = socket.create_connection((host, int(port)), 10)
        self._buffer = frames.FrameBuffer(frames.MAX_ANSWER_BYTES)
        self._received: list[bytes] = []
        self._token = engine.issuer.member(account)
        self.is_closed = False

    def log_on(self, *, cancels: bool = False, after: int | None = None) -> frames.LogonAccepted:
        """Log on; what comes before the acceptance stays to be read."""
        self.send(frames.encode_logon(frames.Logon(frames.MEMBER, self._token, cancels, after)))
        missed: list[bytes] = []
        while (frame := self.next())[4] != frames.LOGON_ACCEPTED:
            missed.append(frame)
        self._received = missed + self._received
        return frames.decode_logon_accepted(frame)

    def send(self, *data: bytes) -> None:
        self.socket.sendall(b"".join(data))

    def next(self) -> bytes:
        while not self._received:
            data = self.socket.recv(1 << 16)
            if not data:
                raise EOFError("closed")
            self._received = self._buffer.feed(data)
        return self._received.pop(0)

    def place(self, number: int, order: int, side: int = r.BUY, price: int = 100) -> None:
        account = 1
        self.send(
            frames.encode_command(number, limit_order(account, order, side, price, 1).words())
        )

    def last_code(self) -> GatewayCode:
        """Return why the gateway ended the session."""
        try:
            while True:
                frame = self.next()
                if frame[4] == frames.REJECT:
                    return GatewayCode(frames.decode_reject(frame).code)
        except (EOFError, OSError) as error:
            raise AssertionError("no last word") from error


@contextmanager
def raw(engine: EngineProcess, account: int = 1) -> Iterator[Raw]:
    made = Raw(engine, account)
    try:
        yield made
    finally:
        made.socket.close()


def numbers_of(frame: bytes) -> tuple[int, int]:
    """Return a message's number and that of the one before it."""
    if frame[4] == frames.EXECUTION_REPORT:
        report = frames.decode_report(frame)
        return report.sequence, report.previous
    number, previous = frames.decode_result(frame).numbers
    return number, previous


def without_resent(frame: bytes) -> bytes:
    """Return the frame as it was when it was sent first."""
    at = 8 + 24
    flags = int.from_bytes(frame[at : at + 4], "little")
    assert flags & frames.FLAG_RESENT
    return frame[:at] + (flags & ~frames.FLAG_RESENT).to_bytes(4, "little") + frame[at + 4 :]


def open_orders(engine: EngineProcess, account: int = 1) -> int:
    with engine.client() as client:
        return len(client.open_orders(account))


# --- numbers ------------------------------------------------------------------------------------


def test_messages_are_chained_by_their_numbers(engine: EngineProcess) -> None:
    with raw(engine) as member, engine.client() as service:
        last = member.log_on().durable_sequence
        member.place(1, 1)
        service.submit(limit_order(3, 1, r.BUY, 90, 1))  # concerns nobody here
        service.submit(limit_order(2, 1, r.SELL, 100, 1))
        member.place(2, 2)
        chain = [numbers_of(member.next()) for _ in range(3)]
    assert [previous for _, previous in chain] == [last, *(number for number, _ in chain[:-1])]
    assert [number for number, _ in chain] == sorted(number for number, _ in chain)


@pytest.mark.parametrize("number", [1, 3, 0, -1, 1 << 62])
def test_a_command_out_of_its_row_ends_the_session_and_is_not_taken(
    engine: EngineProcess, number: int
) -> None:
    with raw(engine) as member:
        member.log_on()
        member.place(1, 1)
        member.place(number, 2)
        assert member.last_code() == GatewayCode.WRONG_NUMBER
    assert open_orders(engine) == 1


def test_nobody_but_a_member_has_its_numbers_journaled(engine: EngineProcess) -> None:
    """A service that writes into the word of the member's number is not taken for the member."""
    host, _, port = engine.address.rpartition(":")
    words = limit_order(1, 1, r.BUY, 100, 1).words()
    words[r.C_REQUEST] = 77
    with raw(engine) as member, socket.create_connection((host, int(port)), 10) as service:
        after = member.log_on().durable_sequence
        token = engine.issuer.service([TRADE, READ])
        service.sendall(frames.encode_logon(frames.Logon(frames.SERVICE, token)))
        service.sendall(frames.encode_command(77, words))
        live = member.next()
    with raw(engine) as member:
        assert member.log_on(after=after).next_request == 1
        assert without_resent(member.next()) == live
    assert live[4] == frames.EXECUTION_REPORT


# --- what was missed ----------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["reconnect", "restart", "kill"])
def test_what_was_missed_comes_again_byte_for_byte(engine: EngineProcess, how: str) -> None:
    with raw(engine) as member, engine.client() as service:
        after = member.log_on().durable_sequence
        for number in range(1, 40):
            member.place(number, number, r.BUY, 100 + number)
            if number % 3 == 0:
                service.submit(limit_order(2, number, r.SELL, 100, 2, r.IOC))
        member.send(frames.encode_command(40, MassCancel(1, INSTRUMENT).words()))
        seen = [member.next() for _ in range(39 + 13 + 1)]
    if how == "restart":
        assert engine.stop() == 0
    elif how == "kill":
        engine.kill()
    if how != "reconnect":
        engine.start()
    for cut in (0, 17, len(seen) - 1):
        have = after if cut == 0 else numbers_of(seen[cut - 1])[0]
        with raw(engine) as member:
            accepted = member.log_on(after=have)
            again = [member.next() for _ in seen[cut:]]
            assert [without_resent(frame) for frame in again] == seen[cut:]
            assert accepted.next_request == 41
    with raw(engine) as member:
        assert member.log_on(after=numbers_of(seen[-1])[0]).next_request in (0, 41)
        member.place(41, 100)
        assert numbers_of(member.next())[1] == numbers_of(seen[-1])[0]


def test_a_member_that_knows_more_than_the_engine_is_told_so(engine: EngineProcess) -> None:
    for after in (10**9, -1):
        with raw(engine) as member:
            member.send(
                frames.encode_logon(
                    frames.Logon(frames.MEMBER, engine.issuer.member(1), resume_after=after)
                )
            )
            assert member.last_code() == GatewayCode.UNKNOWN_SEQUENCE


def test_a_journal_that_cannot_be_read_again_costs_the_logon_alone(engine: EngineProcess) -> None:
    with raw(engine) as member:
        after = member.log_on().durable_sequence
    (segment,) = engine.journal.glob("*.segment")
    hidden = segment.rename(segment.with_suffix(".away"))
    (segment.parent / "journal-00000003.segment").touch()
    with raw(engine) as member:
        token = engine.issuer.member(1)
        member.send(frames.encode_logon(frames.Logon(frames.MEMBER, token, False, after)))
        assert member.last_code() == GatewayCode.UNKNOWN_SEQUENCE
    (segment.parent / "journal-00000003.segment").unlink()
    hidden.rename(segment)
    with raw(engine) as member:
        member.log_on(after=after)


def test_others_trade_on_while_a_long_absence_is_made_up_for(tmp_path: Path) -> None:
    with engine_process(tmp_path, TRADING_SEGMENT_BYTES=str(256 << 10)) as engine:
        with engine.client() as client:
            client.submit_many(market(accounts=3))
        with raw(engine) as member:
            after = member.log_on().durable_sequence
        with engine.client(20_000) as service:
            for start in range(0, 12_000, 1000):
                service.submit_many(
                    [limit_order(1 + n % 2, n, r.BUY, 50, 1) for n in range(start, start + 1000)]
                )
            with raw(engine) as member:
                token = engine.issuer.member(1)
                member.send(frames.encode_logon(frames.Logon(frames.MEMBER, token, False, after)))
                placed = service.submit(limit_order(3, 1, r.BUY, 50, 1))
                count = 0
                while member.next()[4] != frames.LOGON_ACCEPTED:
                    count += 1
    assert kinds(placed) == [r.ORDER_ACCEPTED]
    assert count == 6_000


def test_an_engine_that_was_started_anew_takes_numbers_behind_refused_ones(
    engine: EngineProcess,
) -> None:
    with raw(engine) as member:
        after = member.log_on().durable_sequence
        member.place(1, 1)
        member.next()
        member.send(frames.encode_command(2, limit_order(2, 1, r.BUY, 100, 1).words()))
        assert frames.decode_reject(member.next()).code == GatewayCode.NOT_AUTHORISED
    engine.kill()
    engine.start()
    with raw(engine) as member:
        assert member.log_on(after=after).next_request == 2, "what the journal holds"
        assert frames.decode_result(member.next()).request == 1
        member.place(3, 2)
        assert frames.decode_result(member.next()).request == 3


# --- one session a login ------------------------------------------------------------------------


def test_the_newer_logon_takes_over_and_loses_nothing(engine: EngineProcess) -> None:
    with raw(engine) as older, raw(engine) as newer:
        after = older.log_on(cancels=True).durable_sequence
        older.send(
            *(
                frames.encode_command(n, limit_order(1, n, r.BUY, 100, 1).words())
                for n in range(1, 101)
            )
        )
        older.next()
        accepted = newer.log_on(after=after)
        missed = [newer.next() for _ in range(accepted.next_request - 1)]
        requests = [frames.decode_result(frame).request for frame in missed]
        assert requests == list(range(1, accepted.next_request))
        while True:
            frame = older.next()
            if frame[4] == frames.REJECT:
                break
        assert frames.decode_reject(frame).code == GatewayCode.TAKEN_OVER
        assert open_orders(engine) == len(missed), "a login that goes on keeps its orders"


# --- cancel on disconnect -----------------------------------------------------------------------


@pytest.mark.parametrize("how", ["close", "logout", "garbage", "shutdown"])
def test_what_leaves_with_a_session_that_asked_for_it(engine: EngineProcess, how: str) -> None:
    with raw(engine) as member, raw(engine, 2) as other:
        member.log_on(cancels=True)
        other.log_on()
        for number in range(1, 6):
            member.place(number, number, price=90 + number)
            member.next()
        other.send(frames.encode_command(1, limit_order(2, 1, r.BUY, 80, 1).words()))
        other.next()
        other.socket.close()  # it has not asked for it
        if how == "shutdown":
            assert engine.stop() == 0
            engine.start()
            assert open_orders(engine) == 5, "an engine that ends takes no order along"
            return
        member.send({"logout": frames.LOGOUT_FRAME, "garbage": b"\xff" * 64}.get(how, b""))
    wait_for(lambda: open_orders(engine) == 0, "the orders leave")
    assert open_orders(engine, 2) == 1
    engine.kill()
    engine.start()
    assert open_orders(engine) == 0, "the cancel is in the journal"


def test_orders_leave_when_the_logon_that_took_over_is_never_accepted(
    engine: EngineProcess,
) -> None:
    with raw(engine) as older, raw(engine) as newer:
        after = older.log_on(cancels=True).durable_sequence
        for number in range(1, 1001):
            older.place(number, number)
        for _ in range(1000):
            older.next()
        logon = frames.Logon(frames.MEMBER, engine.issuer.member(1), True, after)
        command = frames.encode_command(1, CancelOrder(1, member_order_id(1, 1), 1).words())
        newer.send(frames.encode_logon(logon), command)  # which ends it before it has all
        assert newer.last_code() == GatewayCode.NOT_LOGGED_ON
        wait_for(lambda: open_orders(engine) == 0, "the orders leave")


def test_what_leaves_by_logout_does_so_before_the_next_session(engine: EngineProcess) -> None:
    with raw(engine) as older, raw(engine) as newer:
        older.log_on(cancels=True)
        older.place(1, 1)
        placed, _ = numbers_of(older.next())
        os.kill(engine.process_id, signal.SIGSTOP)  # so that it finds both at once
        older.send(frames.LOGOUT_FRAME)
        token = engine.issuer.member(1)
        newer.send(frames.encode_logon(frames.Logon(frames.MEMBER, token, False, None)))
        os.kill(engine.process_id, signal.SIGCONT)
        accepted = frames.decode_logon_accepted(newer.next())
        assert accepted.durable_sequence == placed + 1
        assert open_orders(engine) == 0


def test_a_member_that_comes_back_sees_what_left_with_it(engine: EngineProcess) -> None:
    with raw(engine) as member:
        after = member.log_on(cancels=True).durable_sequence
        member.place(1, 1)
        member.next()
    with raw(engine) as member:
        assert member.log_on(after=after).next_request == 2
        first, second = member.next(), member.next()
    assert frames.decode_result(first).request == 1
    _, (_, words) = frames.decode_report(second).events  # behind MASS_CANCELLED
    assert words[r.E_ID] == member_order_id(1, 1)
    assert open_orders(engine) == 0


def test_a_service_asks_for_what_is_for_members_in_vain(engine: EngineProcess) -> None:
    host, _, port = engine.address.rpartition(":")
    for logon in (
        frames.Logon(frames.SERVICE, engine.issuer.service([TRADE]), True),
        frames.Logon(frames.SERVICE, engine.issuer.service([TRADE]), False, 0),
    ):
        with socket.create_connection((host, int(port)), 10) as connection:
            connection.sendall(frames.encode_logon(logon))
            answer = connection.recv(4096)
        assert frames.decode_reject(answer).code == GatewayCode.NOT_AUTHORISED


# --- rings --------------------------------------------------------------------------------------


def test_what_came_by_ring_is_made_again_as_well(engine: EngineProcess) -> None:
    with engine.client() as service:
        after = service.status().sequence
    with ShmEngineClient(
        engine.address, lambda: engine.issuer.member(1), session_kind=frames.MEMBER
    ) as client:
        sent = [client.submit(limit_order(1, n, r.BUY, 100, 1)) for n in range(1, 4)]
        sent += [client.submit(CancelOrder(1, member_order_id(1, 1), INSTRUMENT))]
    with raw(engine) as member:
        assert member.log_on(after=after).next_request == 5
        found = [frames.decode_result(member.next()) for _ in sent]
    assert [it.request for it in found] == [1, 2, 3, 4]
    assert [it.sequence for it in found] == [it.sequence for it in sent]


# --- the clients --------------------------------------------------------------------------------


def test_the_blocking_client_comes_back_over_a_kill_and_does_nothing_twice(
    engine: EngineProcess,
) -> None:
    address = engine.address
    with SyncMemberClient(address, lambda: engine.issuer.member(1), 30_000) as member:
        found = [member.submit(limit_order(1, n, r.BUY, 100, 1)) for n in range(1, 11)]
        with engine.client() as service:
            service.submit(limit_order(2, 1, r.SELL, 100, 1))
        engine.kill()
        engine.start(ENGINE_LISTEN=address)
        found += [member.submit(limit_order(1, n, r.BUY, 100, 1)) for n in range(11, 21)]
        reports = member.receive(5_000)
        assert member.connections == 2
    assert [kinds(it) for it in found] == [[r.ORDER_ACCEPTED]] * 20
    assert [event.kind for event in reports] == [r.TRADE_EXECUTED]
    assert open_orders(engine) == 19


def test_a_client_under_load_loses_nothing_while_the_engine_is_killed(
    engine: EngineProcess,
) -> None:
    """Each command has one outcome, each order is placed once, and every fill is told once."""
    orders, kills = 1_500, 3
    address = engine.address
    reports: list[EngineEvent] = []

    async def load() -> list[CommandResult]:
        client = AsyncMemberClient(address, lambda: engine.issuer.member(1), reports.extend)
        async with client as member:
            await member.logged_on()
            tasks = []
            for number in range(1, orders + 1):
                order = limit_order(1, number, r.BUY, 100, 1)
                tasks.append(asyncio.create_task(member.submit(order)))
                if number % (orders // (kills + 1)) == 0 and number < orders:
                    await asyncio.sleep(0.02)
                    await asyncio.to_thread(restart)
            return list(await asyncio.wait_for(asyncio.gather(*tasks), 60))

    def restart() -> None:
        engine.kill()
        engine.start(ENGINE_LISTEN=address)

    results = asyncio.run(load())
    assert {tuple(kinds(it)) for it in results} == {(r.ORDER_ACCEPTED,)}
    assert len({it.sequence for it in results}) == orders
    assert open_orders(engine) == orders
    assert not reports


def test_a_refused_token_ends_the_client(engine: EngineProcess) -> None:
    async def run() -> None:
        async with AsyncMemberClient(engine.address, lambda: "no token", print) as member:
            await member.logged_on()

    with pytest.raises(EngineRefused):
        asyncio.run(run())
    with (
        SyncMemberClient(engine.address, lambda: "no token") as client,
        pytest.raises(EngineError),
    ):
        client.submit(limit_order(1, 1, r.BUY, 100, 1))


def test_orders_leave_when_the_connection_is_reset(engine: EngineProcess) -> None:
    with raw(engine) as member:
        member.log_on(cancels=True)
        member.place(1, 1)
        member.next()
        member.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    wait_for(lambda: open_orders(engine) == 0, "the orders leave after a reset")
