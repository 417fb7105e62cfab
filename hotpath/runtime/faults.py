"""Named places where a test may kill the engine: TRADING_FAULT=name:n dies at the n-th passage."""

import os
import signal
from typing import Final

RECEIVED: Final = "received"  # commands were read and decoded
APPLIED: Final = "applied"  # the core has changed, nothing is written
HALF_WRITTEN: Final = "half_written"  # a part of the record is in the file
WRITTEN: Final = "written"  # the record is in the file, not synced
SYNCED: Final = "synced"  # durable, nobody was told
ACKNOWLEDGED: Final = "acknowledged"  # answers were handed to the sockets
PUBLISHED: Final = "published"  # the publisher has stored a batch, and not noted it
POINTS: Final = (RECEIVED, APPLIED, HALF_WRITTEN, WRITTEN, SYNCED, ACKNOWLEDGED, PUBLISHED)


class Faults:
    """Counts passages; `at` is one comparison when no fault is set."""

    def __init__(self, setting: str = "") -> None:
        name, _, number = setting.partition(":")
        if setting and name not in POINTS:
            raise ValueError(f"TRADING_FAULT names {name!r}; it must be one of {', '.join(POINTS)}")
        self._name = name
        self._left = int(number or 1)

    @property
    def is_set(self) -> bool:
        return bool(self._name)

    def at(self, point: str) -> None:
        """Die here if this is the passage that was asked for."""
        if point == self._name and self.is_due(point):
            os.kill(os.getpid(), signal.SIGKILL)

    def is_due(self, point: str) -> bool:
        """Count a passage; return whether it is the one at which to die."""
        if point != self._name:
            return False
        self._left -= 1
        return self._left == 0
