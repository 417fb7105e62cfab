"""Which of several engines a command is for: its instrument's, its account's home, or all."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from shared.domain import records as r
from shared.domain.commands import Batch, Command

ALL: Final = -1

# What changes an account's cash as a whole happens at its home.
_AT_HOME: Final = frozenset(
    {r.DEPOSIT_CASH, r.HOLD_WITHDRAWAL, r.CONFIRM_WITHDRAWAL, r.RELEASE_WITHDRAWAL}
)
_MOVES: Final = frozenset({r.CREDIT_OUT, r.CREDIT_IN, r.CREDIT_UNDO})


class NoRoute(ValueError):
    """The command does not say which engine it is for; whoever sends it has to choose one."""


def home_shard(account_id: int, shards: int) -> int:
    """Return the engine at which an account's deposits arrive and its withdrawals are held."""
    return account_id % shards


@dataclass(frozen=True, slots=True)
class Routing:
    """The routing table of so many engines; `shard_of_instrument` is reference data."""

    shards: int
    shard_of_instrument: Callable[[int], int]

    def of(self, command: Command) -> int:
        """Return the shard that a command is for, or ALL.

        A command that names an instrument is for the instrument's engine. Of the others, those
        that move an account's cash in and out are for its home, and the rest concern accounts, the
        firm or the market, which every engine knows.

        Raises
        ------
        NoRoute
            For credit moves, and for a batch of commands that are for several engines.
        """
        if isinstance(command, Batch):
            return self._of_batch(command)
        words = command.words()
        kind = words[r.C_HEADER] & 0xFF
        instrument_id = words[r.C_HEADER] >> 48 & 0x7FFF
        if instrument_id:
            return self.shard_of_instrument(instrument_id)
        if kind in _AT_HOME:
            return home_shard(words[r.C_ACCOUNT], self.shards)
        if kind in _MOVES:
            raise NoRoute(f"command of kind {kind} is between two engines")
        return ALL

    def _of_batch(self, batch: Batch) -> int:
        found = {self.of(command) for command in batch.commands}
        if len(found) != 1:
            raise NoRoute(f"the batch is for shards {sorted(found)}")
        return found.pop()
