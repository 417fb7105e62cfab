"""The engine's end of the process that syncs its journal beside it, and makes the next segment."""

import logging
import mmap
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

from hotpath.runtime.journal.keeper_process import (
    SHARED_BYTES,
    W_ASKED,
    W_FAILURE,
    W_SYNCED,
    as_place,
    as_word,
)
from hotpath.runtime.journal.writer import JournalFailed, JournalWriter

log = logging.getLogger("engine")

_ENDS_WITHIN_S: Final = 5.0


class JournalKeeper:
    """Tells the process how far the journal is written, and learns how far it is on the disk.

    A process and not a thread: one that wants the interpreter's lock takes it from the engine's
    loop, which then waits until the thread has had its turn on a core. `sync_ms` 0: it only makes
    segments.
    """

    def __init__(
        self, directory: Path, journal: JournalWriter, sync_ms: int, segment_bytes: int
    ) -> None:
        self._directory = directory
        self._journal = journal
        self._sync_ms = sync_ms
        self._segment_bytes = segment_bytes
        self._process: subprocess.Popen[bytes] | None = None
        self._descriptor = os.memfd_create("journal keeper", os.MFD_CLOEXEC)
        os.ftruncate(self._descriptor, SHARED_BYTES)
        self._words = memoryview(mmap.mmap(self._descriptor, SHARED_BYTES)).cast("q")
        self._told = -1  # bytes written, of what was told last
        self._heard = 0

    def start(self) -> None:
        """Start the process; raise OSError when the system does not let it be."""
        words = [self._directory, self._segment_bytes, self._sync_ms, self._descriptor]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "hotpath.runtime.journal.keeper_process", *map(str, words)],
            stdin=subprocess.PIPE,
            pass_fds=[self._descriptor],
        )

    def tell(self) -> None:
        """Say what is to be on the disk within the interval; called in each turn of the loop.

        Raises JournalFailed when an earlier sync failed: what the disk holds is not known any more.
        """
        words, end = self._words, self._journal.end
        written = end.bytes_written
        if written != self._told:
            self._told = written
            words[W_ASKED] = as_word(*self._journal.place)
        synced = words[W_SYNCED]
        if synced != self._heard:
            self._heard = synced
            self._journal.note_synced(*as_place(synced))
        failure = words[W_FAILURE]
        if failure:
            raise JournalFailed(f"sync of the journal: {OSError(failure, os.strerror(failure))}")

    def tidy(self) -> None:
        """Start the process again if something has ended it; called a few times a second."""
        process = self._process
        if process is None or process.poll() is None or self._words[W_FAILURE]:
            return
        log.error("the journal's keeper ended with %d; another one starts", process.returncode)
        self._let_go(process)
        self._process = None
        self.start()

    def stop(self) -> None:
        """Have it sync once more, and end."""
        process, self._process = self._process, None
        if process is not None:
            self._let_go(process)
            try:
                process.wait(_ENDS_WITHIN_S)
            except subprocess.TimeoutExpired:  # its disk hangs; the engine's own sync will tell
                process.kill()

    @property
    def process_id(self) -> int:
        return self._process.pid if self._process is not None else 0

    @staticmethod
    def _let_go(process: "subprocess.Popen[bytes]") -> None:
        assert process.stdin is not None
        process.stdin.close()
