"""Where the open segment ends, and the short way to write behind it. Compiled with the core."""

import os
from typing import final

from mypy_extensions import i64


@final
class SegmentEnd:
    """The writer's place in the journal; shared with the loop of the rings."""

    def __init__(self, next_sequence: i64, is_direct: bool) -> None:
        self.descriptor: i64 = -1
        self.offset: i64 = 0
        self.size: i64 = 0
        self.next_sequence: i64 = next_sequence
        self.bytes_written: i64 = 0
        self.synced_offset: i64 = 0  # of the segment: what lies before is on the disk for certain
        self.is_direct: bool = is_direct  # nothing stands between the writer and the system

    def append(self, head: bytes, body: bytes, commands: i64) -> bool:
        """Write a record behind the last one; return False if that needs the writer's long way.

        Nothing has changed then, but for bytes behind the end.
        """
        size: i64 = len(head) + len(body)
        if not self.is_direct or self.offset + size > self.size:
            return False
        try:
            written: i64 = os.pwritev(self.descriptor, [head, body], self.offset)
        except OSError:
            return False
        if written != size:
            return False
        self.offset += size
        self.next_sequence += commands
        self.bytes_written += size
        return True
