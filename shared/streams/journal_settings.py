"""The settings of the topics that hold a shard's journal and its beats, for who creates them."""

from typing import Final

MAX_MESSAGE_BYTES: Final = 33 << 20  # a journal record and what Kafka adds to it
JOURNAL_SETTINGS: Final = {
    "max.message.bytes": str(MAX_MESSAGE_BYTES),
    "retention.ms": "-1",  # a standby with an empty folder begins at the first record
    "retention.bytes": "-1",
}
BEAT_SETTINGS: Final = {"retention.ms": "3600000", "segment.ms": "600000"}
