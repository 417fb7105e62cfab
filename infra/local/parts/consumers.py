"""All consumers of the event stream, in one process: they invoke the functions with MSK events."""

from infra.local import health
from infra.local.part import Part, aws_environment, python_part
from infra.local.settings import Settings


def consumers(settings: Settings) -> Part:
    """Return the consumers; they read from `deployment.json` which functions there are."""
    heartbeat = settings.health_file("consumers")
    return python_part(
        settings,
        "consumers",
        "infra.local.consumers",
        environment=aws_environment(settings)
        | {
            "STREAM_URL": settings.stream_url,
            "TRADING_STATE": str(settings.state),
            "TRADING_HEALTH_FILE": str(heartbeat),
        },
        health=health.heartbeat(heartbeat),
        after=("stream", "databases", "deploy"),
        prepare=lambda: heartbeat.unlink(missing_ok=True),
    )
