"""The use cases of market data: write trades as they happen, tell the market to anyone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from functions.marketdata import store
from functions.marketdata.store import CandleRow, Totals, TradeRow
from shared.ports.engine import BookView, Engine, EngineError
from shared.postgres.pool import PoolSource
from shared.postgres.unit_of_work import UnitOfWork
from shared.wire.stream_events import TradeExecution

STATISTICS_SPAN = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Market:
    """An instrument's market: the newest trade, 24 hours of statistics, the top of the book."""

    last: TradeRow | None
    totals: Totals
    book: BookView | None  # None: the engine cannot be reached, or does not know the instrument


class MarketDataService:
    """Use cases over one database and one engine.

    Trades and statistics come from the database. The book is asked of the engine, which is the only
    one that knows it now; a copy in the database would be older and no cheaper.
    """

    def __init__(self, source: PoolSource, engine: Callable[[], Engine]) -> None:
        self._source = source
        self._engine = engine
        self._months: set[tuple[int, int]] = set()

    def write_trades(self, trades: Sequence[TradeExecution]) -> int:
        """Store trades and their candles; those stored already change nothing."""
        months = {(at.year, at.month): at for at in (store.instant(t.time_ns) for t in trades)}
        with UnitOfWork(self._source) as uow:
            for month, at in months.items():
                if month not in self._months:
                    store.ensure_partitions(uow, at)
            written = store.insert_trades(uow, trades)
            uow.commit()
        self._months |= months.keys()
        return written

    def market(self, instrument_id: int, now: datetime) -> Market:
        with UnitOfWork(self._source) as uow:
            newest = store.newest_trades(uow, instrument_id, 1)
            totals = store.totals_since(uow, instrument_id, now - STATISTICS_SPAN)
        try:
            book = self._engine().book(instrument_id, 1)
        except EngineError:
            book = None
        return Market(newest[0] if newest else None, totals, book)

    def candles(
        self, instrument_id: int, interval: str, start: datetime, end: datetime, limit: int
    ) -> list[CandleRow]:
        with UnitOfWork(self._source) as uow:
            return store.candles(uow, instrument_id, interval, start, end, limit)

    def trades(self, instrument_id: int, limit: int, before: int | None) -> list[TradeRow]:
        with UnitOfWork(self._source) as uow:
            return store.newest_trades(uow, instrument_id, limit, before)

    def book(self, instrument_id: int, depth: int) -> BookView | None:
        """Return the book, or None when the engine does not know the instrument.

        Raises
        ------
        EngineError
            It cannot be reached.
        """
        return self._engine().book(instrument_id, depth)
