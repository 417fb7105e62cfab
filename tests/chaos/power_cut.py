"""Makes of a killed engine's files what a power cut could have left of them."""

import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from hotpath.runtime.journal.status_file import FILE_NAME

SECTOR_BYTES: Final = 512
DROPPED, TORN, GARBLED = "dropped", "torn", "garbled"
_HOW: Final = (DROPPED, TORN, GARBLED)


@dataclass
class OnDisk:
    """What the notes say: synced bytes by inode, and names that may be lost."""

    synced: dict[int, int] = field(default_factory=dict)
    unsure_names: dict[int, tuple[Path, Path]] = field(default_factory=dict)

    @classmethod
    def read(cls, notes: Path) -> "OnDisk":
        found = cls()
        for line in notes.read_text(encoding="utf-8").splitlines():
            what, inode, *rest = line.split(" ")
            if what == "begun":
                found.synced[int(inode)] = int(rest[0])
            elif what == "synced":
                # Two threads sync: the note of the one that began earlier may come later.
                found.synced[int(inode)] = max(found.synced.get(int(inode), 0), int(rest[0]))
            elif what == "renamed":
                found.unsure_names[int(inode)] = (Path(rest[0]), Path(rest[1]))
            else:
                found.unsure_names.pop(int(inode), None)
        return found


def cut_power(journal: Path, notes: Path, dice: random.Random) -> int:
    """Spoil everything that was not synced; return how many bytes that was.

    No synced byte changes: a sector is written whole or not at all. The next engine starts with
    empty notes, since all that is left is on the disk.
    """
    disk = OnDisk.read(notes)
    spoilt = 0
    for path in sorted(journal.glob("*.segment")):
        inode = path.stat().st_ino
        if inode in disk.synced:
            spoilt += spoil(path, disk.synced[inode], dice)
        if inode in disk.unsure_names and path == disk.unsure_names[inode][1]:
            old, new = disk.unsure_names[inode]
            if dice.random() < 0.5:
                new.rename(old)
    if dice.random() < 0.5:
        (journal / FILE_NAME).unlink(missing_ok=True)  # never synced
    notes.unlink()
    return spoilt


def spoil(path: Path, synced: int, dice: random.Random) -> int:
    """Drop, tear or garble in sectors what stands behind byte `synced`; return how much it was."""
    data = bytearray(path.read_bytes())
    end = len(bytes(data).rstrip(b"\0"))
    if end <= synced:
        return 0
    how = dice.choice(_HOW)
    kept_to = dice.randrange(synced, end) if how == TORN else synced
    for start in range(synced // SECTOR_BYTES * SECTOR_BYTES, end, SECTOR_BYTES):
        first, last = max(start, synced), min(start + SECTOR_BYTES, len(data))
        if how == GARBLED:
            fate = dice.choice((DROPPED, GARBLED, "kept"))
        else:
            fate = "kept" if last <= kept_to else DROPPED
        if fate == DROPPED:
            data[first:last] = bytes(last - first)
        elif fate == GARBLED:
            data[first:last] = dice.randbytes(last - first)
    path.write_bytes(data)
    return end - synced
