"""The engine (gateway, sequencer, journal, core) and the publisher that tails its journal."""

from infra.local import health, keys
from infra.local.part import Part, python_part
from infra.local.settings import Settings, shard_part

# A journal is replayed before the engine answers.
RECOVERY_TIMEOUT_S = 120.0
_UNPUBLISHED_COMMANDS = 1_000_000  # while the stream is away; then new orders are refused


def engine(settings: Settings, shard: int = 0) -> Part:
    """Return a shard's engine. It needs no other part; `build-core` decides which core it runs."""
    return python_part(
        settings,
        shard_part("engine", shard),
        "hotpath.runtime",
        environment=engine_environment(settings, shard),
        health=health.http(settings.engine_health(shard)),
        after=("build-core",),
        ports=(settings.port("engine", shard), settings.port("engine-health", shard)),
        prepare=lambda: settings.journal_of(shard).mkdir(parents=True, exist_ok=True),
        start_timeout_s=RECOVERY_TIMEOUT_S,
    )


def engine_environment(settings: Settings, shard: int = 0) -> dict[str, str]:
    """Return what a shard's engine is told, and its standby, which may become one."""
    return {
        "TRADING_SHARD": str(shard),
        "TRADING_JOURNAL": str(settings.journal_of(shard)),
        "ENGINE_LISTEN": settings.address("engine", shard),
        "ENGINE_HEALTH_LISTEN": settings.address("engine-health", shard),
        "ENGINE_PUBLIC_KEY_FILE": str(keys.engine_public_key_file(settings)),
        "TRADING_DURABILITY": settings.durability,
        "TRADING_SPIN": "1" if settings.spin else "0",
        "TRADING_UNPUBLISHED": str(_UNPUBLISHED_COMMANDS),
    }


def publisher(settings: Settings, shard: int = 0) -> Part:
    """Return a shard's publisher; healthy while it touches its heartbeat file."""
    name = shard_part("publisher", shard)
    heartbeat = settings.health_file(name)
    return python_part(
        settings,
        name,
        "hotpath.runtime.publisher",
        environment={
            "TRADING_JOURNAL": str(settings.journal_of(shard)),
            "STREAM_URL": settings.stream_url,
            "TRADING_SHARDS": str(settings.shards),
            "TRADING_HEALTH_FILE": str(heartbeat),
            "PUBLISHER_HEALTH_LISTEN": settings.address("publisher", shard),
        },
        health=health.heartbeat(heartbeat),
        ports=(settings.port("publisher", shard),),
        after=("stream", shard_part("engine", shard)),
        prepare=lambda: heartbeat.unlink(missing_ok=True),
        start_timeout_s=RECOVERY_TIMEOUT_S,
    )
