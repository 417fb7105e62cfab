"""Reads the journal's files: from end to end with every check, or at the tail as it grows."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

from hotpath.runtime.journal.names import SEGMENT_PATTERN, segment_path
from shared.domain.records import RULES_VERSION
from shared.wire.journal import (
    EPOCH,
    MARK,
    MAX_RECORD_BYTES,
    SEGMENT_HEADER_BYTES,
    JournalDamaged,
    JournalError,
    Record,
    SegmentHeader,
    decode_record,
    decode_segment_header,
    record_length,
)

_READ_BYTES: Final = 1 << 20
_PAGE_BYTES: Final = 4096
_PAGE_OF_ZEROS: Final = bytes(_PAGE_BYTES)
_ZEROS: Final = bytes(_READ_BYTES)


def segment_number(path: Path) -> int:
    return int(path.stem.removeprefix("journal-"))


def segment_paths(directory: Path) -> list[Path]:
    """Return the journal's segments in order; raise JournalDamaged when one is missing."""
    paths = sorted(directory.glob(SEGMENT_PATTERN))
    for before, after in pairwise(paths):
        if segment_number(after) != segment_number(before) + 1:
            raise JournalDamaged(f"a segment is missing between {before.name} and {after.name}")
    return paths


@dataclass(frozen=True, slots=True)
class Tail:
    """Where the journal ends: the next record goes to `offset` of segment `number`, 0: none yet."""

    number: int
    offset: int
    next_sequence: int
    epoch: int
    torn_bytes: int  # what stands behind the last sound record and was never acknowledged


class JournalScan:
    """Iterates over every record with its place; `tail` is there when the iteration has ended."""

    def __init__(
        self, directory: Path, shard: int | None = None, start: Tail | None = None
    ) -> None:
        """`start` is where a part that is known already ends; without it, all is read."""
        self._directory = directory
        self._shard = shard
        self._start = start or Tail(0, 0, 1, 0, 0)
        self._next_sequence = self._start.next_sequence
        self._epoch = self._start.epoch
        self.tail: Tail | None = None
        self.shard_read = 0  # as the last header says

    def __iter__(self) -> Iterator[tuple[Path, int, Record]]:
        """Yield (segment, offset, record).

        Raises
        ------
        JournalDamaged
            Anything but the tail of the last segment is not what was written.
        JournalError
            The journal belongs to another shard, or to other rules.
        """
        paths = segment_paths(self._directory)
        if not paths:
            self.tail = Tail(0, 0, 1, 0, 0)
        for path in paths:
            if segment_number(path) < self._start.number:
                continue
            number = segment_number(path)
            is_start = number == self._start.number
            start = self._start.offset if is_start else SEGMENT_HEADER_BYTES
            head, data = _read_segment(path, start)
            header = decode_header(path, head)
            self._check_terms(path, header)
            if not is_start:
                self._check_first(path, header)
            at = 0
            while (record := decode_record(data, at)) is not None:
                self._check_order(path, start + at, record)
                yield path, start + at, record
                at += len(record.data)
            torn_bytes = _end_of_written(data, at) - at
            if torn_bytes:
                self._check_torn(path, data, start, at, at + torn_bytes, path == paths[-1])
            self.tail = Tail(number, start + at, self._next_sequence, self._epoch, torn_bytes)

    @property
    def epoch(self) -> int:
        """Return the epoch of the record that the iteration stands at."""
        return self._epoch

    def _check_terms(self, path: Path, header: SegmentHeader) -> None:
        if self._shard is not None and header.shard != self._shard:
            raise JournalError(f"{path} is of shard {header.shard}, not of {self._shard}")
        self.shard_read = header.shard
        if header.rules_version != RULES_VERSION:
            raise JournalError(
                f"{path} was written under rules {header.rules_version}; this program has "
                f"{RULES_VERSION} and would give other events; see docs/RUNBOOKS/new-rules.md"
            )

    def _check_first(self, path: Path, header: SegmentHeader) -> None:
        first_of_all = self._next_sequence == 1 and self._epoch == 0
        if not first_of_all and header.first_sequence != self._next_sequence:
            raise JournalDamaged(
                f"{path} begins at sequence {header.first_sequence}, not {self._next_sequence}"
            )
        self._next_sequence = header.first_sequence

    def _check_order(self, path: Path, offset: int, record: Record) -> None:
        if record.first_sequence != self._next_sequence:
            raise JournalDamaged(
                f"{path} holds sequence {record.first_sequence} at byte {offset}, "
                f"not {self._next_sequence}"
            )
        if record.kind == EPOCH:
            epoch = record.epoch().epoch
            if epoch <= self._epoch:
                raise JournalDamaged(f"{path} goes back to epoch {epoch} at byte {offset}")
            self._epoch = epoch
        self._next_sequence += record.count

    def _check_torn(
        self, path: Path, data: bytes, start: int, at: int, end: int, is_last: bool
    ) -> None:
        """Raise when what lies between the last sound record and `end` was on the disk once.

        `data` begins at byte `start` of the segment. Writes that no later record knows as synced
        may be gone in any part after a power cut.
        """
        offset = start + at
        if not is_last:
            raise JournalDamaged(f"{path} is damaged at byte {offset}, and later segments exist")
        for later_at in range(at, end, 8):
            if not 0 < record_length(data, later_at) <= len(data) - later_at:
                continue
            later = decode_record(data, later_at)
            if later is None or later.first_sequence < self._next_sequence or later.kind == MARK:
                continue
            # A record of format 1 does not say, and nothing is written behind an epoch unsynced.
            if not later.flags or later.synced_bytes > offset:
                raise JournalDamaged(
                    f"{path} is damaged at byte {offset}: a sound record with sequence "
                    f"{later.first_sequence} follows at byte {start + later_at}"
                )


def _read_segment(path: Path, start: int) -> tuple[bytes, bytes]:
    """Return a segment's header, and what is in it from byte `start` on, up to where zeros follow.

    All of the file is read: what lies behind a hole tells whether it is damage. A page of zeros
    stays behind what was written, as a record may end with some.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        head = os.pread(descriptor, SEGMENT_HEADER_BYTES, 0)
        data = os.pread(descriptor, max(0, os.fstat(descriptor).st_size - start), start)
        while part := os.pread(descriptor, _READ_BYTES, start + len(data)):
            data += part  # it grew, or a read gave less than was asked for
    finally:
        os.close(descriptor)
    size = len(data)
    written = size
    while written and _ZEROS.startswith(data[max(0, written - _READ_BYTES) : written]):
        written = max(0, written - _READ_BYTES)
    # The zeros of a new segment are most of it
    return head, data if written == size else data[:written] + bytes(min(size, _PAGE_BYTES))


def _end_of_written(data: bytes, at: int) -> int:
    """Return where the zeros begin that last to the end; not before `at`."""
    end = len(data)
    while end - at >= _PAGE_BYTES and data[end - _PAGE_BYTES : end] == _PAGE_OF_ZEROS:
        end -= _PAGE_BYTES
    start = max(at, end - _PAGE_BYTES)
    return start + len(data[start:end].rstrip(b"\0"))


class JournalTail:
    """Follows a journal that another process writes, up to the sequence that is durable."""

    def __init__(self, directory: Path, start: Tail | None = None) -> None:
        """`start` is where what is known already ends; without it, all is read."""
        self._directory = directory
        self._number = 0
        self._descriptor = -1
        self._offset = 0
        if start is not None and start.number:
            self._open(segment_path(directory, start.number))
            self._offset = start.offset

    @property
    def place(self) -> tuple[int, int]:
        """Return the segment's number and the byte in it that is read next."""
        return self._number, self._offset

    def read(self, durable_sequence: int, max_bytes: int = _READ_BYTES) -> list[Record]:
        """Return the next whole records whose commands are all durable, about `max_bytes` of them.

        Raises JournalDamaged when a segment is missing or its header is not sound.
        """
        if self._descriptor < 0 and not self._open(self._following()):
            return []
        records = self._read_here(durable_sequence, max_bytes)
        if not records:
            following = self._following()
            # Only a finished segment has a successor, so what is read now is all that it will hold.
            if following is not None:
                records = self._read_here(durable_sequence, max_bytes)
                if not records and not self._holds_more():
                    self._open(following)
                    records = self._read_here(durable_sequence, max_bytes)
        return records

    def go_to(self, path: Path, offset: int) -> None:
        """Go on reading at the record that begins at byte `offset` of a segment."""
        self._open(path)
        self._offset = offset

    def _read_here(self, durable_sequence: int, max_bytes: int) -> list[Record]:
        data = os.pread(self._descriptor, max_bytes, self._offset)
        length = record_length(data, 0)
        if len(data) < length <= MAX_RECORD_BYTES:
            data = os.pread(self._descriptor, length, self._offset)
        records: list[Record] = []
        at = 0
        # None also stands for a record that the writer is in the middle of
        while (record := decode_record(data, at)) is not None:
            if record.last_sequence > durable_sequence:
                break
            at += len(record.data)
            records.append(record)
        self._offset += at
        return records

    def _holds_more(self) -> bool:
        return record_length(os.pread(self._descriptor, 4, self._offset), 0) != 0

    def _following(self) -> Path | None:
        paths = segment_paths(self._directory)
        return next((path for path in paths if segment_number(path) > self._number), None)

    def _open(self, path: Path | None) -> bool:
        if path is None:
            return False
        self.close()
        self._descriptor = os.open(path, os.O_RDONLY)
        if hasattr(os, "posix_fadvise"):  # reading ahead would fill holes with cached zeros
            os.posix_fadvise(self._descriptor, 0, 0, os.POSIX_FADV_RANDOM)
        decode_header(path, os.pread(self._descriptor, SEGMENT_HEADER_BYTES, 0))
        self._number, self._offset = segment_number(path), SEGMENT_HEADER_BYTES
        return True

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def decode_header(path: Path, data: bytes) -> SegmentHeader:
    try:
        return decode_segment_header(data)
    except JournalError as error:
        raise type(error)(f"{path}: {error}") from None
