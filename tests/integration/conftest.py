"""Servers that integration tests share: started once a session, by the first test that asks."""

from tests.support.providers import provider_servers
from tests.support.servers import (
    migrated_databases,
    postgres_server,
    redis_server,
    stores,
    stream_redis_server,
)

__all__ = [
    "migrated_databases",
    "postgres_server",
    "provider_servers",
    "redis_server",
    "stores",
    "stream_redis_server",
]
