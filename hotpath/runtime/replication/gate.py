"""The engine's side of mode `replicated`: nothing leaves before the replicator has copied it.

The engine does not know Kafka. It says how far its journal is synced, and waits for one number. As
long as it waits, its loop goes on with what asks nothing of the core.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from hotpath.runtime.journal.wake import Sleeper, Waker
from hotpath.runtime.journal.writer import JournalFailed
from hotpath.runtime.replication.shared_file import (
    COPYING,
    ENGINE_WAKE,
    REFUSED,
    REPLICATOR_WAKE,
    ReplicationFile,
)

STALLED: Final = "replication outage"
WAIT_MS: Final = 50  # what a lost wake-up costs


class ReplicationRefused(JournalFailed):
    """Another engine has taken over: this journal is not the one that goes on."""


class ReplicationGate:
    """Holds back what a record answers until the record is copied."""

    def __init__(self, directory: Path, stall_ms: int) -> None:
        self._file = ReplicationFile(directory)
        self._file.synced_place = (0, 0)  # the journal is not this engine's yet
        self._waker = Waker(directory, REPLICATOR_WAKE)
        self.sleeper = Sleeper(directory, ENGINE_WAKE)
        self._stall_s = stall_ms / 1000
        self._epoch = 0
        self._waits_since_s = 0.0  # 0: nothing waits
        # What is done between two looks; raises when the engine is told to stop.
        self.meanwhile: Callable[[], None] = lambda: self.sleeper.sleep(WAIT_MS)

    def open(self, epoch: int, synced_place: tuple[int, int], say: Callable[[str], None]) -> None:
        """Return when this epoch's first record, and so all that precedes it, is copied.

        `say` gets what is waited for. Raises ReplicationRefused.
        """
        self._epoch = epoch
        self._publish(synced_place)
        while not self._is_copied(0):
            self.check()
            is_there = self._file.state == COPYING
            say("the journal's copy" if is_there else "the replicator, and Kafka")
            self.sleeper.sleep(WAIT_MS)
        self._file.engine_waits = False

    def wait(self, sequence: int, synced_place: tuple[int, int]) -> None:
        """Return when the record that ends with this command is copied.

        Raises ReplicationRefused, and what `meanwhile` raises.
        """
        self._publish(synced_place)
        self._waits_since_s = time.monotonic()
        while not self._is_copied(sequence):
            self.check()
            self.meanwhile()
        self._waits_since_s = 0.0
        self._file.engine_waits = False

    def check(self) -> None:
        """Raise ReplicationRefused when this engine has been replaced."""
        if self._file.state == REFUSED:
            raise ReplicationRefused(f"the replicator is refused: {self._file.reason}")

    @property
    def copied_sequence(self) -> int:
        return self._file.copied_sequence if self._file.copied_epoch == self._epoch else 0

    def waited_s(self) -> float:
        """Return how long a record has been waiting for its copy."""
        return time.monotonic() - self._waits_since_s if self._waits_since_s else 0.0

    def refusal(self) -> str:
        """Return why new orders are refused; empty while they are taken."""
        return STALLED if self.waited_s() > self._stall_s else ""

    def _publish(self, synced_place: tuple[int, int]) -> None:
        self._file.engine_waits = True  # before the first look at what is copied
        self._file.synced_place = synced_place
        if self._file.replicator_waits:
            self._file.replicator_waits = False
            self._waker.wake()

    def _is_copied(self, sequence: int) -> bool:
        file = self._file
        return file.copied_epoch == self._epoch and file.copied_sequence >= sequence
