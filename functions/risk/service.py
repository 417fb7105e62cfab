"""The use cases of risk: keep positions, show them, decide limits, raise alerts."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from functions.risk import alerts, limits, positions, store
from functions.risk.hot_positions import HotPositions
from functions.risk.limits import KnownLimits, Limits
from functions.risk.positions import Position
from functions.risk.store import LastPrice
from shared.ports.engine import Engine
from shared.postgres.outbox import SendReport
from shared.postgres.pool import PoolSource
from shared.postgres.unit_of_work import UnitOfWork
from shared.wire.stream_events import RiskEvent, TradeExecution


@dataclass(frozen=True, slots=True)
class PositionReport:
    """An account's positions, last prices by instrument, and whether the hot copy had them."""

    positions: Sequence[Position]
    last_prices: dict[int, int]
    from_hot_copy: bool


class RiskService:
    """Use cases over one database, the hot copy and one engine."""

    def __init__(self, source: PoolSource, hot: HotPositions, engine: Callable[[], Engine]) -> None:
        self._source = source
        self._hot = hot
        self._engine = engine

    def apply_trades(self, trades: Sequence[TradeExecution]) -> int:
        """Take trades into both sides' positions, once each; return how many were new."""
        with UnitOfWork(self._source) as uow:
            fresh = store.claim_trades(uow, trades)
            keys = {key for trade in trades for key in _sides(trade)}
            held = store.lock_positions(uow, keys)
            for trade in fresh:
                buyer, seller = _sides(trade)
                lots, price = trade.quantity_lots, trade.price_ticks
                held[buyer] = positions.traded(held[buyer], lots, price)
                held[seller] = positions.traded(held[seller], -lots, price)
            prices = _newest_prices(trades)
            if fresh:
                store.update_positions(uow, list(held.values()))
                store.update_last_prices(uow, prices)
            uow.commit()
        self._hot.put(held.values(), prices)
        return len(fresh)

    def apply_risk_events(self, events: Sequence[RiskEvent]) -> int:
        """Take deposits into positions and raise alerts, once each; return how many were new."""
        with UnitOfWork(self._source) as uow:
            fresh = store.claim_events(uow, events)
            alerts.store_alerts(uow, fresh)
            told = [event for event in fresh if event.type == "LIMITS" and event.limits]
            limits.store_engine_limits(uow, told)
            changed = self._apply_deposits(uow, alerts.deposits(fresh))
            uow.commit()
        self._hot.put(changed, [])
        return len(fresh)

    def report(self, account_id: int) -> PositionReport:
        """Return an account's positions from the hot copy, or from PostgreSQL, refilling it."""
        hot = self._hot.get(account_id)
        if hot is not None:
            return PositionReport(hot, self._hot.prices(), from_hot_copy=True)
        with UnitOfWork(self._source) as uow:
            stored = store.positions_of(uow, account_id)
            last_prices = store.last_prices(uow)
        self._hot.fill(account_id, stored, last_prices.values())
        ticks = {number: price.price_ticks for number, price in last_prices.items()}
        return PositionReport(stored, ticks, from_hot_copy=False)

    def limits(self, account_id: int) -> KnownLimits | None:
        """Return an account's newest limits, or None when none are known."""
        with UnitOfWork(self._source) as uow:
            return limits.limits_of(uow, account_id)

    def set_limits(
        self, account_id: int, wanted: Limits, decided_by: str, traceparent: str
    ) -> SendReport:
        """Decide limits and send them; what the engine does not take now is sent later."""
        with UnitOfWork(self._source) as uow:
            limits.decide_limits(uow, account_id, wanted, decided_by, traceparent)
            uow.commit()
        return limits.send_decided(self._source, self._engine, account_id)

    def resend(self) -> SendReport:
        """Send the limits that the engine has not answered."""
        return limits.send_decided(self._source, self._engine)

    def _apply_deposits(self, uow: UnitOfWork, events: Sequence[RiskEvent]) -> list[Position]:
        if not events:
            return []
        held = store.lock_positions(
            uow, {(int(event.account_id), event.instrument_id) for event in events}
        )
        for event in events:
            key = int(event.account_id), event.instrument_id
            held[key] = positions.deposited(held[key], event.delta)
        store.update_positions(uow, list(held.values()))
        return list(held.values())


def _sides(trade: TradeExecution) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return the (account, instrument) of the buyer and of the seller."""
    return (
        (int(trade.buy_account_id), trade.instrument_id),
        (int(trade.sell_account_id), trade.instrument_id),
    )


def _newest_prices(trades: Sequence[TradeExecution]) -> list[LastPrice]:
    newest: dict[int, LastPrice] = {}
    for trade in trades:
        known = newest.get(trade.instrument_id)
        if known is None or int(trade.trade_id) > known.trade_id:
            newest[trade.instrument_id] = LastPrice(
                trade.instrument_id, trade.price_ticks, int(trade.trade_id)
            )
    return list(newest.values())
