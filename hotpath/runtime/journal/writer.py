"""Appends records to the journal and makes them durable; holds the journal's lock for its life."""

import fcntl
import os
import time
from pathlib import Path
from typing import Final

from hotpath.runtime.faults import HALF_WRITTEN, Faults
from hotpath.runtime.journal.files import JournalFiles
from hotpath.runtime.journal.names import READY_NAME, segment_path
from hotpath.runtime.journal.reader import Tail
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
        if tail.number:
            self._continue(tail)
        else:
            self._number = 0

    def append(self, record: bytes, commands: int) -> None:
        """Write a record that carries `commands` commands.

        Raises JournalFailed when it could not be written whole.
        """
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
        try:
            self._files.sync(self.end.descriptor)
        except OSError as error:
            raise JournalFailed(f"sync of the journal: {error}") from error
        self.end.synced_offset = self.end.offset

    def note_synced(self, number: int, offset: int) -> None:
        """Take note that another process has synced a segment up to this byte."""
        if number == self._number:
            self.end.synced_offset = max(self.end.synced_offset, offset)

    @property
    def place(self) -> tuple[int, int]:
        """Return the segment's number, 0 before the first, and the byte that is written next."""
        return self._number, self.end.offset

    @property
    def synced_place(self) -> tuple[int, int]:
        """Return the segment's number, and the byte before which all of it is on the disk."""
        return self._number, self.end.synced_offset

    def prepare_first(self) -> None:
        """Make the first segment of a new journal, full of zeros; raise JournalFailed."""
        if self._number:
            return
        try:
            self._adopt(self._segment_bytes)
            if self._prepared is None:
                self._prepared = self._allocate(self._segment_bytes)
                self._files.fill(self._prepared[0], 0, self._segment_bytes)
        except OSError as error:
            raise JournalFailed(f"no room for the journal: {error}") from error

    def prepare(self) -> None:
        """Make the next segment ahead of time, once this one is half full; called when idle, by
        who has no keeper."""
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
        if self.end.descriptor >= 0:
            self._files.sync(self.end.descriptor)
            os.close(self.end.descriptor)
            self.end.descriptor = -1
        needed = max(self._segment_bytes, SEGMENT_HEADER_BYTES + record_bytes)
        if self._prepared is not None and self._prepared[1] < needed:
            self._discard_prepared()
        if self._prepared is None:
            self._adopt(needed)
        descriptor, size = self._prepared or self._allocate(needed)
        self._prepared = None
        header = SegmentHeader(self._shard, self._epoch, self.end.next_sequence, time.time_ns())
        self._files.write(descriptor, header.encode(), 0)
        self._files.sync(descriptor)
        # The segment appears under its name only when it is whole, so a scan never sees half of it.
        self._files.rename(self._spare_path, segment_path(self._directory, self._number + 1))
        self._number += 1
        self.end.synced_offset = SEGMENT_HEADER_BYTES
        self.end.descriptor, self.end.size, self.end.offset = (
            descriptor,
            size,
            SEGMENT_HEADER_BYTES,
        )

    def _adopt(self, needed: int) -> None:
        """Take the segment that the keeper has made, if it has, and if it has room enough."""
        self._prepared = self._files.adopt(self._directory / READY_NAME, self._spare_path)
        if self._prepared is not None and self._prepared[1] < needed:
            self._discard_prepared()

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
