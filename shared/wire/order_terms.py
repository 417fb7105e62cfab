"""An order's terms between names and records: what goes to the engine, and what it was sent."""

from collections.abc import Sequence
from typing import Final

from shared.domain import names
from shared.domain import records as r
from shared.domain.commands import PlaceOrder
from shared.domain.extended_orders import PlaceExtendedOrder
from shared.wire.stream_events import Instructions

_SIDES: Final = names.numbers(names.SIDES)
_TYPES: Final = names.numbers(names.ORDER_TYPES)
_TIMES: Final = names.numbers(names.TIMES_IN_FORCE)
_PEGS: Final = names.numbers(names.PEGS)
_SELF_TRADE: Final = names.numbers(names.SELF_TRADE_MODES)
_LINKS: Final = names.numbers(names.LINKS)
# What the fast path of eight words takes: plain orders, most of all that there are.
_PLAIN_TYPES: Final = ("LIMIT", "MARKET")
_PLAIN_TIMES: Final = ("GTC", "IOC")


def place_command(
    account_id: int,
    order_id: int,
    instrument_id: int,
    side: str,
    order_type: str,
    time_in_force: str,
    quantity_lots: int,
    price_ticks: int,
    instructions: Instructions | None,
) -> PlaceOrder | PlaceExtendedOrder:
    """Return the command that places an order: of eight words where they suffice."""
    plain = order_type in _PLAIN_TYPES and time_in_force in _PLAIN_TIMES and instructions is None
    terms = (
        *(account_id, order_id, instrument_id, _SIDES[side]),
        *(_TYPES[order_type], _TIMES[time_in_force], quantity_lots, price_ticks),
    )
    if plain:
        return PlaceOrder(*terms)
    told = instructions or Instructions()
    return PlaceExtendedOrder(
        *terms,
        flags=_flags(told),
        display_lots=told.display_lots,
        minimum_lots=told.minimum_lots,
        stop_price_ticks=told.stop_price_ticks,
        offset_ticks=told.offset_ticks,
        expiry_ns=told.expiry_ns,
        linked_id=int(told.linked_order_id or 0),
        locate_lots=told.locate_lots,
        peg=_PEGS.get(told.peg, 0),
        self_trade=_SELF_TRADE.get(told.self_trade, r.SELF_TRADE_ALLOWED),
        link=_LINKS.get(told.link, 0),
    )


def _flags(told: Instructions) -> int:
    chosen = (
        (told.is_hidden, r.ORDER_HIDDEN),
        (told.display_lots > 0, r.ORDER_ICEBERG),
        (told.is_post_only, r.ORDER_POST_ONLY),
        (told.minimum_lots > 0, r.ORDER_MINIMUM),
        (told.is_short, r.ORDER_SHORT),
    )
    return sum(flag for is_set, flag in chosen if is_set)


def instructions_of(words: Sequence[int]) -> Instructions | None:
    """Return what an order's words ask for besides its plain terms; None if it is nothing."""
    if len(words) <= r.COMMAND_WORDS:
        return None
    flags, modes, linked_id = (
        words[r.C_HEADER] >> 32 & 0xFFFF,
        words[r.C_MODES],
        words[r.C_LINKED_ID],
    )
    told = Instructions(
        is_hidden=flags & r.ORDER_HIDDEN != 0,
        is_post_only=flags & r.ORDER_POST_ONLY != 0,
        is_short=flags & r.ORDER_SHORT != 0,
        display_lots=words[r.C_DISPLAY_LOTS],
        minimum_lots=words[r.C_MINIMUM_LOTS],
        stop_price_ticks=words[r.C_STOP_PRICE_TICKS],
        offset_ticks=words[r.C_OFFSET_TICKS],
        expiry_ns=words[r.C_EXPIRY_NS],
        linked_order_id=str(linked_id) if linked_id else "",
        locate_lots=words[r.C_LOCATE_LOTS],
        peg=names.PEGS.get(modes & 0xFF, ""),
        self_trade=names.SELF_TRADE_MODES.get(modes >> 8 & 0xFF, ""),
        link=names.LINKS.get(modes >> 16 & 0xFF, ""),
    )
    return None if told == _NOTHING else told


_NOTHING: Final = Instructions()
