"""Which epoch of each writer is the highest: a compacted topic that the writers themselves fill.

Kafka fences by who opened a transactional id last. An old writer that opens late would win by that
rule, so each writer's epoch is kept here, and a writer looks here after Kafka has let it in.
"""

from typing import Final

import msgspec

from shared.ports.event_stream import TopicPartition
from shared.streams.kafka_connection import Lookup
from shared.streams.topology import WRITER_EPOCHS

EPOCH_TOPIC: Final = WRITER_EPOCHS.name


class WriterEpoch(msgspec.Struct, frozen=True):
    """The writer that may publish: its epoch, and which of the writers of that epoch it is."""

    epoch: int
    session: str

    def encode(self) -> bytes:
        return msgspec.json.encode(self)


def read_epoch(lookup: Lookup, writer_id: str) -> WriterEpoch | None:
    """Return the newest record of a writer id, or None when it was never opened."""
    key = writer_id.encode()
    newest = None
    for message in lookup.read(TopicPartition(EPOCH_TOPIC, 0), 0):
        if message.key == key:
            newest = msgspec.json.decode(message.value, type=WriterEpoch)
    return newest
