"""One connected client: what it subscribed to, and what it gets when it reads slowly.

A message is framed once and its bytes are written to every subscriber's transport: the frames of a
server without compression are the same for all. The transport's own buffer is the client's queue.
Above HIGH_WATER the client is behind. Book and ticker changes are then merged into one update per
symbol until it has read on, and trades, which cannot be merged, are held up to a bound. A client
that stays behind, or passes the bound, is dropped.
"""

import asyncio
from dataclasses import dataclass, field
from typing import Final

from websockets.asyncio.server import ServerConnection
from websockets.frames import Frame, Opcode
from websockets.protocol import State

from hotpath.feed import messages as m
from hotpath.feed import render
from hotpath.feed.market import Change, Market
from shared.domain.instruments import Instrument

HIGH_WATER: Final = 256 * 1024  # bytes that wait in the transport before a client counts as behind
LOW_WATER: Final = 64 * 1024
MAX_HELD_TRADES: Final = 20_000  # messages; their bytes are shared by all who wait for them
MAX_BEHIND_S: Final = 10.0

Subscription = tuple[m.Channel, int]  # channel and instrument id


def frame(message: m.ServerMessage) -> bytes:
    """Return a message as the bytes of one WebSocket text frame."""
    return Frame(Opcode.TEXT, m.encode(message)).serialize(mask=False)


@dataclass(slots=True)
class HeldBook:
    """Book changes that a slow client has yet to get, merged: the newest total of each level."""

    prev: int
    levels: dict[tuple[str, int], int] = field(default_factory=dict)


@dataclass(slots=True)
class Held:
    """What waits for a slow client, per instrument."""

    books: dict[int, HeldBook] = field(default_factory=dict)
    tickers: dict[int, int] = field(default_factory=dict)  # instrument → `prev` of the first change
    trades: list[tuple[int, bytes]] = field(default_factory=list)  # instrument and frame


class Client:
    """A connection with its subscriptions; used by the event loop's thread alone."""

    def __init__(self, connection: ServerConnection, now_s: float) -> None:
        self.connection = connection
        self.subscriptions: set[Subscription] = set()
        self.faults = 0
        self._held = Held()
        self._behind_since_s: float | None = None
        self._message_window = (now_s, 0)

    @property
    def is_behind(self) -> bool:
        return self._behind_since_s is not None

    def count_message(self, now_s: float) -> int:
        """Count a message that came from the client; return how many came in this second."""
        start_s, number = self._message_window
        if now_s - start_s >= 1.0:
            start_s, number = now_s, 0
        self._message_window = (start_s, number + 1)
        return number + 1

    def write(self, framed: bytes) -> None:
        """Write a frame at once; what the peer does not take stays in the transport's buffer."""
        if self.connection.protocol.state is not State.OPEN:
            return
        transport = self.connection.transport
        transport.write(framed)
        if not self.is_behind and transport.get_write_buffer_size() > HIGH_WATER:
            self._behind_since_s = asyncio.get_running_loop().time()

    def hold_book(self, change: Change) -> None:
        """Merge a book change into what the client gets when it has read on."""
        assert change.book_prev is not None
        update = change.update
        held = self._held.books.setdefault(update.instrument_id, HeldBook(change.book_prev))
        for level in change.levels:
            held.levels[level.side, level.price_ticks] = level.quantity_lots

    def hold_ticker(self, change: Change) -> None:
        assert change.ticker_prev is not None
        self._held.tickers.setdefault(change.update.instrument_id, change.ticker_prev)

    def hold_trades(self, change: Change, framed: bytes) -> None:
        self._held.trades.append((change.update.instrument_id, framed))

    def forget(self, subscription: Subscription) -> None:
        """Drop what is held for a subscription that ended or starts anew."""
        channel, instrument_id = subscription
        if channel == "book":
            self._held.books.pop(instrument_id, None)
        elif channel == "ticker":
            self._held.tickers.pop(instrument_id, None)
        else:
            self._held.trades = [item for item in self._held.trades if item[0] != instrument_id]

    def is_lost(self, now_s: float) -> bool:
        """Return whether the client is too far behind to be kept."""
        if self._behind_since_s is None:
            return False
        too_long = now_s - self._behind_since_s > MAX_BEHIND_S
        return too_long or len(self._held.trades) > MAX_HELD_TRADES

    def catch_up(self, markets: dict[int, tuple[Instrument, Market]]) -> None:
        """Write what is held once the client has read most of what was written."""
        if self._behind_since_s is None:
            return
        if self.connection.transport.get_write_buffer_size() > LOW_WATER:
            return
        held, self._held, self._behind_since_s = self._held, Held(), None
        for _, framed in held.trades:
            self.write(framed)
        for instrument_id, book in held.books.items():
            self.write(frame(_merged(*markets[instrument_id], book)))
        for instrument_id, prev in held.tickers.items():
            self.write(frame(render.ticker(*markets[instrument_id], prev)))


def _merged(instrument: Instrument, market: Market, held: HeldBook) -> m.BookUpdate:
    return m.BookUpdate(
        symbol=instrument.symbol,
        sequence=market.book_sequence,
        prev=held.prev,
        time_ns=market.time_ns,
        state=market.state,
        levels=[
            render.level_update(instrument, side, ticks, lots)
            for (side, ticks), lots in held.levels.items()
        ],
    )
