"""A file layer that notes what is on the disk for certain, and two that break the engine's promise.

Notes are lines of a file that outlives the process, as a disk's platter would:

    begun <inode> <bytes>         a file is written from that byte on; all before is on the disk
    synced <inode> <bytes>        everything before that byte is on the disk
    renamed <inode> <old> <new>   the name may be lost still
    named <inode>                 it cannot be lost any more
"""

import os
import time
from pathlib import Path
from typing import Final

from hotpath.runtime.journal.files import JournalFiles
from hotpath.runtime.journal.status_file import StatusFile
from hotpath.runtime.journal.wake import Waker
from shared.wire.journal import BATCH, decode_record

ACK_BEFORE_SYNC: Final = "ack-before-sync"
PUBLISH_BEFORE_SYNC: Final = "publish-before-sync"
BREAKS: Final = (ACK_BEFORE_SYNC, PUBLISH_BEFORE_SYNC)
_SLOW_SYNC_S: Final = 0.05  # of a slow disk, so that most kills meet a batch told of too early


class RecordingFiles(JournalFiles):
    """The real files, with notes. A note is written behind the sync that it tells of."""

    def __init__(self, notes: Path) -> None:
        self._notes = os.open(notes, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._written: dict[int, int] = {}  # by inode

    def create(self, path: Path, size: int) -> int:
        descriptor = super().create(path, size)
        self._begin(descriptor, 0)
        return descriptor

    def reopen(self, path: Path, end: int) -> int:
        descriptor = super().reopen(path, end)
        self._begin(descriptor, end)
        self._note(f"named {os.fstat(descriptor).st_ino}")
        return descriptor

    def write(self, descriptor: int, data: bytes, offset: int) -> None:
        super().write(descriptor, data, offset)
        inode = os.fstat(descriptor).st_ino
        self._written[inode] = max(self._written.get(inode, 0), offset + len(data))

    def sync(self, descriptor: int) -> None:
        written = self._written.get(os.fstat(descriptor).st_ino, 0)
        super().sync(descriptor)
        self._note_synced(descriptor, written)

    def rename(self, old: Path, new: Path) -> None:
        inode = old.stat().st_ino
        self._note(f"renamed {inode} {old} {new}")
        super().rename(old, new)
        self._note(f"named {inode}")

    def _begin(self, descriptor: int, end: int) -> None:
        inode = os.fstat(descriptor).st_ino
        self._written[inode] = end
        self._note(f"begun {inode} {end}")

    def _note_synced(self, descriptor: int, end: int) -> None:
        self._note(f"synced {os.fstat(descriptor).st_ino} {end}")

    def _note(self, line: str) -> None:
        os.write(self._notes, f"{line}\n".encode())


class AckBeforeSync(RecordingFiles):
    """Says that a batch is on the disk one batch too early."""

    def __init__(self, notes: Path) -> None:
        super().__init__(notes)
        self._promised: dict[int, int] = {}

    def sync(self, descriptor: int) -> None:
        inode = os.fstat(descriptor).st_ino
        os.fdatasync(descriptor)
        self._note_synced(descriptor, self._promised.get(inode, 0))
        self._promised[inode] = self._written.get(inode, 0)

    def _begin(self, descriptor: int, end: int) -> None:
        super()._begin(descriptor, end)
        self._promised[os.fstat(descriptor).st_ino] = end


class PublishBeforeSync(RecordingFiles):
    """Lets the publisher see a batch while the disk is still busy with it."""

    def __init__(self, notes: Path, journal: Path) -> None:
        super().__init__(notes)
        self._journal = journal
        self._status: StatusFile | None = None
        self._waker = Waker(journal)

    def write(self, descriptor: int, data: bytes, offset: int) -> None:
        super().write(descriptor, data, offset)
        record = decode_record(data)
        if record is not None and record.kind == BATCH:
            self._status = self._status or StatusFile(self._journal, create=False)
            self._status.durable_sequence = record.last_sequence
            self._waker.wake()

    def sync(self, descriptor: int) -> None:
        time.sleep(_SLOW_SYNC_S)
        super().sync(descriptor)


def files_for(broken: str, notes: Path, journal: Path) -> RecordingFiles:
    """Return the layer that a run asked for; `broken` is empty or one of BREAKS."""
    if broken == ACK_BEFORE_SYNC:
        return AckBeforeSync(notes)
    if broken == PUBLISH_BEFORE_SYNC:
        return PublishBeforeSync(notes, journal)
    return RecordingFiles(notes)
