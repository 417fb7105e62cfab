"""A WebSocket client of the market-data feed that checks what it is told."""

import asyncio
import contextlib
import json
import time
from dataclasses import dataclass, field
from typing import Any, Self

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed


@dataclass(slots=True)
class Heard:
    """What came over the WebSocket for one symbol; the book's prices are decimal strings."""

    symbol: str
    messages: int = 0
    trades: int = 0
    traded_quantity: int = 0
    gaps: int = 0
    last_sequence: int = 0
    latency_ns: list[int] = field(default_factory=list)  # engine's stamp to receipt here
    books: dict[str, dict[str, str]] = field(default_factory=lambda: {"BUY": {}, "SELL": {}})

    def set_level(self, side: str, price: str, quantity: str) -> None:
        if quantity == "0":
            self.books[side].pop(price, None)
        else:
            self.books[side][price] = quantity


class Listener:
    """Subscribes to one symbol's book and trades until it is left."""

    def __init__(self, feed_url: str, symbol: str) -> None:
        self.heard = Heard(symbol)
        self._url = feed_url
        self._ready = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._listen())
        await asyncio.wait_for(self._ready.wait(), timeout=20)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError, ConnectionClosed):
            await self._task

    async def reach(self, sequence: int, timeout_s: float = 20.0) -> None:
        """Wait until the journal's `sequence` has been heard of; raise TimeoutError."""
        async with asyncio.timeout(timeout_s):
            while self.heard.last_sequence < sequence:
                await asyncio.sleep(0.01)

    async def _listen(self) -> None:
        async with connect(self._url) as socket:
            subscription = {
                "op": "subscribe",
                "channels": ["book", "trades"],
                "symbols": [self.heard.symbol],
            }
            await socket.send(json.dumps(subscription))
            async for text in socket:
                self._take(json.loads(text), time.time_ns())

    def _take(self, message: dict[str, Any], now_ns: int) -> None:
        heard = self.heard
        match message["type"]:
            case "book_snapshot":
                heard.books = {
                    "BUY": {level[0]: level[1] for level in message["bids"]},
                    "SELL": {level[0]: level[1] for level in message["asks"]},
                }
                heard.last_sequence = message["sequence"]
                self._ready.set()
            case "book_update":
                heard.messages += 1
                heard.gaps += message["prev"] != heard.last_sequence
                heard.last_sequence = message["sequence"]
                heard.latency_ns.append(now_ns - message["time_ns"])
                for side, price, quantity in message["levels"]:
                    heard.set_level(side, price, quantity)
            case "trades_update":
                heard.trades += len(message["trades"])
                heard.traded_quantity += sum(int(trade["quantity"]) for trade in message["trades"])
