"""Order terms: where decimal strings become ticks and lots, or a reason why they cannot."""

from dataclasses import dataclass
from typing import Final

from functions.orders.models import PlaceOrderRequest
from shared.domain import records as r
from shared.domain.commands import PlaceOrder
from shared.domain.instruments import Instrument
from shared.domain.money import parse_decimal
from shared.reference import Instruments

SIDES: Final = {"BUY": r.BUY, "SELL": r.SELL}
ORDER_TYPES: Final = {"LIMIT": r.LIMIT, "MARKET": r.MARKET}
TIMES_IN_FORCE: Final = {"GTC": r.GTC, "IOC": r.IOC}


@dataclass(frozen=True, slots=True)
class Terms:
    """An order's terms in the engine's units; `price_ticks` is 0 for a market order."""

    instrument_id: int
    side: str
    order_type: str
    time_in_force: str
    price_ticks: int
    quantity_lots: int

    def command(self, account_id: int, order_id: int) -> PlaceOrder:
        return PlaceOrder(
            account_id=account_id,
            order_id=order_id,
            instrument_id=self.instrument_id,
            side=SIDES[self.side],
            order_type=ORDER_TYPES[self.order_type],
            time_in_force=TIMES_IN_FORCE[self.time_in_force],
            quantity_lots=self.quantity_lots,
            price_ticks=self.price_ticks,
        )


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an order cannot be taken: a stable code, the request's member, one sentence."""

    code: str
    member: str
    detail: str


def terms_of(request: PlaceOrderRequest, instruments: Instruments) -> Terms | Refusal:
    """Return the request's terms, or the first reason against them."""
    instrument = instruments.by_symbol.get(request.symbol)
    if instrument is None:
        return Refusal("unknown_instrument", "symbol", "No such instrument.")
    is_market = request.type == "MARKET"
    time_in_force = request.time_in_force or ("IOC" if is_market else "GTC")
    if is_market and time_in_force != "IOC":
        detail = "A market order is immediate-or-cancel."
        return Refusal("time_in_force_not_allowed", "time_in_force", detail)
    if is_market and request.price is not None:
        return Refusal("price_not_allowed", "price", "A market order has no price.")
    quantity_lots = quantity_of(request.quantity, instrument)
    if isinstance(quantity_lots, Refusal):
        return quantity_lots
    price_ticks = 0 if is_market else price_of(request.price, instrument)
    if isinstance(price_ticks, Refusal):
        return price_ticks
    return Terms(
        instrument.instrument_id,
        request.side,
        request.type,
        time_in_force,
        price_ticks,
        quantity_lots,
    )


def quantity_of(text: str, instrument: Instrument) -> int | Refusal:
    """Return a number of shares as lots."""
    try:
        lots, rest = divmod(parse_decimal(text, 0), instrument.lot_size)
    except ValueError as error:
        return Refusal("invalid_quantity", "quantity", f"The quantity is {error}.")
    if rest:
        detail = f"The quantity is not a multiple of the lot, {instrument.lot_size}."
        return Refusal("quantity_off_lot", "quantity", detail)
    if lots <= 0:
        return Refusal("invalid_quantity", "quantity", "The quantity must be positive.")
    if lots > instrument.max_order_lots:
        detail = f"At most {instrument.quantity_text(instrument.max_order_lots)} in one order."
        return Refusal("quantity_too_large", "quantity", detail)
    return lots


def price_of(text: str | None, instrument: Instrument) -> int | Refusal:
    """Return a limit price as ticks."""
    if text is None:
        return Refusal("price_required", "price", "A limit order needs a price.")
    try:
        units = parse_decimal(text, instrument.price_places)
    except ValueError as error:
        return Refusal("invalid_price", "price", f"The price is {error}.")
    ticks, rest = divmod(units, instrument.tick_size_units)
    if rest:
        detail = f"The price is not a multiple of the tick, {instrument.tick_size}."
        return Refusal("price_off_tick", "price", detail)
    if not instrument.min_price_ticks <= ticks <= instrument.max_price_ticks:
        low = instrument.price_text(instrument.min_price_ticks)
        high = instrument.price_text(instrument.max_price_ticks)
        return Refusal("price_out_of_band", "price", f"Prices run from {low} to {high}.")
    return ticks
