"""Opens the event stream that a URL names."""

import os
from urllib.parse import urlsplit

from shared.ports.event_stream import EventStream


def open_stream(url: str | None = None) -> EventStream:
    """Return the stream at `redis://host:port/0` or `kafka://host:port[,host:port]`.

    Without an argument the URL is that of the environment's STREAM_URL. Connections are made on
    first use, so this succeeds while the stream is away.
    """
    url = os.environ["STREAM_URL"] if url is None else url
    scheme = urlsplit(url).scheme
    if scheme in ("redis", "rediss"):
        from shared.streams.redis import RedisEventStream

        return RedisEventStream(url)
    if scheme == "kafka":
        from shared.streams.kafka import KafkaEventStream

        return KafkaEventStream(urlsplit(url).netloc)
    raise ValueError(f"stream URL {url!r} is neither redis:// nor kafka://")
