"""Records with their places as a journal grows, and where one holds a record that is known."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hotpath.runtime.journal.reader import JournalTail
from hotpath.runtime.journal.seek import find_place
from shared.domain.ids import MAX_SEQUENCE
from shared.wire.journal import Record


@dataclass(frozen=True, slots=True)
class PlacedRecord:
    """A record, and where it ends: the segment's number and the byte behind it."""

    record: Record
    segment: int
    end: int


class PlacedTail:
    """Follows a journal as it is written, synced or not."""

    def __init__(self, directory: Path) -> None:
        self._tail = JournalTail(directory)

    def go_to(self, path: Path, offset: int) -> None:
        self._tail.go_to(path, offset)

    def read(self, max_bytes: int) -> list[PlacedRecord]:
        """Return the next whole records: they lie one behind the other in one segment."""
        records = self._tail.read(MAX_SEQUENCE, max_bytes)
        segment, end = self._tail.place
        at = end - sum(len(record.data) for record in records)
        placed = []
        for record in records:
            at += len(record.data)
            placed.append(PlacedRecord(record, segment, at))
        return placed

    def close(self) -> None:
        self._tail.close()


def find_copy(directory: Path, wanted: Record) -> PlacedRecord | None:
    """Return the journal's record that has the same content, or None when it has none such.

    The content tells its sequence, time, commands and events, or an epoch and a state's hash, which
    no other history has.
    """
    return next(
        (placed for placed in _from(directory, wanted) if placed.record.content == wanted.content),
        None,
    )


def _from(directory: Path, wanted: Record) -> Iterator[PlacedRecord]:
    """Yield the records that may be the one, and a few before."""
    tail = PlacedTail(directory)
    try:
        # A record without commands lies behind the one that holds the sequence before its own.
        sequence = wanted.first_sequence - (wanted.count == 0)
        place = find_place(directory, sequence) if sequence > 0 else None
        if place is not None:
            tail.go_to(place.path, place.offset)
        while found := tail.read(1 << 20):
            for placed in found:
                if placed.record.first_sequence > wanted.first_sequence:
                    return
                yield placed
    finally:
        tail.close()
