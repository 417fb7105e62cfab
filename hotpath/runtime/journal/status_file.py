"""The status file beside the journal: how far it is durable, who writes it, and whether it lives.

Memory-mapped, one aligned 64-bit word per fact, so a reader sees each word whole. It survives the
process, not the host: recovery trusts the journal alone.
"""

import mmap
import os
import time
from pathlib import Path
from types import TracebackType
from typing import Final, Self

FILE_NAME: Final = "status"
_BYTES: Final = 4096
_MAGIC: Final = int.from_bytes(b"TRDSTAT\x01", "little")

# words
_W_MAGIC: Final = 0
_W_SHARD: Final = 1
_W_EPOCH: Final = 2
W_DURABLE_SEQUENCE: Final = 3
_W_HEARTBEAT_NS: Final = 4
_W_PROCESS_ID: Final = 5
_W_STATE: Final = 6
_W_START_TICKS: Final = 7  # with the process id, it names one process for good
W_FOLLOWER_WAITS: Final = 8  # a cache line of its own: the publisher writes it
_W_PUBLISHED_SEQUENCE: Final = 9
_W_HASH_MISMATCHES: Final = 16  # the standby's cache line

STARTING: Final = 1
OPEN: Final = 2
HALTED: Final = 3
STOPPED: Final = 4
STATE_NAMES: Final = {STARTING: "starting", OPEN: "open", HALTED: "halted", STOPPED: "stopped"}


def start_ticks(process_id: int) -> int | None:
    """Return when a process started, in clock ticks since boot; None when there is no such."""
    try:
        text = Path(f"/proc/{process_id}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The program's name, in parentheses, may hold spaces; the start is the 20th field after it.
    return int(text.rpartition(")")[2].split()[19])


class StatusFile:
    """One process's view of the file. The engine and the publisher each write their own words."""

    def __init__(self, directory: Path, *, create: bool) -> None:
        flags = os.O_RDWR | (os.O_CREAT if create else 0)
        descriptor = os.open(directory / FILE_NAME, flags, 0o600)
        try:
            if os.fstat(descriptor).st_size < _BYTES:
                os.ftruncate(descriptor, _BYTES)
            self._map = mmap.mmap(descriptor, _BYTES)
        finally:
            os.close(descriptor)
        self.words = memoryview(self._map).cast("q")
        if create:
            self.words[_W_MAGIC] = _MAGIC

    def begin(self, shard: int, epoch: int, durable_sequence: int) -> None:
        """Say that this process writes the journal now."""
        words = self.words
        words[_W_SHARD] = shard
        words[_W_PROCESS_ID] = os.getpid()
        words[_W_START_TICKS] = start_ticks(os.getpid()) or 0
        words[W_DURABLE_SEQUENCE] = durable_sequence
        words[_W_EPOCH] = epoch
        self.beat()

    def beat(self) -> None:
        self.words[_W_HEARTBEAT_NS] = time.time_ns()

    @property
    def valid(self) -> bool:
        return self.words[_W_MAGIC] == _MAGIC and self.words[_W_EPOCH] > 0

    @property
    def shard(self) -> int:
        return self.words[_W_SHARD]

    @property
    def epoch(self) -> int:
        return self.words[_W_EPOCH]

    @property
    def process_id(self) -> int:
        return self.words[_W_PROCESS_ID]

    @property
    def start_ticks(self) -> int:
        """Return when that process started, in clock ticks since boot; 0 where it is not known."""
        return self.words[_W_START_TICKS]

    @property
    def heartbeat_ns(self) -> int:
        return self.words[_W_HEARTBEAT_NS]

    @property
    def durable_sequence(self) -> int:
        """Return the last sequence that may leave the engine."""
        return self.words[W_DURABLE_SEQUENCE]

    @durable_sequence.setter
    def durable_sequence(self, value: int) -> None:
        self.words[W_DURABLE_SEQUENCE] = value

    def advance(self, sequence: int) -> bool:
        """Note a durable sequence; return whether the publisher slept and has to be woken."""
        words = self.words
        words[W_DURABLE_SEQUENCE] = sequence
        if not words[W_FOLLOWER_WAITS]:
            return False
        words[W_FOLLOWER_WAITS] = 0
        return True

    @property
    def state(self) -> int:
        return self.words[_W_STATE]

    @state.setter
    def state(self, value: int) -> None:
        self.words[_W_STATE] = value

    @property
    def follower_waits(self) -> bool:
        """Return whether the publisher sleeps and wants to be woken."""
        return self.words[W_FOLLOWER_WAITS] != 0

    @follower_waits.setter
    def follower_waits(self, value: bool) -> None:
        self.words[W_FOLLOWER_WAITS] = value

    @property
    def published_sequence(self) -> int:
        return self.words[_W_PUBLISHED_SEQUENCE]

    @published_sequence.setter
    def published_sequence(self, value: int) -> None:
        self.words[_W_PUBLISHED_SEQUENCE] = value

    @property
    def hash_mismatches(self) -> int:
        """Return how often a standby found a state that is not the engine's."""
        return self.words[_W_HASH_MISMATCHES]

    @hash_mismatches.setter
    def hash_mismatches(self, value: int) -> None:
        self.words[_W_HASH_MISMATCHES] = value

    def close(self) -> None:
        self.words.release()
        self._map.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
