"""Finds one command in the journal by its sequence, without reading the journal from its start."""

import os
from bisect import bisect_right
from pathlib import Path
from typing import Final

from hotpath.runtime.journal.reader import decode_header, segment_number, segment_paths
from shared.wire.journal import (
    MAX_RECORD_BYTES,
    SEGMENT_HEADER_BYTES,
    JournaledCommand,
    Record,
    decode_record,
    record_extent,
    record_length,
)

STRIDE_BYTES: Final = 256 << 10  # one entry for so much of a segment
_WINDOW_BYTES: Final = 1 << 20


class _Segment:
    """A sparse index of one segment, as far as it was looked at."""

    def __init__(self, path: Path, first_sequence: int) -> None:
        self._descriptor = os.open(path, os.O_RDONLY)
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(self._descriptor, 0, 0, os.POSIX_FADV_RANDOM)
        self._sequences = [first_sequence]
        self._offsets = [SEGMENT_HEADER_BYTES]
        self._next_offset = SEGMENT_HEADER_BYTES  # where the next record is expected

    def find(self, sequence: int) -> Record | None:
        """Return the record that holds the sequence."""
        self._extend(sequence)
        offset = self._offsets[bisect_right(self._sequences, sequence) - 1]
        while True:
            window = os.pread(self._descriptor, STRIDE_BYTES * 2, offset)
            at = 0
            while (extent := record_extent(window, at)) is not None:
                first, count = extent
                length = record_length(window, at)
                if first <= sequence < first + count:
                    return self._read(offset + at, length)
                at += length
                if at >= len(window):
                    break
            if at == 0:
                return None
            offset += at

    def _extend(self, sequence: int) -> None:
        """Note an entry per stride, up to the record behind the one with this sequence."""
        while sequence >= self._sequences[-1]:
            window = os.pread(self._descriptor, _WINDOW_BYTES, self._next_offset)
            at = 0
            while (extent := record_extent(window, at)) is not None:
                offset = self._next_offset + at
                if offset - self._offsets[-1] >= STRIDE_BYTES:
                    self._sequences.append(extent[0])
                    self._offsets.append(offset)
                at += record_length(window, at)
                if at >= len(window):
                    break
            if at == 0:
                return
            self._next_offset += at

    def _read(self, offset: int, length: int) -> Record | None:
        if length > MAX_RECORD_BYTES:
            return None
        return decode_record(os.pread(self._descriptor, length, offset))

    def close(self) -> None:
        os.close(self._descriptor)


class JournalIndex:
    """Reads the files that the engine's own writer appends to. Built as far as it is asked for.

    A look-up reads at most one segment's record headers, and each of them once.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._paths: list[Path] = []
        self._first_sequences: list[int] = []
        self._segments: dict[int, _Segment] = {}
        self._last_record: Record | None = None  # orders that are sent again come in their order

    def command(self, sequence: int) -> JournaledCommand | None:
        """Return the command with this sequence, or None when the journal does not hold it."""
        record = self._last_record
        if record is None or not record.first_sequence <= sequence <= record.last_sequence:
            record = self._last_record = self._find(sequence)
        return None if record is None else record.command(sequence)

    def _find(self, sequence: int) -> Record | None:
        self._look_for_segments()
        at = bisect_right(self._first_sequences, sequence) - 1
        if at < 0:
            return None
        number = segment_number(self._paths[at])
        if number not in self._segments:
            self._segments[number] = _Segment(self._paths[at], self._first_sequences[at])
        return self._segments[number].find(sequence)

    def _look_for_segments(self) -> None:
        if self._paths:
            number = segment_number(self._paths[-1]) + 1
            following = self._directory / f"journal-{number:08}.segment"
            if not following.exists():
                return
        for path in segment_paths(self._directory)[len(self._paths) :]:
            with path.open("rb") as file:
                header = decode_header(path, file.read(SEGMENT_HEADER_BYTES))
            self._paths.append(path)
            self._first_sequences.append(header.first_sequence)

    def close(self) -> None:
        for segment in self._segments.values():
            segment.close()
        self._segments.clear()
