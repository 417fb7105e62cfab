"""Real servers for integration tests: PostgreSQL and Redis on free ports, one set per test session.

Import the fixtures into the module that uses them; all modules share one set of servers:

    from tests.support.servers import migrated_databases, postgres_server, redis_server, stores
"""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from infra.local import databases, runner, settings
from infra.local.part import Part
from infra.local.parts import postgres, redis
from infra.local.progress import Progress


@dataclass(frozen=True)
class Server:
    """A running server. Tests may kill and restart it; they leave it running."""

    url: str
    part: Part

    def kill(self) -> None:
        runner.kill_part(self.part)

    def stop(self) -> None:
        runner.stop_part(self.part)

    def start(self) -> None:
        runner.start(self.part)


@dataclass(frozen=True)
class MigratedDatabases:
    """DSNs of the migrated databases: by owner (`core`, `clearing`, `market`) and by service."""

    owner: Mapping[str, str]
    service: Mapping[str, str]


_STORES = pytest.StashKey[settings.Settings]()


@pytest.fixture(scope="session")
def stores(pytestconfig: pytest.Config) -> settings.Settings:
    """A state folder and ports for the servers below; what was started in it is stopped."""
    if _STORES not in pytestconfig.stash:
        cleanup = ExitStack()
        pytestconfig.add_cleanup(cleanup.close)
        stack = cleanup.enter_context(settings.temporary({}))
        cleanup.callback(_stop_stores, stack)
        pytestconfig.stash[_STORES] = stack
    return pytestconfig.stash[_STORES]


def _stop_stores(stack: settings.Settings) -> None:
    parts = [postgres.postgres(stack), redis.cache(stack), redis.stream(stack)]
    runner.stop_all(parts, Progress(quiet=True))
    postgres.remove_data(stack)


@pytest.fixture(scope="session")
def postgres_server(stores: settings.Settings) -> Server:
    """PostgreSQL; `url` is a superuser's DSN, with which tests make databases of their own."""
    part = postgres.postgres(stores)
    runner.start(part)
    return Server(postgres.admin_dsn(stores), part)


@pytest.fixture(scope="session")
def redis_server(stores: settings.Settings) -> Server:
    """The cache's Redis; `url` names database 0, tests flush what they wrote."""
    part = redis.cache(stores)
    runner.start(part)
    return Server(f"redis://{stores.address('cache')}/0", part)


@pytest.fixture(scope="session")
def stream_redis_server(stores: settings.Settings) -> Server:
    """The event stream's Redis, with its durability settings."""
    part = redis.stream(stores)
    runner.start(part)
    return Server(f"redis://{stores.address('stream')}/0", part)


@pytest.fixture(scope="session")
def migrated_databases(stores: settings.Settings, postgres_server: Server) -> MigratedDatabases:
    """The platform's databases with all roles and migrations applied."""
    assert postgres_server.url
    databases.prepare(stores)
    return MigratedDatabases(
        owner={item.name: databases.owner_dsn(stores, item.name) for item in databases.DATABASES},
        service={name: databases.service_dsn(stores, name) for name in databases.SERVICES},
    )
