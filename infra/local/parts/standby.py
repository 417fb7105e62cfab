"""What stands beside the engine: the follower that writes snapshots, and the standby if wanted."""

from infra.local import health
from infra.local.part import Part, python_part
from infra.local.parts.engine import RECOVERY_TIMEOUT_S, engine_environment
from infra.local.process import ProcessRecord
from infra.local.settings import Settings


def follower(settings: Settings) -> Part:
    """Return the follower; healthy while it touches its heartbeat file."""
    heartbeat = settings.health_file("follower")
    return python_part(
        settings,
        "follower",
        "hotpath.runtime.standby.follower",
        environment={
            "TRADING_JOURNAL": str(settings.journal),
            "TRADING_HEALTH_FILE": str(heartbeat),
        },
        health=health.heartbeat(heartbeat),
        after=("build-core", "engine"),
        prepare=lambda: heartbeat.unlink(missing_ok=True),
    )


def standby(settings: Settings) -> Part:
    """Return the standby: an engine in waiting, told all that the engine is told."""
    return python_part(
        settings,
        "standby",
        "hotpath.runtime.standby",
        environment=engine_environment(settings)
        | {"STANDBY_HEALTH_LISTEN": settings.address("standby-health")},
        health=health.http(settings.standby_health_url),
        after=("engine",),
        ports=(settings.port("standby-health"),),
        start_timeout_s=RECOVERY_TIMEOUT_S,
    )


def adopt(settings: Settings, engine_process_id: int) -> bool:
    """Call the standby the engine if that is what it has become; return whether it has.

    `engine_process_id` is the process that writes the journal.
    """
    file = settings.run_file("standby")
    record = ProcessRecord.read(file)
    if record is None or record.pid != engine_process_id or record.process() is None:
        return False
    record.write(settings.run_file("engine"))
    file.unlink()
    return True
