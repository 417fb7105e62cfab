"""A pure-Python book from PyPI, fed our commands: lightmatchingengine, price-time on dicts.

It is the one there that needs no other package; it checks no funds and makes no event records.
"""

import time
from collections.abc import Sequence
from typing import Any

from shared.domain import records as r
from tests.bench.workloads import Workload

_FAR = 1 << 40  # the price of a market buy; the library has none


def measure(workload: Workload, count: int) -> dict[str, object]:
    """Return nanoseconds per command of the first `count` measured ones."""
    book = _Book()
    words, at = workload.words, 0
    while at < workload.measured_from:
        kind = words[at] & 0xFF
        if kind <= r.REPLACE_ORDER:
            book.apply(words[at : at + r.COMMAND_WORDS])
        at += r.command_words(kind)
    started = time.perf_counter_ns()
    for number in range(count):
        first = at + number * r.COMMAND_WORDS
        book.apply(words[first : first + r.COMMAND_WORDS])
    elapsed = time.perf_counter_ns() - started
    return {"ns_per_command": elapsed / count, "compiled": False}


class _Book:
    """Maps commands to the library's calls: a replacement is a cancel and a new order."""

    def __init__(self) -> None:
        from lightmatchingengine.lightmatchingengine import LightMatchingEngine

        self._engine: Any = LightMatchingEngine()
        self._open: dict[int, Any] = {}  # the library gives its own ids

    def apply(self, c: Sequence[int]) -> None:
        kind, header, order_id = c[0] & 0xFF, c[0], c[r.C_ID]
        instrument = header >> 48
        side = 1 + (header >> 8 & 0xFF)
        if kind != r.PLACE_ORDER:
            order = self._open.pop(order_id, None)
            if order is None or order.leaves_qty == 0:
                return
            side = order.side
            self._engine.cancel_order(order.order_id, instrument)
            if kind == r.CANCEL_ORDER:
                return
        price = c[r.C_PRICE] or (_FAR if side == 1 else 1)
        order, _trades = self._engine.add_order(instrument, price, c[r.C_QUANTITY], side)
        if order.leaves_qty == 0:
            return
        if kind == r.PLACE_ORDER and header >> 24 & 0xFF == r.IOC:
            self._engine.cancel_order(order.order_id, instrument)
        else:
            self._open[order_id] = order
