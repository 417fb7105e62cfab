"""The AWS emulator: API Gateway, Lambda, Step Functions, Cognito, S3, SQS, Secrets."""

from infra.local import health
from infra.local.emulator.gateway import CHECKPOINT_PATH, HEALTH_PATH
from infra.local.part import Part, python_part
from infra.local.settings import Settings


def emulator(settings: Settings) -> Part:
    return python_part(
        settings,
        "emulator",
        "infra.local.emulator",
        environment={
            "EMULATOR_PORT": str(settings.port("emulator")),
            "EMULATOR_FOLDER": str(settings.emulator),
        },
        health=health.http(health_url(settings)),
        ports=(settings.port("emulator"),),
    )


def health_url(settings: Settings) -> str:
    """Return where the emulator says that it is up, and what its last start restored."""
    return settings.aws_endpoint + HEALTH_PATH


def checkpoint_url(settings: Settings) -> str:
    """Return where a POST makes the emulator take a checkpoint."""
    return settings.aws_endpoint + CHECKPOINT_PATH
