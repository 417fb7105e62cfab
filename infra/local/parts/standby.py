"""What stands beside the engine: the follower that writes snapshots, and the standby if wanted."""

from infra.local import health
from infra.local.part import Part, python_part
from infra.local.parts.engine import RECOVERY_TIMEOUT_S, engine_environment, tuning
from infra.local.process import ProcessRecord
from infra.local.settings import Settings, shard_part


def follower(settings: Settings, shard: int = 0) -> Part:
    """Return a shard's follower; healthy while it touches its heartbeat file."""
    name = shard_part("follower", shard)
    heartbeat = settings.health_file(name)
    return python_part(
        settings,
        name,
        "hotpath.runtime.standby.follower",
        environment={
            "TRADING_JOURNAL": str(settings.journal_of(shard)),
            "TRADING_HEALTH_FILE": str(heartbeat),
            **tuning(),
        },
        health=health.heartbeat(heartbeat),
        after=("build-core", shard_part("engine", shard)),
        prepare=lambda: heartbeat.unlink(missing_ok=True),
    )


def standby(settings: Settings, shard: int = 0) -> Part:
    """Return a shard's standby: an engine in waiting, told all that the engine is told.

    As if on another host it has a journal of its own; the ports it takes over are the engine's.
    """
    environment = engine_environment(settings, shard) | {
        "STANDBY_HEALTH_LISTEN": settings.address("standby-health", shard),
        "STANDBY_PLACEMENT": settings.standby_placement,
    }
    if settings.standby_placement == "other-host":
        environment["TRADING_JOURNAL"] = str(settings.standby_journal_of(shard))
    return python_part(
        settings,
        shard_part("standby", shard),
        "hotpath.runtime.standby",
        environment=environment,
        health=health.http(settings.standby_health(shard)),
        after=(shard_part("engine", shard),),
        ports=(settings.port("standby-health", shard),),
        start_timeout_s=RECOVERY_TIMEOUT_S,
    )


def adopt(settings: Settings, engine_process_id: int, shard: int = 0) -> bool:
    """Call a shard's standby the engine if that is what it has become; return whether it has.

    `engine_process_id` is the process that writes the journal.
    """
    file = settings.run_file(shard_part("standby", shard))
    record = ProcessRecord.read(file)
    if record is None or record.pid != engine_process_id or record.process() is None:
        return False
    record.write(settings.run_file(shard_part("engine", shard)))
    file.unlink()
    return True
