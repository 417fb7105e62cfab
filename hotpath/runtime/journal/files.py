"""The journal's file operations in one place, where a test can stand between them and the disk."""

import errno
import os
from pathlib import Path
from typing import Final

FILL_BYTES: Final = 64 << 10
_ZEROS: Final = bytes(FILL_BYTES)


class JournalFiles:
    """The real ones. All raise OSError when the disk does not do what was asked."""

    def create(self, path: Path, size: int) -> int:
        """Return the descriptor of a new file of `size` bytes whose room is taken from the disk."""
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, size)
        except OSError:
            os.close(descriptor)
            raise
        return descriptor

    def adopt(self, ready: Path, path: Path) -> tuple[int, int] | None:
        """Take over a file of zeros that another process has made; None when there is none.

        Returns its descriptor and its size. Its name becomes `path`.
        """
        try:
            os.rename(ready, path)
        except FileNotFoundError:
            return None
        descriptor = os.open(path, os.O_RDWR)
        return descriptor, os.fstat(descriptor).st_size

    def fill(self, descriptor: int, start: int, size: int) -> None:
        """Write zeros, where no record is yet, behind byte `start`.

        Room that was only taken from the disk is marked as written with the first sync of each
        page, and a write that comes meanwhile waits for it. Stretches of `FILL_BYTES` make pages
        that the system keeps together, and small enough that a sync seldom holds the one which is
        written.
        """
        end = start + size
        while start < end:
            start += os.pwrite(descriptor, _ZEROS[: min(FILL_BYTES, end - start)], start)

    def reopen(self, path: Path, end: int) -> int:
        """Return a descriptor to go on behind byte `end`; all before it is on the disk by then."""
        descriptor = os.open(path, os.O_RDWR)
        # The page cache may hold more than the disk: what was read becomes durable here,
        # and so does the name, for a predecessor may have died between giving it and syncing it.
        os.fsync(descriptor)
        _sync_folder(path.parent)
        return descriptor

    def wipe(self, descriptor: int, end: int) -> None:
        """Put zeros behind byte `end`, durably, and leave the file's size as it is."""
        size = os.fstat(descriptor).st_size
        os.ftruncate(descriptor, end)
        os.posix_fallocate(descriptor, 0, size)
        os.fsync(descriptor)

    def write(self, descriptor: int, data: bytes, offset: int) -> None:
        written = os.pwrite(descriptor, data, offset)
        while written < len(data):
            more = os.pwrite(descriptor, data[written:], offset + written)
            if more == 0:
                raise OSError(errno.EIO, "nothing was written")
            written += more

    def begin_sync(self, descriptor: int, start: int, size: int) -> None:
        """Have the system begin to write bytes to the disk, and do not wait for it."""
        os.posix_fadvise(descriptor, start, size, os.POSIX_FADV_DONTNEED)

    def sync(self, descriptor: int) -> None:
        """Return when what was written to the file is on the disk."""
        os.fdatasync(descriptor)

    def rename(self, old: Path, new: Path) -> None:
        """Give a file its name, durably."""
        os.rename(old, new)
        _sync_folder(new.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
