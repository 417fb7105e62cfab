"""What few order requests ask for, in the engine's units: iceberg, stop, peg, link, expiry."""

from datetime import UTC, datetime, timedelta
from typing import Final

from functions.orders.form import Refusal
from functions.orders.models import PlaceOrderRequest
from functions.orders.units import price_of, quantity_of
from shared.domain.ids import account_of_order
from shared.domain.instruments import Instrument
from shared.wire.stream_events import Instructions

_MAX_ID: Final = (1 << 63) - 1
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FURTHEST_NS: Final = 10 * 366 * 86_400 * 10**9
_NOTHING: Final = Instructions()


def instructions_of(
    request: PlaceOrderRequest,
    instrument: Instrument,
    quantity_lots: int,
    account_id: int,
    time_ns: int,
) -> Instructions | Refusal | None:
    """Return what the request asks for besides its plain terms, or the first reason against it."""
    display = _part(request.display_quantity, instrument, "display_quantity", quantity_lots)
    minimum = _part(request.minimum_quantity, instrument, "minimum_quantity", quantity_lots)
    locate = _part(request.locate_quantity, instrument, "locate_quantity", None)
    stop = _ticks(request.stop_price, instrument, "stop_price")
    offset = _offset(request, instrument)
    expiry = _expiry(request.expire_at, time_ns)
    linked = _linked(request.linked_order_id, account_id)
    for found in (display, minimum, locate, stop, offset, expiry, linked):
        if isinstance(found, Refusal):
            return found
    assert not isinstance(display, Refusal) and not isinstance(minimum, Refusal)
    assert not isinstance(locate, Refusal) and not isinstance(stop, Refusal)
    assert not isinstance(offset, Refusal) and not isinstance(expiry, Refusal)
    assert not isinstance(linked, Refusal)
    told = Instructions(
        is_hidden=request.hidden,
        is_post_only=request.post_only,
        is_short=request.side == "SELL_SHORT",
        display_lots=display,
        minimum_lots=minimum,
        stop_price_ticks=stop,
        offset_ticks=offset,
        expiry_ns=expiry,
        linked_order_id=linked,
        locate_lots=locate,
        peg=request.peg_price_type or "",
        self_trade=request.self_trade_prevention or "",
        link=request.contingency_type or "",
    )
    return None if told == _NOTHING else told


def _part(
    text: str | None, instrument: Instrument, member: str, at_most: int | None
) -> int | Refusal:
    """Return a quantity that is a part of the order's; 0 where none is given."""
    if text is None:
        return 0
    lots = quantity_of(text, instrument, member)
    if isinstance(lots, int) and at_most is not None and lots > at_most:
        return Refusal(f"{member}_too_large", member, "It is more than the order's quantity.")
    return lots


def _ticks(text: str | None, instrument: Instrument, member: str) -> int | Refusal:
    return 0 if text is None else price_of(text, instrument, member)


def _offset(request: PlaceOrderRequest, instrument: Instrument) -> int | Refusal:
    """Return the distance of a trailing stop or a peg; a peg may have none, save a market peg."""
    if request.trailing_offset is not None:
        return price_of(request.trailing_offset, instrument, "trailing_offset")
    text = request.peg_offset or "0"
    is_nothing = not text.strip("0.")
    if is_nothing and request.peg_price_type == "MARKET":
        detail = "A market peg stays at least one tick away from the other side."
        return Refusal("peg_offset_required", "peg_offset", detail)
    return 0 if is_nothing else price_of(text, instrument, "peg_offset")


def _expiry(text: str | None, time_ns: int) -> int | Refusal:
    """Return a time as nanoseconds since the epoch; 0 where none is given."""
    if text is None:
        return 0
    try:
        expiry_ns = (datetime.fromisoformat(text) - _EPOCH) // timedelta(microseconds=1) * 1_000
    except (ValueError, OverflowError):
        return Refusal("invalid_expire_at", "expire_at", "It is no time that there is.")
    if not time_ns < expiry_ns < time_ns + _FURTHEST_NS:
        detail = "It must be in the future, and at most ten years away."
        return Refusal("invalid_expire_at", "expire_at", detail)
    return expiry_ns


def _linked(text: str | None, account_id: int) -> str | Refusal:
    if text is None:
        return ""
    number = int(text)
    if number > _MAX_ID or account_of_order(number) != account_id:
        return Refusal("unknown_link", "linked_order_id", "You have no such order.")
    return text
