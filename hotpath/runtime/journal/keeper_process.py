"""`python -m hotpath.runtime.journal.keeper_process`: syncs a journal and makes its next segment.

The engine starts it (journal/keeper.py) and shares one page with it, in which each word has one
writer. It ends when the engine does, which closes the pipe that is its standard input.
"""

import contextlib
import errno
import mmap
import os
import select
import signal
import sys
import time
from pathlib import Path
from typing import Final

from hotpath.runtime.journal.files import FILL_BYTES, JournalFiles
from hotpath.runtime.journal.names import READY_NAME, segment_path

SHARED_BYTES: Final = 4096
W_ASKED: Final = 0  # the place before which all is to be on the disk; the engine's
W_SYNCED: Final = 8  # the place before which all is; the keeper's, a cache line of its own
W_FAILURE: Final = 9  # errno of the sync that failed

_OFFSET_BITS: Final = 40  # of a place; the rest is the segment's number
_LOOK_MS: Final = 50  # how often it is looked where nothing is to be synced
# Zeros at once: a short turn on a core that others want as well.
_FILL_BYTES: Final = 4 * FILL_BYTES
_FILL_PAUSE_MS: Final = 4
_SYNC_BYTES: Final = 1 << 20  # of zeros at once, so that the journal's own syncs do not wait long
_RETRY_S: Final = 1.0
_MISSING_S: Final = 1.0  # how long a segment's name may be away before that is a failure


def as_word(number: int, offset: int) -> int:
    return number << _OFFSET_BITS | offset


def as_place(word: int) -> tuple[int, int]:
    """Return the segment's number and the byte."""
    return word >> _OFFSET_BITS, word & ((1 << _OFFSET_BITS) - 1)


class Keeper:
    """Does one thing at a time, in small pieces."""

    def __init__(
        self, directory: Path, segment_bytes: int, sync_ms: int, words: memoryview
    ) -> None:
        self._directory = directory
        self._segment_bytes = segment_bytes
        self._syncs = sync_ms > 0
        self._sync_ms = sync_ms or _LOOK_MS
        self._words = words
        self._files = JournalFiles()
        self._number = 0
        self._descriptor = -1  # of the segment that the engine writes
        self._new = directory / f"{os.getpid()}.spare"
        self._new_descriptor = -1
        self._filled = 0
        self._retry_at_s = 0.0
        self._missing_since_s = 0.0

    def run(self) -> int:
        """Return the exit code once the engine has let go, or a sync has failed."""
        pipe = select.poll()
        pipe.register(sys.stdin.fileno(), select.POLLIN | select.POLLHUP)
        due_s = 0.0
        try:
            while True:
                is_over = bool(pipe.poll(_FILL_PAUSE_MS if self._is_filling else self._sync_ms))
                now_s = time.monotonic()
                if self._syncs and (is_over or now_s >= due_s or not self._is_filling):
                    due_s = now_s + self._sync_ms / 1000
                    if not self._sync():
                        return 1
                if is_over:
                    return 0
                self._make_segment(now_s)
        finally:
            self._drop_new()

    @property
    def _is_filling(self) -> bool:
        return self._new_descriptor >= 0

    def _sync(self) -> bool:
        """Have on the disk what the engine has asked for; return whether that is so."""
        words = self._words
        asked = words[W_ASKED]
        if asked == words[W_SYNCED]:
            return True
        try:
            self._go_to(as_place(asked)[0])
            self._files.sync(self._descriptor)
        except FileNotFoundError:
            now_s = time.monotonic()
            self._missing_since_s = self._missing_since_s or now_s
            if now_s - self._missing_since_s > _MISSING_S:
                words[W_FAILURE] = errno.ENOENT
            return not words[W_FAILURE]
        except OSError as error:
            words[W_FAILURE] = error.errno or errno.EIO
            return False
        words[W_SYNCED] = asked
        return True

    def _go_to(self, number: int) -> None:
        """Open the segment that the engine writes; it has synced the one before."""
        if number == self._number:
            return
        descriptor = os.open(segment_path(self._directory, number), os.O_RDWR)
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor, self._number, self._missing_since_s = descriptor, number, 0.0

    def _make_segment(self, now_s: float) -> None:
        """Go on with the next segment, once half of this one is used.

        Without room on the disk it is tried again later: the engine then finds out for itself.
        """
        try:
            if self._is_filling:
                self._fill()
            elif now_s >= self._retry_at_s and self._is_wanted():
                self._new_descriptor = self._files.create(self._new, self._segment_bytes)
                self._filled = 0
        except OSError:
            self._drop_new()
            self._retry_at_s = now_s + _RETRY_S

    def _is_wanted(self) -> bool:
        _, offset = as_place(self._words[W_ASKED])
        return offset > self._segment_bytes // 2 and not (self._directory / READY_NAME).exists()

    def _fill(self) -> None:
        """Write the next stretch of zeros; give the segment its name when they are all there.

        From then on it is the engine's.
        """
        size = min(_FILL_BYTES, self._segment_bytes - self._filled)
        self._files.fill(self._new_descriptor, self._filled, size)
        self._filled += size
        is_done = self._filled == self._segment_bytes
        if is_done or self._filled % _SYNC_BYTES == 0:
            self._files.sync(self._new_descriptor)
        if is_done:
            os.close(self._new_descriptor)
            self._new_descriptor = -1
            os.rename(self._new, self._directory / READY_NAME)

    def _drop_new(self) -> None:
        if self._is_filling:
            os.close(self._new_descriptor)
            self._new_descriptor = -1
        with contextlib.suppress(OSError):
            self._new.unlink(missing_ok=True)


def main(given: list[str]) -> int:
    """Return the exit code; `given` is the folder, a segment's size, the interval, the page."""
    for number in (signal.SIGINT, signal.SIGTERM):  # they are the engine's; it syncs to the end
        signal.signal(number, signal.SIG_IGN)
    directory, segment_bytes, sync_ms, descriptor = Path(given[0]), *map(int, given[1:])
    _leave_the_engine_its_cores()
    for left in directory.glob("*.spare"):  # of one that was killed; the engine holds the lock
        if left.name != READY_NAME:
            left.unlink(missing_ok=True)
    words = memoryview(mmap.mmap(descriptor, SHARED_BYTES)).cast("q")
    return Keeper(directory, segment_bytes, sync_ms, words).run()


def _leave_the_engine_its_cores() -> None:
    """Run elsewhere, where the engine keeps to some of the host's cores."""
    if hasattr(os, "sched_setaffinity"):
        others = set(range(os.cpu_count() or 1)) - os.sched_getaffinity(0)
        if others:
            with contextlib.suppress(OSError):  # a container's own share may leave none
                os.sched_setaffinity(0, others)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
