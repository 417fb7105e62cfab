"""The publisher as a process: the stream gets each message once, whatever is killed in between."""

import itertools
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis as redis_client

from hotpath.runtime.publisher.resume import TOPICS
from shared.domain import records as r
from shared.ports.event_stream import EventStream, Message
from shared.streams import open_stream
from shared.wire.stream_events import PARTITIONS
from tests.support.engine import ROOT, EngineProcess, engine_process, limit_order, market, wait_for
from tests.support.published import ends, expected, stored, wait_until_published
from tests.support.publisher import PublisherProcess
from tests.support.servers import Server, stores, stream_redis_server

__all__ = ["stores", "stream_redis_server"]


@pytest.fixture
def stream_url(stream_redis_server: Server) -> str:
    """An empty stream."""
    redis_client.Redis.from_url(stream_redis_server.url).flushall()
    return stream_redis_server.url


@pytest.fixture
def stream(stream_url: str) -> Iterator[EventStream]:
    opened = open_stream(stream_url)
    opened.ensure_topics({topic: PARTITIONS[topic] for topic in TOPICS})
    yield opened
    opened.close()


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[EngineProcess]:
    with engine_process(tmp_path) as started:
        with started.client() as client:
            client.submit_many(market(accounts=4))
        yield started


@pytest.fixture
def publisher(engine: EngineProcess, stream_url: str) -> Iterator[PublisherProcess]:
    process = PublisherProcess(engine, stream_url)
    yield process
    if process.is_running:
        process.end()


def trade(engine: EngineProcess, first: int, orders: int) -> None:
    """Send orders of four accounts that rest, trade and are refused."""
    with engine.client() as client:
        client.submit_many(
            [
                limit_order(1 + n % 4, first + n, n // 4 % 2, 100 + n % 7, 1 + n % 5)
                for n in range(orders)
            ]
            + [limit_order(1, first + orders, r.BUY, 10**6, 1)]
        )


def test_the_stream_holds_every_event_once_and_in_order(
    engine: EngineProcess, publisher: PublisherProcess, stream: EventStream
) -> None:
    publisher.start()
    trade(engine, 1, 500)
    wait_until_published(engine, stream)
    assert stored(stream) == expected(engine)
    assert publisher.end(signal.SIGTERM) == 0


def test_an_event_reaches_the_stream_within_milliseconds_of_its_answer(
    engine: EngineProcess, publisher: PublisherProcess, stream: EventStream
) -> None:
    publisher.start()
    wait_until_published(engine, stream)
    for number in range(5):
        before = ends(stream)
        trade(engine, 10_000 + 10 * number, 1)
        wait_for(lambda before=before: ends(stream) > before, "the event comes", 0.15)  # type: ignore[misc]


@pytest.mark.parametrize("batch", [1, 2, 3, 7])
def test_killed_behind_a_stored_batch_it_repeats_nothing(
    engine: EngineProcess, publisher: PublisherProcess, stream: EventStream, batch: int
) -> None:
    publisher.start(fault=f"published:{batch}")
    numbers = itertools.count()

    def trade_on() -> bool:
        trade(engine, 1 + 200 * next(numbers), 20)
        return not publisher.is_running

    wait_for(trade_on, f"it dies behind batch {batch}", 60)
    assert publisher.wait() == -signal.SIGKILL
    publisher.start()
    wait_until_published(engine, stream)
    assert stored(stream) == expected(engine)


def test_killed_at_any_moment_it_loses_and_repeats_nothing(
    engine: EngineProcess, publisher: PublisherProcess, stream: EventStream
) -> None:
    def send() -> None:
        for number in range(30):
            trade(engine, 1 + 200 * number, 90)

    sender = threading.Thread(target=send)
    sender.start()
    for round_ in range(6):
        before = ends(stream)
        publisher.start()
        wait_for(
            lambda before=before: ends(stream) > before or not sender.is_alive(),  # type: ignore[misc]
            f"round {round_} stores something",
        )
        publisher.end()
    sender.join(20)
    publisher.start()
    wait_until_published(engine, stream)
    assert stored(stream) == expected(engine)


def test_the_engine_goes_on_while_the_stream_is_away_and_the_stream_catches_up(
    engine: EngineProcess,
    publisher: PublisherProcess,
    stream: EventStream,
    stream_redis_server: Server,
) -> None:
    publisher.start()
    trade(engine, 1, 50)
    wait_until_published(engine, stream)
    stream_redis_server.kill()
    try:
        trade(engine, 1000, 200)
        wait_for(lambda: "the stream is away" in publisher.log_file.read_text(), "it is noticed")
        assert publisher.is_running
    finally:
        stream_redis_server.start()
    wait_until_published(engine, stream)
    assert stored(stream) == expected(engine)


def test_a_newer_publisher_shuts_out_the_older_one(
    engine: EngineProcess, publisher: PublisherProcess, stream: EventStream, stream_url: str
) -> None:
    publisher.start()
    trade(engine, 1, 20)
    wait_until_published(engine, stream)
    newer = PublisherProcess(engine, stream_url).start()
    try:
        wait_for(lambda: publisher.log_file.read_text().count("publishing with epoch") == 2, "open")
        trade(engine, 1000, 20)
        assert publisher.wait() == 3
        wait_until_published(engine, stream)
        assert stored(stream) == expected(engine)
    finally:
        newer.end()


def test_it_follows_the_engine_over_a_restart(
    engine: EngineProcess, publisher: PublisherProcess, stream: EventStream
) -> None:
    publisher.start()
    trade(engine, 1, 50)
    engine.kill()
    engine.start()
    trade(engine, 1000, 50)
    wait_until_published(engine, stream)
    assert stored(stream) == expected(engine)


def test_a_part_of_the_journal_is_published_again_under_other_names_and_only_once(
    engine: EngineProcess, publisher: PublisherProcess, stream: EventStream, stream_url: str
) -> None:
    publisher.start()
    trade(engine, 1, 200)
    wait_until_published(engine, stream)
    words = ["--from", "100", "--into", "again", "--stream", stream_url]

    def republished(*more: str) -> tuple[int, str]:
        command = [sys.executable, "-m", "infra.cli.main", "journal", "republish", *words, *more]
        folder = ["--journal", str(engine.journal), "--json"]
        done = subprocess.run([*command, *folder], cwd=ROOT, capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    code, output = republished()
    assert code == 0, output
    messages = expected(engine, first_sequence=100)
    assert json.loads(output)["messages"] == sum(map(len, messages.values()))
    found = stored(stream, namespace="again.")
    assert {place: values(rows) for place, rows in found.items()} == {
        place: values(rows) for place, rows in messages.items()
    }
    code, output = republished()
    assert (code, json.loads(output)["messages"]) == (0, 0)
    trade(engine, 1000, 3)
    assert json.loads(republished()[1])["messages"] > 0
    code, output = republished("--into", "No Name")
    assert code != 0
    assert "cannot begin a topic's name" in output


def values(rows: list[Message]) -> list[bytes]:
    return [row.value for row in rows]
