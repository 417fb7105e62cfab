"""How much buying power an order may need at its engine, for moving credit there."""

from functions.orders.terms import Terms
from shared.domain.instruments import Instrument
from shared.ports.engine import BookView

_BPS: int = 10_000
_FOR_FEES_BPS: int = 100  # of the value, where there is so much


def need_of(terms: Terms, instrument: Instrument, book: BookView | None) -> tuple[int, int]:
    """Return (what to have moved, what is enough to try again), in minor units.

    An order with a limit needs its value, and fees on top that only the engine knows. One without
    is bounded by the collar around a price that the engine knows: with anything more it may pass.
    """
    if terms.price_ticks:
        value_minor = instrument.notional_minor(terms.price_ticks, terms.quantity_lots)
        return value_minor + value_minor * _FOR_FEES_BPS // _BPS, value_minor
    told = terms.instructions
    price_ticks = max(
        instrument.reference_price_ticks,
        book.asks[0].price_ticks if book is not None and book.asks else 0,
        told.stop_price_ticks if told is not None else 0,
    )
    bound_ticks = price_ticks * (_BPS + instrument.collar_bps) // _BPS
    return instrument.notional_minor(bound_ticks, terms.quantity_lots), 1
