"""The book as the messages tell it: every order in its queue, and the totals of every level."""

from heapq import heappop, heappush
from typing import Final

from shared.domain.records import BUY, SELL

Best = tuple[int, int] | None  # price_ticks, quantity_lots


class Levels:
    """Total lots by price on both sides, with the best price of each at hand."""

    def __init__(self) -> None:
        self.totals: Final[tuple[dict[int, int], dict[int, int]]] = ({}, {})
        self._heaps: Final[tuple[list[int], list[int]]] = ([], [])

    def set(self, side: int, price_ticks: int, quantity_lots: int) -> None:
        """Give a level its new total; 0 removes it."""
        totals = self.totals[side]
        if quantity_lots == 0:
            totals.pop(price_ticks, None)
            return
        if price_ticks not in totals:
            heappush(self._heaps[side], -price_ticks if side == BUY else price_ticks)
        totals[price_ticks] = quantity_lots

    def add(self, side: int, price_ticks: int, quantity_lots: int) -> None:
        """Change a level's total by a signed number of lots."""
        self.set(side, price_ticks, self.totals[side].get(price_ticks, 0) + quantity_lots)

    def best(self, side: int) -> Best:
        """Return the best price of a side and its total, or None when the side is empty."""
        heap, totals = self._heaps[side], self.totals[side]
        while heap:
            price = -heap[0] if side == BUY else heap[0]
            if price in totals:
                return price, totals[price]
            heappop(heap)  # it went since
        return None

    def bests(self) -> tuple[Best, Best]:
        return self.best(BUY), self.best(SELL)


class RestingOrder:
    """One order that rests, with the id under which the engine knows it."""

    __slots__ = ("engine_id", "leaves_lots", "price_ticks", "side")

    def __init__(self, engine_id: int, side: int, price_ticks: int, leaves_lots: int) -> None:
        self.engine_id = engine_id
        self.side = side
        self.price_ticks = price_ticks
        self.leaves_lots = leaves_lots


class QueueModel:
    """What was sent and rests, by the exchange's order ids, in time priority at each price."""

    def __init__(self) -> None:
        self.levels = Levels()
        self.orders: dict[int, RestingOrder] = {}
        self._queues: dict[tuple[int, int], dict[int, None]] = {}

    def add(self, order: int, resting: RestingOrder) -> None:
        self.orders[order] = resting
        self._queues.setdefault((resting.side, resting.price_ticks), {})[order] = None
        self.levels.add(resting.side, resting.price_ticks, resting.leaves_lots)

    def reduce(self, order: int, quantity_lots: int) -> int:
        """Take lots off an order, all of it at most; return what is left of it."""
        resting = self.orders[order]
        taken = min(quantity_lots, resting.leaves_lots)
        resting.leaves_lots -= taken
        self.levels.add(resting.side, resting.price_ticks, -taken)
        if resting.leaves_lots == 0:
            del self.orders[order]
            queue = self._queues[(resting.side, resting.price_ticks)]
            del queue[order]
            if not queue:
                del self._queues[(resting.side, resting.price_ticks)]
        return resting.leaves_lots

    def would_trade_first(self, order: int) -> bool:
        """Return whether the order is first in its queue, at the best price of its side."""
        resting = self.orders[order]
        best = self.levels.best(resting.side)
        first = next(iter(self._queues[(resting.side, resting.price_ticks)]))
        return first == order and best is not None and best[0] == resting.price_ticks
