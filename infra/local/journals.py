"""Which folder is a shard's journal, after a standby with a journal of its own has taken over."""

import time
from pathlib import Path

from hotpath.runtime.journal.status_file import StatusFile
from hotpath.runtime.journal.writer import JournalLock, JournalLocked
from infra.local.settings import Settings


def settle(settings: Settings) -> str:
    """Put a standby's journal that has gone on in the place of the one that it replaced.

    The old one is kept under another name. A journal that is being written stays where it is.
    """
    moved = [shard for shard in range(settings.shards) if _settle(settings, shard)]
    return f"{len(moved)} taken over from a standby" if moved else "in place"


def _settle(settings: Settings, shard: int) -> bool:
    journal, other = settings.journal_of(shard), settings.standby_journal_of(shard)
    if _epoch(other) <= _epoch(journal):
        return False
    try:
        lock = JournalLock(other)
    except JournalLocked:
        return False
    if journal.exists():
        journal.rename(journal.with_name(f"{journal.name}.superseded-{time.time_ns()}"))
    other.rename(journal)
    lock.release()
    return True


def _epoch(journal: Path) -> int:
    """Return the epoch of the last engine that wrote a journal; 0 if none did."""
    try:
        with StatusFile(journal, create=False) as status:
            return status.epoch if status.valid else 0
    except FileNotFoundError:
        return 0
