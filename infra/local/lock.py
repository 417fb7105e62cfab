"""One command at a time may start or stop the parts of a state folder."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from infra.local.errors import StackBusy
from infra.local.progress import Progress
from infra.local.settings import Settings


@contextmanager
def exclusive(settings: Settings, progress: Progress, *, wait_s: float = 180.0) -> Iterator[None]:
    """Hold the state folder's lock; wait for another command to end, then raise StackBusy.

    The lock is the operating system's: it ends with the process that holds it, however it ends.
    """
    file = settings.state / "run" / "lock"
    file.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    with file.open("a+", encoding="utf-8") as lock:
        _acquire(lock, settings, progress, wait_s)
        lock.seek(0)
        lock.truncate()
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def _acquire(lock: IO[str], settings: Settings, progress: Progress, wait_s: float) -> None:
    deadline = time.monotonic() + wait_s
    told = False
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            holder = lock.read().strip() or "unknown"
            if time.monotonic() > deadline:
                raise StackBusy(
                    f"process {holder} has been starting or stopping {settings.state}"
                    f" for {wait_s:.0f} s"
                ) from None
            if not told:
                progress.note(f"waiting for process {holder}, which starts or stops this stack")
                told = True
            time.sleep(0.1)
        else:
            return
