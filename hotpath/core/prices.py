"""Which prices are possible: ticks, collars, limit bands, the circuit breaker."""

from typing import Final

from mypy_extensions import i64

from hotpath.core.codes import LIMIT_DOWN, LIMIT_UP
from hotpath.core.layout import (
    I_BAND_BPS,
    I_BREAKER_BPS,
    I_COLLAR_BPS,
    I_DYNAMIC_BPS,
    I_LAST,
    I_REFERENCE,
    I_STATIC_BPS,
    I_TICK_TABLE,
)
from hotpath.core.state import State
from shared.domain.records import BUY, MAX_PRICE_TICKS

BASIS_POINTS: Final = 10_000


def tick_step(state: State, instrument: i64, price: i64) -> i64:
    table: i64 = state.instruments.words[instrument + I_TICK_TABLE]
    if table == 0:
        return 1
    return state.house.tick_step(table, price)


def on_tick(state: State, instrument: i64, price: i64) -> bool:
    return price % tick_step(state, instrument, price) == 0


def to_tick(state: State, instrument: i64, price: i64, side: i64) -> i64:
    """Round a price that nobody sent to a tick, never in the order's disfavour."""
    step: i64 = tick_step(state, instrument, price)
    if side == BUY:
        return price // step * step
    return (price + step - 1) // step * step


def market_bound(state: State, instrument: i64, around: i64, side: i64) -> i64:
    """Return the worst price of an order without a limit; 0 without a price to start from."""
    if around == 0:
        return 0
    reach: i64 = around * state.instruments.words[instrument + I_COLLAR_BPS] // BASIS_POINTS
    price: i64 = around + reach if side == BUY else max(1, around - reach)
    return min(MAX_PRICE_TICKS, to_tick(state, instrument, price, side))


def distance(one: i64, two: i64) -> i64:
    return one - two if one > two else two - one


def _away(side: i64, price: i64, origin: i64) -> i64:
    return price - origin if side == BUY else origin - price


def beyond_static_collar(state: State, instrument: i64, price: i64) -> bool:
    words = state.instruments.words
    bps: i64 = words[instrument + I_STATIC_BPS]
    reference: i64 = words[instrument + I_REFERENCE]
    if bps == 0 or reference == 0:
        return False
    return distance(price, reference) > reference * bps // BASIS_POINTS


def beyond_dynamic_collar(state: State, instrument: i64, side: i64, price: i64) -> bool:
    """Say whether a trade at the price would push the market too far at once."""
    words = state.instruments.words
    bps: i64 = words[instrument + I_DYNAMIC_BPS]
    last: i64 = words[instrument + I_LAST]
    return pushes_too_far(bps, last, side, price)


def pushes_too_far(bps: i64, last: i64, side: i64, price: i64) -> bool:
    if bps == 0 or last == 0:
        return False
    return _away(side, price, last) > last * bps // BASIS_POINTS


def beyond_limit_band(state: State, instrument: i64, side: i64, price: i64) -> i64:
    """Return the PriceLimit that forbids a trade at the price, or 0."""
    words = state.instruments.words
    bps: i64 = words[instrument + I_BAND_BPS]
    reference: i64 = words[instrument + I_REFERENCE]
    if bps == 0 or reference == 0:
        return 0
    if _away(side, price, reference) <= reference * bps // BASIS_POINTS:
        return 0
    return LIMIT_UP if side == BUY else LIMIT_DOWN


def within_band(state: State, instrument: i64, side: i64, price: i64) -> i64:
    """Return where an order rests: at its price, or at the limit band if that is nearer."""
    if beyond_limit_band(state, instrument, side, price) == 0:
        return price
    words = state.instruments.words
    reference: i64 = words[instrument + I_REFERENCE]
    reach: i64 = reference * words[instrument + I_BAND_BPS] // BASIS_POINTS
    band: i64 = reference + reach if side == BUY else reference - reach
    return max(1, to_tick(state, instrument, band, side))


def breaks_circuit(state: State, instrument: i64, price: i64) -> bool:
    words = state.instruments.words
    bps: i64 = words[instrument + I_BREAKER_BPS]
    reference: i64 = words[instrument + I_REFERENCE]
    if bps == 0 or reference == 0:
        return False
    return distance(price, reference) >= reference * bps // BASIS_POINTS
