"""The engine (gateway, sequencer, journal, core) and the publisher that tails its journal."""

import os
from typing import Final

from infra.local import health, keys
from infra.local.part import Part, python_part
from infra.local.settings import Settings, shard_part

# A journal is replayed before the engine answers.
RECOVERY_TIMEOUT_S = 120.0
_UNPUBLISHED_COMMANDS = 1_000_000  # while the stream is away; then new orders are refused
# What whoever starts an engine, its standby, follower or publisher may set for it: not kept.
_TUNED: Final = (
    *("TRADING_UNPUBLISHED", "TRADING_MAX_RATE", "TRADING_QUEUE", "TRADING_SEGMENT_BYTES"),
    *("TRADING_SYNC_MS", "TRADING_MARK_MS", "TRADING_STALL_MS", "TRADING_HUNG_MS", "TRADING_CPUS"),
    *("TRADING_SNAPSHOT_COMMANDS", "TRADING_SNAPSHOT_KEEP", "STREAM_RETAIN"),
    "TRADING_EXPECTED_IDS",
)


def engine(settings: Settings, shard: int = 0) -> Part:
    """Return a shard's engine. It needs no other part; `build-core` decides which core it runs."""
    return python_part(
        settings,
        shard_part("engine", shard),
        "hotpath.runtime",
        environment=engine_environment(settings, shard),
        health=health.http(settings.engine_health(shard)),
        after=("build-core", "journals"),
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
        "STREAM_URL": settings.stream_url,
        "TRADING_SPIN": "1" if settings.spin else "0",
        "TRADING_UNPUBLISHED": str(_UNPUBLISHED_COMMANDS),
        "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",  # books in huge pages: fewer misses of the TLB
        **tuning(),
    }


def tuning() -> dict[str, str]:
    """Return what the caller's environment sets for the processes of the hot path."""
    return {name: os.environ[name] for name in _TUNED if os.environ.get(name)}


def replicator(settings: Settings, shard: int = 0, *, is_standbys: bool = False) -> Part:
    """Return the replicator of a shard's engine, or of its standby's host."""
    name = shard_part("standby-replicator" if is_standbys else "replicator", shard)
    journal = settings.standby_journal_of(shard) if is_standbys else settings.journal_of(shard)
    heartbeat = settings.health_file(name)
    return python_part(
        settings,
        name,
        "hotpath.runtime.replication",
        environment=engine_environment(settings, shard)
        | {"TRADING_JOURNAL": str(journal), "TRADING_HEALTH_FILE": str(heartbeat)},
        health=health.heartbeat(heartbeat),
        after=("stream", "journals"),
        prepare=lambda: heartbeat.unlink(missing_ok=True),
        start_timeout_s=RECOVERY_TIMEOUT_S,
    )


def publisher(settings: Settings, shard: int = 0) -> Part:
    """Return a shard's publisher; healthy while it touches its heartbeat file."""
    return _publisher(
        settings,
        shard_part("publisher", shard),
        {
            "TRADING_JOURNAL": str(settings.journal_of(shard)),
            "PUBLISHER_HEALTH_LISTEN": settings.address("publisher", shard),
        },
        ports=(settings.port("publisher", shard),),
        after=("stream", shard_part("engine", shard)),
    )


def other_host(settings: Settings, shard: int) -> list[Part]:
    """Return what waits beside a standby on another host, for it to become the engine."""
    journal = {"TRADING_JOURNAL": str(settings.standby_journal_of(shard))}
    name = shard_part("standby-publisher", shard)
    return [
        replicator(settings, shard, is_standbys=True),
        _publisher(settings, name, journal, ports=(), after=("stream", "journals")),
    ]


def _publisher(
    settings: Settings,
    name: str,
    environment: dict[str, str],
    *,
    ports: tuple[int, ...],
    after: tuple[str, ...],
) -> Part:
    heartbeat = settings.health_file(name)
    return python_part(
        settings,
        name,
        "hotpath.runtime.publisher",
        environment={
            "STREAM_URL": settings.stream_url,
            "TRADING_SHARDS": str(settings.shards),
            "TRADING_HEALTH_FILE": str(heartbeat),
            **tuning(),
            **environment,
        },
        health=health.heartbeat(heartbeat),
        ports=ports,
        after=after,
        prepare=lambda: heartbeat.unlink(missing_ok=True),
        start_timeout_s=RECOVERY_TIMEOUT_S,
    )
