"""Reads the journal from a sequence on, in steps so small that nobody has to wait for one."""

import os
from bisect import bisect_right
from pathlib import Path
from typing import Final

from hotpath.runtime.journal.reader import decode_header, segment_paths
from shared.wire.journal import (
    BATCH,
    SEGMENT_HEADER_BYTES,
    JournalDamaged,
    Record,
    decode_record,
    record_extent,
    record_length,
)

STEP_BYTES: Final = 64 << 10


class JournalCursor:
    """Stands behind sequence `after`; its caller's own writer appends to the same files."""

    def __init__(self, directory: Path, after: int) -> None:
        self.sequence = after  # everything up to here has been given
        paths = segment_paths(directory)
        found = bisect_right(paths, after + 1, key=_first_sequence)  # of many it opens a few
        self._paths = paths[max(found - 1, 0) :]
        self._directory = directory
        self._descriptor = -1
        self._offset = 0

    def step(self, until: int) -> list[Record]:
        """Return the batches of the next stretch that hold anything behind `sequence`.

        Nothing beyond sequence `until` is looked for; the cursor has arrived once it stands there.
        Raises JournalDamaged when the journal ends before.
        """
        if self.sequence >= until:
            return []
        if self._descriptor < 0:
            self._open()
        window = os.pread(self._descriptor, STEP_BYTES, self._offset)
        length = record_length(window, 0)
        if length == 0:
            self._next()
            return []
        if length > len(window):
            window = os.pread(self._descriptor, length, self._offset)
        return self._records(window)

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _records(self, window: bytes) -> list[Record]:
        found: list[Record] = []
        at = 0
        while (extent := record_extent(window, at)) is not None:
            length = record_length(window, at)
            if at + length > len(window):
                break
            last = extent[0] + extent[1] - 1
            if last > self.sequence:
                record = decode_record(window, at)
                if record is None:
                    raise JournalDamaged(
                        f"{self._paths[0]} at {self._offset + at}: no sound record"
                    )
                if record.kind == BATCH:
                    found.append(record)
                    self.sequence = last
            at += length
        if at == 0:
            raise JournalDamaged(f"{self._paths[0]} at {self._offset}: no record")
        self._offset += at
        return found

    def _open(self) -> None:
        if not self._paths:
            self._paths = segment_paths(self._directory)[:1]
        if not self._paths:
            raise JournalDamaged("there is no journal")
        self._descriptor = os.open(self._paths[0], os.O_RDONLY)
        self._offset = SEGMENT_HEADER_BYTES

    def _next(self) -> None:
        """Go on with the segment behind this one."""
        following = [path for path in segment_paths(self._directory) if path > self._paths[0]]
        if not following:
            raise JournalDamaged(f"the journal ends behind sequence {self.sequence}")
        self.close()
        self._paths = following


def _first_sequence(path: Path) -> int:
    with path.open("rb") as file:
        return decode_header(path, file.read(SEGMENT_HEADER_BYTES)).first_sequence
