"""Instruments: their terms, their trading state, and where their prices lie on the ladder."""

from typing import Final, final

from librt.vecs import vec
from mypy_extensions import i64

from hotpath.core.ladder import Ladder
from hotpath.core.layout import (
    I_BAND_BPS,
    I_BREAKER_BPS,
    I_COLLAR_BPS,
    I_CURRENCY,
    I_DYNAMIC_BPS,
    I_FAR_USES,
    I_HIGH,
    I_ID,
    I_LAST,
    I_LOT_SIZE,
    I_LOW,
    I_MAX_ORDER_LOTS,
    I_MIN_NOTIONAL,
    I_ORIGIN,
    I_PEG_COUNT,
    I_REFERENCE,
    I_SAFE_VALUE,
    I_SEQUENCE,
    I_SESSION,
    I_STATIC_BPS,
    I_STOP_COUNT,
    I_TICK_TABLE,
    I_TICK_VALUE,
    I_UNCROSS_ORDER,
    I_WATCH,
    INSTRUMENT_SHIFT,
    ROW_ROOM,
    WATCH_LIMITS,
    WATCH_PEGS,
    WATCH_PRICES,
    WATCH_SESSION,
    WATCH_STOPS,
)
from hotpath.core.words import zeros
from shared.domain.records import (
    BUY,
    MAX_AMOUNT_MINOR,
    SELL,
    SESSION_CONTINUOUS,
    USUAL_UNCROSS_ORDER,
)

_FAR_USES_BEFORE_CENTRING: Final = 256


def level_of(instruments: vec[i64], offset: i64, side: i64, price: i64) -> i64:
    """Return the number of a price's level on `side` of the book, without a branch."""
    return instruments[offset + I_ORIGIN + side] + (side + side - 1) * price


@final
class Instruments:
    def __init__(self, ladder: Ladder, max_instruments: i64) -> None:
        self.words: Final[vec[i64]] = zeros(((max_instruments + 1) << INSTRUMENT_SHIFT) + ROW_ROOM)
        self.offset_of: Final[vec[i64]] = zeros(1 << 15)  # by instrument id
        self.in_order: Final[vec[i64]] = zeros(max_instruments + 1)  # offsets by ascending id
        self.count: i64 = 0
        self.maximum: i64 = max_instruments
        self.ladder: Final = ladder

    def find(self, instrument_id: i64) -> i64:
        """Return the offset of the instrument (id 0 … 2^15-1), or 0 when it is unknown."""
        return self.offset_of[instrument_id]

    def has_room(self) -> bool:
        return self.count < self.maximum

    def add(
        self,
        instrument_id: i64,
        currency: i64,
        tick_value_minor: i64,
        max_order_lots: i64,
        collar_bps: i64,
        reference: i64,
        sequence: i64,
    ) -> i64:
        """Add an instrument with an empty book; return its offset. The caller sees that it fits."""
        self.count += 1
        slot: i64 = self.count
        offset: i64 = slot << INSTRUMENT_SHIFT
        self.offset_of[instrument_id] = offset
        words = self.words
        words[offset + I_ID] = instrument_id
        words[offset + I_SESSION] = SESSION_CONTINUOUS
        words[offset + I_TICK_VALUE] = tick_value_minor
        words[offset + I_MAX_ORDER_LOTS] = max_order_lots
        words[offset + I_SAFE_VALUE] = MAX_AMOUNT_MINOR // tick_value_minor
        words[offset + I_CURRENCY] = currency
        words[offset + I_COLLAR_BPS] = collar_bps
        words[offset + I_SEQUENCE] = sequence
        words[offset + I_REFERENCE] = reference
        words[offset + I_LAST] = reference
        words[offset + I_HIGH] = reference
        words[offset + I_LOW] = reference
        words[offset + I_LOT_SIZE] = 1
        words[offset + I_UNCROSS_ORDER] = USUAL_UNCROSS_ORDER
        ladder = self.ladder
        lowest: i64 = self._window_around(reference)
        buys: i64 = ladder.add_side(slot * 2 + BUY)
        sells: i64 = ladder.add_side(slot * 2 + SELL)
        words[offset + I_ORIGIN + BUY] = buys + lowest + ladder.window - 1
        words[offset + I_ORIGIN + SELL] = sells - lowest
        self._sort_in(offset, instrument_id)
        return offset

    def _sort_in(self, offset: i64, instrument_id: i64) -> None:
        place: i64 = self.count - 1
        order = self.in_order
        while place > 0 and self.words[order[place - 1] + I_ID] > instrument_id:
            order[place] = order[place - 1]
            place -= 1
        order[place] = offset

    def _window_around(self, price: i64) -> i64:
        """Return the lowest price of a window that has this one in its middle."""
        return max(1, price - self.ladder.window // 2)

    def note_far_use(self, offset: i64, price: i64) -> None:
        """Count a use of a price beside the ladder; centre the ladder if there are many.

        Counting bounds what centring may cost a command on average.
        """
        words = self.words
        words[offset + I_FAR_USES] = words[offset + I_FAR_USES] + 1
        if words[offset + I_FAR_USES] >= _FAR_USES_BEFORE_CENTRING:
            words[offset + I_FAR_USES] = 0
            centre: i64 = words[offset + I_LAST]
            self.centre(offset, price if centre == 0 else centre)

    def centre(self, offset: i64, price: i64) -> None:
        """Put the price into the middle of the ladder. Nobody loses a place."""
        words = self.words
        ladder = self.ladder
        buys: i64 = self.side(offset, BUY)
        sells: i64 = self.side(offset, SELL)
        lowest: i64 = self._window_around(price)
        origin: i64 = ladder.base[buys] + lowest + ladder.window - 1
        if origin == words[offset + I_ORIGIN + BUY]:
            return
        ladder.recentre(buys, words[offset + I_ORIGIN + BUY], origin)
        words[offset + I_ORIGIN + BUY] = origin
        origin = ladder.base[sells] - lowest
        ladder.recentre(sells, words[offset + I_ORIGIN + SELL], origin)
        words[offset + I_ORIGIN + SELL] = origin

    def side(self, offset: i64, side: i64) -> i64:
        """Return the number of the book side, as the ladder counts them."""
        return (offset >> (INSTRUMENT_SHIFT - 1)) + side

    def tree(self, offset: i64, kind: i64, side: i64) -> i64:
        """Return the number of a tree of prices; kind is one of TREE_."""
        return (offset >> (INSTRUMENT_SHIFT - 3)) + (kind << 1) + side

    def watch(self, offset: i64) -> None:
        """Set I_WATCH anew: what a plain order has to look at in this instrument."""
        words = self.words
        bits: i64 = 0
        if words[offset + I_SESSION] != SESSION_CONTINUOUS:
            bits = bits | WATCH_SESSION
        if words[offset + I_TICK_TABLE] != 0 or words[offset + I_LOT_SIZE] != 1:
            bits = bits | WATCH_PRICES
        if words[offset + I_MIN_NOTIONAL] != 0 or words[offset + I_STATIC_BPS] != 0:
            bits = bits | WATCH_PRICES
        if words[offset + I_DYNAMIC_BPS] != 0 or words[offset + I_BAND_BPS] != 0:
            bits = bits | WATCH_LIMITS
        if words[offset + I_BREAKER_BPS] != 0:
            bits = bits | WATCH_LIMITS
        if words[offset + I_STOP_COUNT] != 0:
            bits = bits | WATCH_STOPS
        if words[offset + I_PEG_COUNT] != 0:
            bits = bits | WATCH_PEGS
        words[offset + I_WATCH] = bits
