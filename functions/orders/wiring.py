"""Wires the orders function: its database, the engine, the instruments."""

from functools import cache

from functions.orders.service import OrderService
from shared.edge.engine import engine, shard_of
from shared.edge.settings import dsn


def source() -> str:
    """Return the DSN of the orders' database."""
    return dsn("orders")


@cache
def service() -> OrderService:
    """Return this process's order service."""
    return OrderService(source, engine, shard_of=shard_of)
