"""Finds where in the journal to begin reading for a sequence, from the records' headers alone."""

import os
from bisect import bisect_right
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hotpath.runtime.journal.reader import decode_header, segment_paths
from shared.wire.journal import SEGMENT_HEADER_BYTES, record_extent, record_length

_WINDOW_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class JournalPlace:
    """A record: `first_sequence` is its first command's."""

    path: Path
    offset: int
    first_sequence: int


def find_place(directory: Path, sequence: int, back_bytes: int = 0) -> JournalPlace | None:
    """Return the record that holds the sequence, or one at least `back_bytes` before its end.

    It is the segment's first record where so much does not precede it there. A sequence behind
    the last one gives the last record. None where the journal holds nothing. Looks at one header
    per segment, and at one segment's records.
    """
    paths = segment_paths(directory)
    firsts = []
    for path in paths:
        with path.open("rb") as file:
            firsts.append(decode_header(path, file.read(SEGMENT_HEADER_BYTES)).first_sequence)
    at = bisect_right(firsts, sequence) - 1
    if at < 0:
        return None
    return _place_in(paths[at], sequence, back_bytes)


def _place_in(path: Path, sequence: int, back_bytes: int) -> JournalPlace | None:
    recent: deque[JournalPlace] = deque()
    offset = SEGMENT_HEADER_BYTES
    descriptor = os.open(path, os.O_RDONLY)
    try:
        while True:
            window = os.pread(descriptor, _WINDOW_BYTES, offset)
            at = 0
            while (extent := record_extent(window, at)) is not None:
                first, _ = extent
                if first > sequence:
                    return recent[0] if recent else None
                recent.append(JournalPlace(path, offset + at, first))
                end = offset + at + record_length(window, at)
                while len(recent) > 1 and end - recent[1].offset >= back_bytes:
                    recent.popleft()
                at = end - offset
                if at >= len(window):
                    break
            if at == 0:
                return recent[0] if recent else None
            offset += at
    finally:
        os.close(descriptor)
