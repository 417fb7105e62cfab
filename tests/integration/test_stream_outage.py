"""The event stream dies under a trading engine: how far orders go on, and how it ends."""

import itertools
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import redis as redis_client

from hotpath.runtime.publisher.resume import TOPICS
from hotpath.runtime.stream_bound import REASON
from shared.domain import records as r
from shared.domain.commands import CancelOrder, MoveCash
from shared.domain.ids import SOURCE_LEDGER, administrative_id
from shared.ports.engine import EngineBusy
from shared.streams import open_stream
from shared.wire.stream_events import PARTITIONS
from tests.support.engine import (
    INSTRUMENT,
    EngineProcess,
    engine_process,
    limit_order,
    market,
    wait_for,
)
from tests.support.published import expected, stored, wait_until_published
from tests.support.publisher import PublisherProcess
from tests.support.servers import Server, stores, stream_redis_server

__all__ = ["stores", "stream_redis_server"]

BOUND = 300


@pytest.fixture
def engine(tmp_path: Path, stream_redis_server: Server) -> Iterator[EngineProcess]:
    redis_client.Redis.from_url(stream_redis_server.url).flushall()
    with engine_process(tmp_path, TRADING_UNPUBLISHED=str(BOUND)) as started:
        with started.client() as client:
            client.submit_many(market(accounts=4))
        yield started


@pytest.fixture
def publisher(engine: EngineProcess, stream_redis_server: Server) -> Iterator[PublisherProcess]:
    process = PublisherProcess(engine, stream_redis_server.url)
    yield process
    process.close()


def answer(port: int, path: str) -> httpx.Response:
    return httpx.get(f"http://127.0.0.1:{port}{path}", timeout=5)


def test_the_publisher_says_what_it_waits_for(
    engine: EngineProcess, publisher: PublisherProcess, stream_redis_server: Server
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    publisher.start(PUBLISHER_HEALTH_LISTEN=f"127.0.0.1:{port}")

    def waits_for(what: str) -> bool:
        try:
            return answer(port, "/ready").json()["waits_for"] == what
        except httpx.ConnectError:  # it has not begun to listen
            return False

    wait_for(lambda: waits_for(""), "it is ready")
    stream_redis_server.kill()
    try:
        with engine.client() as client:
            client.submit(limit_order(1, 1, r.BUY, 100, 5))
        wait_for(lambda: waits_for("the event stream"), "it notices")
        assert answer(port, "/ready").status_code == 503
        assert answer(port, "/health").json()["lag_commands"] == 1
    finally:
        stream_redis_server.start()
    wait_for(lambda: waits_for(""), "it has caught up")
    lines = answer(port, "/metrics").text.splitlines()
    assert "trading_publisher_outages_total 1" in lines
    assert "trading_publisher_lag_commands 0" in lines


def test_orders_go_on_up_to_the_bound_then_wait_for_the_stream_and_cancels_never_do(
    engine: EngineProcess, publisher: PublisherProcess, stream_redis_server: Server
) -> None:
    numbers = itertools.count(1)
    taken: list[int] = []
    reasons: set[str] = set()

    def is_taken() -> bool:
        number = next(numbers)
        try:
            client.submit(limit_order(1 + number % 4, number, number // 4 % 2, 100, 5))
        except EngineBusy as busy:
            reasons.add(str(busy))
            return False
        taken.append(number)
        return True

    publisher.start()
    stream = open_stream(stream_redis_server.url)
    stream.ensure_topics({topic: PARTITIONS[topic] for topic in TOPICS})
    with engine.client() as client:
        assert is_taken()
        wait_until_published(engine, stream)
        stream_redis_server.kill()
        try:
            wait_for(lambda: not is_taken(), "new orders are refused")
            assert BOUND <= len(taken) < 2 * BOUND
            last = limit_order(1 + taken[-1] % 4, taken[-1], r.BUY, 1, 1)
            client.submit(CancelOrder(last.account_id, last.order_id, INSTRUMENT))
            deposit = administrative_id(SOURCE_LEDGER, 10**6)
            client.submit(MoveCash(r.DEPOSIT_CASH, deposit, 1, 100))
            assert not is_taken()
        finally:
            stream_redis_server.start()
        wait_for(is_taken, "the publisher catches up and orders are taken again")
    assert [REASON in reason for reason in reasons] == [True]
    wait_until_published(engine, stream)
    assert stored(stream) == expected(engine)
    stream.close()


def test_a_stream_that_comes_back_empty_is_filled_again_by_the_same_publisher(
    engine: EngineProcess, publisher: PublisherProcess, stream_redis_server: Server
) -> None:
    publisher.start()
    stream = open_stream(stream_redis_server.url)
    stream.ensure_topics({topic: PARTITIONS[topic] for topic in TOPICS})
    with engine.client() as client:
        client.submit(limit_order(1, 1, r.BUY, 100, 5))
        wait_until_published(engine, stream)
        redis_client.Redis.from_url(stream_redis_server.url).flushall()
        stream.ensure_topics({topic: PARTITIONS[topic] for topic in TOPICS})
        client.submit(limit_order(1, 2, r.BUY, 100, 5))
        wait_until_published(engine, stream)
    assert stored(stream) == expected(engine)
    stream.close()


def test_a_publisher_of_another_history_publishes_nothing_and_says_why_it_ends(
    engine: EngineProcess,
    publisher: PublisherProcess,
    stream_redis_server: Server,
    tmp_path: Path,
) -> None:
    publisher.start()
    stream = open_stream(stream_redis_server.url)
    stream.ensure_topics({topic: PARTITIONS[topic] for topic in TOPICS})
    wait_until_published(engine, stream)
    publisher.close()
    before = stored(stream)
    (tmp_path / "other").mkdir()
    with engine_process(tmp_path / "other") as other:
        with other.client() as client:
            client.submit_many(market(accounts=2))
        stranger = PublisherProcess(other, stream_redis_server.url)
        try:
            stranger.start()
            wait_for(lambda: not stranger.is_running, "it ends")
            assert stranger.says("the stream holds what this journal does not say")
        finally:
            stranger.close()
    assert stored(stream) == before
    stream.close()
