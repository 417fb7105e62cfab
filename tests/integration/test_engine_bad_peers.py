"""Bad peers of a real engine process: each costs itself the session and nobody else anything."""

import random
import socket
import threading
import time
from pathlib import Path

import pytest

from shared.domain import records as r
from shared.domain.commands import CancelOrder
from shared.domain.ids import member_order_id
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
)

__all__ = ["engine"]


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
