"""The order-entry protocol's client: for threads, for asyncio, and for a member."""

from shared.hotpath_client.answers import OrderView
from shared.hotpath_client.async_client import AsyncEngineClient, MemberSession
from shared.hotpath_client.sync_client import SyncEngineClient, TokenSource, service_tokens

__all__ = [
    "AsyncEngineClient",
    "MemberSession",
    "OrderView",
    "SyncEngineClient",
    "TokenSource",
    "service_tokens",
]
