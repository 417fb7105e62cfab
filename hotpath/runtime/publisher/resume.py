"""How far a publisher's predecessor came, found in the stream and not in the whole journal.

Batches are published one after the other, each whole before the next one begins. So everything
before the last batch is stored, and what is stored of that one stands at the ends of the
partitions: a publisher goes back by one batch from the newest message of all and compares.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from hotpath.runtime.journal.seek import JournalPlace, find_place
from shared.ports.event_stream import EventStream, Message, StoredMessage, TopicPartition
from shared.wire.journal import JournalError
from shared.wire.stream_events import PARTITIONS, SETTLEMENT_EVENTS, first_partition

TOPICS: Final = tuple(topic for topic in PARTITIONS if topic != SETTLEMENT_EVENTS)
POSITION_FILE: Final = "publisher.position"
# Journal bytes of one batch. A publisher goes back by so much: it must never be made smaller.
BATCH_BYTES: Final = 4 << 20


class StreamDiverged(JournalError):
    """The stream holds what this journal does not say."""


class _Place(msgspec.Struct):
    """Where the journal holds what a message tells of."""

    sequence: int


class _Checkpoint(msgspec.Struct):
    """All messages up to `sequence` were stored when the partitions ended at `ends`."""

    sequence: int
    ends: dict[str, int]


_decode = msgspec.json.Decoder(_Place).decode


def partitions(namespace: str = "", shard: int = 0) -> list[TopicPartition]:
    """Return the partitions that a shard's publisher writes, and nobody else."""
    return [
        TopicPartition(namespace + topic, first_partition(topic, shard) + n)
        for topic in TOPICS
        for n in range(PARTITIONS[topic])
    ]


@dataclass(slots=True)
class _End:
    """A partition's newest message; everything before it is stored as well."""

    sequence: int
    value: bytes
    is_passed: bool = False

    def is_stored(self, message: Message) -> bool:
        """Return whether the predecessor stored this message; asked for each one, in order."""
        if self.is_passed:
            return False
        self.is_passed = message.value == self.value
        return True


class Resume:
    """What the stream holds already of one shard's messages."""

    def __init__(
        self, stream: EventStream, journal: Path, namespace: str = "", shard: int = 0
    ) -> None:
        self._partitions = partitions(namespace, shard)
        ends = {at: _end(stream.read_last(at)) for at in self._partitions}
        self._ends = {at: end for at, end in ends.items() if end is not None}
        self.last_sequence = max((end.sequence for end in self._ends.values()), default=0)
        # A checkpoint is of the publisher's own topics.
        self._has_checkpoint = not namespace
        self.place = self._find(stream, journal)
        start = self.place.first_sequence if self.place else 1
        for end in self._ends.values():
            end.is_passed = end.sequence < start

    @property
    def first_sequence(self) -> int:
        """Return the sequence from which on something may be missing."""
        return self.place.first_sequence if self.place else 1

    def missing(self, found: list[Message], last_sequence: int) -> list[Message]:
        """Return those messages, of commands up to a sequence, that are not stored.

        Raises StreamDiverged when one that is stored should have been among them, and was not.
        """
        missing = []
        for message in found:
            end = self._ends.get(TopicPartition(message.topic, message.partition))
            if end is None or not end.is_stored(message):
                missing.append(message)
        for place, end in self._ends.items():
            if not end.is_passed and end.sequence <= last_sequence:
                raise StreamDiverged(
                    f"{_name(place)} ends with a message of sequence {end.sequence} "
                    "that this journal does not tell"
                )
        return missing

    def _find(self, stream: EventStream, journal: Path) -> JournalPlace | None:
        if not self._ends:
            return None
        short = self._shortened(stream, journal) if self._has_checkpoint else None
        if short is not None:
            return find_place(journal, short)
        return find_place(journal, self.last_sequence, BATCH_BYTES)

    def _shortened(self, stream: EventStream, journal: Path) -> int | None:
        """Return where to begin when a partition has lost messages since the last checkpoint."""
        try:
            content = (journal / POSITION_FILE).read_bytes()
            noted = msgspec.json.decode(content, type=_Checkpoint).ends
        except (FileNotFoundError, msgspec.DecodeError):
            return None
        lost = [
            self._ends[at].sequence if at in self._ends else 1
            for at in self._partitions
            if noted.get(_name(at), 0) > stream.end_offset(at)
        ]
        return min(lost) if lost else None


def save_checkpoint(stream: EventStream, journal: Path, sequence: int, shard: int = 0) -> None:
    """Note where the partitions end, so that the next start notices if one has lost messages."""
    ends = {_name(at): stream.end_offset(at) for at in partitions(shard=shard)}
    replacement = journal / f"{POSITION_FILE}.new"
    replacement.write_bytes(msgspec.json.encode(_Checkpoint(sequence, ends)))
    replacement.replace(journal / POSITION_FILE)


def _end(last: StoredMessage | None) -> _End | None:
    if last is None:
        return None
    return _End(_decode(last.value).sequence, last.value)


def _name(partition: TopicPartition) -> str:
    return f"{partition.topic}-{partition.partition}"
