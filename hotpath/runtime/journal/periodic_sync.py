"""Syncs the journal every few milliseconds in mode `os`, beside the engine's thread.

In this mode no answer waits for the disk; the interval bounds what a power cut takes. A thread fits
here, other than in mode `fsync`, because nobody waits for its turn.
"""

import threading

from hotpath.runtime.journal.writer import JournalFailed, JournalWriter


class PeriodicSync:
    """Syncs what was written since the last time, until it is stopped or a sync fails.

    After a failure the writer refuses everything, which halts the engine.
    """

    def __init__(self, journal: JournalWriter, interval_ms: int) -> None:
        self._journal = journal
        self._interval_s = interval_ms / 1000
        self._is_stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="journal sync", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._is_stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._is_stopping.wait(self._interval_s):
            try:
                self._journal.sync_beside()
            except JournalFailed:
                return
