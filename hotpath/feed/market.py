"""One instrument's public market, built from absolute level totals: book, trades, day's figures."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from shared.domain.names import CALLS
from shared.wire.stream_events import Auction, LevelChange, MarketDataUpdate, MarketTrade

RECENT_TRADES: Final = 50
_DAY_NS: Final = 86_400_000_000_000


@dataclass(slots=True)
class BookSide:
    """Displayed lots by price. The best price is kept, and sought again only when it is taken."""

    is_bid: bool
    lots: dict[int, int] = field(default_factory=dict)
    best: int | None = None

    def set(self, price_ticks: int, quantity_lots: int) -> None:
        """Give a level its new total; 0 removes it."""
        if quantity_lots > 0:
            self.lots[price_ticks] = quantity_lots
            if self.best is None or (price_ticks > self.best) == self.is_bid:
                self.best = price_ticks
            return
        self.lots.pop(price_ticks, None)
        if price_ticks == self.best:
            pick = max if self.is_bid else min
            self.best = pick(self.lots) if self.lots else None

    def levels(self) -> list[tuple[int, int]]:
        """Return (price, lots), best first."""
        return sorted(self.lots.items(), reverse=self.is_bid)

    def top(self) -> tuple[int, int] | None:
        return None if self.best is None else (self.best, self.lots[self.best])


@dataclass(slots=True)
class Day:
    """What traded on one UTC day."""

    number: int = 0
    volume_lots: int = 0
    high_ticks: int = 0
    low_ticks: int = 0

    def add(self, trade: MarketTrade, time_ns: int) -> None:
        number = time_ns // _DAY_NS
        if number != self.number:
            self.number, self.volume_lots = number, 0
            self.high_ticks = self.low_ticks = trade.price_ticks
        self.volume_lots += trade.quantity_lots
        self.high_ticks = max(self.high_ticks, trade.price_ticks)
        self.low_ticks = min(self.low_ticks, trade.price_ticks)


@dataclass(frozen=True, slots=True)
class Change:
    """What one update did: `prev` of each channel is None where that channel has no news."""

    update: MarketDataUpdate
    levels: list[LevelChange]  # those whose displayed total is another than before, once each
    book_prev: int | None
    trades_prev: int | None
    ticker_prev: int | None


@dataclass(slots=True)
class Market:
    """The market of one instrument after `sequence`; each channel has its own newest sequence."""

    instrument_id: int
    bids: BookSide = field(default_factory=lambda: BookSide(is_bid=True))
    asks: BookSide = field(default_factory=lambda: BookSide(is_bid=False))
    state: str = ""
    auction: Auction | None = None  # what an uncross would do, as it was last published
    sequence: int = 0
    book_sequence: int = 0
    trades_sequence: int = 0
    ticker_sequence: int = 0
    time_ns: int = 0
    recent: deque[tuple[int, MarketTrade]] = field(
        default_factory=lambda: deque(maxlen=RECENT_TRADES)
    )
    day: Day = field(default_factory=Day)

    def apply(self, update: MarketDataUpdate) -> Change | None:
        """Apply an update; None for one that is not newer, which the stream may hold twice."""
        if update.sequence <= self.sequence:
            return None
        before = self._ticker_facts()
        levels = self._set_levels(update.levels)
        for trade in update.trades:
            self.recent.append((update.time_ns, trade))
            self.day.add(trade, update.time_ns)
        self.state = update.state or self.state
        self._set_auction(update)
        moved = update.trades or before != self._ticker_facts()
        change = Change(
            update,
            levels,
            self.book_sequence if levels or update.state else None,
            self.trades_sequence if update.trades else None,
            self.ticker_sequence if moved else None,
        )
        self.sequence, self.time_ns = update.sequence, update.time_ns
        self.book_sequence = self.sequence if change.book_prev is not None else self.book_sequence
        if change.trades_prev is not None:
            self.trades_sequence = self.sequence
        if change.ticker_prev is not None:
            self.ticker_sequence = self.sequence
        return change

    def _ticker_facts(self) -> tuple[object, ...]:
        return self.bids.top(), self.asks.top(), self.state, self.auction

    def _set_auction(self, update: MarketDataUpdate) -> None:
        """Keep an indicative outcome for as long as the call goes on."""
        if update.auction is not None:
            self.auction = None if update.auction.is_final else update.auction
        if self.state not in CALLS:
            self.auction = None

    def _set_levels(self, levels: Iterable[LevelChange]) -> list[LevelChange]:
        """Take new totals; return those that differ from before. Others tell of hidden orders."""
        before: dict[tuple[str, int], int] = {}
        for level in levels:
            side = self.bids if level.side == "BUY" else self.asks
            before.setdefault((level.side, level.price_ticks), side.lots.get(level.price_ticks, 0))
            side.set(level.price_ticks, level.quantity_lots)
        changed = []
        for (name, price_ticks), lots in before.items():
            now = (self.bids if name == "BUY" else self.asks).lots.get(price_ticks, 0)
            if now != lots:
                changed.append(LevelChange(side=name, price_ticks=price_ticks, quantity_lots=now))
        return changed
