"""The table of ids: which were used, by which command first, and what they stand for now.

Open addressing over rows of two words. An id is never removed while it is remembered, so an order
that leaves the book only gives up its slot. At the end of a trading day ids are forgotten: at once
for whoever asks, row by row in the table, a few with each new order, so that no command waits for
all of them. Rows move only then, and when the table grows. Four consecutive ids share a cache line,
because a member numbers its orders one after the other; a taken row sends the search past the whole
line, so that neighbours do not pile up behind each other.
"""

from typing import Final, final

from librt.vecs import vec
from mypy_extensions import i64

from hotpath.core.layout import LINE_START, ROW_ROOM
from hotpath.core.words import zeros

_ROW_SHIFT: Final = 1
_KEY: Final = LINE_START  # 0: the row is free
_WORD: Final = LINE_START + 1  # first sequence << SLOT_BITS | slot
SLOT_BITS: Final = 21
MAX_SLOT: Final = (1 << 21) - 1
NOT_FOUND: Final = -1
FIRST_ADMINISTRATIVE_ID: Final = 1 << 62  # ids below are orders'
ORDER_ID_BITS: Final = 62

_ROWS_A_STEP: Final = 256  # that a new order looks at for what is to be forgotten
_STEP: Final = 5  # odd, so that a search comes to every row
_LOW_31: Final = (1 << 31) - 1
_DIGEST_MASK: Final = (1 << 61) - 1


def _home(key: i64, mask: i64) -> i64:
    """Return the row where the search for `key` starts. No step passes 2^63."""
    block = key >> 2
    mixed = ((block & _LOW_31) * 0x9E3779B1) ^ ((block >> 31) * 0x85EBCA6B)
    return ((mixed >> 12 << 2) | (key & 3)) & mask


def home_word(key: i64, mask: i64) -> i64:
    """Return the first word that a search for `key` looks at."""
    return (_home(key, mask) << _ROW_SHIFT) + _KEY


def id_digest(key: i64, sequence: i64) -> i64:
    """Return what one remembered id adds to the table's digest. No step passes 2^63."""
    mixed = ((key & _LOW_31) * 0x9E3779B1) ^ ((key >> 31) * 0x5BD1E995)
    mixed = mixed ^ ((sequence & _LOW_31) * 0xC2B2AE35) ^ (sequence >> 31)
    return (mixed ^ (mixed >> 29)) & _DIGEST_MASK


def search(rows: vec[i64], mask: i64, key: i64) -> i64:
    """Return the row of `key` (> 0); when it is not there, ~row of the free row it would take."""
    row: i64 = _home(key, mask)
    while True:
        found: i64 = rows[(row << _ROW_SHIFT) + _KEY]
        if found == key:
            return row
        if found == 0:
            return ~row
        row = (row + _STEP) & mask


def slot_in(rows: vec[i64], row: i64) -> i64:
    """Return what the id in a row stands for now; 0: nothing any more."""
    return rows[(row << _ROW_SHIFT) + _WORD] & MAX_SLOT


@final
class IdTable:
    """Ids (1 … 2^63-1) with their first sequence and a slot (0: none); at most half full."""

    def __init__(self, capacity: i64, maximum: i64) -> None:
        """Make room for `capacity` ids; the table doubles until it holds `maximum` of them."""
        rows: i64 = 16
        while rows < capacity * 2:
            rows *= 2
        self.mask: i64 = rows - 1
        self.rows: vec[i64] = zeros((rows << _ROW_SHIFT) + ROW_ROOM)
        self.count: i64 = 0
        self.maximum: i64 = maximum
        self.rows_a_step: i64 = _ROWS_A_STEP
        self.digest: i64 = 0
        # Forgetting: ids of commands up to sequence `until` that stood for nothing when it began.
        self.until: i64 = 0
        self.left: i64 = 0  # rows that are still to be looked at; 0: no forgetting is under way
        self.place: i64 = 0  # the row looked at last
        self.kept: dict[int, bool] = {}  # ids that have stood for nothing only since it began

    def find(self, key: i64) -> i64:
        """Return the row of `key` (> 0), or NOT_FOUND."""
        row: i64 = search(self.rows, self.mask, key)
        if row < 0:  # not a conditional expression: with a constant in it, mypyc boxes the result
            return NOT_FOUND
        return row

    def key(self, row: i64) -> i64:
        """Return the id in a row; 0 when the row is free."""
        return self.rows[(row << _ROW_SHIFT) + _KEY]

    def slot(self, row: i64) -> i64:
        return slot_in(self.rows, row)

    def sequence(self, row: i64) -> i64:
        return self.rows[(row << _ROW_SHIFT) + _WORD] >> SLOT_BITS

    def first_sequence(self, key: i64) -> i64:
        """Return the sequence of the command that used any id first, or 0 when none did."""
        if key <= 0:
            return 0
        row: i64 = self.find(key)
        return self.sequence(row) if row >= 0 and self.remembers(row) else 0

    def set_slot(self, row: i64, slot: i64) -> None:
        """Say what the id stands for now; 0 when it stands for nothing any more."""
        index: i64 = (row << _ROW_SHIFT) + _WORD
        rows = self.rows
        rows[index] = (rows[index] & ~MAX_SLOT) | slot

    def release(self, key: i64) -> None:
        """Note that what a remembered id stood for is no longer open."""
        rows = self.rows
        word: i64 = (search(rows, self.mask, key) << _ROW_SHIFT) + _WORD
        if self.left != 0 and rows[word] >> SLOT_BITS <= self.until:
            self.kept[key] = True
        rows[word] = rows[word] & ~MAX_SLOT

    def is_full(self) -> bool:
        return self.count >= self.maximum

    def insert(self, key: i64, sequence: i64, slot: i64) -> None:
        """Remember a new id. The caller has looked that it is new and that the table has room."""
        self.make_room()
        self.fill(self.rows, ~search(self.rows, self.mask, key), key, sequence, slot)

    def make_room(self) -> None:
        """Grow if one more id needs it, and go on forgetting. Rows found before are then others."""
        if self.left != 0:
            self._look_at_rows(self.left if self.is_full() else self.rows_a_step)
        if self.count * 2 > self.mask and self.count < self.maximum:
            self._grow()

    def expect(self, count: i64) -> None:
        """Make room for `count` ids at once."""
        while count * 2 > self.mask and count <= self.maximum:
            self._grow()

    def fill(self, rows: vec[i64], row: i64, key: i64, sequence: i64, slot: i64) -> None:
        """Remember a new id in the free row that `search` has found for it in `rows`."""
        rows[(row << _ROW_SHIFT) + _KEY] = key
        rows[(row << _ROW_SHIFT) + _WORD] = sequence << SLOT_BITS | slot
        self.count += 1
        self.digest = (self.digest + id_digest(key, sequence)) & _DIGEST_MASK

    # --- forgetting ------------------------------------------------------------------------------

    def forget(self, until: i64) -> None:
        """Forget the ids of commands up to sequence `until` that stand for nothing any more."""
        self.finish_forgetting()
        self.until = until
        self.left = self.mask + 1

    def finish_forgetting(self) -> None:
        """Look at all rows that are left: then `count`, `digest` and rows tell what is known."""
        while self.left != 0:
            self._look_at_rows(self.left)

    def remembers(self, row: i64) -> bool:
        """Say whether a row's id is known; when it is to be forgotten, do so: rows are others."""
        if self.left == 0 or not self._is_due(row):
            return True
        first: i64 = row
        while self.key((first - _STEP) & self.mask) != 0:
            first = (first - _STEP) & self.mask
        self._tidy_from(first)
        return False

    def _is_due(self, row: i64) -> bool:
        word: i64 = self.rows[(row << _ROW_SHIFT) + _WORD]
        if word >> SLOT_BITS > self.until or word & MAX_SLOT != 0:
            return False
        return self.key(row) not in self.kept

    def _look_at_rows(self, count: i64) -> None:
        """Forget what is due in the next `count` rows and in those up to the next free one."""
        left: i64 = max(self.left - count, 0)
        while self.left > left:
            following: i64 = (self.place + _STEP) & self.mask
            end: i64 = following
            if self.key(following) != 0:
                end = self._tidy_from(following)
            passed: i64 = 1
            while following != end:
                following = (following + _STEP) & self.mask
                passed += 1
            self.place = end
            self.left -= passed
        if self.left <= 0:
            self.left = 0
            self.kept = {}

    def _tidy_from(self, first: i64) -> i64:
        """Forget what is due from a row up to the next free one, and close the gaps; return that.

        A search passes taken rows only, so no row elsewhere depends on these.
        """
        rows = self.rows
        row: i64 = first
        while self.key(row) != 0:
            due: bool = self._is_due(row)
            key: i64 = rows[(row << _ROW_SHIFT) + _KEY]
            word: i64 = rows[(row << _ROW_SHIFT) + _WORD]
            rows[(row << _ROW_SHIFT) + _KEY] = 0
            rows[(row << _ROW_SHIFT) + _WORD] = 0
            if due:
                self.count -= 1
                self.digest = (self.digest - id_digest(key, word >> SLOT_BITS)) & _DIGEST_MASK
            else:
                to: i64 = ~search(rows, self.mask, key)
                rows[(to << _ROW_SHIFT) + _KEY] = key
                rows[(to << _ROW_SHIFT) + _WORD] = word
            row = (row + _STEP) & self.mask
        return row

    def _grow(self) -> None:
        self.finish_forgetting()
        old = self.rows
        size: i64 = self.mask + 1
        self.mask = size * 2 - 1
        new = zeros((size * 2 << _ROW_SHIFT) + ROW_ROOM)
        row: i64 = 0
        while row < size:
            key: i64 = old[(row << _ROW_SHIFT) + _KEY]
            if key != 0:
                to: i64 = ~search(new, self.mask, key)
                new[(to << _ROW_SHIFT) + _KEY] = key
                new[(to << _ROW_SHIFT) + _WORD] = old[(row << _ROW_SHIFT) + _WORD]
            row += 1
        self.rows = new
