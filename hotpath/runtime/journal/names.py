"""What the files of a journal's folder are called that more than one part touches."""

from pathlib import Path
from typing import Final

SEGMENT_PATTERN: Final = "journal-????????.segment"
READY_NAME: Final = "ready.spare"  # a segment full of zeros, which the engine may take


def segment_path(directory: Path, number: int) -> Path:
    return directory / f"journal-{number:08}.segment"
