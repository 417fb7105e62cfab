"""Orders as the API shows them: decimal strings, lower-case codes, no internals."""

from datetime import UTC, datetime
from typing import Any, Final

from functions.orders.history import Step
from functions.orders.models import HistoryStep, OrderAnswer
from functions.orders.store import StoredOrder
from shared.domain.instruments import Instrument
from shared.domain.money import format_decimal
from shared.reference import Instruments
from shared.wire.stream_events import Instructions

_AVERAGE_EXTRA_PLACES: Final = 4
_MOVES: Final = ("RESTED", "REPLACED", "TRIGGERED", "REPRICED")


def order_answer(order: StoredOrder, instruments: Instruments) -> OrderAnswer:
    """Return the order for its owner."""
    terms, state = order.terms, order.state
    told = terms.instructions or Instructions()
    instrument = instruments.by_id[terms.instrument_id]
    return OrderAnswer.model_validate(
        {
            "order_id": str(order.order_id),
            "client_order_id": order.client_order_id,
            "symbol": instrument.symbol,
            "side": "SELL_SHORT" if told.is_short else terms.side,
            "type": terms.order_type,
            "time_in_force": terms.time_in_force,
            "quantity": instrument.quantity_text(state.quantity_lots),
            "price": _price(instrument, state.price_ticks),
            **_instructions(told, terms.order_type, instrument),
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


def _instructions(told: Instructions, order_type: str, instrument: Instrument) -> dict[str, Any]:
    """Return what few orders have, by the members of the answer."""
    is_trailing = order_type == "TRAILING_STOP"
    offset = _price(instrument, told.offset_ticks)
    return {
        "stop_price": _price(instrument, told.stop_price_ticks),
        "trailing_offset": offset if is_trailing else None,
        "peg_price_type": told.peg or None,
        "peg_offset": None if is_trailing else offset,
        "display_quantity": _quantity(instrument, told.display_lots),
        "hidden": told.is_hidden,
        "post_only": told.is_post_only,
        "minimum_quantity": _quantity(instrument, told.minimum_lots),
        "expire_at": _time(told.expiry_ns) if told.expiry_ns else None,
        "self_trade_prevention": told.self_trade or None,
        "contingency_type": told.link or None,
        "linked_order_id": told.linked_order_id or None,
        "locate_quantity": _quantity(instrument, told.locate_lots),
    }


def _price(instrument: Instrument, price_ticks: int) -> str | None:
    return instrument.price_text(price_ticks) if price_ticks else None


def _quantity(instrument: Instrument, quantity_lots: int) -> str | None:
    return instrument.quantity_text(quantity_lots) if quantity_lots else None


def _time(time_ns: int) -> datetime:
    return datetime.fromtimestamp(time_ns // 1_000 / 1_000_000, UTC)


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
    return HistoryStep.model_validate(
        {
            "step": event.type,
            "status": step.status.value,
            "at": _time(event.time_ns),
            "sequence": event.sequence if with_engine else None,
            "index": event.index if with_engine else None,
            "open_quantity": instrument.quantity_text(event.leaves_lots),
            "price": _price(instrument, event.price_ticks) if event.type in _MOVES else None,
            "last_quantity": _quantity(instrument, event.last_quantity_lots),
            "last_price": _price(instrument, event.last_price_ticks),
            "trade_id": event.trade_id or None,
            "liquidity": event.liquidity or None,
            "reason": event.reason.lower() or None,
            "trace_id": event.trace_id,
        }
    )
