"""The order that trades now, as matching, its long way and trials have it in hand."""

from typing import Final, final

from mypy_extensions import i64

from hotpath.core import book
from hotpath.core.layout import (
    I_ID,
    O_ID,
    O_LEAVES,
    O_OWNER,
    P_INSTRUMENT,
    POSITION_MASK,
    X_LIMIT,
)
from hotpath.core.state import State


@final
class Aggressor:
    """One order at a time: `take_plain` or `take_order` puts it here."""

    def __init__(self, state: State) -> None:
        self.state: Final = state
        self.order: i64 = 0  # 0: a plain order that is in no table yet
        self.row: i64 = 0  # its cold row
        self.order_id: i64 = 0
        self.position: i64 = 0
        self.instrument: i64 = 0
        self.side: i64 = 0
        self.limit: i64 = 0  # the worst price it may trade at
        self.event: i64 = 0  # side and instrument, as an event's header has them
        self.lots: i64 = 0  # what is left of it
        self.stopped: i64 = 0  # CancelReason for which what is left may not rest; 0: it may

    def take_plain(
        self, order_id: i64, position: i64, instrument: i64, side: i64, limit: i64, event: i64
    ) -> None:
        """Take an order without a cold row in hand. What it reserves is reserved already."""
        self.order = 0
        self.row = 0
        self.order_id = order_id
        self.position = position
        self.instrument = instrument
        self.side = side
        self.limit = limit
        self.event = event

    def take_order(self, order: i64) -> None:
        """Take an open order with a cold row in hand."""
        orders = self.state.orders
        owner: i64 = orders.words[order + O_OWNER]
        self.order = order
        self.row = orders.cold_of(order)
        self.order_id = orders.words[order + O_ID]
        self.position = owner & POSITION_MASK
        self.instrument = self.state.positions.words[self.position + P_INSTRUMENT]
        self.side = book.side_of(self.state, order)
        self.limit = orders.cold[self.row + X_LIMIT]
        number: i64 = self.state.instruments.words[self.instrument + I_ID]
        self.event = self.side << 8 | number << 48
        self.lots = orders.words[order + O_LEAVES]

    def is_gone(self) -> bool:
        """Say whether an aggressor with a row was filled, or cancelled by a link or self-trade."""
        return self.order != 0 and self.state.orders.accepted(self.order) == 0
