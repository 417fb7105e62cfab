"""Wires the orders function: its database, the engine, the instruments."""

from functools import cache

from functions.orders.adapters import bring_credit
from functions.orders.service import OrderService
from shared.edge.engine import engine, engine_addresses, shard_of
from shared.edge.settings import dsn


def source() -> str:
    """Return the DSN of the orders' database."""
    return dsn("orders")


@cache
def service() -> OrderService:
    """Return this process's order service."""
    credit = bring_credit if len(engine_addresses()) > 1 else None
    return OrderService(source, engine, shard_of=shard_of, bring_credit=credit)
