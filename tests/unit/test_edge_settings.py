"""Secrets of a function: read by name, kept for a while, of the service's own database."""

import json
from collections.abc import Iterator

import boto3
import pytest
from moto import mock_aws

from shared.edge import settings


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        settings.forget_secrets()
        yield boto3.client("secretsmanager")
    settings.forget_secrets()


def test_a_secret_is_read_once_in_a_while(secrets, monkeypatch: pytest.MonkeyPatch) -> None:
    secrets.create_secret(Name="trading/x", SecretString="first")
    now_s = [1_000.0]
    monkeypatch.setattr("shared.edge.settings.time.monotonic", lambda: now_s[0])
    assert settings.secret("trading/x") == "first"
    secrets.put_secret_value(SecretId="trading/x", SecretString="second")
    now_s[0] += settings.SECRET_TTL_S - 1
    assert settings.secret("trading/x") == "first"
    now_s[0] += 1
    assert settings.secret("trading/x") == "second"


def test_a_secret_may_hold_fields(secrets) -> None:
    secrets.create_secret(Name="trading/stripe", SecretString=json.dumps({"api_key": "sk"}))
    assert settings.secret_fields("trading/stripe") == {"api_key": "sk"}


def test_a_service_finds_its_own_database_by_its_variable(
    secrets, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets.create_secret(Name="trading/dsn/users", SecretString="postgresql://users_app@h/core")
    monkeypatch.setenv("USERS_DSN_SECRET", "trading/dsn/users")
    assert settings.dsn("users") == "postgresql://users_app@h/core"


def test_a_variable_that_is_not_set_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ORDERS_DSN_SECRET", raising=False)
    with pytest.raises(settings.SettingMissing, match="ORDERS_DSN_SECRET"):
        settings.dsn("orders")
