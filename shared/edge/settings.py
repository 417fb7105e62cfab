"""Settings of a function: environment variables, and secrets read once in a while."""

import json
import os
import threading
import time
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import botocore.session
from botocore.config import Config

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

SECRET_TTL_S: Final = 300.0
_secrets: dict[str, tuple[float, str]] = {}
_lock = threading.Lock()


class SettingMissing(Exception):
    """An environment variable that the function needs is not set."""


def setting(name: str) -> str:
    """Return an environment variable; raise SettingMissing."""
    value = os.environ.get(name)
    if not value:
        raise SettingMissing(name)
    return value


@cache
def aws_config() -> Config:
    """Return short timeouts: a function must answer, or fail, well within its own limit."""
    return Config(
        connect_timeout=2,
        read_timeout=5,
        retries={"mode": "standard", "max_attempts": 3},
    )


def aws_client(service: str) -> Any:
    """Return a client of an AWS service. Without boto3, whose import alone takes 0.2 s."""
    return botocore.session.get_session().create_client(service, config=aws_config())


@cache
def _secrets_manager() -> "SecretsManagerClient":
    client: SecretsManagerClient = aws_client("secretsmanager")
    return client


def secret(name: str) -> str:
    """Return a secret's current string, at most SECRET_TTL_S old."""
    now = time.monotonic()
    with _lock:
        found = _secrets.get(name)
        if found is not None and now - found[0] < SECRET_TTL_S:
            return found[1]
    value = _secrets_manager().get_secret_value(SecretId=name)["SecretString"]
    with _lock:
        _secrets[name] = (now, value)
    return value


def secret_fields(name: str) -> dict[str, Any]:
    """Return a secret that holds a JSON object."""
    fields: dict[str, Any] = json.loads(secret(name))
    return fields


def dsn(name: str) -> str:
    """Return the DSN of a service's database role: the secret that `<NAME>_DSN_SECRET` names."""
    return secret(setting(f"{name.upper()}_DSN_SECRET"))


def forget_secrets() -> None:
    """Drop cached secrets, after a rotation or between tests."""
    with _lock:
        _secrets.clear()
    _secrets_manager.cache_clear()
