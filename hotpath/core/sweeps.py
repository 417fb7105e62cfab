"""What a sweep takes off: the data alone. `sweeping.py` finds its orders and takes them off."""

from typing import Final, final

from mypy_extensions import i64

ANY: Final = -1

# Which times in force.
ALL_TIMES: Final = 0
OF_THE_DAY: Final = 1  # those that do not outlast the day
TIME_REACHED: Final = 2  # GTD orders whose time has come


@final
class Sweep:
    """Orders that leave as work allows. ANY stands for any account, group, instrument or side.

    They go account by account and instrument by instrument, in the order in which those were added,
    and newest first; those of a session only newest first.
    """

    def __init__(self, until: i64, reason: i64) -> None:
        self.until: i64 = until  # age of the youngest order that it may take
        self.reason: i64 = reason
        self.account: i64 = ANY  # offset
        self.group: i64 = ANY
        self.instrument: i64 = ANY  # offset
        self.side: i64 = ANY
        self.session: i64 = ANY
        self.times: i64 = ALL_TIMES
        self.expired_at: i64 = 0
        self.expires: bool = False  # reason is an ExpiryReason
        # Where the search goes on: what comes before has been seen.
        self.account_slot: i64 = 1
        self.instrument_slot: i64 = 1
        self.below: i64 = 0  # in this position, orders of this age or older; 0: all

    def restart(self) -> None:
        """Look at everything again: an account may belong to the group now."""
        self.account_slot = 1
        self.instrument_slot = 1
        self.below = 0
