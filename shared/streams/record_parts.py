"""Journal records that are longer than a Kafka message may be: cut into parts, and joined again.

Each part says in a header which of how many it is. The parts of a record are in one transaction,
and one writer stores at a time, so among what is committed they follow each other.
"""

from collections.abc import Sequence
from typing import Final

from shared.ports.event_stream import StoredMessage, StreamError
from shared.ports.journal_topic import CopiedRecord

PART_BYTES: Final = 32 << 20
_HEADER: Final = "part"

Headers = list[tuple[str, bytes]]


def parts_of(data: bytes, part_bytes: int) -> list[tuple[Headers, bytes]]:
    """Return a record's messages as headers and value; one without headers where it is enough."""
    if len(data) <= part_bytes:
        return [([], data)]
    count = -(-len(data) // part_bytes)
    return [
        (
            [(_HEADER, b"%d/%d" % (number + 1, count))],
            data[number * part_bytes : (number + 1) * part_bytes],
        )
        for number in range(count)
    ]


def part_of(message: StoredMessage) -> tuple[int, int]:
    """Return which part of how many a message is, counted from 1; a whole record is 1 of 1."""
    for name, value in message.headers:
        if name == _HEADER:
            number, _, count = value.partition(b"/")
            return int(number), int(count)
    return 1, 1


class Joiner:
    """Makes records of the messages of one partition, given in order."""

    def __init__(self) -> None:
        self._parts: list[StoredMessage] = []

    @property
    def pending_offset(self) -> int | None:
        """Return where the record begins of which parts are still to come."""
        return self._parts[0].offset if self._parts else None

    def add(self, messages: Sequence[StoredMessage]) -> list[CopiedRecord]:
        """Return the records that these messages complete; StreamError if a part is missing."""
        found = []
        for message in messages:
            number, count = part_of(message)
            if number != len(self._parts) + 1:
                at = f"{message.topic}-{message.partition} at offset {message.offset}"
                raise StreamError(f"{at}: part {number} of {count} after {len(self._parts)}")
            self._parts.append(message)
            if number == count:
                found.append(_joined(self._parts))
                self._parts = []
        return found


def _joined(parts: Sequence[StoredMessage]) -> CopiedRecord:
    data = parts[0].value if len(parts) == 1 else b"".join(part.value for part in parts)
    return CopiedRecord(parts[0].offset, int.from_bytes(parts[0].key, "little"), data)
