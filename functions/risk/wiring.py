"""Wires the risk function: its database, the cache, the engine."""

from functools import cache

import redis

from functions.risk.hot_positions import HotPositions
from functions.risk.service import RiskService
from shared.edge.engine import engine
from shared.edge.settings import dsn, setting


@cache
def service() -> RiskService:
    """Return this process's risk service. The cache gets short waits: PostgreSQL has it all."""
    client = redis.Redis.from_url(
        setting("REDIS_URL"), socket_connect_timeout=0.2, socket_timeout=0.5, retry=None
    )
    return RiskService(lambda: dsn("risk"), HotPositions(client), engine)
