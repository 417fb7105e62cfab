"""The core as the tables of the specification look at it."""

from collections.abc import Sequence
from typing import Any

from hotpath.core.engine import Engine

Event = tuple[int, ...]


class FastEngine:
    """The compiled or interpreted core; keyword settings as in `Engine`."""

    def __init__(self, **settings: Any) -> None:
        self.core = Engine(**settings)

    def apply_words(self, words: Sequence[int]) -> list[Event]:
        """Apply one command, a batch with the commands that follow it; return its events."""
        self.core.reset_events()
        return self.core.apply_words(list(words))

    def displayed_levels(self, instrument: int, side: int) -> list[tuple[int, int]]:
        """Return (price, displayed lots) of each level that others see, best first."""
        levels = self.core.queries.book_levels(instrument, 0)
        return [(price, lots) for price, lots, _ in levels[side]] if levels else []

    def money(self, account: int) -> tuple[int, int, int]:
        """Return an account's total, reserved and available cash."""
        found = self.core.queries.account(account)
        power = self.core.queries.buying_power(account)
        assert found is not None and power is not None
        return found[2], found[4], power

    def lots(self, account: int, instrument: int) -> int:
        """Return an account's position."""
        rows = self.core.queries.positions(account)
        return next((row[1] for row in rows if row[0] == instrument), 0)
