"""How many orders a second the engine takes: a bucket that fills with time."""

from typing import Final

UNLIMITED: Final = 1 << 62
_BURST_NS: Final = 100_000_000  # what was not used is kept for so long
_SECOND_NS: Final = 1_000_000_000


class RateLimit:
    """`left` is how many may be taken now; whoever takes some takes them off."""

    def __init__(self, per_second: int, now_ns: int) -> None:
        self.per_second = per_second  # 0: no limit
        self.left = UNLIMITED if not per_second else 0
        self._credit_ns = 0  # time that was not turned into commands yet
        self._filled_ns = now_ns
        self._most = max(1, per_second * _BURST_NS // _SECOND_NS)

    def fill(self, now_ns: int) -> None:
        if not self.per_second:
            return
        credit = self._credit_ns + (now_ns - self._filled_ns) * self.per_second
        self._filled_ns = now_ns
        more, self._credit_ns = divmod(credit, _SECOND_NS)
        self.left = min(self.left + more, self._most)
