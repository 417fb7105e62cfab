"""Shared-memory rings of a real engine: TCP's answers, and bad clients that hurt themselves."""

import asyncio
import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from shared.domain import records as r
from shared.domain.commands import CancelOrder, Command
from shared.domain.ids import member_order_id
from shared.domain.reject_codes import RejectCode
from shared.hotpath_client import MemberSession
from shared.hotpath_client.ring_client import RingLink, ShmEngineClient, decode_answers
from shared.hotpath_client.sync_client import Connection
from shared.ports.engine import CommandResult, EngineError, EngineRefused, EngineUnavailable
from shared.wire import frames, ring, ring_frames
from shared.wire.frames import GatewayCode
from shared.wire.tokens import READ, SCOPES
from tests.support.engine import (
    INSTRUMENT,
    ROOT,
    EngineProcess,
    engine,
    engine_process,
    http_text,
    kinds,
    limit_order,
    market,
    wait_for,
)

__all__ = ["engine"]


def ring_client(engine: EngineProcess) -> ShmEngineClient:
    return ShmEngineClient(engine.address, lambda: engine.issuer.service(SCOPES), 10_000)


def connect(engine: EngineProcess) -> Connection:
    host, _, port = engine.address.rpartition(":")
    token = engine.issuer.service(SCOPES)
    return Connection((host, int(port)), frames.SERVICE, token, 10.0)


def request_words(number: int, command: Command) -> list[int]:
    words = list(command.words())
    return [ring.REQUEST_PREFIX_WORDS + len(words), number, *words]


def as_view(words: Sequence[int]) -> memoryview:
    data = b"".join(word.to_bytes(8, "little", signed=True) for word in words)
    return memoryview(data).cast("q")


def last_words(connection: Connection) -> frames.Reject:
    """Return the reject with which the gateway ends the session."""
    try:
        connection.exchange([frames.HEARTBEAT_FRAME], time.monotonic() + 10)
    except EngineError as error:
        return frames.Reject(0, 0, str(error))
    raise AssertionError("the session is open still")


def test_the_ring_gives_what_tcp_gives_and_the_journal_replays_it(tmp_path: Path) -> None:
    orders = [limit_order(1 + n % 2, n, n % 2, 9_990 + n % 20, 5) for n in range(1, 400)]
    ends = []
    for name, client_of in (("tcp", EngineProcess.client), ("ring", ring_client)):
        folder = tmp_path / name
        folder.mkdir()
        with engine_process(folder) as engine, client_of(engine) as client:
            found = client.submit_many(market())
            found += client.submit_many(orders, traceparent=f"00-{'ab' * 16}-{'cd' * 8}-01")
            ends.append([(it.sequence, kinds(it)) for it in found if isinstance(it, CommandResult)])
            state = client.status().state_hash
            engine.kill()
            engine.start()
            with engine.client() as after:
                assert after.status().state_hash == state
    assert ends[0] == ends[1]
    assert len(ends[0]) == len(orders) + len(market())


def test_an_order_sent_again_gets_its_first_answer(engine: EngineProcess) -> None:
    order = limit_order(1, 1, r.BUY, 100, 5)
    with ring_client(engine) as client:
        first = client.submit(order)
        again, other = client.submit_many([order, limit_order(1, 1, r.BUY, 100, 6)])
    assert isinstance(again, CommandResult)
    assert isinstance(other, CommandResult)
    assert (again.is_repeat, again.sequence, again.events) == (True, first.sequence, first.events)
    assert again.open_now is not None
    assert again.open_now.leaves_lots == 5
    assert other.events[0].code == RejectCode.DUPLICATE_ID


def test_a_sleeping_engine_is_woken_and_a_long_row_wraps(engine: EngineProcess) -> None:
    """More commands than the queues hold, and pauses in which the engine falls asleep."""
    with ring_client(engine) as client:
        for number in range(1, 4):
            time.sleep(0.05)
            assert kinds(client.submit(limit_order(1, number, r.BUY, 50, 1))) == [r.ORDER_ACCEPTED]
        rows: list[Command] = []
        for number in range(10, 8_010):
            rows += [limit_order(2, number, r.BUY, 60, 1), cancel(2, number)]
        found = client.submit_many(rows)
        assert client.open_orders(2) == []
    sequences = [it.sequence for it in found if isinstance(it, CommandResult)]
    assert sequences == list(range(sequences[0], sequences[0] + len(rows)))


def cancel(account: int, number: int) -> CancelOrder:
    return CancelOrder(account, member_order_id(account, number), INSTRUMENT)


def test_scopes_hold_for_rings(engine: EngineProcess) -> None:
    reader = ShmEngineClient(engine.address, lambda: engine.issuer.service([READ]))
    with reader as client, pytest.raises(EngineRefused):
        client.submit(limit_order(1, 1, r.BUY, 100, 5))


def test_a_member_has_its_own_orders_only_and_sees_nobody_else(engine: EngineProcess) -> None:
    member = ShmEngineClient(
        engine.address, lambda: engine.issuer.member(1), session_kind=frames.MEMBER
    )
    with ring_client(engine) as service, member as client:
        service.submit(limit_order(2, 1, r.SELL, 100, 5))
        (trade,) = [
            event
            for event in client.submit(limit_order(1, 1, r.BUY, 100, 5)).events
            if event.kind == r.TRADE_EXECUTED
        ]
        assert trade.words[r.E_CONTRA_ID] == 0
        assert trade.words[r.E_ACCOUNT] == 1
        again = client.submit(limit_order(1, 1, r.BUY, 100, 5))
        assert again.is_repeat
        assert again.events[-1].words == trade.words, "the first answer tells no more when repeated"
        with pytest.raises(EngineRefused):
            client.submit(limit_order(2, 2, r.BUY, 100, 5))
        with pytest.raises(EngineRefused):
            client.submit(CancelOrder(1, member_order_id(2, 1), INSTRUMENT))


def test_a_member_that_trades_with_itself_by_ring_sees_both_sides(engine: EngineProcess) -> None:
    member = ShmEngineClient(
        engine.address, lambda: engine.issuer.member(1), session_kind=frames.MEMBER
    )
    with member as client:
        client.submit(limit_order(1, 1, r.SELL, 100, 5))
        trade = client.submit(limit_order(1, 2, r.BUY, 100, 3)).events[-1]
    assert (trade.kind, trade.words[r.E_ACCOUNT]) == (r.TRADE_EXECUTED, 1 | 1 << 32)
    assert trade.words[r.E_ID] == member_order_id(1, 2)
    assert trade.words[r.E_CONTRA_ID] == member_order_id(1, 1)
    assert trade.words[r.E_LEAVES] == 2 << 32


def test_a_member_is_told_of_what_came_by_ring(engine: EngineProcess) -> None:
    async def run() -> list[int]:
        member = await MemberSession.connect(engine.address, engine.issuer.member(1))
        await member.submit(limit_order(1, 1, r.BUY, 100, 5))
        with ring_client(engine) as client:
            await asyncio.to_thread(client.submit, limit_order(2, 1, r.SELL, 100, 5))
        event = await asyncio.wait_for(anext(member.reports()), 10)
        await member.close()
        return [event.kind, event.words[r.E_CONTRA_ID]]

    assert asyncio.run(run()) == [r.TRADE_EXECUTED, member_order_id(1, 1)]


def test_an_engine_that_spins_on_a_ring_still_tells_its_health(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
    with engine_process(tmp_path, TRADING_SPIN="1", ENGINE_HEALTH_LISTEN=address) as engine:
        link = RingLink(connect(engine), 10.0)
        for _ in range(5):
            assert "trading_engine_commands_total 0" in http_text(f"http://{address}/metrics")
        assert link.answers.waiting() == 0


# --- bad clients ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "spoil",
    [
        lambda words: words.__setitem__(ring.W_REQUEST_TAIL, 1 << 40),
        lambda words: words.__setitem__(ring.W_REQUEST_TAIL, -5),
        lambda words: words.__setitem__(ring.W_REQUEST_TAIL, 3),  # a record of zeros
    ],
)
def test_positions_that_cannot_be_cost_the_session(engine: EngineProcess, spoil: object) -> None:
    link = RingLink(connect(engine), 10.0)
    assert callable(spoil)
    spoil(link.words)
    assert "MALFORMED_FRAME" in last_words(link.connection).text
    with ring_client(engine) as client:
        assert kinds(client.submit(limit_order(1, 1, r.BUY, 100, 5))) == [r.ORDER_ACCEPTED]


def test_random_words_cost_their_sender_the_session_and_nobody_else(
    engine: EngineProcess,
) -> None:
    """Seeded noise in valid requests; another ring trades on all the while."""
    dice = random.Random(20260202)
    broken = 0
    with ring_client(engine) as good:
        for round_ in range(60):
            link = RingLink(connect(engine), 10.0)
            words = request_words(1, limit_order(3, 1 + round_, r.BUY, 50, 1)) * 8
            for _ in range(dice.randint(1, 4)):
                words[dice.randrange(len(words))] = dice.choice(
                    [0, -1, 1 << 62, dice.getrandbits(63), dice.randrange(300)]
                )
            link.requests.write(as_view(words), 0, len(words))
            result = good.submit(limit_order(1, 1 + round_, r.BUY, 50, 1))
            assert kinds(result) == [r.ORDER_ACCEPTED]
            broken += not _is_open(link.connection)
            link.connection.close()
    assert broken > 10
    assert engine.is_running


def _is_open(connection: Connection) -> bool:
    query = frames.encode_query(frames.Query(1, frames.QUERY_ACCOUNT, 1))
    try:
        connection.exchange([query], time.monotonic() + 10)
    except (EngineError, OSError):
        return False
    return True


def test_who_does_not_take_answers_is_cut_off_and_nobody_waits(engine: EngineProcess) -> None:
    link = RingLink(connect(engine), 10.0, answer_words=ring.MIN_ANSWER_WORDS)
    number = 0
    sent = True
    deadline = time.monotonic() + 20
    while sent and time.monotonic() < deadline:  # until the engine takes no more
        row: list[int] = []
        for _ in range(500):
            number += 1
            row += request_words(number, limit_order(3, number, r.BUY, 50, 1))
        sent = link.send(as_view(row), 0, len(row)) or _is_taken(link, len(row))
    assert not sent
    with ring_client(engine) as client:
        assert kinds(client.submit(limit_order(1, 1, r.BUY, 100, 5))) == [r.ORDER_ACCEPTED]
    assert "SLOW_READER" in last_words(link.connection).text


def _is_taken(link: RingLink, words: int) -> bool:
    """Return whether the engine makes room within a second."""
    deadline = time.monotonic() + 1
    while time.monotonic() < deadline:
        if link.requests.room() >= words:
            return True
        time.sleep(0.005)
    return False


def test_backed_up_answers_come_when_there_is_room(engine: EngineProcess) -> None:
    """The answer queue is filled to the brim, then read: nothing is lost or out of order."""
    link = RingLink(connect(engine), 10.0, answer_words=ring.MIN_ANSWER_WORDS)
    found: list[CommandResult | EngineError] = []
    total = 15_000
    row = [
        word
        for number in range(1, total + 1)
        for word in request_words(number, limit_order(3, number, r.BUY, 50, 1))
    ]
    view, at, size = as_view(row), 0, 10
    while at < len(row):
        count = min(link.requests.room() // size * size, len(row) - at)
        link.send(view, at, count)
        at += count
    deadline = time.monotonic() + 20
    while len(found) < total and time.monotonic() < deadline:
        found += decode_answers(link.receive(), len(found) + 1)
    assert len(found) == total
    link.connection.close()


def test_a_dead_client_takes_its_ring_along(engine: EngineProcess) -> None:
    program = (
        "import sys, time\n"
        "from shared.hotpath_client.ring_client import RingLink\n"
        "from shared.hotpath_client.sync_client import Connection\n"
        "host, port = sys.argv[1].split(':')\n"
        "link = RingLink(Connection((host, int(port)), 2, sys.argv[2], 5.0), 5.0)\n"
        "print('mapped', flush=True)\n"
        "time.sleep(60)\n"
    )
    token = engine.issuer.service(SCOPES)
    command = [sys.executable, "-c", program, engine.address, token]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as client:
        assert client.stdout is not None
        assert client.stdout.readline() == b"mapped\n"
        assert _rings_of(engine)
        client.kill()
    wait_for(lambda: _rings_of(engine) == 0, "the ring is dropped")


def _rings_of(engine: EngineProcess) -> int:
    folder = Path(f"/proc/{engine.process_id}/fd")
    return sum("order-entry" in os.readlink(it) for it in folder.iterdir())


def test_a_ring_of_another_size_or_a_second_one_is_refused(engine: EngineProcess) -> None:
    link = RingLink(connect(engine), 10.0)
    for sizes in ((1000, ring.MIN_ANSWER_WORDS), (1 << 21, 1 << 21), (0, 0), (1 << 17, 1 << 17)):
        asked = ring_frames.encode_ring_attach(ring_frames.RingAttach(7, *sizes))
        (answer,) = link.connection.exchange([asked], time.monotonic() + 10)
        reject = frames.decode_reject(answer)
        assert (reject.request, reject.code) == (7, GatewayCode.NO_RING)


def test_a_halted_engine_answers_no_ring(tmp_path: Path) -> None:
    """Killed behind the write, before the answer: the client learns that it does not know."""
    with engine_process(tmp_path) as engine:
        with ring_client(engine) as client:
            client.submit_many(market())
        engine.stop()
        engine.start(TRADING_FAULT="written:3")
        with ring_client(engine) as client:
            for number in (1, 2):
                client.submit(limit_order(1, number, r.BUY, 50, 1))
            with pytest.raises(EngineUnavailable):
                client.submit(limit_order(1, 3, r.BUY, 50, 1))
        engine.wait()
        engine.start()
        with ring_client(engine) as client:
            assert client.submit(limit_order(1, 3, r.BUY, 50, 1)).is_repeat
