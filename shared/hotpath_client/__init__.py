"""The order-entry protocol's client: one for threads, one for asyncio, one for a member's session."""

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
