"""The stand-ins of the payment and the identity-check provider, in one process."""

from infra.local import health
from infra.local.part import Part, python_part
from infra.local.settings import Settings


def providers(settings: Settings) -> Part:
    heartbeat = settings.health_file("providers")
    return python_part(
        settings,
        "providers",
        "infra.local.providers",
        environment={"TRADING_STATE": str(settings.state), "TRADING_HEALTH_FILE": str(heartbeat)},
        health=health.heartbeat(heartbeat),
        ports=(settings.port("stripe"), settings.port("onfido")),
        prepare=lambda: heartbeat.unlink(missing_ok=True),
    )
