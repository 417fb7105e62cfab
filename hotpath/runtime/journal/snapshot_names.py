"""The names of snapshots: what stands in a folder, without loading the core."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

PATTERN: Final = "snapshot-*.state"
_UNFINISHED_S: Final = 3600.0


def newest_first(directory: Path) -> Iterator[Path]:
    yield from sorted(directory.glob(PATTERN), reverse=True)


def newest_sequence(directory: Path, until: int) -> int:
    """Return the sequence of the newest snapshot at or before `until`; 0 when there is none."""
    found = map(sequence_in_name, newest_first(directory))
    return next((sequence for sequence in found if sequence <= until), 0)


def prune(directory: Path, keep: int) -> list[Path]:
    """Remove all but the `keep` newest; return what was removed."""
    removed = list(newest_first(directory))[keep:]
    for path in removed:
        path.unlink(missing_ok=True)
    for path in directory.glob("snapshot-*.new"):  # what a writer that was killed has left
        if time.time() - path.stat().st_mtime > _UNFINISHED_S:
            path.unlink(missing_ok=True)
    return removed


def snapshot_path(directory: Path, sequence: int) -> Path:
    return directory / f"snapshot-{sequence:016}.state"


def sequence_in_name(path: Path) -> int:
    return int(path.stem.removeprefix("snapshot-"))
