"""Tells an event of rules 2 in words, as the specification's tables write it."""

from collections.abc import Callable
from typing import Any

from shared.domain import records as r
from shared.domain import records_v2 as v
from shared.domain.reject_codes_v2 import CancelReasonV2, ExpiryReason, PriceLimit, RejectCodeV2

Event = tuple[int, ...]
SESSIONS = {
    value: name.removeprefix("SESSION_").lower()
    for name, value in vars(v).items()
    if name.startswith("SESSION_")
}
NAMES: dict[int, str] = {
    r.LIMITS_CHANGED: "limits",
    r.ACCOUNT_STATE_CHANGED: "account state",
    v.DAY_ENDED: "day",
    v.ORDERS_EXPIRING: "expiring",
    v.INSTRUMENT_CHANGED: "instrument",
    v.FEE_TIER_CHANGED: "tier",
    v.TICK_TABLE_CHANGED: "ticks",
    v.ACCOUNT_TERMS_CHANGED: "terms",
    v.KILL_SWITCH_CHANGED: "kill",
    v.THROTTLE_CHANGED: "throttle",
    v.WORK_REMAINS: "work remains",
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
    return f"REJECTED {RejectCodeV2(code).name}"


def _accepted(event: Event, code: int, flags: int) -> str:
    text = f"{order_name(event[1])} accepted {event[4]}@{event[3]}"
    if flags & v.FLAG_WAITING:
        return text + " waits"
    return text + (f" level {event[7]}" if flags & r.FLAG_RESTING else "")


def _trade(event: Event, code: int, flags: int) -> str:
    text = f"{order_name(event[1])} x {order_name(event[6])} {event[4]}@{event[3]}"
    text += f" level {event[7]}" if not flags & v.FLAG_AUCTION else " auction"
    return text + (" self" if flags & v.FLAG_SELF_TRADE else "")


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
    r.ORDER_CANCELLED: _gone(CancelReasonV2, "cancelled"),
    v.ORDER_EXPIRED: _gone(ExpiryReason, "expired"),
    r.ORDER_REPLACED: _replaced,
    r.MASS_CANCELLED: lambda e, c, f: f"mass cancel of {e[4]}",
    r.INSTRUMENT_STATE_CHANGED: _session,
    r.CASH_CHANGED: _owned("cash"),
    r.POSITION_CHANGED: _owned("position"),
    v.ORDER_TRIGGERED: lambda e, c, f: f"{order_name(e[1])} triggered {e[4]}@{e[3]}",
    v.ORDER_REPRICED: _repriced,
    v.ORDER_REPLENISHED: lambda e, c, f: f"{order_name(e[1])} shows {e[4]} level {e[7]}",
    v.ORDER_REDUCED: lambda e, c, f: f"{order_name(e[1])} reduced by {e[4]} to {e[5]}",
    v.INDICATIVE_PRICE: _auction("indicative"),
    v.UNCROSSED: _auction("uncrossed"),
    v.PRICE_LIMIT_HIT: lambda e, c, f: f"{PriceLimit(c).name} at {e[3]}",
    v.FEE_CHARGED: lambda e, c, f: f"{order_name(e[1])} fee {e[3]}",
    v.TRADE_BUSTED: lambda e, c, f: f"busted {e[4]}@{e[3]}",
    v.TRADE_CORRECTED: lambda e, c, f: f"corrected {e[4]}@{e[3]}",
    v.LEVEL_CHANGED: lambda e, c, f: f"{('bids', 'offers')[e[0] >> 8 & 0xFF]} {e[7]}@{e[3]}",
    v.BATCH_DONE: lambda e, c, f: f"batch {e[4]} accepted {e[5]} refused",
}
