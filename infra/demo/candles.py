"""A candle chart in characters."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Candle:
    """Open, high, low and close in ticks."""

    open: int
    high: int
    low: int
    close: int
    volume: int


def candles_of(trades: Sequence[tuple[int, int]], count: int) -> list[Candle]:
    """Return up to `count` candles of equally many (price, quantity) trades each, oldest first."""
    size = max(1, -(-len(trades) // count))
    chunks = [trades[start : start + size] for start in range(0, len(trades), size)]
    return [
        Candle(
            open=chunk[0][0],
            high=max(price for price, _ in chunk),
            low=min(price for price, _ in chunk),
            close=chunk[-1][0],
            volume=sum(quantity for _, quantity in chunk),
        )
        for chunk in chunks
    ]


def draw(candles: Sequence[Candle], height: int, label: Callable[[int], str] = str) -> list[str]:
    """Return the chart's lines, highest price first: `┃` rising, `░` falling, `│` wick."""
    if not candles:
        return []
    top = max(candle.high for candle in candles)
    bottom = min(candle.low for candle in candles)
    step = max(1, -(-(top - bottom + 1) // height))
    lines = []
    for row in range((top - bottom) // step, -1, -1):
        low = bottom + row * step
        cells = "".join(f" {_cell(candle, low, low + step - 1)}" for candle in candles)
        lines.append(f"{label(low):>10} ┤{cells}")
    return lines


def _cell(candle: Candle, low: int, high: int) -> str:
    body_low, body_high = sorted((candle.open, candle.close))
    if body_low <= high and body_high >= low:
        return "┃" if candle.close >= candle.open else "░"
    return "│" if candle.low <= high and candle.high >= low else " "
