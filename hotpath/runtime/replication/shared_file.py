"""The file through which engine and replicator tell each other how far they are.

Memory-mapped beside the journal, one aligned 64-bit word per fact, so a reader sees each word
whole. Each word has one writer.
"""

import mmap
import os
from pathlib import Path
from typing import Final

FILE_NAME: Final = "replication"
_BYTES: Final = 4096

# words, a cache line for each writer
_W_SYNCED_PLACE: Final = 0  # the engine's
_W_ENGINE_WAITS: Final = 1
_W_COPIED_SEQUENCE: Final = 8  # the replicator's
_W_COPIED_EPOCH: Final = 9
_W_REPLICATOR_WAITS: Final = 10
_W_STATE: Final = 11
_W_REASON_BYTES: Final = 12
_REASON_AT: Final = 2048
_MOST_REASON_BYTES: Final = 1024

_OFFSET_BITS: Final = 40  # of a place; the rest is the segment's number

ABSENT: Final = 0
WAITING: Final = 1  # for Kafka
COPYING: Final = 2
REFUSED: Final = 3  # for good: this journal is not the one that Kafka holds

REPLICATOR_WAKE: Final = "replicator.wake"
ENGINE_WAKE: Final = "engine.wake"


class ReplicationFile:
    """One process's view of the file."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(directory / FILE_NAME, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if os.fstat(descriptor).st_size < _BYTES:
                os.ftruncate(descriptor, _BYTES)
            self._map = mmap.mmap(descriptor, _BYTES)
        finally:
            os.close(descriptor)
        self._words = memoryview(self._map).cast("q")

    # --- the engine's ------------------------------------------------------------------------

    @property
    def synced_place(self) -> tuple[int, int]:
        """Return the segment's number and the byte up to which the journal may be copied."""
        value = self._words[_W_SYNCED_PLACE]
        return value >> _OFFSET_BITS, value & ((1 << _OFFSET_BITS) - 1)

    @synced_place.setter
    def synced_place(self, place: tuple[int, int]) -> None:
        number, offset = place
        self._words[_W_SYNCED_PLACE] = number << _OFFSET_BITS | offset

    @property
    def engine_waits(self) -> bool:
        """Return whether the engine sleeps until more is copied."""
        return self._words[_W_ENGINE_WAITS] != 0

    @engine_waits.setter
    def engine_waits(self, value: bool) -> None:
        self._words[_W_ENGINE_WAITS] = value

    # --- the replicator's --------------------------------------------------------------------

    @property
    def copied_sequence(self) -> int:
        """Return the last sequence that Kafka holds, of the epoch that `copied_epoch` tells."""
        return self._words[_W_COPIED_SEQUENCE]

    @property
    def copied_epoch(self) -> int:
        """Return the newest epoch whose record Kafka holds."""
        return self._words[_W_COPIED_EPOCH]

    def note_copied(self, sequence: int, epoch: int) -> None:
        """Say how far the journal is copied; the sequence first, as the epoch vouches for it."""
        self._words[_W_COPIED_SEQUENCE] = sequence
        self._words[_W_COPIED_EPOCH] = epoch

    @property
    def replicator_waits(self) -> bool:
        """Return whether the replicator sleeps until more is synced."""
        return self._words[_W_REPLICATOR_WAITS] != 0

    @replicator_waits.setter
    def replicator_waits(self, value: bool) -> None:
        self._words[_W_REPLICATOR_WAITS] = value

    @property
    def state(self) -> int:
        return self._words[_W_STATE]

    @state.setter
    def state(self, value: int) -> None:
        self._words[_W_STATE] = value

    def refuse(self, reason: str) -> None:
        """Say that this journal is not to be copied any more, and why."""
        data = reason.encode()[:_MOST_REASON_BYTES]
        self._map[_REASON_AT : _REASON_AT + len(data)] = data
        self._words[_W_REASON_BYTES] = len(data)
        self.state = REFUSED

    @property
    def reason(self) -> str:
        """Return why it was refused."""
        size = self._words[_W_REASON_BYTES]
        return self._map[_REASON_AT : _REASON_AT + size].decode(errors="replace")

    def close(self) -> None:
        self._words.release()
        self._map.close()
