"""All consumers of the event stream, in one process: they invoke the functions with MSK events."""

from infra.local import health
from infra.local.part import Part, aws_environment, python_part
from infra.local.settings import Settings


def consumers(settings: Settings) -> Part:
    """Return the consumers; they read from `deployment.json` which functions there are."""
    return python_part(
        settings,
        "consumers",
        "infra.local.consumers",
        environment=aws_environment(settings) | {"TRADING_STATE": str(settings.state)},
        health=health.http(f"http://{settings.address('consumers')}/health"),
        after=("stream", "databases", "deploy"),
        ports=(settings.port("consumers"),),
    )
