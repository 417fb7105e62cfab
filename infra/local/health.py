"""Health checks of parts: each returns a detail worth showing, or raises Unhealthy."""

import json
import time
import urllib.error
import urllib.request
from pathlib import Path

import redis

from infra.local.part import HealthCheck
from shared.postgres.ping import ServerNotReady, server_version

_TIMEOUT_S = 2.0
_HEARTBEAT_MAX_AGE_S = 5.0


class Unhealthy(Exception):
    """The part does not answer as it should; the text says how."""


def http(url: str) -> HealthCheck:
    """Expect a 200. The detail is the answer's `detail`, or its fields when it is a flat object."""

    def check() -> str:
        try:
            with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as answer:
                body = answer.read(65_536)
        except urllib.error.HTTPError as error:
            text = error.read(500).decode(errors="replace").strip()
            raise Unhealthy(f"{url} answers {error.code} {text}") from error
        except (OSError, ValueError) as error:
            raise Unhealthy(f"{url} does not answer") from error
        return _detail(body)

    return check


def _detail(body: bytes) -> str:
    try:
        document = json.loads(body)
    except ValueError:
        return ""
    if not isinstance(document, dict):
        return ""
    if "detail" in document:
        return str(document["detail"])
    plain = {
        name: value
        for name, value in document.items()
        if isinstance(value, str | int | float | bool) and name not in ("status", "state")
    }
    return " ".join(f"{name}={value}" for name, value in list(plain.items())[:6])


def redis_ping(url: str) -> HealthCheck:
    """Expect PONG from a Redis that has finished loading its data."""

    def check() -> str:
        client = redis.Redis.from_url(
            url, socket_timeout=_TIMEOUT_S, socket_connect_timeout=_TIMEOUT_S
        )
        try:
            client.ping()
            info = client.info("memory")
        except redis.RedisError as error:
            raise Unhealthy(f"{url}: {error}") from error
        finally:
            client.close()
        return f"memory={info['used_memory_human']}" if isinstance(info, dict) else ""

    return check


def postgres(dsn: str) -> HealthCheck:
    """Expect a query to be answered."""

    def check() -> str:
        try:
            return server_version(dsn, timeout_s=_TIMEOUT_S)
        except ServerNotReady as error:
            raise Unhealthy(str(error)) from error

    return check


def heartbeat(file: Path) -> HealthCheck:
    """Expect a file that the part has touched within the last seconds."""

    def check() -> str:
        try:
            age_s = time.time() - file.stat().st_mtime
        except FileNotFoundError as error:
            raise Unhealthy("no heartbeat yet") from error
        if age_s > _HEARTBEAT_MAX_AGE_S:
            raise Unhealthy(f"last heartbeat {age_s:.0f} s ago")
        return f"heartbeat {age_s:.0f} s ago"

    return check
