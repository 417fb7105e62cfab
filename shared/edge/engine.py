"""The engine client of a function: one connection per process, tokens signed for the service."""

import os
from collections.abc import Mapping
from functools import cache
from typing import Final

from shared.edge.settings import secret, setting
from shared.hotpath_client import ShardedEngine, SyncEngineClient
from shared.ports.engine import Engine
from shared.reference import instruments
from shared.wire.tokens import ADMIN, FUND, READ, TRADE, TokenIssuer

TIMEOUT_MS: Final = 2_000
TOKEN_LIFETIME_S: Final = 900

# What each service may ask of the engine, and no more.
SCOPES: Final[Mapping[str, frozenset[str]]] = {
    "users": frozenset({ADMIN, READ}),
    "orders": frozenset({TRADE, READ}),
    "payments": frozenset({FUND, READ}),
    "settlement": frozenset({FUND, READ}),
    "risk": frozenset({ADMIN, READ}),
    "backoffice": frozenset({ADMIN, READ}),
    "marketdata": frozenset({READ}),
}


def token_issuer() -> TokenIssuer:
    """Return the signer of order-entry tokens: the key is the secret ENGINE_KEY_SECRET names."""
    return TokenIssuer(secret(setting("ENGINE_KEY_SECRET")).encode())


def service_token() -> str:
    """Return a token for a session of this service, POWERTOOLS_SERVICE_NAME."""
    service = os.environ.get("POWERTOOLS_SERVICE_NAME", "")
    return token_issuer().service(SCOPES[service], lifetime_s=TOKEN_LIFETIME_S)


def engine_addresses() -> list[str]:
    """Return the engines' addresses, by shard: ENGINE_ADDRESS names them with commas between."""
    return setting("ENGINE_ADDRESS").split(",")


def shard_of(instrument_id: int) -> int:
    """Return which of the engines trades an instrument."""
    return instruments().shard_of(instrument_id, len(engine_addresses()))


@cache
def engine() -> Engine:
    """Return this process's client of the engines; it connects at the first call."""
    addresses = engine_addresses()
    clients = [
        SyncEngineClient(address, service_token, timeout_ms=TIMEOUT_MS, shard=shard)
        for shard, address in enumerate(addresses)
    ]
    return clients[0] if len(clients) == 1 else ShardedEngine(clients, shard_of)
