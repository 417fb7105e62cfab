"""Time as an argument."""

import time
from typing import Protocol


class Clock(Protocol):
    def now_ns(self) -> int:
        """Return nanoseconds since the Unix epoch, UTC."""
        ...


class SystemClock:
    def now_ns(self) -> int:
        return time.time_ns()
