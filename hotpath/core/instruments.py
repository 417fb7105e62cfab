"""Instruments: their terms, their trading state, and where their prices lie on the ladder."""

from typing import Final, final

from librt.vecs import vec
from mypy_extensions import i64

from hotpath.core.ladder import Ladder
from hotpath.core.words import zeros
from shared.domain.records import BUY, INSTRUMENT_CONTINUOUS, MAX_AMOUNT_MINOR, SELL

# An instrument. Its offset is slot x 16; slot 0 stays empty, so that offset 0 means unknown.
I_ID: Final = 0
I_STATE: Final = 1
I_TICK_VALUE_MINOR: Final = 2
I_MIN_PRICE: Final = 3
I_MAX_PRICE: Final = 4
I_MAX_ORDER_LOTS: Final = 5
I_SAFE_LOTS: Final = 6  # so many lots cannot overflow at any price of the band
I_ORIGIN: Final = 7  # + side: level of a bid = origin - price, of an offer = origin + price
I_REFERENCE: Final = 9  # the last trade's price, before it the reference price; 0: none
I_COLLAR_BPS: Final = 10
I_CURRENCY: Final = 11
I_ISSUED_LOTS: Final = 12  # all lots that came in; the sum over all positions
I_SEQUENCE: Final = 13  # of the command that added it
INSTRUMENT_SHIFT: Final = 4

_BASIS_POINTS: Final = 10_000


def level_of(instruments: vec[i64], offset: i64, side: i64, price: i64) -> i64:
    """Return the level on `side` of the book where orders at `price` rest, without a branch."""
    return instruments[offset + I_ORIGIN + side] + (side + side - 1) * price


@final
class Instruments:
    def __init__(self, ladder: Ladder, max_instruments: i64) -> None:
        self.words: vec[i64] = zeros((max_instruments + 1) << INSTRUMENT_SHIFT)
        self.offset_of: vec[i64] = zeros(1 << 15)  # by instrument id
        self.count: i64 = 0
        self.maximum: i64 = max_instruments
        self.ladder = ladder

    def find(self, instrument_id: i64) -> i64:
        """Return the offset of the instrument (id 0 … 2^15-1), or 0 when it is unknown."""
        return self.offset_of[instrument_id]

    def has_room(self, ticks: i64) -> bool:
        return self.count < self.maximum and self.ladder.has_room(ticks)

    def add(
        self,
        instrument_id: i64,
        currency: i64,
        tick_value_minor: i64,
        min_price: i64,
        max_price: i64,
        sequence: i64,
    ) -> i64:
        """Add an instrument with an empty book; return its offset. The caller sees that it fits."""
        self.count += 1
        slot: i64 = self.count
        offset: i64 = slot << INSTRUMENT_SHIFT
        self.offset_of[instrument_id] = offset
        words = self.words
        ticks: i64 = max_price - min_price + 1
        words[offset + I_ID] = instrument_id
        words[offset + I_STATE] = INSTRUMENT_CONTINUOUS
        words[offset + I_TICK_VALUE_MINOR] = tick_value_minor
        words[offset + I_MIN_PRICE] = min_price
        words[offset + I_MAX_PRICE] = max_price
        words[offset + I_SAFE_LOTS] = MAX_AMOUNT_MINOR // (max_price * tick_value_minor)
        words[offset + I_ORIGIN + BUY] = self.ladder.add_side(slot * 2 + BUY, ticks) + max_price
        words[offset + I_ORIGIN + SELL] = self.ladder.add_side(slot * 2 + SELL, ticks) - min_price
        words[offset + I_CURRENCY] = currency
        words[offset + I_SEQUENCE] = sequence
        return offset

    def set_terms(self, offset: i64, reference: i64, max_order_lots: i64, collar: i64) -> None:
        """Set what may change while orders rest."""
        words = self.words
        words[offset + I_REFERENCE] = reference
        words[offset + I_MAX_ORDER_LOTS] = max_order_lots
        words[offset + I_COLLAR_BPS] = collar

    def side(self, offset: i64, side: i64) -> i64:
        """Return the number of the book side, as the ladder counts them."""
        return (offset >> 3) + side

    def level(self, offset: i64, side: i64, price: i64) -> i64:
        """Return the level on `side` of the book where orders at `price` rest."""
        return level_of(self.words, offset, side, price)

    def collar_price(self, offset: i64, side: i64) -> i64:
        """Return the worst price a market order may trade at; 0 without a reference price.

        The collar is the reference price +/- its `collar_bps` ten-thousandths, rounded inwards, and
        never leaves the instrument's band.
        """
        words = self.words
        reference: i64 = words[offset + I_REFERENCE]
        if reference == 0:
            return 0
        reach: i64 = reference * words[offset + I_COLLAR_BPS] // _BASIS_POINTS
        if side == BUY:
            return min(reference + reach, words[offset + I_MAX_PRICE])
        return max(reference - reach, words[offset + I_MIN_PRICE])
