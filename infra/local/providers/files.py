"""Files that are replaced whole or not at all."""

import os
from pathlib import Path


def replace_file(file: Path, content: bytes) -> None:
    """Write a file for its owner only; a reader sees the old or the new content."""
    file.parent.mkdir(parents=True, exist_ok=True)
    replacement = file.with_name(f"{file.name}.new")
    with open(os.open(replacement, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as stream:
        stream.write(content)
    replacement.replace(file)
