"""The engine client of a function: one connection per process, tokens signed for the service."""

from functools import cache
from typing import Final

from shared.edge.settings import setting
from shared.hotpath_client import SyncEngineClient
from shared.ports.engine import Engine

TIMEOUT_MS: Final = 2_000
SERVICE_TOKEN_TTL_S: Final = 300


@cache
def engine() -> Engine:
    """Return this process's client of ENGINE_ADDRESS; it connects at the first call."""
    return SyncEngineClient(setting("ENGINE_ADDRESS"), service_token, timeout_ms=TIMEOUT_MS)
