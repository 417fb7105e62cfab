"""Every topic that Kafka has to have, and who uses which: for who creates topics and grants rights.

The public topics are in shared/wire/stream_events.py; here are those besides them.
"""

from dataclasses import dataclass, field
from typing import Final

from shared.wire.stream_events import PARTITIONS, SETTLEMENT_EVENTS, partition_counts

MAX_MESSAGE_BYTES: Final = 33 << 20  # a journal record and what Kafka adds to it
JOURNAL_SETTINGS: Final = {
    "max.message.bytes": str(MAX_MESSAGE_BYTES),
    "retention.ms": "-1",  # a standby with an empty folder begins at the first record
    "retention.bytes": "-1",
}
BEAT_SETTINGS: Final = {"retention.ms": "3600000", "segment.ms": "600000"}

SETTLEMENT_WRITER: Final = "settlement"
# Consumers of these names keep no position; Kafka still asks who belongs to them.
LOOKUP_GROUP: Final = "lookup"
JOURNAL_GROUP: Final = "journal"


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as it is created."""

    name: str
    partitions: int = 1
    settings: dict[str, str] = field(default_factory=dict)


# Which epoch of each writer is the highest (shared/streams/kafka_epochs.py).
WRITER_EPOCHS: Final = Topic("writer-epochs", settings={"cleanup.policy": "compact"})


def journal_topic(shard: int) -> Topic:
    """Return the topic of a shard's journal: records of any length, kept for good."""
    return Topic(f"hotpath-journal.{shard}", settings=JOURNAL_SETTINGS)


def beats_topic(shard: int) -> Topic:
    """Return the topic of the beats of a shard's primary."""
    return Topic(f"hotpath-beats.{shard}", settings=BEAT_SETTINGS)


def publisher_id(shard: int) -> str:
    """Return the transactional id of a shard's publisher."""
    return f"publisher-{shard}"


def all_topics(shards: int) -> list[Topic]:
    """Return every topic of a platform of so many shards."""
    return [
        *(Topic(name, count) for name, count in partition_counts(shards).items()),
        WRITER_EPOCHS,
        *(topic(shard) for shard in range(shards) for topic in (journal_topic, beats_topic)),
    ]


@dataclass(frozen=True, slots=True)
class Use:
    """What one kind of process reads and writes, by name."""

    topics: tuple[str, ...]
    transactional_ids: tuple[str, ...]
    groups: tuple[str, ...]


def engine_host_use(shard: int) -> Use:
    """Return what publisher, replicator and standby of a shard use."""
    journal = journal_topic(shard).name
    published = [topic for topic in PARTITIONS if topic != SETTLEMENT_EVENTS]
    return Use(
        (*published, WRITER_EPOCHS.name, journal, beats_topic(shard).name),
        (publisher_id(shard), f"{journal}.*"),
        (LOOKUP_GROUP, JOURNAL_GROUP),
    )


def settlement_use() -> Use:
    """Return what the settlement task uses."""
    return Use((SETTLEMENT_EVENTS, WRITER_EPOCHS.name), (SETTLEMENT_WRITER,), (LOOKUP_GROUP,))
