"""The naive engine behind the compiled core's interface, for tests of services."""

import struct
from collections.abc import Sequence
from typing import Any

from shared.domain import records as r
from tests.reference import book, risk
from tests.reference.engine import NaiveEngine
from tests.reference.model import BOOK


class NaiveCore:
    """What tests.support.core_engine asks of a core; slow, and easy to believe."""

    def __init__(self) -> None:
        self.engine = NaiveEngine()
        self.queries = self
        self.sequence = 0
        self._events: list[Sequence[int]] = []

    def reset_events(self) -> None:
        self._events = []

    def apply_stamped(self, record: bytes, start: int, sequence: int, time_ns: int) -> None:
        words = list(struct.unpack_from(f"<{(len(record) - start) // 8}q", record, start))
        words[r.C_SEQUENCE], words[r.C_TIME_NS] = sequence, time_ns
        self.sequence = sequence
        self._events += self.engine.apply_words(words)

    def events_bytes(self) -> bytes:
        return b"".join(struct.pack(f"<{r.EVENT_WORDS}q", *event) for event in self._events)

    # --- queries -------------------------------------------------------------------------------

    def account(self, account_id: int) -> tuple[int, ...] | None:
        market = self.engine.market
        found = market.accounts.get(account_id)
        if found is None:
            return None
        mine = [order for order in market.orders.values() if order.account_id == account_id]
        promised = risk.reserved(market, account_id), risk.held(market, account_id)
        money = (found.currency, found.total, found.settled, *promised)
        return (found.state, *money, len(mine))

    def positions(self, account_id: int) -> list[tuple[int, ...]]:
        market = self.engine.market
        rows = []
        for number, position in sorted(market.accounts[account_id].positions.items()):
            waiting = [risk.open_lots(market, account_id, number, side) for side in (0, 1)]
            rows.append((number, position.total, position.settled, *waiting))
        return rows

    def instrument(self, number: int) -> tuple[int] | None:
        found = self.engine.market.instruments.get(number)
        return None if found is None else (found.session,)

    def book_levels(self, number: int, depth: int) -> list[list[tuple[int, int, int]]] | None:
        if number not in self.engine.market.instruments:
            return None
        return [self._side(number, side)[: depth or None] for side in (r.BUY, r.SELL)]

    def _side(self, number: int, side: int) -> list[tuple[int, int, int]]:
        levels: dict[int, list[int]] = {}
        for order in book.side_of_book(self.engine.market, number, side):
            if order.displayed():
                level = levels.setdefault(order.price, [0, 0])
                level[0] += order.displayed()
                level[1] += 1
        return [(price, lots, orders) for price, (lots, orders) in levels.items()]

    def open_orders(self, account_id: int) -> list[tuple[Any, ...]]:
        return [
            (
                order.order_id,
                order.instrument_id,
                order.side,
                order.price if order.place == BOOK else order.limit,
                order.leaves,
            )
            for order in self.engine.market.orders.values()
            if order.account_id == account_id
        ]
