"""Orders as the API shows them: decimal strings, lower-case codes, no internals."""

from datetime import UTC, datetime
from typing import Final

from functions.orders.history import Step
from functions.orders.models import HistoryStep, OrderAnswer
from functions.orders.store import StoredOrder
from shared.domain.instruments import Instrument
from shared.domain.money import format_decimal
from shared.reference import Instruments

_AVERAGE_EXTRA_PLACES: Final = 4


def order_answer(order: StoredOrder, instruments: Instruments) -> OrderAnswer:
    """Return the order for its owner."""
    terms, state = order.terms, order.state
    instrument = instruments.by_id[terms.instrument_id]
    is_market = terms.order_type == "MARKET"
    return OrderAnswer.model_validate(
        {
            "order_id": str(order.order_id),
            "client_order_id": order.client_order_id,
            "symbol": instrument.symbol,
            "side": terms.side,
            "type": terms.order_type,
            "time_in_force": terms.time_in_force,
            "quantity": instrument.quantity_text(state.quantity_lots),
            "price": None if is_market else instrument.price_text(state.price_ticks),
            "status": state.status.value,
            "filled_quantity": instrument.quantity_text(state.filled_lots),
            "open_quantity": instrument.quantity_text(state.leaves_lots),
            "average_price": average_price(instrument, state.filled_value, state.filled_lots),
            "reason": state.reason or None,
            "sequence": state.place[0] or None,
            "trace_id": order.trace_id,
            "created_at": order.created_at,
            "updated_at": order.updated_at,
        }
    )


def average_price(instrument: Instrument, value: int, lots: int) -> str | None:
    """Return value / lots, both in engine units, as a price with four more places, half up."""
    if lots == 0:
        return None
    scaled = value * instrument.tick_size_units * 10**_AVERAGE_EXTRA_PLACES
    rounded = (2 * scaled + lots) // (2 * lots)
    return format_decimal(rounded, instrument.price_places + _AVERAGE_EXTRA_PLACES)


def history_step(step: Step, instrument: Instrument) -> HistoryStep:
    """Return one step of an order for its owner."""
    event = step.event
    with_engine = event.sequence > 0
    is_fill = event.type == "FILL"
    return HistoryStep.model_validate(
        {
            "step": event.type,
            "status": step.status.value,
            "at": datetime.fromtimestamp(event.time_ns // 1_000 / 1_000_000, UTC),
            "sequence": event.sequence if with_engine else None,
            "index": event.index if with_engine else None,
            "open_quantity": instrument.quantity_text(event.leaves_lots),
            "last_quantity": (
                instrument.quantity_text(event.last_quantity_lots) if is_fill else None
            ),
            "last_price": instrument.price_text(event.last_price_ticks) if is_fill else None,
            "trade_id": event.trade_id or None,
            "liquidity": event.liquidity or None,
            "reason": event.reason.lower() or None,
            "trace_id": event.trace_id,
        }
    )
