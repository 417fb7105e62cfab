"""Appends records to the journal and makes them durable; holds the journal's lock for its life."""

import fcntl
import os
import threading
import time
from pathlib import Path
from typing import Final

from hotpath.runtime.faults import HALF_WRITTEN, Faults
from hotpath.runtime.journal.files import JournalFiles
from hotpath.runtime.journal.reader import Tail, segment_path
from hotpath.runtime.journal.segment_end import SegmentEnd
from shared.domain.records import RULES_VERSION
from shared.wire.journal import (
    FORMAT_VERSION,
    SEGMENT_HEADER_BYTES,
    JournalError,
    SegmentHeader,
    decode_segment_header,
)

LOCK_NAME: Final = "lock"
SEGMENT_BYTES: Final = 64 << 20


class JournalLocked(JournalError):
    """Another process writes this journal."""


class JournalFailed(JournalError):
    """A write or sync failed; what was given since the last sync has an unknown fate."""


class JournalLock:
    """The right to write a journal. The operating system gives it back when the process dies."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._descriptor = os.open(directory / LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(self._descriptor, 32).decode(errors="replace").strip()
            os.close(self._descriptor)
            raise JournalLocked(f"{directory} is written by process {holder or '?'}") from None
        os.ftruncate(self._descriptor, 0)
        os.write(self._descriptor, str(os.getpid()).encode())

    def release(self) -> None:
        os.close(self._descriptor)


class JournalWriter:
    """Writes behind the tail that a scan found.

    `durability` is `os`, or one that syncs: `fsync`, `replicated`.
    """

    def __init__(
        self,
        directory: Path,
        tail: Tail,
        *,
        shard: int,
        epoch: int,
        durability: str,
        segment_bytes: int = SEGMENT_BYTES,
        faults: Faults | None = None,
        files: JournalFiles | None = None,
    ) -> None:
        self._files = files or JournalFiles()
        self._directory = directory
        self._shard = shard
        self._epoch = epoch
        self.waits_for_sync = durability != "os"
        self._segment_bytes = segment_bytes
        self._faults = faults or Faults()
        self._has_fault = self._faults.is_set
        is_direct = type(self._files) is JournalFiles and not self._has_fault
        self.end = SegmentEnd(tail.next_sequence, is_direct)
        self._prepared: tuple[int, int] | None = None  # descriptor and size of the next segment
        self._synced_bytes = 0
        self._failure: JournalFailed | None = None
        self._segment_lock = threading.Lock()  # held while the descriptor changes hands
        if tail.number:
            self._continue(tail)
        else:
            self._number = 0

    def append(self, record: bytes, commands: int) -> None:
        """Write a record that carries `commands` commands.

        Raises JournalFailed when it could not be written whole, or an earlier sync failed.
        """
        if self._failure is not None:
            raise self._failure
        size = len(record)
        try:
            if self.end.offset + size > self.end.size:
                self._rotate(size)
            if self._has_fault and self._faults.is_due(HALF_WRITTEN):
                self._files.write(self.end.descriptor, record[: len(record) // 2], self.end.offset)
                os.kill(os.getpid(), 9)
            self._files.write(self.end.descriptor, record, self.end.offset)
        except OSError as error:
            raise JournalFailed(f"write of the journal: {error}") from error
        self.end.offset += size
        self.end.next_sequence += commands
        self.end.bytes_written += size

    def make_durable(self) -> None:
        """Return when all that was appended is durable in the chosen mode; raise JournalFailed."""
        if self.waits_for_sync:
            self.sync()

    def sync(self) -> None:
        """Return when all that was appended is on the disk, in every mode; raise JournalFailed."""
        self._check()
        try:
            self._files.sync(self.end.descriptor)
        except OSError as error:
            raise JournalFailed(f"sync of the journal: {error}") from error
        self.end.synced_offset = self.end.offset

    def sync_beside(self) -> None:
        """Sync what was appended, from a thread beside the writer's; raise JournalFailed.

        Nothing can be appended after a failure: what the disk holds is not known any more.
        """
        with self._segment_lock:
            written, number, offset = self.end.bytes_written, self._number, self.end.offset
            if written == self._synced_bytes or self.end.descriptor < 0:
                return
            descriptor = os.dup(self.end.descriptor)  # the writer may go on in another segment
        try:
            self._files.sync(descriptor)
        except OSError as error:
            self._failure = JournalFailed(f"sync of the journal: {error}")
            self.end.is_direct = False
            raise self._failure from error
        finally:
            os.close(descriptor)
        self._synced_bytes = written
        with self._segment_lock:
            if self._number == number:
                self.end.synced_offset = offset

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure

    @property
    def place(self) -> tuple[int, int]:
        """Return the segment's number, 0 before the first, and the byte that is written next."""
        return self._number, self.end.offset

    @property
    def synced_place(self) -> tuple[int, int]:
        """Return the segment's number, and the byte before which all of it is on the disk."""
        return self._number, self.end.synced_offset

    def prepare(self) -> None:
        """Make the next segment ahead of time, once this one is half full; called when idle.

        Raises JournalFailed when a sync beside the writer failed.
        """
        self._check()
        if self._prepared is None and self.end.offset > self.end.size // 2:
            try:
                self._prepared = self._allocate(self._segment_bytes)
            except OSError:
                self._discard_prepared()  # append finds out, and fails, if room is still short

    def close(self) -> None:
        if self.end.descriptor >= 0:
            self._files.sync(self.end.descriptor)
            os.close(self.end.descriptor)
            self.end.descriptor = -1
        self._discard_prepared()

    def _continue(self, tail: Tail) -> None:
        """Open the last segment and wipe what a torn write left behind its last sound record."""
        path = segment_path(self._directory, tail.number)
        self.end.descriptor = self._files.reopen(path, tail.offset)
        self._number, self.end.offset = tail.number, tail.offset
        self.end.size = max(os.fstat(self.end.descriptor).st_size, SEGMENT_HEADER_BYTES)
        self.end.synced_offset = tail.offset
        if tail.torn_bytes:
            self._files.wipe(self.end.descriptor, tail.offset)
        header = decode_segment_header(os.pread(self.end.descriptor, SEGMENT_HEADER_BYTES, 0))
        if (header.format_version, header.rules_version) != (FORMAT_VERSION, RULES_VERSION):
            self.end.size = self.end.offset  # an older program must find no record it cannot read

    def _rotate(self, record_bytes: int) -> None:
        """Finish the segment and go on in a new one that has room for the record."""
        with self._segment_lock:
            if self.end.descriptor >= 0:
                self._files.sync(self.end.descriptor)
                os.close(self.end.descriptor)
                self.end.descriptor = -1
        needed = max(self._segment_bytes, SEGMENT_HEADER_BYTES + record_bytes)
        if self._prepared is not None and self._prepared[1] < needed:
            self._discard_prepared()
        descriptor, size = self._prepared or self._allocate(needed)
        self._prepared = None
        header = SegmentHeader(self._shard, self._epoch, self.end.next_sequence, time.time_ns())
        self._files.write(descriptor, header.encode(), 0)
        self._files.sync(descriptor)
        # The segment appears under its name only when it is whole, so a scan never sees half of it.
        self._files.rename(self._spare_path, segment_path(self._directory, self._number + 1))
        with self._segment_lock:
            self._number += 1
            self.end.synced_offset = SEGMENT_HEADER_BYTES
            self.end.descriptor, self.end.size, self.end.offset = (
                descriptor,
                size,
                SEGMENT_HEADER_BYTES,
            )

    def _allocate(self, size: int) -> tuple[int, int]:
        return self._files.create(self._spare_path, size), size

    @property
    def _spare_path(self) -> Path:
        return self._directory / "next.segment"

    def _discard_prepared(self) -> None:
        if self._prepared is not None:
            os.close(self._prepared[0])
            self._prepared = None
        self._spare_path.unlink(missing_ok=True)
