"""The engine (gateway, sequencer, journal, core) and the publisher that tails its journal."""

from infra.local import health, keys
from infra.local.part import Part, python_part
from infra.local.settings import Settings

# A journal is replayed before the engine answers.
RECOVERY_TIMEOUT_S = 120.0
_UNPUBLISHED_COMMANDS = 1_000_000  # while the stream is away; then new orders are refused


def engine(settings: Settings) -> Part:
    """Return the engine. It needs no other part; which core it runs is decided by `build-core`."""
    return python_part(
        settings,
        "engine",
        "hotpath.runtime",
        environment=engine_environment(settings),
        health=health.http(settings.engine_health_url),
        after=("build-core",),
        ports=(settings.port("engine"), settings.port("engine-health")),
        prepare=lambda: settings.journal.mkdir(parents=True, exist_ok=True),
        start_timeout_s=RECOVERY_TIMEOUT_S,
    )


def engine_environment(settings: Settings) -> dict[str, str]:
    """Return what the engine is told, and its standby, which may become one."""
    return {
        "TRADING_JOURNAL": str(settings.journal),
        "ENGINE_LISTEN": settings.address("engine"),
        "ENGINE_HEALTH_LISTEN": settings.address("engine-health"),
        "ENGINE_PUBLIC_KEY_FILE": str(keys.engine_public_key_file(settings)),
        "TRADING_DURABILITY": settings.durability,
        "TRADING_SPIN": "1" if settings.spin else "0",
        "TRADING_UNPUBLISHED": str(_UNPUBLISHED_COMMANDS),
    }


def publisher(settings: Settings) -> Part:
    """Return the publisher; healthy while it touches its heartbeat file."""
    heartbeat = settings.health_file("publisher")
    return python_part(
        settings,
        "publisher",
        "hotpath.runtime.publisher",
        environment={
            "TRADING_JOURNAL": str(settings.journal),
            "STREAM_URL": settings.stream_url,
            "TRADING_HEALTH_FILE": str(heartbeat),
            "PUBLISHER_HEALTH_LISTEN": settings.address("publisher"),
        },
        health=health.heartbeat(heartbeat),
        ports=(settings.port("publisher"),),
        after=("stream", "engine"),
        prepare=lambda: heartbeat.unlink(missing_ok=True),
        start_timeout_s=RECOVERY_TIMEOUT_S,
    )
