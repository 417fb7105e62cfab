"""The price ladder: a window of levels around the market, and the prices beside it.

A side of an instrument has a window of levels, one per tick, best prices first, so that "better"
is a lower number on both sides; a bitmap finds the next level in use. A price beside the window
has a number as well, though no place in it: its level stands in a tree (`trees.py`), and `best`
compares numbers of both kinds. When prices beside the window are used too often it is centred anew
(`recentre`): levels are copied with their queues, so nobody loses a place, in a time that the
window's size bounds.
"""

from typing import Final, final

from librt.vecs import vec
from mypy_extensions import i64

from hotpath.core.layout import (
    L_HEAD,
    L_LOTS,
    L_ORDERS,
    L_TAIL,
    LEVEL_SHIFT,
    LINE_START,
    ROW_ROOM,
    TREE_FAR,
)
from hotpath.core.trees import N_ONE, N_ZERO, Trees
from hotpath.core.words import grown, zeros
from shared.domain.records import MAX_PRICE_TICKS, SELL

NO_LEVEL: Final = 1 << 60  # worse than every level
_WINDOW_STEP: Final = 32
_REGION: Final = 1024  # a word of `summary` covers 32 words of `bits` of the same side

_TRAILING_ZEROS: Final = vec[i64](
    [0, 1, 28, 2, 29, 14, 24, 3, 30, 22, 20, 15, 25, 17, 4, 8]  # noqa: RUF005 - for mypyc
    + [31, 27, 13, 23, 21, 19, 16, 7, 26, 12, 18, 6, 11, 5, 10, 9]
)  # by the de Bruijn sequence 0x077CB531


def _lowest_bit(word: i64) -> i64:
    """Return the number of the lowest bit set in a word of 32 bits that is not 0."""
    return _TRAILING_ZEROS[(((word & -word) * 0x077CB531) & 0xFFFFFFFF) >> 27]


def key_of(side: i64, price: i64) -> i64:
    """Return a price's key in a tree of a side: the better, the lower."""
    return price if side == SELL else MAX_PRICE_TICKS - price


@final
class Ladder:
    """All levels of all instruments; a side is instrument slot x 2 + side."""

    def __init__(self, max_instruments: i64, window: i64) -> None:
        """`window` is how many prices the ladder of a side spans."""
        self.window: i64 = (window + _WINDOW_STEP - 1) & ~(_WINDOW_STEP - 1)
        sides: i64 = (max_instruments + 1) * 2
        self.levels: vec[i64] = zeros((1 << LEVEL_SHIFT) + ROW_ROOM)
        self.bits: vec[i64] = zeros(0)  # 32 levels a word
        self.summary: vec[i64] = zeros(0)  # 1,024 levels a word
        self.best: Final[vec[i64]] = vec[i64]([NO_LEVEL] * sides)  # number of the best level
        self.best_at: Final[vec[i64]] = zeros(sides)  # its offset
        self.base: Final[vec[i64]] = zeros(sides)  # number of the first level of the window
        self.end: Final[vec[i64]] = zeros(sides)
        self.trees: Final = Trees((max_instruments + 1) * 8)
        self.used: i64 = _REGION  # levels handed out; level 0 is none
        self.free: i64 = 0  # first of the chain of levels given back, by offset
        self.fresh: i64 = 0  # a region is cut up into single levels from here …
        self.fresh_end: i64 = 0  # … to here

    def add_side(self, side: i64) -> i64:
        """Return the number of the best level of a new side's window."""
        base: i64 = self._region((self.window + _REGION - 1) // _REGION)
        self.best[side] = NO_LEVEL
        self.base[side] = base
        self.end[side] = base + self.window
        return base

    def _region(self, regions: i64) -> i64:
        base: i64 = self.used
        self.used = base + regions * _REGION
        size: i64 = len(self.levels) - ROW_ROOM >> LEVEL_SHIFT
        if self.used > size:
            size = max(self.used, size * 2)
            self.levels = grown(self.levels, (size << LEVEL_SHIFT) + ROW_ROOM)
            self.bits = grown(self.bits, (size >> 5) + 1)
            self.summary = grown(self.summary, (size >> 10) + 1)
        return base

    def new_level(self) -> i64:
        """Return the offset of an empty level that is in no window. `levels` may be another vec."""
        at: i64 = self.free
        if at != 0:
            self.free = self.levels[at + L_HEAD]
        else:
            if self.fresh == self.fresh_end:
                self.fresh = self._region(1)
                self.fresh_end = self.fresh + _REGION
            at = self.fresh << LEVEL_SHIFT
            self.fresh += 1
        levels = self.levels
        levels[at + L_HEAD] = 0
        levels[at + L_TAIL] = 0
        levels[at + L_LOTS] = 0
        levels[at + L_ORDERS] = 0
        return at

    def give_back(self, at: i64) -> None:
        self.levels[at + L_HEAD] = self.free
        self.free = at

    # --- levels of the book ----------------------------------------------------------------------

    def at(self, side: i64, number: i64, price: i64) -> i64:
        """Return the offset of a price's level, or 0 when it has none (beside the window)."""
        if self.base[side] <= number < self.end[side]:
            return number << LEVEL_SHIFT
        leaf: i64 = self.trees.find(_tree(side), key_of(side & 1, price))
        if leaf == 0:
            return 0
        return self.trees.nodes[leaf + N_ONE]

    def at_or_new(self, side: i64, number: i64, price: i64) -> i64:
        """Return the offset of a price's level, making it if need be."""
        at: i64 = self.at(side, number, price)
        if at == 0:
            at = self.new_level()
            self.trees.add(_tree(side), key_of(side & 1, price), at)
        return at

    def mark(self, side: i64, number: i64, at: i64) -> None:
        """Note that the level holds orders now."""
        if self.holds(side, number):
            self.use(side, number)
        elif number < self.best[side]:
            self.best[side] = number
            self.best_at[side] = at

    def holds(self, side: i64, number: i64) -> bool:
        """Say whether the window has a place for the number."""
        return 0 <= number - self.base[side] < self.window

    def use(self, side: i64, number: i64) -> None:
        """Note that a level of the window holds orders now."""
        self._set_bit(number)
        if number < self.best[side]:
            self.best[side] = number
            self.best_at[side] = number << LEVEL_SHIFT

    def _set_bit(self, number: i64) -> None:
        word: i64 = number >> 5
        others: i64 = self.bits[word]
        self.bits[word] = others | (1 << (number & 31))
        if others == 0:
            group: i64 = number >> 10
            self.summary[group] = self.summary[group] | (1 << (word & 31))

    def clear(self, side: i64, number: i64, price: i64) -> None:
        """Note that the level is empty, and find the next best one if it was the best."""
        if self.holds(side, number):
            self.leave(side, number, price)
            return
        tree: i64 = _tree(side)
        leaf: i64 = self.trees.find(tree, key_of(side & 1, price))
        self.give_back(self.trees.nodes[leaf + N_ONE])
        self.trees.remove(tree, leaf)
        if self.best[side] == number:
            self._find_best(side, number, price)

    def leave(self, side: i64, number: i64, price: i64) -> None:
        """Note that a level of the window is empty, and find the next best one if it was best."""
        word: i64 = number >> 5
        left: i64 = self.bits[word] & ~(1 << (number & 31))
        self.bits[word] = left
        if left == 0:
            group: i64 = number >> 10
            self.summary[group] = self.summary[group] & ~(1 << (word & 31))
        if self.best[side] != number:
            return
        if left != 0 and self.trees.roots[_tree(side)] == 0:
            number = (word << 5) + _lowest_bit(left)
            self.best[side] = number
            self.best_at[side] = number << LEVEL_SHIFT
        else:
            self._find_best(side, number, price)

    def _find_best(self, side: i64, number: i64, price: i64) -> None:
        """Set the best level anew; all that were better than `number` are empty."""
        best: i64 = NO_LEVEL
        if number < self.end[side]:
            best = self._first_in_window(side, max(number, self.base[side]))
        at: i64 = best << LEVEL_SHIFT
        leaf: i64 = self.trees.first(_tree(side))
        if leaf != 0:
            key: i64 = key_of(side & 1, price)
            far: i64 = number + self.trees.nodes[leaf + N_ZERO] - key
            if far < best:
                best = far
                at = self.trees.nodes[leaf + N_ONE]
        self.best[side] = best
        self.best_at[side] = at

    def _first_in_window(self, side: i64, number: i64) -> i64:
        """Return the best level in use from `number` on, or NO_LEVEL."""
        word: i64 = number >> 5
        left: i64 = self.bits[word] & ~((1 << (number & 31)) - 1)
        if left != 0:
            return (word << 5) + _lowest_bit(left)
        group: i64 = number >> 10
        words: i64 = self.summary[group] & ~((2 << (word & 31)) - 1)
        last: i64 = self.end[side] - 1 >> 10
        while True:
            if words != 0:
                word = (group << 5) + _lowest_bit(words)
                return (word << 5) + _lowest_bit(self.bits[word])
            group += 1
            if group > last:
                return NO_LEVEL
            words = self.summary[group]

    # --- walking ---------------------------------------------------------------------------------

    def next_after(self, side: i64, number: i64, price: i64) -> i64:
        """Return the offset of the best level worse than the one of the price, or 0."""
        in_window: i64 = NO_LEVEL
        if number + 1 < self.end[side]:
            in_window = self._first_in_window(side, max(number + 1, self.base[side]))
        tree: i64 = _tree(side)
        if self.trees.roots[tree] == 0:
            return 0 if in_window == NO_LEVEL else in_window << LEVEL_SHIFT
        key: i64 = key_of(side & 1, price)
        leaf: i64 = self.trees.after(tree, key)
        if leaf == 0:
            return 0 if in_window == NO_LEVEL else in_window << LEVEL_SHIFT
        if number + self.trees.nodes[leaf + N_ZERO] - key < in_window:
            return self.trees.nodes[leaf + N_ONE]
        return in_window << LEVEL_SHIFT

    # --- centring --------------------------------------------------------------------------------

    def recentre(self, side: i64, origin: i64, new_origin: i64) -> None:
        """Move a side's window so that a price's number grows by `new_origin - origin`."""
        tree: i64 = _tree(side)
        book_side: i64 = side & 1
        base: i64 = self.base[side]
        number: i64 = base
        while True:  # everything leaves the window …
            number = self._first_in_window(side, number)
            if number == NO_LEVEL:
                break
            price: i64 = (number - origin) if book_side == SELL else (origin - number)
            at: i64 = self.new_level()
            _move_level(self.levels, number << LEVEL_SHIFT, at)
            self.trees.add(tree, key_of(book_side, price), at)
            self._clear_bit(number)
            number += 1
            if number == self.end[side]:
                break
        leaf: i64 = self.trees.first(tree)
        while leaf != 0:  # … and what belongs there comes back
            key: i64 = self.trees.nodes[leaf + N_ZERO]
            price = key if book_side == SELL else MAX_PRICE_TICKS - key
            number = new_origin + (price if book_side == SELL else -price)
            if number >= self.end[side]:
                break
            following: i64 = self.trees.next(leaf)
            if number >= base:
                at = self.trees.nodes[leaf + N_ONE]
                _move_level(self.levels, at, number << LEVEL_SHIFT)
                self.give_back(at)
                self.trees.remove(tree, leaf)
                self._set_bit(number)
            leaf = following
        if self.best[side] != NO_LEVEL:
            start: i64 = self.best[side] + new_origin - origin
            best_price: i64 = start - new_origin if book_side == SELL else new_origin - start
            self._find_best(side, start, best_price)

    def _clear_bit(self, number: i64) -> None:
        word: i64 = number >> 5
        self.bits[word] = self.bits[word] & ~(1 << (number & 31))
        if self.bits[word] == 0:
            group: i64 = number >> 10
            self.summary[group] = self.summary[group] & ~(1 << (word & 31))


def _tree(side: i64) -> i64:
    """Return the tree of a side's levels beside the window."""
    return (side >> 1 << 3) + (TREE_FAR << 1) + (side & 1)


def _move_level(levels: vec[i64], source: i64, target: i64) -> None:
    word: i64 = LINE_START
    while word < (1 << LEVEL_SHIFT) + LINE_START:
        levels[target + word] = levels[source + word]
        levels[source + word] = 0
        word += 1
