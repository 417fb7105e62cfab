"""Positions as the API shows them: shares and money as decimal strings."""

from functions.risk.models import PositionAnswer
from functions.risk.positions import Position
from shared.domain.instruments import Instrument
from shared.domain.money import format_decimal, from_minor

_COST_EXTRA_PLACES = 4


def position_answer(
    position: Position, instrument: Instrument, last_ticks: int | None
) -> PositionAnswer:
    """Return a position; values turn from ticks times lots into minor units exactly."""

    def money(value: int) -> str:
        return from_minor(value * instrument.tick_value_minor, instrument.currency)

    return PositionAnswer(
        symbol=instrument.symbol,
        currency=instrument.currency,
        quantity=instrument.quantity_text(position.quantity_lots),
        traded_quantity=instrument.quantity_text(position.traded_lots),
        deposited_quantity=instrument.quantity_text(position.deposited_lots),
        average_cost=_average_cost(position, instrument),
        last_price=None if last_ticks is None else instrument.price_text(last_ticks),
        market_value=None if last_ticks is None else money(position.quantity_lots * last_ticks),
        realised_pnl=money(position.realised_value),
        unrealised_pnl=(
            None if last_ticks is None else money(position.unrealised_value(last_ticks))
        ),
    )


def _average_cost(position: Position, instrument: Instrument) -> str | None:
    """Return cost per share with four more places, half up."""
    if position.traded_lots == 0:
        return None
    lots, value = abs(position.traded_lots), abs(position.cost_value)
    scaled = value * instrument.tick_size_units * 10**_COST_EXTRA_PLACES
    places = instrument.price_places + _COST_EXTRA_PLACES
    return format_decimal((2 * scaled + lots) // (2 * lots), places)
