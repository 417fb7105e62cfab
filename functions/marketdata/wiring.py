"""Wires the market-data function: its database and the engine."""

from functools import cache

from functions.marketdata.service import MarketDataService
from shared.edge.engine import engine
from shared.edge.settings import dsn


@cache
def service() -> MarketDataService:
    """Return this process's market-data service."""
    return MarketDataService(lambda: dsn("marketdata"), engine)
