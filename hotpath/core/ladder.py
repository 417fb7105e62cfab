"""The price ladder: one level per tick and side, a bitmap of the levels in use, the best cached.

Levels of one side of one instrument lie side by side, best prices first, so that "better" is a
lower index on both sides. `instruments.py` turns a price into a level. A side's region starts at
a multiple of 1,024: a word of `summary` covers 32 words of `bits` of the same side.
"""

from typing import Final, final

from librt.vecs import vec
from mypy_extensions import i64

from hotpath.core.words import grown, zeros

# A level.
L_HEAD: Final = 0  # offset of the order that trades first; 0: none
L_TAIL: Final = 1
L_LOTS: Final = 2
L_ORDERS: Final = 3
LEVEL_SHIFT: Final = 2  # a level has 4 words

NO_LEVEL: Final = 1 << 60  # worse than every level
_REGION: Final = 1024

_TRAILING_ZEROS: Final = vec[i64](
    [
        0,
        1,
        28,
        2,
        29,
        14,
        24,
        3,
        30,
        22,
        20,
        15,
        25,
        17,
        4,
        8,
        31,
        27,
        13,
        23,
        21,
        19,
        16,
        7,
        26,
        12,
        18,
        6,
        11,
        5,
        10,
        9,
    ]
)  # by the de Bruijn sequence 0x077CB531


def _lowest_bit(word: i64) -> i64:
    """Return the number of the lowest bit set in a word of 32 bits that is not 0."""
    return _TRAILING_ZEROS[(((word & -word) * 0x077CB531) & 0xFFFFFFFF) >> 27]


@final
class Ladder:
    """All levels of all instruments; a side is instrument slot x 2 + side."""

    def __init__(self, max_instruments: i64, max_levels: i64) -> None:
        self.levels: vec[i64] = zeros(0)
        self.bits: vec[i64] = zeros(0)  # 32 levels a word
        self.summary: vec[i64] = zeros(0)  # 1,024 levels a word
        self.best: vec[i64] = vec[i64]([NO_LEVEL] * ((max_instruments + 1) * 2))
        self.end: vec[i64] = zeros((max_instruments + 1) * 2)
        self.used: i64 = 0  # levels handed out
        self.max_levels: i64 = max_levels

    def has_room(self, ticks: i64) -> bool:
        """Return whether both sides of an instrument with `ticks` prices still fit."""
        return ticks <= self.max_levels and self.used + 2 * _rounded(ticks) <= self.max_levels

    def add_side(self, side: i64, ticks: i64) -> i64:
        """Return the level of the best price of a new side."""
        base: i64 = self.used
        self.used = base + _rounded(ticks)
        size: i64 = len(self.levels) >> LEVEL_SHIFT
        if self.used > size:
            size = max(self.used, min(size * 2, self.max_levels))
            self.levels = grown(self.levels, size << LEVEL_SHIFT)
            self.bits = grown(self.bits, (size >> 5) + 1)
            self.summary = grown(self.summary, (size >> 10) + 1)
        self.best[side] = NO_LEVEL
        self.end[side] = self.used
        return base

    def mark(self, side: i64, level: i64) -> None:
        """Note that the level holds orders."""
        word: i64 = level >> 5
        bits = self.bits
        bits[word] = bits[word] | (1 << (level & 31))
        group: i64 = level >> 10
        summary = self.summary
        summary[group] = summary[group] | (1 << (word & 31))
        best = self.best
        if level < best[side]:
            best[side] = level

    def clear(self, side: i64, level: i64) -> None:
        """Note that the level is empty, and find the next best one if it was the best."""
        word: i64 = level >> 5
        bits = self.bits
        left: i64 = bits[word] & ~(1 << (level & 31))
        bits[word] = left
        if left == 0:
            group: i64 = level >> 10
            summary = self.summary
            summary[group] = summary[group] & ~(1 << (word & 31))
        best = self.best
        if best[side] == level:
            if left != 0:
                best[side] = (word << 5) + _lowest_bit(left)
            else:
                best[side] = self._first_from(side, level >> 10)

    def next_after(self, side: i64, level: i64) -> i64:
        """Return the best level in use that is worse than `level`, or NO_LEVEL."""
        word: i64 = level >> 5
        above: i64 = self.bits[word] & ~((2 << (level & 31)) - 1)
        if above != 0:
            return (word << 5) + _lowest_bit(above)
        group: i64 = level >> 10
        words_above: i64 = self.summary[group] & ~((2 << (word & 31)) - 1)
        if words_above != 0:
            word = (group << 5) + _lowest_bit(words_above)
            return (word << 5) + _lowest_bit(self.bits[word])
        return self._first_from(side, group + 1)

    def _first_from(self, side: i64, group: i64) -> i64:
        """Return the best level in use among groups of 1,024 from `group` on, or NO_LEVEL."""
        summary = self.summary
        last: i64 = self.end[side] >> 10
        while group < last:
            words: i64 = summary[group]
            if words != 0:
                word: i64 = (group << 5) + _lowest_bit(words)
                return (word << 5) + _lowest_bit(self.bits[word])
            group += 1
        return NO_LEVEL


def _rounded(ticks: i64) -> i64:
    return (ticks + _REGION - 1) & ~(_REGION - 1)
