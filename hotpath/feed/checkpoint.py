"""The gateway's checkpoint: markets and stream positions, so that a restart reads only the rest."""

import os
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from hotpath.feed.market import RECENT_TRADES, BookSide, Day, Market
from hotpath.feed.source import Positions
from shared.wire.stream_events import Auction, MarketTrade

VERSION: Final = 1


class _SavedMarket(msgspec.Struct):
    instrument_id: int
    bids: dict[int, int]
    asks: dict[int, int]
    state: str
    sequence: int
    book_sequence: int
    trades_sequence: int
    ticker_sequence: int
    time_ns: int
    recent: list[tuple[int, MarketTrade]]
    day: tuple[int, int, int, int]
    auction: Auction | None = None


class _Saved(msgspec.Struct):
    version: int
    positions: dict[int, int]
    markets: list[_SavedMarket]


def encode(markets: Mapping[int, Market], positions: Positions) -> bytes:
    """Return the checkpoint's bytes; called in the event loop, so all of it is of one moment."""
    saved = [
        _SavedMarket(
            market.instrument_id,
            market.bids.lots,
            market.asks.lots,
            market.state,
            market.sequence,
            market.book_sequence,
            market.trades_sequence,
            market.ticker_sequence,
            market.time_ns,
            list(market.recent),
            (
                market.day.number,
                market.day.volume_lots,
                market.day.high_ticks,
                market.day.low_ticks,
            ),
            market.auction,
        )
        for market in markets.values()
    ]
    return msgspec.msgpack.encode(_Saved(VERSION, positions, saved))


def write(file: Path, content: bytes) -> None:
    """Replace the checkpoint in one step; a crash leaves the old one."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_suffix(".new")
    with draft.open("wb") as handle:
        handle.write(content)
        handle.flush()
        os.fsync(handle.fileno())
    draft.replace(file)


def read(file: Path) -> tuple[dict[int, Market], Positions] | None:
    """Return the markets and positions of a checkpoint; None for none, an old or a damaged one."""
    try:
        saved = msgspec.msgpack.decode(file.read_bytes(), type=_Saved)
    except (FileNotFoundError, msgspec.DecodeError):
        return None
    if saved.version != VERSION:
        return None
    return {item.instrument_id: _market(item) for item in saved.markets}, saved.positions


def _market(saved: _SavedMarket) -> Market:
    return Market(
        instrument_id=saved.instrument_id,
        bids=BookSide(True, saved.bids, max(saved.bids, default=None)),
        asks=BookSide(False, saved.asks, min(saved.asks, default=None)),
        state=saved.state,
        sequence=saved.sequence,
        book_sequence=saved.book_sequence,
        trades_sequence=saved.trades_sequence,
        ticker_sequence=saved.ticker_sequence,
        time_ns=saved.time_ns,
        recent=deque(saved.recent, maxlen=RECENT_TRADES),
        day=Day(*saved.day),
        auction=saved.auction,
    )
