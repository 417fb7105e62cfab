"""The members' sessions: their throttles, and the orders that leave when they disconnect."""

from typing import Final, final

from librt.vecs import vec
from mypy_extensions import i64

from hotpath.core.ids import NOT_FOUND, IdTable
from hotpath.core.words import grown, next_capacity, zeros

# A session with a throttle, by slot x 4: limit, window, used, as in A_THROTTLE; then its number.
S_THROTTLE: Final = 0
S_NUMBER: Final = 3
SESSION_SHIFT: Final = 2

# Orders that are cancelled on disconnect are chained by a part of their session's number.
CHAINS: Final = 4096
_FIRST_CAPACITY: Final = 16


@final
class SessionTable:
    def __init__(self, maximum: i64) -> None:
        self.maximum: i64 = maximum
        self.capacity: i64 = min(maximum, _FIRST_CAPACITY)
        self.words: vec[i64] = zeros((self.capacity + 1) << SESSION_SHIFT)
        self.slots: Final = IdTable(self.capacity, maximum)
        self.count: i64 = 0
        self.newest: vec[i64] = zeros(CHAINS)  # cold row of the newest order of a chain

    def find(self, session: i64) -> i64:
        """Return the offset of a session that has a throttle, or 0."""
        if session <= 0 or self.count == 0:
            return 0
        row: i64 = self.slots.find(session)
        if row == NOT_FOUND:
            return 0
        return self.slots.slot(row) << SESSION_SHIFT

    def has_room(self) -> bool:
        return self.count < self.maximum

    def add(self, session: i64) -> i64:
        """Return the offset of a session that is new here. The caller sees that it fits."""
        if self.count >= self.capacity:
            self.capacity = next_capacity(self.capacity, self.maximum)
            self.words = grown(self.words, (self.capacity + 1) << SESSION_SHIFT)
        self.count += 1
        self.slots.insert(session, self.count, self.count)
        offset: i64 = self.count << SESSION_SHIFT
        self.words[offset + S_NUMBER] = session
        return offset
