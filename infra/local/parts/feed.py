"""The market-data gateway: WebSocket /ws/market-data."""

from infra.local import health
from infra.local.part import Part, python_part
from infra.local.settings import Settings


def feed(settings: Settings) -> Part:
    """Return the gateway; it keeps its place in the stream in a folder of its own."""
    folder = settings.folder("feed")
    return python_part(
        settings,
        "feed",
        "hotpath.feed",
        environment={
            "STREAM_URL": settings.stream_url,
            "TRADING_SHARDS": str(settings.shards),
            "FEED_LISTEN": settings.address("feed"),
            "FEED_STATE": str(folder),
        },
        health=health.http(f"http://{settings.address('feed')}/health"),
        after=("stream", "engine"),
        ports=(settings.port("feed"),),
        prepare=lambda: folder.mkdir(parents=True, exist_ok=True),
    )
