"""Decimal strings of prices and quantities as ticks and lots, or why they are none."""

from functions.orders.form import Refusal
from shared.domain.instruments import Instrument
from shared.domain.money import parse_decimal
from shared.domain.records import MAX_PRICE_TICKS


def quantity_of(text: str, instrument: Instrument, member: str = "quantity") -> int | Refusal:
    """Return a number of shares as lots."""
    try:
        lots, rest = divmod(parse_decimal(text, 0), instrument.lot_size)
    except ValueError as error:
        return Refusal(f"invalid_{member}", member, f"The quantity is {error}.")
    if rest:
        detail = f"The quantity is not a multiple of the lot, {instrument.lot_size}."
        return Refusal(f"{member}_off_lot", member, detail)
    if lots <= 0:
        return Refusal(f"invalid_{member}", member, "The quantity must be positive.")
    if lots > instrument.max_order_lots:
        detail = f"At most {instrument.quantity_text(instrument.max_order_lots)} in one order."
        return Refusal(f"{member}_too_large", member, detail)
    return lots


def price_of(text: str, instrument: Instrument, member: str = "price") -> int | Refusal:
    """Return a price, or a distance of prices, as ticks."""
    try:
        units = parse_decimal(text, instrument.price_places)
    except ValueError as error:
        return Refusal(f"invalid_{member}", member, f"The price is {error}.")
    ticks, rest = divmod(units, instrument.tick_size_units)
    if rest:
        detail = f"The price is not a multiple of the tick, {instrument.tick_size}."
        return Refusal(f"{member}_off_tick", member, detail)
    if not 1 <= ticks <= MAX_PRICE_TICKS:
        high = instrument.price_text(MAX_PRICE_TICKS)
        detail = f"Prices run from {instrument.tick_size} to {high}."
        return Refusal(f"invalid_{member}", member, detail)
    return ticks
