"""Tells an event in words, as the specification's tables write it."""

from collections.abc import Callable
from typing import Any

from shared.domain import records as r
from shared.domain.reject_codes import CancelReason, ExpiryReason, PriceLimit, RejectCode

Event = tuple[int, ...]
SESSIONS = {
    value: name.removeprefix("SESSION_").lower()
    for name, value in vars(r).items()
    if name.startswith("SESSION_")
}
NAMES: dict[int, str] = {
    r.LIMITS_CHANGED: "limits",
    r.ACCOUNT_STATE_CHANGED: "account state",
    r.DAY_ENDED: "day",
    r.ORDERS_EXPIRING: "expiring",
    r.INSTRUMENT_CHANGED: "instrument",
    r.FEE_TIER_CHANGED: "tier",
    r.TICK_TABLE_CHANGED: "ticks",
    r.ACCOUNT_TERMS_CHANGED: "terms",
    r.KILL_SWITCH_CHANGED: "kill",
    r.THROTTLE_CHANGED: "throttle",
    r.WORK_REMAINS: "work remains",
}


def order_name(number: int) -> str:
    return f"{'?ABCDEFGH'[number >> 32]}{number & 0xFFFFFFFF}"


def tell(event: Event) -> str:
    """Return one event in words."""
    kind, code, flags = event[0] & 0xFF, event[0] >> 16 & 0xFFFF, event[0] >> 32 & 0xFFFF
    if kind in _TELLERS:
        return _TELLERS[kind](event, code, flags)
    return NAMES.get(kind, f"event {kind}")


def _rejected(event: Event, code: int, flags: int) -> str:
    return f"REJECTED {RejectCode(code).name}"


def _accepted(event: Event, code: int, flags: int) -> str:
    text = f"{order_name(event[1])} accepted {event[4]}@{event[3]}"
    if flags & r.FLAG_WAITING:
        return text + " waits"
    return text + (f" level {event[7]}" if flags & r.FLAG_RESTING else "")


def _trade(event: Event, code: int, flags: int) -> str:
    text = f"{order_name(event[1])} x {order_name(event[6])} {event[4]}@{event[3]}"
    text += f" level {event[7]}" if not flags & r.FLAG_AUCTION else " auction"
    return text + (" self" if flags & r.FLAG_SELF_TRADE else "")


def _gone(reasons: Any, verb: str) -> Callable[[Event, int, int], str]:
    def text(event: Event, code: int, flags: int) -> str:
        return f"{order_name(event[1])} {verb} {event[4]} {reasons(code).name}"

    return text


def _replaced(event: Event, code: int, flags: int) -> str:
    kept = " keeps priority" if flags & r.FLAG_PRIORITY_KEPT else ""
    return f"{order_name(event[1])} replaced {event[4]}@{event[3]}{kept}"


def _repriced(event: Event, code: int, flags: int) -> str:
    return f"{order_name(event[1])} repriced {event[6]} to {event[3]}"


def _auction(word: str) -> Callable[[Event, int, int], str]:
    def text(event: Event, code: int, flags: int) -> str:
        return f"{word} {event[4]}@{event[3]} surplus {event[5]:+d}"

    return text


def _session(event: Event, code: int, flags: int) -> str:
    cause = f" by {PriceLimit(code).name}" if code else ""
    return f"session {SESSIONS[event[4]]}{cause}"


def _owned(word: str) -> Callable[[Event, int, int], str]:
    def text(event: Event, code: int, flags: int) -> str:
        return f"{'?ABCD'[event[2]]} {word} {event[3]:+d}"

    return text


_TELLERS: dict[int, Callable[[Event, int, int], str]] = {
    r.REJECTED: _rejected,
    r.ORDER_ACCEPTED: _accepted,
    r.TRADE_EXECUTED: _trade,
    r.ORDER_RESTED: lambda e, c, f: f"{order_name(e[1])} rested {e[4]}@{e[3]} level {e[7]}",
    r.ORDER_CANCELLED: _gone(CancelReason, "cancelled"),
    r.ORDER_EXPIRED: _gone(ExpiryReason, "expired"),
    r.ORDER_REPLACED: _replaced,
    r.MASS_CANCELLED: lambda e, c, f: f"mass cancel of {e[4]}",
    r.INSTRUMENT_STATE_CHANGED: _session,
    r.CASH_CHANGED: _owned("cash"),
    r.POSITION_CHANGED: _owned("position"),
    r.ORDER_TRIGGERED: lambda e, c, f: f"{order_name(e[1])} triggered {e[4]}@{e[3]}",
    r.ORDER_REPRICED: _repriced,
    r.ORDER_REPLENISHED: lambda e, c, f: f"{order_name(e[1])} shows {e[4]} level {e[7]}",
    r.ORDER_REDUCED: lambda e, c, f: f"{order_name(e[1])} reduced by {e[4]} to {e[5]}",
    r.INDICATIVE_PRICE: _auction("indicative"),
    r.UNCROSSED: _auction("uncrossed"),
    r.PRICE_LIMIT_HIT: lambda e, c, f: f"{PriceLimit(c).name} at {e[3]}",
    r.FEE_CHARGED: lambda e, c, f: f"{order_name(e[1])} fee {e[3]}",
    r.TRADE_BUSTED: lambda e, c, f: f"busted {e[4]}@{e[3]}",
    r.TRADE_CORRECTED: lambda e, c, f: f"corrected {e[4]}@{e[3]}",
    r.LEVEL_CHANGED: lambda e, c, f: f"{('bids', 'offers')[e[0] >> 8 & 0xFF]} {e[7]}@{e[3]}",
    r.BATCH_DONE: lambda e, c, f: f"batch {e[4]} accepted {e[5]} refused",
}
