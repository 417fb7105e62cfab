"""What one command changed in the public markets: displayed levels, trades, sessions, auctions."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from hotpath.runtime.publisher.told import Told
from shared.domain import names
from shared.domain import records as r
from shared.domain.events import EngineEvent
from shared.domain.reject_codes import CancelReason
from shared.wire import stream_events as s

SIDES: Final = names.SIDES
# A journal that was carried over begins with events of rules 1, which do not flag orders that left
# without having stood in the book; these reasons say it.
_OUTSIDE_THE_BOOK: Final = (
    CancelReason.IOC_REMAINDER,
    CancelReason.NO_LIQUIDITY,
    CancelReason.TOO_MANY_TRADES,
)


@dataclass
class _Changes:
    """What a command did to one instrument; `first` is the first event that did any of it."""

    first: EngineEvent
    levels: list[s.LevelChange] = field(default_factory=list)
    trades: list[s.MarketTrade] = field(default_factory=list)
    state: str = ""
    auction: s.Auction | None = None


def market_updates(told: Told) -> Iterator[s.MarketDataUpdate]:
    """Yield one update for each public market that the command changed."""
    by_instrument: dict[int, _Changes] = {}
    for event in told.events:
        levels = level_changes(event)
        if not (levels or event.kind in _PUBLIC):
            continue
        changes = by_instrument.setdefault(event.instrument_id, _Changes(event))
        changes.levels += levels
        if event.kind == r.TRADE_EXECUTED:
            changes.trades.append(_public_trade(told, event))
        elif event.kind in (r.INDICATIVE_PRICE, r.UNCROSSED):
            changes.auction = _auction(event)
        elif event.kind in (r.INSTRUMENT_ADDED, r.INSTRUMENT_STATE_CHANGED):
            changes.state = state_of(event)
    for changes in by_instrument.values():
        yield s.MarketDataUpdate(
            shard=told.shard,
            sequence=changes.first.sequence,
            index=changes.first.index,
            time_ns=changes.first.time_ns,
            instrument_id=changes.first.instrument_id,
            levels=changes.levels,
            trades=changes.trades,
            state=changes.state,
            auction=changes.auction,
            trace_id=told.trace_id,
        )


_PUBLIC: Final = (
    r.TRADE_EXECUTED,
    r.INSTRUMENT_ADDED,
    r.INSTRUMENT_STATE_CHANGED,
    r.INDICATIVE_PRICE,
    r.UNCROSSED,
)


def aggressor_side(event: EngineEvent) -> str:
    """Return which side of a trade took; nobody does at an uncross."""
    return names.NO_AGGRESSOR if event.flags & r.FLAG_AUCTION else SIDES[event.side]


def state_of(event: EngineEvent) -> str:
    """Return the name of the session that an event began."""
    if event.kind == r.INSTRUMENT_ADDED:
        return names.SESSIONS[r.SESSION_CONTINUOUS]
    return names.SESSIONS.get(event.quantity_lots, str(event.quantity_lots))


def _auction(event: EngineEvent) -> s.Auction:
    return s.Auction(
        price_ticks=event.price_ticks,
        quantity_lots=event.quantity_lots,
        surplus_lots=event.words[r.E_LEAVES],
        is_final=event.kind == r.UNCROSSED,
    )


def _public_trade(told: Told, event: EngineEvent) -> s.MarketTrade:
    return s.MarketTrade(
        trade_id=told.trade_id(event),
        price_ticks=event.price_ticks,
        quantity_lots=event.quantity_lots,
        aggressor_side=aggressor_side(event),
    )


def level_changes(event: EngineEvent) -> list[s.LevelChange]:
    """Return what is displayed now at the price levels that an event touched."""
    side, words = event.side, event.words
    if event.kind == r.TRADE_EXECUTED:  # it took from the other side
        side = r.SELL if side == r.BUY else r.BUY
    elif event.kind == r.ORDER_REPLACED:
        return _moved(event)
    return [_level(side, event.price_ticks, words[r.E_LEVEL_LOTS])] if _tells(event) else []


def _tells(event: EngineEvent) -> bool:
    """Say whether an event tells what is displayed at its price."""
    if event.kind in (r.ORDER_RESTED, r.ORDER_REPLENISHED, r.LEVEL_CHANGED):
        return True
    if event.kind == r.TRADE_EXECUTED:
        return not event.flags & r.FLAG_AUCTION  # LEVEL_CHANGED follows
    if event.kind == r.ORDER_ACCEPTED:
        return event.is_resting
    if event.kind in (r.ORDER_CANCELLED, r.ORDER_EXPIRED, r.ORDER_REDUCED):
        outside = event.kind == r.ORDER_CANCELLED and event.code in _OUTSIDE_THE_BOOK
        return not (outside or event.flags & r.FLAG_WAITING)
    return False


def _moved(event: EngineEvent) -> list[s.LevelChange]:
    """Return the level that a replaced order left, and the one it came to."""
    words = event.words
    old = _level(event.side, words[r.E_OLD_PRICE], words[r.E_OLD_LEVEL_LOTS])
    if not event.is_resting:
        return [old]
    now = _level(event.side, event.price_ticks, words[r.E_LEVEL_LOTS])
    return [now] if old.price_ticks == now.price_ticks else [old, now]


def _level(side: int, price_ticks: int, quantity_lots: int) -> s.LevelChange:
    return s.LevelChange(side=SIDES[side], price_ticks=price_ticks, quantity_lots=quantity_lots)
