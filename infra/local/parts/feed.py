"""The market-data gateway: WebSocket /ws/market-data."""

from infra.local import health
from infra.local.part import Part, python_part
from infra.local.settings import Settings


def feed(settings: Settings) -> Part:
    return python_part(
        settings,
        "feed",
        "hotpath.feed",
        environment={
            "STREAM_URL": settings.stream_url,
            "ENGINE_ADDRESS": settings.address("engine"),
            "FEED_LISTEN": settings.address("feed"),
        },
        health=health.http(f"http://{settings.address('feed')}/health"),
        after=("stream", "engine"),
        ports=(settings.port("feed"),),
    )
