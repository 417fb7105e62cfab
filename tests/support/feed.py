"""The market-data gateway in this process, on a real stream, with clients that check the chain."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from hotpath.feed.config import Config
from hotpath.feed.gateway import Gateway
from shared.ports.event_stream import EventStream, Message
from shared.reference import instruments
from shared.wire.stream_events import (
    MARKET_DATA,
    PARTITIONS,
    LevelChange,
    MarketDataUpdate,
    MarketTrade,
    partition_of,
)

DEADLINE_S = 10.0


def update(
    sequence: int,
    levels: Iterable[tuple[str, int, int]] = (),
    trades: Iterable[tuple[int, int]] = (),
    instrument_id: int = 2,
    state: str = "",
) -> MarketDataUpdate:
    """Return an update: levels as (side, ticks, lots), trades as (ticks, lots)."""
    return MarketDataUpdate(
        shard=1,
        sequence=sequence,
        index=0,
        time_ns=1_780_000_000_000_000_000 + sequence,
        instrument_id=instrument_id,
        levels=[
            LevelChange(side=side, price_ticks=ticks, quantity_lots=lots)
            for side, ticks, lots in levels
        ],
        trades=[
            MarketTrade(
                trade_id=f"{sequence}{number}",
                price_ticks=ticks,
                quantity_lots=lots,
                aggressor_side="BUY",
            )
            for number, (ticks, lots) in enumerate(trades)
        ],
        state=state,
    )


def market_message(told: MarketDataUpdate) -> Message:
    key = told.instrument_id
    return Message(
        MARKET_DATA, partition_of(MARKET_DATA, key), str(key).encode(), msgspec.json.encode(told)
    )


class FeedWriter:
    """Publishes market data as the engine's publisher does."""

    def __init__(self, stream: EventStream) -> None:
        stream.ensure_topics({MARKET_DATA: PARTITIONS[MARKET_DATA]})
        self._writer = stream.writer("feed-test", 1)

    def publish(self, *updates: MarketDataUpdate) -> None:
        self._writer.publish([market_message(told) for told in updates])


@asynccontextmanager
async def gateway(
    stream: EventStream, *, state: Path | None = None, max_clients: int = 100
) -> AsyncIterator["Gateway"]:
    """Run a gateway on a free port; it has stopped and written its checkpoint at the end."""
    config = Config(
        stream_url="",
        host="127.0.0.1",
        port=0,
        checkpoint=state / "checkpoint.msgpack" if state else None,
        max_clients=max_clients,
        heartbeat_s=0.2,
        checkpoint_s=60.0,
    )
    found = Gateway(config, stream, instruments())
    stop, ready = asyncio.Event(), asyncio.Event()
    running = asyncio.create_task(found.run(stop, ready))
    try:
        await asyncio.wait_for(ready.wait(), DEADLINE_S)
        await until_ready(found.port)
        yield found
    finally:
        stop.set()
        await asyncio.wait_for(running, DEADLINE_S)


async def http_get(port: int, path: str) -> tuple[int, str]:
    """Return the status and body of a plain HTTP request to the gateway's port."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: feed\r\nConnection: close\r\n\r\n".encode())
    text = (await asyncio.wait_for(reader.read(), DEADLINE_S)).decode()
    writer.close()
    return int(text.split()[1]), text.partition("\r\n\r\n")[2]


async def until_ready(port: int) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while (await http_get(port, "/health"))[0] != 200:
            await asyncio.sleep(0.01)


class FeedClient:
    """A client that keeps books and checks each message's `prev` against what it holds."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.books: dict[str, dict[tuple[str, str], str]] = {}
        self.sequences: dict[tuple[str, str], int] = {}
        self.trades: list[dict[str, Any]] = []
        self.tickers: list[dict[str, Any]] = []
        self.others: list[dict[str, Any]] = []
        self.messages = 0

    async def send(self, **message: Any) -> None:
        await self.connection.send(json.dumps(message))

    async def subscribe(self, *channels: str, symbols: tuple[str, ...] = ("NOVA",)) -> None:
        await self.send(op="subscribe", channels=channels, symbols=symbols)

    async def receive(self) -> dict[str, Any]:
        """Take the next message and apply it; fail on a broken chain."""
        text = await asyncio.wait_for(self.connection.recv(), DEADLINE_S)
        message: dict[str, Any] = json.loads(text)
        self.messages += 1
        self._apply(message)
        return message

    async def until(self, kind: str, **fields: Any) -> dict[str, Any]:
        """Return the next message of a type that has these fields."""
        async with asyncio.timeout(DEADLINE_S):
            while True:
                message = await self.receive()
                if message["type"] == kind and fields.items() <= message.items():
                    return message

    async def until_closed(self) -> int:
        """Read until the gateway ends the connection; return its code, 1006 for none."""
        try:
            while True:
                await self.receive()
        except ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd else 1006

    def _apply(self, message: dict[str, Any]) -> None:
        kind, symbol = message["type"], message.get("symbol", "")
        channel = {"book_snapshot": "book", "book_update": "book"}.get(kind, kind.split("_")[0])
        if kind.endswith("_snapshot"):
            self.sequences[channel, symbol] = message["sequence"]
        elif "prev" in message:
            held = self.sequences.get((channel, symbol), 0)
            first = channel == "ticker" and message["prev"] == 0
            assert first or message["prev"] == held, (message, held)
            assert first or message["sequence"] > held
            self.sequences[channel, symbol] = message["sequence"]
        if kind == "book_snapshot":
            self.books[symbol] = {
                (side, price): quantity
                for side, levels in (("BUY", message["bids"]), ("SELL", message["asks"]))
                for price, quantity in levels
            }
        elif kind == "book_update":
            for side, price, quantity in message["levels"]:
                self.books[symbol][side, price] = quantity
                if quantity == "0":
                    del self.books[symbol][side, price]
        elif channel == "trades":
            self.trades += message["trades"]
        elif kind == "ticker":
            self.tickers.append(message)
        else:
            self.others.append(message)


@asynccontextmanager
async def client(port: int, **options: Any) -> AsyncIterator[FeedClient]:
    address = f"ws://127.0.0.1:{port}/ws/market-data"
    async with connect(address, max_size=None, compression=None, **options) as connection:
        yield FeedClient(connection)
