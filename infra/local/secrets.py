"""What the stack stores in Secrets Manager: databases, the engine's signing key, the providers."""

import json
from typing import TYPE_CHECKING, Final

from infra.local import aws, databases, keys
from infra.local.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

PREFIX: Final = "trading"


def store(settings: Settings) -> str:
    """Bring Secrets Manager up to date with the state folder's keys; return what was done."""
    client = aws.secrets_manager(settings)
    changed = [name for name, value in values(settings).items() if _store(client, name, value)]
    return f"stored ({len(changed)} new)" if changed else "up to date"


def values(settings: Settings) -> dict[str, str]:
    """Return every secret of the local stack by its name in Secrets Manager."""
    dsns = {
        f"{PREFIX}/dsn/{service}": databases.service_dsn(settings, service)
        for service in databases.SERVICES
    }
    return dsns | {
        f"{PREFIX}/engine/signing-key": keys.engine_signing_key(settings),
        f"{PREFIX}/stripe": json.dumps(stripe(settings)),
        f"{PREFIX}/onfido": json.dumps(onfido(settings)),
    }


def stripe(settings: Settings) -> dict[str, str]:
    """Return the payment provider's credentials, which its stand-in is started with as well."""
    return {
        "api_key": f"sk_test_{keys.token(settings, 'stripe-api-key')}",
        "webhook_secret": f"whsec_{keys.token(settings, 'stripe-webhook-secret')}",
    }


def onfido(settings: Settings) -> dict[str, str]:
    """Return the identity-check provider's credentials."""
    return {
        "api_token": f"api_sandbox.{keys.token(settings, 'onfido-api-token')}",
        "webhook_token": keys.token(settings, "onfido-webhook-token"),
    }


def _store(client: "SecretsManagerClient", name: str, value: str) -> bool:
    try:
        if client.get_secret_value(SecretId=name)["SecretString"] == value:
            return False
    except client.exceptions.ResourceNotFoundException:
        client.create_secret(Name=name, SecretString=value)
    else:
        client.put_secret_value(SecretId=name, SecretString=value)
    return True
