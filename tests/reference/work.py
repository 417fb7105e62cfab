"""What follows from a command, a bounded part at a time: sweeps, woken orders, stops, pegs."""

from collections.abc import Callable

from shared.domain import records as r
from shared.domain.reject_codes import ExpiryReason
from tests.reference import entering, leaving, pegs, stops
from tests.reference.model import LINKED, Market, Order, Sweep

Step = Callable[[], None]


def go_on(market: Market) -> None:
    """Do at most `max_work` steps; say so if more remain."""
    for _ in range(market.settings.max_work):
        step = _next_step(market)
        if step is None:
            market.work_remains = False
            return
        step()
    market.work_remains = _next_step(market) is not None
    if market.work_remains:
        market.emit(r.WORK_REMAINS, 0, 0, [])


def selected(market: Market, sweep: Sweep) -> list[Order]:
    """Return the orders that a sweep still has to take off: account by account, instrument by
    instrument, newest first; those of a session only newest first."""
    found = [order for order in market.orders.values() if _matches(market, sweep, order)]
    found.sort(key=lambda order: order.accepted, reverse=True)
    if sweep.session is None:
        found.sort(key=lambda order: _owner(market, order))
    return found


def _owner(market: Market, order: Order) -> tuple[int, int]:
    """Return when an order's account and instrument were added."""
    return market.accounts[order.account_id].added_by, market.instrument_of(order).added_by


def _matches(market: Market, sweep: Sweep, order: Order) -> bool:
    account = market.accounts[order.account_id]
    wanted = (
        (sweep.account_id, order.account_id),
        (sweep.group, account.group),
        (sweep.instrument_id, order.instrument_id),
        (sweep.side, order.side),
        (sweep.session, order.session),
    )
    if order.accepted > sweep.accepted_until or any(w not in (None, has) for w, has in wanted):
        return False
    if sweep.session is not None and not order.has(r.ORDER_CANCEL_ON_DISCONNECT):
        return False
    if sweep.expired_at is not None:
        return order.time_in_force == r.GTD and order.expiry_ns <= sweep.expired_at
    return not sweep.times_in_force or order.time_in_force in sweep.times_in_force


def _next_step(market: Market) -> Step | None:
    """Return the next thing to do: first what leaves, then what wakes, triggers, follows."""
    while market.sweeps:
        sweep = market.sweeps[0]
        found = selected(market, sweep)
        if found:
            return lambda: leaving.cancel(market, found[0], sweep.reason, sweep.expires)
        market.sweeps.pop(0)
    for instrument in sorted(market.instruments.values(), key=lambda i: i.instrument_id):
        if instrument.session != r.SESSION_CONTINUOUS:
            continue
        woken = _woken(market, instrument.instrument_id)
        if woken:
            return lambda: entering.begin(market, woken[0])
        due = stops.due(market, instrument)
        if due:
            return lambda: stops.trigger(market, due[0])
        stops.forget_extremes(instrument)
        stale = pegs.stale(market, instrument)
        if stale:
            return lambda: pegs.follow(market, stale[0])
    return None


def _woken(market: Market, instrument_id: int) -> list[Order]:
    woken = [
        order
        for order in market.orders.values()
        if order.instrument_id == instrument_id and order.place == LINKED and order.ready
    ]
    return sorted(woken, key=lambda order: order.priority)


def sweep_away(market: Market, sweep: Sweep) -> int:
    """Let orders leave after the command's own event; return how many there are."""
    market.sweeps.append(sweep)
    return len(selected(market, sweep))


def expire_times(market: Market, instrument_id: int) -> None:
    """Let GTD orders expire whose time has come."""
    market.sweeps.append(
        Sweep(
            accepted_until=market.next_priority,
            reason=ExpiryReason.TIME_REACHED,
            instrument_id=instrument_id or None,
            expired_at=market.time_ns,
            expires=True,
        )
    )


def expire_day(market: Market, instrument_id: int) -> None:
    """Let the orders of the day expire."""
    market.sweeps.append(
        Sweep(
            accepted_until=market.next_priority,
            reason=ExpiryReason.DAY_OVER,
            instrument_id=instrument_id,
            times_in_force=(r.DAY, r.AT_OPEN, r.AT_CLOSE, r.IOC, r.FOK),
            expires=True,
        )
    )
