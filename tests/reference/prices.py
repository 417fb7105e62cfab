"""Which prices are possible: ticks, collars, limit bands, the circuit breaker."""

from shared.domain import records as r
from shared.domain.reject_codes import PriceLimit
from tests.reference.model import Instrument, Market


def tick_step(market: Market, instrument: Instrument, price: int) -> int:
    """Return the step of the row that begins at or below the price."""
    step = 1
    for start, row_step in market.tick_tables[instrument.tick_table]:
        if start <= price:
            step = row_step
    return step


def on_tick(market: Market, instrument: Instrument, price: int) -> bool:
    return price % tick_step(market, instrument, price) == 0


def to_tick(market: Market, instrument: Instrument, price: int, side: int) -> int:
    """Round a price that nobody sent to a tick, never in the order's disfavour."""
    step = tick_step(market, instrument, price)
    return price // step * step if side == r.BUY else -(-price // step) * step


def market_bound(market: Market, instrument: Instrument, around: int, side: int) -> int:
    """Return the worst price of an order without a limit; 0 without a price to start from."""
    if around == 0:
        return 0
    reach = around * instrument.market_collar_bps // 10_000
    price = around + reach if side == r.BUY else max(1, around - reach)
    return min(r.MAX_PRICE_TICKS, to_tick(market, instrument, price, side))


def beyond_static_collar(instrument: Instrument, price: int) -> bool:
    bps, reference = instrument.static_collar_bps, instrument.reference
    return bps > 0 < reference and abs(price - reference) > reference * bps // 10_000


def beyond_dynamic_collar(instrument: Instrument, side: int, price: int) -> bool:
    """Say whether a trade at the price would push the market too far at once."""
    bps, last = instrument.dynamic_collar_bps, instrument.last
    return bps > 0 < last and _away(side, price, last) > last * bps // 10_000


def beyond_limit_band(instrument: Instrument, side: int, price: int) -> PriceLimit | None:
    bps, reference = instrument.limit_band_bps, instrument.reference
    if bps == 0 or reference == 0 or _away(side, price, reference) <= reference * bps // 10_000:
        return None
    return PriceLimit.LIMIT_UP if side == r.BUY else PriceLimit.LIMIT_DOWN


def within_band(market: Market, instrument: Instrument, side: int, price: int) -> int:
    """Return where an order rests: at its price, or at the limit band if that is nearer."""
    if not beyond_limit_band(instrument, side, price):
        return price
    reach = instrument.reference * instrument.limit_band_bps // 10_000
    band = instrument.reference + (reach if side == r.BUY else -reach)
    return max(1, to_tick(market, instrument, band, side))


def breaks_circuit(instrument: Instrument, price: int) -> bool:
    bps, reference = instrument.breaker_bps, instrument.reference
    return bps > 0 < reference and abs(price - reference) >= reference * bps // 10_000


def _away(side: int, price: int, origin: int) -> int:
    return price - origin if side == r.BUY else origin - price
