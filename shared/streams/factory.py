"""Opens the event stream, or the journal's topic, at what a URL names."""

import os
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from shared.streams.kafka_brokers import SCHEMES, Brokers

if TYPE_CHECKING:  # what starts an engine looks at addresses only, and starts sooner without
    from shared.ports.event_stream import EventStream
    from shared.ports.journal_topic import JournalTopic


def open_stream(url: str | None = None) -> "EventStream":
    """Return the stream at `redis://host:port/0` or `kafka://host:port[,host:port]`.

    `kafka+iam://` is Kafka over TLS that IAM guards (shared/streams/kafka_brokers.py).

    Without an argument the URL is that of the environment's STREAM_URL. Connections are made on
    first use, so this succeeds while the stream is away.
    """
    url = os.environ["STREAM_URL"] if url is None else url
    scheme = urlsplit(url).scheme
    if scheme in ("redis", "rediss"):
        from shared.streams.redis import RedisEventStream

        return RedisEventStream(url)
    if scheme in SCHEMES:
        from shared.streams.kafka import KafkaEventStream

        return KafkaEventStream(Brokers.of(url))
    raise ValueError(f"stream URL {url!r} is neither redis:// nor kafka:// nor kafka+iam://")


def open_journal_topic(url: str, shard: int) -> "JournalTopic":
    """Return a shard's journal at `kafka://host:port[,host:port]`; nothing else can hold one."""
    if urlsplit(url).scheme not in SCHEMES:
        raise ValueError(f"stream URL {url!r} is not kafka://: a journal is replicated to Kafka")
    from shared.streams.kafka_journal import KafkaJournalTopic

    return KafkaJournalTopic(Brokers.of(url), shard)
