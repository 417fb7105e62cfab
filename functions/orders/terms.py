"""Order terms: where decimal strings become ticks and lots, or a reason why they cannot."""

from dataclasses import dataclass

from functions.orders.form import Refusal, form_refusal
from functions.orders.instructions import instructions_of
from functions.orders.models import PlaceOrderRequest
from functions.orders.units import price_of, quantity_of
from shared.domain.commands import PlaceOrder
from shared.domain.extended_orders import PlaceExtendedOrder
from shared.reference import Instruments
from shared.wire.order_terms import place_command
from shared.wire.stream_events import Instructions

_USUAL_TIME = {"MARKET": "IOC"}


@dataclass(frozen=True, slots=True)
class Terms:
    """An order's terms in the engine's units; `price_ticks` is 0 for an order without a limit."""

    instrument_id: int
    side: str
    order_type: str
    time_in_force: str
    price_ticks: int
    quantity_lots: int
    instructions: Instructions | None = None

    def command(self, account_id: int, order_id: int) -> PlaceOrder | PlaceExtendedOrder:
        return place_command(
            account_id=account_id,
            order_id=order_id,
            instrument_id=self.instrument_id,
            side=self.side,
            order_type=self.order_type,
            time_in_force=self.time_in_force,
            quantity_lots=self.quantity_lots,
            price_ticks=self.price_ticks,
            instructions=self.instructions,
        )


def terms_of(
    request: PlaceOrderRequest, instruments: Instruments, account_id: int, time_ns: int
) -> Terms | Refusal:
    """Return the request's terms, or the first reason against them."""
    instrument = instruments.by_symbol.get(request.symbol)
    if instrument is None:
        return Refusal("unknown_instrument", "symbol", "No such instrument.")
    time_in_force = request.time_in_force or _USUAL_TIME.get(request.type, "GTC")
    refusal = form_refusal(request, time_in_force)
    if refusal is not None:
        return refusal
    quantity_lots = quantity_of(request.quantity, instrument)
    if isinstance(quantity_lots, Refusal):
        return quantity_lots
    price_ticks = 0 if request.price is None else price_of(request.price, instrument)
    if isinstance(price_ticks, Refusal):
        return price_ticks
    instructions = instructions_of(request, instrument, quantity_lots, account_id, time_ns)
    if isinstance(instructions, Refusal):
        return instructions
    return Terms(
        instrument.instrument_id,
        "BUY" if request.side == "BUY" else "SELL",
        request.type,
        time_in_force,
        price_ticks,
        quantity_lots,
        instructions,
    )
