"""What a simulated run stands on: one seed, a clock that only the run moves, and its faults."""

import contextlib
import errno
import fcntl
import os
import random
from collections import Counter
from pathlib import Path
from typing import Final

from hotpath.runtime.faults import Faults
from hotpath.runtime.journal.files import JournalFiles
from hotpath.runtime.journal.status_file import FILE_NAME
from shared.ports.event_stream import StreamUnavailable
from tests.chaos.power_cut import spoil

START_NS: Final = 1_700_000_000_000_000_000
LYING_DISK: Final = "lying-disk"  # says that bytes are durable which are not


class Crash(BaseException):
    """A process ends at once; nothing but the run itself may catch it."""


class World:
    """Dice, clock and switches of one run; `faulty` is switched off for its end."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.now_ns = START_NS
        self.faulty = True
        self.stream_is_down = False
        self.happened: Counter[str] = Counter()

    def chance(self, probability: float) -> bool:
        """Throw the dice for a fault."""
        return self.faulty and self.dice.random() < probability

    def clock(self) -> int:
        return self.now_ns

    def pass_time(self, most_us: int) -> None:
        self.now_ns += self.dice.randrange(1, 1 + most_us) * 1_000

    def note(self, what: str) -> None:
        self.happened[what] += 1

    def pass_stream(self, step: str) -> None:
        """Stand in every step of a call to the stream."""
        if self.stream_is_down or self.chance(0.004):
            self.note(f"stream fails at {step}")
            raise StreamUnavailable(f"simulated at {step}")


class SimulatedFaults(Faults):
    """Crashes the process at any of the engine's own fault points."""

    def __init__(self, world: World, probability: float) -> None:
        super().__init__()
        self._world = world
        self._probability = probability

    def at(self, point: str) -> None:
        if self._world.chance(self._probability):
            self._world.note(f"crash at {point}")
            raise Crash(point)

    def is_due(self, point: str) -> bool:
        return False  # half a write is the file layer's


class FailingFiles(JournalFiles):
    """Real files whose disk fails, is slow, and forgets at a power cut what was not synced."""

    def __init__(self, world: World, *, lies: bool = False) -> None:
        self._world = world
        self._lies = lies
        self._open: dict[int, int] = {}  # inode by descriptor
        self._written: dict[int, int] = {}  # by inode
        self._synced: dict[int, int] = {}
        self._unsure_names: dict[int, tuple[Path, Path]] = {}

    def create(self, path: Path, size: int) -> int:
        self._fail("create", errno.ENOSPC, 0.02)
        descriptor = super().create(path, size)
        self._begin(descriptor, 0)
        return descriptor

    def reopen(self, path: Path, end: int) -> int:
        descriptor = super().reopen(path, end)
        self._begin(descriptor, end)
        self._unsure_names.pop(os.fstat(descriptor).st_ino, None)  # its name is synced with it
        return descriptor

    def write(self, descriptor: int, data: bytes, offset: int) -> None:
        self._fail("write", self._world.dice.choice((errno.ENOSPC, errno.EIO)), 0.001)
        if self._world.chance(0.004):
            part = self._world.dice.randrange(len(data))
            os.pwrite(descriptor, data[:part], offset)
            self._note_written(descriptor, offset + part)
            self._world.note("crash in a write")
            raise Crash("half a write")
        super().write(descriptor, data, offset)
        self._note_written(descriptor, offset + len(data))

    def sync(self, descriptor: int) -> None:
        self._fail("sync", errno.EIO, 0.002)
        if self._world.chance(0.05):
            self._world.note("slow sync")
            self._world.pass_time(500_000)
        # The page cache is the disk here: what counts is what is noted.
        inode = os.fstat(descriptor).st_ino
        if not self._lies:
            self._synced[inode] = self._written[inode]

    def wipe(self, descriptor: int, end: int) -> None:
        super().wipe(descriptor, end)
        inode = os.fstat(descriptor).st_ino
        self._written[inode] = self._synced[inode] = end

    def rename(self, old: Path, new: Path) -> None:
        inode = old.stat().st_ino
        old.rename(new)
        self._unsure_names[inode] = (old, new)
        if self._world.chance(0.05):
            self._world.note("crash behind a rename")
            raise Crash("rename")
        del self._unsure_names[inode]

    def end_process(self) -> None:
        """Let go of all descriptors, as the system does for a process that ended."""
        for descriptor, inode in self._open.items():
            with contextlib.suppress(OSError):  # closed in good order
                is_writer = fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_RDWR
                if is_writer and os.fstat(descriptor).st_ino == inode:
                    os.close(descriptor)
        self._open.clear()

    def cut_power(self, journal: Path) -> None:
        """Leave on the disk what a power cut may leave of the files."""
        self._world.note("power cut")
        for path in sorted(journal.glob("*.segment")):
            inode = path.stat().st_ino
            if inode in self._synced:
                spoil(path, self._synced[inode], self._world.dice)
            if inode in self._unsure_names and self._world.dice.random() < 0.5:
                path.rename(self._unsure_names[inode][0])
        if self._world.dice.random() < 0.5:
            (journal / FILE_NAME).unlink(missing_ok=True)  # never synced
        self._written.clear()
        self._synced.clear()
        self._unsure_names.clear()

    def _fail(self, what: str, number: int, probability: float) -> None:
        if self._world.chance(probability):
            self._world.note(f"{errno.errorcode[number]} at {what}")
            raise OSError(number, os.strerror(number))

    def _begin(self, descriptor: int, end: int) -> None:
        inode = self._open[descriptor] = os.fstat(descriptor).st_ino
        self._written[inode] = self._synced[inode] = end

    def _note_written(self, descriptor: int, end: int) -> None:
        inode = os.fstat(descriptor).st_ino
        self._written[inode] = max(self._written[inode], end)
