"""Order flow of a realistic kind: the stochastic order book of Cont, Stoikov and Talreja.

Limit orders arrive as Poisson processes whose rate falls with the distance from the opposite best
quote, each resting order is cancelled at a rate that depends on the same distance, and market
orders arrive at a constant rate. The rates are those estimated for a stock of the Tokyo exchange in
"A Stochastic Model for Order Book Dynamics", Operations Research 58(3), 2010, table 1 and section
5.2, per second and in units of the mean order size. Beyond the fifth tick the paper's power law
k / i^alpha continues the limit rates.
"""

import random
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

LIMIT_RATE: Final = (1.85, 1.51, 1.09, 0.88, 0.77)  # lambda(1) .. lambda(5)
CANCEL_RATE: Final = (0.71, 0.81, 0.68, 0.56, 0.47)  # theta(1) .. theta(5)
MARKET_RATE: Final = 0.94  # mu, each side
POWER_LAW_K: Final = 1.92
POWER_LAW_ALPHA: Final = 0.52
DEEPEST_TICK: Final = 10
BUY: Final = 0
SELL: Final = 1


@dataclass(frozen=True, slots=True)
class Arrival:
    """One step of the flow: `kind` is LIMIT, MARKET or CANCEL, `order` counts orders from 0."""

    kind: str
    order: int
    side: int
    price_ticks: int
    quantity_lots: int
    at_seconds: float


@dataclass(slots=True)
class _Side:
    """Resting order numbers by price, oldest first."""

    levels: dict[int, deque[int]] = field(default_factory=dict)

    def add(self, price: int, order: int) -> None:
        self.levels.setdefault(price, deque()).append(order)

    def remove(self, price: int, order: int) -> None:
        queue = self.levels[price]
        queue.remove(order)
        if not queue:
            del self.levels[price]

    def best(self, side: int, empty: int) -> int:
        if not self.levels:
            return empty
        return max(self.levels) if side == BUY else min(self.levels)


class OrderFlow:
    """Generate the flow of one instrument from a seed; all orders have `lots` lots.

    The generator keeps the book that its own flow makes, so what it cancels is open as long as
    nobody else trades in the instrument.
    """

    def __init__(self, seed: int, mid_ticks: int, lots: int) -> None:
        self._random = random.Random(seed)
        self._mid = mid_ticks
        self._lots = lots
        self._sides = (_Side(), _Side())
        self._orders = 0
        self._now = 0.0

    def opening_book(self) -> Iterator[Arrival]:
        """Yield the resting orders that the flow starts from: the model's shape, one tick apart."""
        for distance in range(1, DEEPEST_TICK + 1):
            for _ in range(max(2, round(4 * _limit_rate(distance)))):
                yield self._limit(BUY, self._mid - distance)
                yield self._limit(SELL, self._mid + distance)

    def steps(self, count: int) -> Iterator[Arrival]:
        """Yield the next `count` arrivals, with exponential times between them."""
        for _ in range(count):
            rates = self._rates()
            weights = [rate for rate, _ in rates]
            self._now += self._random.expovariate(sum(weights))
            (kind, side, distance), *_ = self._random.choices([what for _, what in rates], weights)
            yield self._step(kind, side, distance)

    def _rates(self) -> list[tuple[float, tuple[str, int, int]]]:
        """Return the rate of each thing that can happen next: (kind, side, distance)."""
        rates: list[tuple[float, tuple[str, int, int]]] = []
        for side in (BUY, SELL):
            if self._sides[1 - side].levels:
                rates.append((MARKET_RATE, ("MARKET", side, 0)))
            for distance in range(1, DEEPEST_TICK + 1):
                rates.append((_limit_rate(distance), ("LIMIT", side, distance)))
                queue = self._sides[side].levels.get(self._price(side, distance))
                if queue:
                    cancels = _cancel_rate(distance) * len(queue)
                    rates.append((cancels, ("CANCEL", side, distance)))
        return rates

    def _step(self, kind: str, side: int, distance: int) -> Arrival:
        if kind == "LIMIT":
            return self._limit(side, self._price(side, distance))
        if kind == "MARKET":
            return self._market(side)
        price = self._price(side, distance)
        order = self._random.choice(self._sides[side].levels[price])
        self._sides[side].remove(price, order)
        return Arrival("CANCEL", order, side, price, self._lots, self._now)

    def _limit(self, side: int, price: int) -> Arrival:
        order = self._next_order()
        self._sides[side].add(price, order)
        return Arrival("LIMIT", order, side, price, self._lots, self._now)

    def _market(self, side: int) -> Arrival:
        against = self._sides[1 - side]
        best = against.best(1 - side, 0)
        against.remove(best, against.levels[best][0])
        return Arrival("MARKET", self._next_order(), side, best, self._lots, self._now)

    def _next_order(self) -> int:
        self._orders += 1
        return self._orders - 1

    def _price(self, side: int, distance: int) -> int:
        """Return the price `distance` ticks from the opposite best quote."""
        if side == BUY:
            return self._sides[SELL].best(SELL, self._mid + 1) - distance
        return self._sides[BUY].best(BUY, self._mid - 1) + distance


def _limit_rate(distance: int) -> float:
    if distance <= len(LIMIT_RATE):
        return LIMIT_RATE[distance - 1]
    return float(POWER_LAW_K / distance**POWER_LAW_ALPHA)


def _cancel_rate(distance: int) -> float:
    return CANCEL_RATE[min(distance, len(CANCEL_RATE)) - 1]
