"""Wakes who waits for another process's news of a journal: a named pipe, written only then.

A pipe and not a socket, because its path may have any length. A lost wake-up costs the follower's
own time-out and nothing else.
"""

import contextlib
import errno
import os
import select
from pathlib import Path
from typing import Final

PIPE_NAME: Final = "publisher.wake"


class Waker:
    """The end of who has news. Never blocks and never fails."""

    def __init__(self, directory: Path, name: str = PIPE_NAME) -> None:
        self._path = directory / name
        self._descriptor = -1

    def wake(self) -> None:
        try:
            if self._descriptor < 0:
                self._descriptor = os.open(self._path, os.O_WRONLY | os.O_NONBLOCK)
            os.write(self._descriptor, b"w")
        except BlockingIOError:
            pass  # it has wake-ups enough
        except OSError as error:
            if error.errno not in (errno.ENXIO, errno.ENOENT, errno.EPIPE):
                raise
            self.close()  # nobody follows

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class Sleeper:
    """The end of who waits for news."""

    def __init__(self, directory: Path, name: str = PIPE_NAME) -> None:
        path = directory / name
        with contextlib.suppress(FileExistsError):
            os.mkfifo(path, 0o600)
        # Open for writing too, so that the pipe never reads as ended when the engine goes away.
        self._descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        self._poll = select.poll()
        self._poll.register(self._descriptor, select.POLLIN)

    @property
    def descriptor(self) -> int:
        """Return what becomes readable when woken."""
        return self._descriptor

    def sleep(self, timeout_ms: int) -> None:
        """Return when woken, or after `timeout_ms`."""
        if self._poll.poll(timeout_ms):
            self.drain()

    def drain(self) -> None:
        """Forget the wake-ups that have come."""
        with contextlib.suppress(BlockingIOError):
            os.read(self._descriptor, 4096)

    def close(self) -> None:
        os.close(self._descriptor)
