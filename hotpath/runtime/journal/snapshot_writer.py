"""Makes snapshots from the last one and the journal behind it, never from the engine's memory."""

from pathlib import Path
from typing import Final

from hotpath.runtime.journal.recovery import recover
from hotpath.runtime.journal.snapshot_names import newest_sequence, prune
from hotpath.runtime.journal.snapshots import write_snapshot
from hotpath.runtime.journal.status_file import StatusFile

_PAUSE_S: Final = 0.02  # between the pieces of a snapshot: 13 MB/s at most


class SnapshotWriter:
    """Writes into the journal's folder and keeps the `keep` newest snapshots there."""

    def __init__(self, directory: Path, keep: int = 3) -> None:
        self._directory = directory
        self._keep = keep

    def advance(self, every_commands: int) -> Path | None:
        """Write a snapshot if so many commands are durable since the last; return it.

        Raises
        ------
        JournalError
            The journal is damaged, or the core gives other events than it holds.
        OSError, ValueError
            The snapshot cannot be written, or does not lead back to its state.
        """
        durable = self._durable_sequence()
        if durable is not None:
            newest = newest_sequence(self._directory, durable)
            if durable - newest < every_commands:
                return None
        recovered = recover(self._directory, until=durable, from_snapshot=True)
        place = recovered.place
        if place is None or place.sequence - recovered.snapshot_sequence < every_commands:
            return None
        path = write_snapshot(self._directory, recovered.engine, place, pause_s=_PAUSE_S)
        prune(self._directory, self._keep)
        return path

    def _durable_sequence(self) -> int | None:
        """Return what the engine says is durable; None when no engine ever ran here."""
        try:
            with StatusFile(self._directory, create=False) as status:
                return status.durable_sequence if status.valid else None
        except FileNotFoundError:
            return None
