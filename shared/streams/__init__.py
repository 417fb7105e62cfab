"""EventStream adapters: Redis Streams and Kafka, opened by URL."""

from shared.streams.factory import open_stream

__all__ = ["open_stream"]
