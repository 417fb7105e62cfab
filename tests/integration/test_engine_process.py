"""The engine as a process: sessions over real sockets, bad peers, crashes and restarts."""

import asyncio
import json
import os
import random
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hotpath.runtime.journal_reader import JournalScan, segment_paths
from shared.domain import records as r
from shared.domain.commands import AddAccount, CancelOrder, MassCancel, MoveCash
from shared.domain.events import EngineEvent
from shared.domain.ids import SOURCE_LEDGER, administrative_id, member_order_id
from shared.domain.reject_codes import CancelReason, RejectCode
from shared.hotpath_client import AsyncEngineClient, MemberSession, SyncEngineClient
from shared.ports.engine import (
    CommandResult,
    EngineError,
    EngineRefused,
    EngineUnavailable,
)
from shared.wire import frames
from shared.wire.frames import GatewayCode
from shared.wire.tokens import FUND, READ, TRADE
from tests.support.engine import (
    INSTRUMENT,
    EngineProcess,
    engine_process,
    http_text,
    limit_order,
    market,
    wait_for,
)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[EngineProcess]:
    with engine_process(tmp_path) as started:
        with started.client() as client:
            client.submit_many(market(accounts=3))
        yield started


def raw(engine: EngineProcess) -> socket.socket:
    host, _, port = engine.address.rpartition(":")
    opened = socket.create_connection((host, int(port)), 5)
    opened.settimeout(10)
    return opened


def answers(connection: socket.socket) -> list[bytes]:
    """Return the frames that come until the gateway closes the connection."""
    buffer = frames.FrameBuffer(frames.MAX_ANSWER_BYTES)
    found: list[bytes] = []
    while True:
        try:
            data = connection.recv(1 << 16)
        except ConnectionResetError:
            return found
        if not data:
            return found
        found += buffer.feed(data)


def kinds(result: CommandResult) -> list[int]:
    return [event.kind for event in result.events]


# --- commands and queries ----------------------------------------------------------------------


def test_an_order_rests_trades_and_is_seen_in_every_query(engine: EngineProcess) -> None:
    with engine.client() as client:
        resting = client.submit(limit_order(1, 1, r.BUY, 100, 10))
        assert kinds(resting) == [r.ORDER_ACCEPTED]
        taking = client.submit(limit_order(2, 1, r.SELL, 100, 4, r.IOC))
        assert kinds(taking) == [r.ORDER_ACCEPTED, r.TRADE_EXECUTED]
        assert taking.sequence == resting.sequence + 1
        book = client.book(INSTRUMENT)
        assert book is not None
        assert [(level.price_ticks, level.quantity_lots) for level in book.bids] == [(100, 6)]
        (order,) = client.open_orders(1)
        assert order.leaves_lots == 6
        account = client.account(1)
        assert account is not None
        assert (account.reserved_minor, account.open_orders) == (600, 1)
        seen = client.order(member_order_id(2, 1))
        assert seen is not None
        assert (seen.first_sequence, seen.open_order) == (taking.sequence, None)
        assert client.account(99) is None
        assert client.book(99) is None
        assert client.order(member_order_id(1, 77)) is None
        status = client.status()
        assert status.sequence == status.durable_sequence == taking.sequence


def test_the_same_order_twice_is_refused_with_the_first_ones_sequence(
    engine: EngineProcess,
) -> None:
    with engine.client() as client:
        first = client.submit(limit_order(1, 1, r.BUY, 100, 1))
        (refusal,) = client.submit(limit_order(1, 1, r.BUY, 100, 1)).events
        assert refusal.reject_code is RejectCode.DUPLICATE_ID
        assert refusal.words[r.E_FIRST_SEQUENCE] == first.sequence


def test_a_trace_is_kept_with_the_command_in_the_journal(engine: EngineProcess) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    with engine.client() as client:
        result = client.submit(limit_order(1, 1, r.BUY, 100, 1), traceparent=trace)
    commands = [c for _, _, record in JournalScan(engine.journal) for c in record.commands()]
    traced = {c.sequence: frames.traceparent(c.trace) for c in commands if c.trace}
    assert traced == {result.sequence: trace}


def test_health_and_metrics_tell_the_truth(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with engine_process(tmp_path, ENGINE_HEALTH_LISTEN=f"127.0.0.1:{port}") as started:
        with started.client() as client:
            done = client.submit_many(market())
        facts = json.loads(http_text(f"http://127.0.0.1:{port}/health"))
        assert facts["status"] == "open"
        assert facts["durable_sequence"] == len(done)
        assert facts["compiled"] == ("core: compiled" in started.log())
        text = http_text(f"http://127.0.0.1:{port}/metrics")
        assert f"trading_engine_commands_total {len(done)}\n" in text
        assert f"trading_engine_durable_sequence {len(done)}\n" in text
        assert f"trading_engine_ack_seconds_count {len(done)}\n" in text


# --- who may do what -----------------------------------------------------------------------------


def service(engine: EngineProcess, *scopes: str) -> SyncEngineClient:
    return SyncEngineClient(engine.address, lambda: engine.issuer.service(scopes), 5000)


def test_a_service_does_what_its_scopes_name_and_nothing_else(engine: EngineProcess) -> None:
    deposit = MoveCash(r.DEPOSIT_CASH, administrative_id(SOURCE_LEDGER, 1 << 40), 1, 5)
    account = AddAccount(administrative_id(SOURCE_LEDGER, 1 << 41), 50, 840)
    order = limit_order(1, 1, r.BUY, 100, 1)
    with service(engine, TRADE) as trader, service(engine, FUND, READ) as funder:
        assert kinds(trader.submit(order)) == [r.ORDER_ACCEPTED]
        for command in (deposit, account):
            with pytest.raises(EngineRefused):
                trader.submit(command)
        with pytest.raises(EngineRefused):
            trader.status()
        assert kinds(funder.submit(deposit)) == [r.CASH_CHANGED]
        with pytest.raises(EngineRefused):
            funder.submit(limit_order(1, 2, r.BUY, 100, 1))
        assert funder.status().open_orders == 1


def test_a_member_reaches_its_own_orders_only(engine: EngineProcess) -> None:
    async def scenario() -> None:
        member = await MemberSession.connect(engine.address, engine.issuer.member(1))
        assert kinds(await member.submit(limit_order(1, 1, r.BUY, 100, 1))) == [r.ORDER_ACCEPTED]
        foreign = CancelOrder(1, member_order_id(2, 1), INSTRUMENT)
        deposit = MoveCash(r.DEPOSIT_CASH, administrative_id(SOURCE_LEDGER, 9), 1, 5)
        for command in (limit_order(2, 1, r.BUY, 100, 1), foreign, deposit, MassCancel(2, 1)):
            with pytest.raises(EngineRefused):
                await member.submit(command)
        with pytest.raises(EngineRefused):
            await member.account(2)
        assert (await member.account(1)) is not None
        await member.close()

    asyncio.run(scenario())


def test_expired_and_foreign_tokens_open_nothing(engine: EngineProcess, tmp_path: Path) -> None:
    other = EngineProcess(tmp_path)  # writes another key beside; it is never started
    for token in (other.issuer.member(1), engine.issuer.member(1, lifetime_s=-1), "nonsense"):
        with pytest.raises(EngineError), SyncEngineClient(engine.address, lambda: token) as client:  # noqa: B023
            client.status()
    assert engine.is_running


def test_a_session_ends_with_its_token_and_the_client_logs_on_again(
    engine: EngineProcess,
) -> None:
    lifetimes = iter([1, 900])
    tokens: list[str] = []

    def token() -> str:
        tokens.append(engine.issuer.service([READ], lifetime_s=next(lifetimes)))
        return tokens[-1]

    with SyncEngineClient(engine.address, token) as client:
        client.status()
        client.status()
    assert len(tokens) == 2, "a session that is about to end is not used again"


# --- execution reports ---------------------------------------------------------------------------


def test_the_owner_of_a_resting_order_is_told_of_its_fill_and_of_no_name(
    engine: EngineProcess,
) -> None:
    async def scenario() -> list[EngineEvent]:
        reports: asyncio.Queue[list[EngineEvent]] = asyncio.Queue()
        token = engine.issuer.member(1)
        owner = await MemberSession.connect(engine.address, token, reports.put_nowait)
        stranger = await MemberSession.connect(engine.address, engine.issuer.member(3))
        taker = await MemberSession.connect(engine.address, engine.issuer.member(2))
        await owner.submit(limit_order(1, 1, r.BUY, 100, 10))
        result = await taker.submit(limit_order(2, 1, r.SELL, 100, 4))
        trade = result.events[-1]
        assert (trade.order_id, trade.contra_order_id) == (member_order_id(2, 1), 0)
        assert trade.contra_account_id == 0
        (fill,) = await asyncio.wait_for(reports.get(), 5)
        assert (fill.sequence, fill.index) == (result.sequence, 1)
        assert fill.contra_order_id == member_order_id(1, 1)
        assert (fill.quantity_lots, fill.contra_leaves_lots) == (4, 6)
        assert (fill.order_id, fill.account_id, fill.leaves_lots) == (0, 0, 0)
        with engine.client() as client:
            client.submit(MassCancel(1, INSTRUMENT))
        cancelled = await asyncio.wait_for(reports.get(), 5)
        for session in (owner, stranger, taker):
            await session.close()
        assert [event async for event in stranger.reports()] == []
        return cancelled

    cancelled = asyncio.run(scenario())
    assert cancelled[0].cancel_reason is CancelReason.MASS_CANCEL


def test_answers_come_in_the_order_of_the_commands(engine: EngineProcess) -> None:
    async def scenario() -> None:
        client = AsyncEngineClient(
            engine.address, lambda: engine.issuer.service([TRADE, READ]), timeout_ms=20_000
        )
        orders = [limit_order(1, n, r.BUY, 100, 1) for n in range(3000)]
        results = await asyncio.gather(*(client.submit(order) for order in orders))
        sequences = [result.sequence for result in results]
        assert sequences == list(range(sequences[0], sequences[0] + 3000))
        assert (await client.status()).open_orders == 3000
        await client.close()

    asyncio.run(scenario())


# --- bad peers -----------------------------------------------------------------------------------


def logon_frame(engine: EngineProcess) -> bytes:
    token = engine.issuer.service([TRADE, READ])
    return frames.encode_logon(frames.Logon(frames.SERVICE, token))


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", GatewayCode.UNSUPPORTED_VERSION),
        (bytes(64), GatewayCode.UNSUPPORTED_VERSION),
        (b"\xff\xff\xff\x7f\x04\x01\x00\x00", GatewayCode.FRAME_TOO_LARGE),
        (frames.HEARTBEAT_FRAME, GatewayCode.NOT_LOGGED_ON),
        (frames.frame(frames.LOGON, b"\x01"), GatewayCode.MALFORMED_FRAME),
    ],
)
def test_what_is_no_logon_is_told_so_and_cut_off(
    engine: EngineProcess, sent: bytes, code: GatewayCode
) -> None:
    with raw(engine) as connection:
        connection.sendall(sent)
        (answer,) = answers(connection)
    assert frames.decode_reject(answer).code == code


def test_mutated_frames_cost_their_sender_the_session_and_nobody_else(
    engine: EngineProcess,
) -> None:
    """Seeded noise in valid traffic; a well-behaved session trades on all the while."""
    dice = random.Random(20260101)
    good = frames.encode_command(1, limit_order(3, 1, r.BUY, 1, 1).words())
    with engine.client() as bystander:
        for number in range(300):
            data = bytearray(logon_frame(engine) + good * 3)
            for _ in range(dice.randint(1, 4)):
                data[dice.randrange(len(data))] = dice.randrange(256)
            with raw(engine) as connection:
                connection.sendall(data[: dice.randint(1, len(data))])
            assert kinds(bystander.submit(limit_order(1, number, r.BUY, 100, 1))) == [
                r.ORDER_ACCEPTED
            ]
    assert engine.is_running


def test_a_peer_that_never_logs_on_is_cut_off(engine: EngineProcess) -> None:
    with raw(engine) as connection:
        connection.sendall(logon_frame(engine)[:10])
        (answer,) = answers(connection)
    assert frames.decode_reject(answer).code == GatewayCode.NOT_LOGGED_ON


def test_a_reader_that_does_not_read_is_cut_off_and_others_are_served(
    engine: EngineProcess,
) -> None:
    with engine.client() as client:
        client.submit_many([limit_order(1, n, r.BUY, 1 + n, 1) for n in range(4000)])
        query = frames.encode_query(frames.Query(1, frames.QUERY_BOOK, INSTRUMENT))
        with raw(engine) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.sendall(logon_frame(engine))
            gone = threading.Event()

            def flood() -> None:
                try:
                    while True:
                        connection.sendall(query)
                except OSError:
                    gone.set()

            flooder = threading.Thread(target=flood, daemon=True)
            flooder.start()
            deadline = time.monotonic() + 30
            slowest_s = 0.0
            while not gone.is_set():
                assert time.monotonic() < deadline, "the slow reader is still there"
                started_s = time.monotonic()
                client.status()
                slowest_s = max(slowest_s, time.monotonic() - started_s)
            flooder.join(5)
        assert slowest_s < 2.0
        assert client.status().open_orders == 4000


def test_a_flood_beyond_the_queue_is_answered_busy_and_cancels_are_still_taken(
    tmp_path: Path,
) -> None:
    with engine_process(tmp_path, TRADING_QUEUE="64") as started:
        with started.client() as client:
            for command in market():
                client.submit(command)
        with raw(started) as connection:
            orders = b"".join(
                frames.encode_command(n, limit_order(1, n, r.BUY, 100, 1).words())
                for n in range(1, 401)
            )
            cancels = b"".join(
                frames.encode_command(
                    1000 + n, CancelOrder(1, member_order_id(1, n), INSTRUMENT).words()
                )
                for n in range(1, 33)
            )
            connection.sendall(logon_frame(started) + orders + cancels + frames.LOGOUT_FRAME)
            found = answers(connection)
        rejects = [frames.decode_reject(f) for f in found if f[4] == frames.REJECT]
        results = [frames.decode_result(f) for f in found if f[4] == frames.COMMAND_RESULT]
        assert len(rejects) + len(results) == 432, "every request has one answer"
        assert {reject.code for reject in rejects} == {GatewayCode.ENGINE_BUSY}
        assert {n for n in (result.request for result in results) if n > 1000} == set(
            range(1001, 1033)
        )


# --- crashes -------------------------------------------------------------------------------------


def test_a_restart_gives_the_same_state_and_a_higher_epoch(engine: EngineProcess) -> None:
    with engine.client() as client:
        client.submit_many([limit_order(1, n, r.BUY, 50 + n, 1) for n in range(100)])
        client.submit_many([limit_order(2, n, r.SELL, 100, 3) for n in range(20)])
        before = client.status()
    assert engine.stop() == 0
    engine.start()
    with engine.client() as client:
        after = client.status()
    assert after.epoch == before.epoch + 1
    assert (after.sequence, after.state_hash) == (before.sequence, before.state_hash)


def test_a_client_lives_through_a_restart(engine: EngineProcess) -> None:
    with engine.client() as client:
        client.submit(limit_order(1, 1, r.BUY, 100, 1))
        address = engine.address
        engine.kill()
        with pytest.raises(EngineUnavailable):
            client.submit(limit_order(1, 2, r.BUY, 100, 1))
        engine.start(ENGINE_LISTEN=address)
        assert kinds(client.submit(limit_order(1, 3, r.BUY, 100, 1))) == [r.ORDER_ACCEPTED]


def test_a_second_engine_on_the_same_journal_refuses_to_start(engine: EngineProcess) -> None:
    other = EngineProcess(engine.folder)
    other.log_file = engine.folder / "second.log"
    other.spawn()
    assert other.wait() == 3
    assert str(engine.process_id) in other.log()


def test_damage_in_the_middle_refuses_to_start_and_says_where(engine: EngineProcess) -> None:
    with engine.client() as client:
        client.submit_many([limit_order(1, n, r.BUY, 50, 1) for n in range(10)])
        client.submit(limit_order(1, 11, r.BUY, 50, 1))
    engine.kill()
    path = segment_paths(engine.journal)[-1]
    data = bytearray(path.read_bytes())
    data[500] ^= 1
    path.write_bytes(data)
    engine.spawn()
    assert engine.wait() == 3
    assert "is damaged at byte" in engine.log()


def load(
    engine: EngineProcess, account: int, acknowledged: dict[int, CommandResult], seed: int
) -> None:
    """Send orders and cancels of one account until the engine dies; note every answer."""
    dice = random.Random(seed)
    number = 0
    with engine.client() as client:
        try:
            while True:
                number += 1
                side = dice.choice((r.BUY, r.SELL))
                order = limit_order(account, number, side, dice.randint(95, 105), 1)
                acknowledged[order.order_id] = client.submit(order)
        except EngineError:
            return


FAULTS = ["received", "applied", "half_written", "written", "synced", "acknowledged"]


@pytest.mark.parametrize("durability", ["os", "fsync"])
@pytest.mark.parametrize("fault", FAULTS)
def test_nothing_acknowledged_is_lost_when_killed_under_load(
    tmp_path: Path, fault: str, durability: str
) -> None:
    """Killed at a named point; what was acknowledged is in the journal, event for event."""
    passage = random.Random(f"{fault}{durability}").randint(100, 400)
    with engine_process(tmp_path, TRADING_DURABILITY=durability) as engine:
        with engine.client() as client:
            client.submit_many(market(accounts=3))
        engine.stop()
        engine.start(TRADING_FAULT=f"{fault}:{passage}")
        acknowledged: dict[int, CommandResult] = {}
        senders = [
            threading.Thread(target=load, args=(engine, account, acknowledged, account))
            for account in (1, 2, 3)
        ]
        for sender in senders:
            sender.start()
        assert engine.wait() == -9
        for sender in senders:
            sender.join(10)
        assert len(acknowledged) > 50
        engine.start()
        journaled = {
            command.words[r.C_ID]: command
            for _, _, record in JournalScan(engine.journal)
            for command in record.commands()
        }
        for order_id, result in acknowledged.items():
            command = journaled[order_id]
            assert (command.sequence, command.time_ns) == (result.sequence, result.time_ns)
            assert list(command.events) == [event.words for event in result.events]
        with engine.client() as client:
            for order_id, result in acknowledged.items():
                seen = client.order(order_id)
                assert seen is not None
                assert seen.first_sequence == result.sequence


def test_a_sync_that_fails_halts_the_engine_without_an_answer(tmp_path: Path) -> None:
    """The journal's file is on a full disk: nothing is acknowledged, and the log says why."""
    with engine_process(tmp_path, TRADING_SEGMENT_BYTES="4096") as engine:
        with engine.client() as client:
            client.submit_many(market())
        limit_file_size(engine.process_id)
        orders = [limit_order(1, number, r.BUY, 100, 1) for number in range(1000)]
        with engine.client() as client, pytest.raises(EngineUnavailable):
            client.submit_many(orders)
        assert engine.wait() == 1
        assert "halted at durable sequence" in engine.log()
        durable = int(engine.log().split("halted at durable sequence ")[1].split(":")[0])
        engine.start()
        with engine.client() as client:
            assert client.status().sequence >= durable


def limit_file_size(process_id: int) -> None:
    """Let a running process write no file beyond 1 KiB, as a full disk would."""
    import resource

    resource.prlimit(process_id, resource.RLIMIT_FSIZE, (1024, resource.RLIM_INFINITY))


def test_idle_the_engine_sleeps(engine: EngineProcess) -> None:
    def cpu_s() -> float:
        fields = Path(f"/proc/{engine.process_id}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    before, started_s = cpu_s(), time.monotonic()
    wait_for(lambda: time.monotonic() - started_s > 2, "two seconds pass")
    assert cpu_s() - before <= 0.1


def test_sessions_that_leave_in_the_middle_disturb_no_later_one(engine: EngineProcess) -> None:
    """Descriptors are used again at once: an answer to who left must not reach who came."""
    order = frames.encode_command(1, limit_order(1, 1, r.BUY, 100, 1).words())
    for _ in range(100):
        with raw(engine) as leaver:
            leaver.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            leaver.sendall(logon_frame(engine) + order * 50)
        with engine.client() as client:
            assert client.book(INSTRUMENT, 1) is not None
    with engine.client() as client:
        assert client.status().open_orders == 1
