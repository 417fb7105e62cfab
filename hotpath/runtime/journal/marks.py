"""Notes the state's hash in the journal between two batches, for whoever follows it to compare."""

import os
import time
from typing import Final

from hotpath.core.api import Engine
from hotpath.runtime.journal.writer import JournalWriter
from shared.wire.journal import encode_mark

_SHARE: Final = 1000  # of the engine's time, one part in so many may go into hashes
_IDLE_COST_S: Final = 0.02  # what a hash may take while nobody trades


class StateMarks:
    """Decides when a mark is due: each interval while something changes, and when all is quiet."""

    def __init__(
        self, engine: Engine, journal: JournalWriter, interval_ms: int, cost_s: float
    ) -> None:
        """`cost_s` is how long the last hash took; an interval of 0 makes no marks at all."""
        self._engine = engine
        self._journal = journal
        self._interval_s = interval_ms / 1000
        self._cost_s = cost_s
        self._marked = self._seen = engine.sequence
        self._due_s = 0.0

    def tidy(self, sequence: int, now_s: float) -> None:
        """Note the hash if it is due; `sequence` is of the last command. Raises JournalFailed."""
        is_quiet, self._seen = sequence == self._seen, sequence
        if sequence == self._marked or not self._interval_s:
            return
        if now_s >= self._due_s or (is_quiet and self._cost_s <= _IDLE_COST_S):
            self._mark(sequence, now_s)

    def _mark(self, sequence: int, now_s: float) -> None:
        started_s = time.thread_time()  # what it costs, not how long others had the processor
        state_hash = self._engine.state_hash()
        self._cost_s = time.thread_time() - started_s
        self._journal.append(encode_mark(sequence + 1, time.time_ns(), os.getpid(), state_hash), 0)
        self._marked = sequence
        self._due_s = now_s + max(self._interval_s, _SHARE * self._cost_s)
