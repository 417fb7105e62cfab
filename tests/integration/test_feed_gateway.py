"""The market-data gateway: gap-free chains, slow and rude clients, restarts. On a real stream."""

import asyncio
import json
import random
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
import redis
from websockets.exceptions import InvalidStatus

from hotpath.feed import client as feed_client
from hotpath.feed import messages as m
from shared.ports.event_stream import EventStream, Message
from shared.streams import open_stream
from shared.wire.stream_events import MarketDataUpdate
from tests.support.feed import FeedWriter, client, gateway, http_get, update
from tests.support.servers import Server, stores, stream_redis_server

__all__ = ["stores", "stream_redis_server"]


@pytest.fixture
def stream(stream_redis_server: Server) -> Iterator[EventStream]:
    """An empty stream."""
    server = redis.Redis.from_url(stream_redis_server.url)
    server.flushdb()
    server.close()
    opened = open_stream(stream_redis_server.url)
    yield opened
    opened.close()


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(scenario())  # type: ignore[arg-type]


def random_updates(number: int, seed: int = 1, levels_each: int = 2) -> list[MarketDataUpdate]:
    """Return updates of NOVA, a fifth of them with a trade; some levels become 0."""
    choose = random.Random(seed)
    found = []
    for position in range(number):
        levels = [
            (choose.choice(["BUY", "SELL"]), choose.randint(900, 1100), choose.randint(0, 9))
            for _ in range(levels_each)
        ]
        trades = [(choose.randint(900, 1100), 1)] if choose.random() < 0.2 else []
        found.append(update(1 + position * 3, levels, trades))
    return found


def book_of(updates: list[MarketDataUpdate]) -> dict[tuple[str, str], str]:
    """Return what a book must be, worked out from the updates alone."""
    book: dict[tuple[str, str], str] = {}
    for told in updates:
        for level in told.levels:
            key = level.side, f"{level.price_ticks / 100:.2f}"
            book[key] = str(level.quantity_lots)
            if level.quantity_lots == 0:
                del book[key]
    return book


def test_a_snapshot_and_increments_give_the_book_without_a_gap(stream: EventStream) -> None:
    updates = random_updates(400)

    async def scenario() -> None:
        writer = FeedWriter(stream)
        writer.publish(*updates[:100])
        async with gateway(stream) as feed, client(feed.port) as reader:
            await reader.subscribe("book")
            snapshot = await reader.until("book_snapshot")
            assert snapshot["sequence"] == updates[99].sequence
            await asyncio.to_thread(writer.publish, *updates[100:])
            await reader.until("book_update", sequence=updates[-1].sequence)
            assert reader.books["NOVA"] == book_of(updates)

    run(scenario)


def test_what_the_stream_holds_twice_is_told_once(stream: EventStream) -> None:
    async def scenario() -> None:
        writer = FeedWriter(stream)
        async with gateway(stream) as feed, client(feed.port) as reader:
            await reader.subscribe("trades", "ticker", "book")
            once, after = update(1, [("SELL", 1000, 5)], [(1000, 1)]), update(2, [], [(1001, 2)])
            await asyncio.to_thread(writer.publish, once, once, after)
            await reader.until("trades_update", sequence=2)
            assert [trade["price"] for trade in reader.trades] == ["10.00", "10.01"]

    run(scenario)


def test_the_ticker_follows_best_prices_and_trades(stream: EventStream) -> None:
    async def scenario() -> None:
        writer = FeedWriter(stream)
        async with gateway(stream) as feed, client(feed.port) as reader:
            await reader.subscribe("ticker")
            writer.publish(
                update(1, [("BUY", 990, 5), ("BUY", 980, 5)]),
                update(2, [("BUY", 980, 9)]),  # behind the best price: no news
                update(3, [("SELL", 1010, 4)], [(1010, 3)]),
                update(4, [("BUY", 990, 0)], state="HALTED"),
            )
            last = await reader.until("ticker", sequence=4)
            assert [ticker["sequence"] for ticker in reader.tickers] == [0, 1, 3, 4]
            assert (last["bid"], last["ask"], last["last_price"]) == ("9.80", "10.10", "10.10")
            assert (last["state"], last["day_volume"]) == ("HALTED", "3")

    run(scenario)


def test_a_client_hears_only_what_it_asked_for_and_stops_hearing_it(stream: EventStream) -> None:
    async def scenario() -> None:
        writer = FeedWriter(stream)
        async with gateway(stream) as feed, client(feed.port) as reader:
            await reader.subscribe("book", symbols=("NOVA", "ORBT"))
            await reader.until("book_snapshot", symbol="ORBT")
            await reader.send(op="unsubscribe", channels=["book"], symbols=["NOVA"])
            await reader.until("subscribed", subscriptions=[["book", "ORBT"]])
            writer.publish(update(1, [("BUY", 990, 5)]))
            writer.publish(update(2, [("BUY", 400, 5)], instrument_id=3))
            await reader.until("book_update", symbol="ORBT")
            assert reader.books["NOVA"] == {}
            assert reader.books["ORBT"] == {("BUY", "20.00"): "50"}

    run(scenario)


@pytest.mark.parametrize(
    "text, code",
    [
        ("not json", "bad_message"),
        ("[]", "bad_message"),
        ('{"op": "buy"}', "bad_message"),
        ('{"op": "subscribe", "channels": ["book"]}', "bad_message"),
        ('{"op": "subscribe", "channels": ["all"], "symbols": ["NOVA"]}', "bad_message"),
        ('{"op": "subscribe", "channels": [], "symbols": []}', "bad_message"),
        ('{"op": "ping", "extra": 1}', "bad_message"),
        ('{"op": "subscribe", "channels": ["book"], "symbols": ["NOPE"]}', "unknown_symbol"),
        ("[" * 4000, "bad_message"),
    ],
)
def test_a_bad_message_is_answered_and_repeated_ends_the_connection(
    stream: EventStream, text: str, code: str
) -> None:
    async def scenario() -> None:
        async with gateway(stream) as feed, client(feed.port) as reader:
            for _ in range(5):
                await reader.connection.send(text)
                await reader.until("error", code=code)
            assert await reader.until_closed() == m.CLOSE_TOO_MANY_ERRORS

    run(scenario)


def test_too_large_and_too_many_messages_end_the_connection(stream: EventStream) -> None:
    async def closing_code(texts: list[str], port: int) -> int:
        async with client(port) as reader:
            for text in texts:
                await reader.connection.send(text)
            return await reader.until_closed()

    async def scenario() -> None:
        async with gateway(stream) as feed:
            assert await closing_code(["x" * 10_000], feed.port) == 1009
            pings = ['{"op": "ping"}'] * 200
            assert await closing_code(pings, feed.port) == m.CLOSE_TOO_MANY_MESSAGES

    run(scenario)


def test_a_client_that_does_not_read_is_dropped_and_others_are_not_held_up(
    stream: EventStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trades cannot be merged: who does not read them is dropped once the bound is passed."""
    monkeypatch.setattr(feed_client, "MAX_HELD_TRADES", 500)
    trades = [update(n, [], [(1000 + n % 50, 1)] * 40) for n in range(1, 3_001)]

    async def scenario() -> None:
        writer = FeedWriter(stream)
        async with (
            gateway(stream) as feed,
            client(feed.port) as reader,
            client(feed.port, max_queue=1) as idle,
        ):
            await idle.subscribe("trades")
            await reader.subscribe("trades")
            await reader.until("trades_snapshot")
            for start in range(0, len(trades), 100):
                chunk = trades[start : start + 100]
                await asyncio.to_thread(writer.publish, *chunk)
                await reader.until("trades_update", sequence=chunk[-1].sequence)
            assert len(reader.trades) == 40 * len(trades)
            assert json.loads((await http_get(feed.port, "/health"))[1])["clients"] == 1
            assert await idle.until_closed() in (m.CLOSE_SLOW_CONSUMER, 1006)
            assert len(idle.trades) < len(reader.trades)

    run(scenario)


def test_a_slow_client_gets_merged_changes_and_still_an_exact_book(stream: EventStream) -> None:
    updates = random_updates(8_000, seed=2, levels_each=40)

    async def scenario() -> None:
        writer = FeedWriter(stream)
        async with gateway(stream) as feed, client(feed.port, max_queue=1) as slow:
            await slow.subscribe("book")
            for start in range(0, len(updates), 1_000):
                await asyncio.to_thread(writer.publish, *updates[start : start + 1_000])
            await until_sequence(feed.port, updates[-1].sequence)
            while slow.sequences.get(("book", "NOVA"), 0) < updates[-1].sequence:
                await slow.receive()
            assert slow.books["NOVA"] == book_of(updates)
            assert slow.messages < len(updates)

    run(scenario)


async def until_sequence(port: int, sequence: int) -> None:
    async with asyncio.timeout(20):
        while json.loads((await http_get(port, "/health"))[1])["sequence"] < sequence:
            await asyncio.sleep(0.02)


def test_a_restart_goes_on_from_the_checkpoint(stream: EventStream, tmp_path: Path) -> None:
    updates = random_updates(300)

    async def scenario() -> None:
        writer = FeedWriter(stream)
        writer.publish(*updates[:200])
        async with gateway(stream, state=tmp_path) as feed:
            await until_sequence(feed.port, updates[199].sequence)
        writer.publish(*updates[200:])
        async with gateway(stream, state=tmp_path) as feed, client(feed.port) as reader:
            await reader.subscribe("book", "trades")
            snapshot = await reader.until("book_snapshot")
            assert snapshot["sequence"] == updates[-1].sequence
            assert reader.books["NOVA"] == book_of(updates)

    run(scenario)


@pytest.mark.parametrize("content", [b"", b"\x00" * 100, b"not a checkpoint"])
def test_a_damaged_checkpoint_is_left_aside(
    stream: EventStream, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "checkpoint.msgpack").write_bytes(content)
    updates = random_updates(20)

    async def scenario() -> None:
        FeedWriter(stream).publish(*updates)
        async with gateway(stream, state=tmp_path) as feed, client(feed.port) as reader:
            await reader.subscribe("book")
            await reader.until("book_snapshot")
            assert reader.books["NOVA"] == book_of(updates)

    run(scenario)


def test_a_checkpoint_of_another_stream_is_forgotten(
    stream: EventStream, stream_redis_server: Server, tmp_path: Path
) -> None:
    async def scenario() -> None:
        FeedWriter(stream).publish(*random_updates(50))
        async with gateway(stream, state=tmp_path) as feed:
            await until_sequence(feed.port, 148)
        server = redis.Redis.from_url(stream_redis_server.url)
        server.flushdb()
        server.close()
        anew = open_stream(stream_redis_server.url)
        FeedWriter(anew).publish(update(1, [("BUY", 500, 1)]))
        async with gateway(anew, state=tmp_path) as feed, client(feed.port) as reader:
            await reader.subscribe("book")
            await reader.until("book_snapshot")
            assert reader.books["NOVA"] == {("BUY", "5.00"): "1"}
        anew.close()

    run(scenario)


def test_a_message_that_is_no_update_is_passed_over_and_counted(stream: EventStream) -> None:
    async def scenario() -> None:
        writer = FeedWriter(stream)
        stream.writer("other", 1).publish([Message("market-data", 2, b"2", b'{"v":')])
        writer.publish(update(1, [("BUY", 500, 1)]))
        async with gateway(stream) as feed, client(feed.port) as reader:
            await reader.subscribe("book")
            await reader.until("book_snapshot", sequence=1)
            assert json.loads((await http_get(feed.port, "/health"))[1])["bad_messages"] == 1

    run(scenario)


def test_heartbeats_tell_that_the_connection_lives(stream: EventStream) -> None:
    async def scenario() -> None:
        async with gateway(stream) as feed, client(feed.port) as reader:
            await reader.until("heartbeat")
            await reader.send(op="ping")
            await reader.until("pong")

    run(scenario)


def test_only_so_many_clients_are_let_in(stream: EventStream) -> None:
    async def scenario() -> None:
        async with gateway(stream, max_clients=1) as feed, client(feed.port):
            with pytest.raises(InvalidStatus) as refused:
                async with client(feed.port):
                    pass
            assert refused.value.response.status_code == 503

    run(scenario)


def test_other_paths_are_not_found(stream: EventStream) -> None:
    async def scenario() -> None:
        async with gateway(stream) as feed:
            assert (await http_get(feed.port, "/"))[0] == 404

    run(scenario)


def test_the_gateway_stays_while_the_stream_is_away_and_goes_on_after(
    stream: EventStream, stream_redis_server: Server
) -> None:
    async def scenario() -> None:
        writer = FeedWriter(stream)
        writer.publish(update(1, [("BUY", 500, 1)]))
        async with gateway(stream) as feed, client(feed.port) as reader:
            await reader.subscribe("book")
            await reader.until("book_snapshot", sequence=1)
            await asyncio.to_thread(stream_redis_server.kill)
            async with asyncio.timeout(20):
                while (await http_get(feed.port, "/health"))[0] != 503:
                    await asyncio.sleep(0.05)
            await asyncio.to_thread(stream_redis_server.start)
            await asyncio.to_thread(writer.publish, update(2, [("BUY", 501, 1)]))
            await reader.until("book_update", sequence=2, prev=1)

    run(scenario)
