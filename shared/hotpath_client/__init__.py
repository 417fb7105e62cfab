"""The order-entry protocol's client: for threads, for asyncio, and for a member."""

from shared.hotpath_client.answers import OrderView
from shared.hotpath_client.async_client import AsyncEngineClient, MemberSession
from shared.hotpath_client.member_client import AsyncMemberClient
from shared.hotpath_client.sharded import ShardedEngine
from shared.hotpath_client.sync_client import SyncEngineClient, TokenSource, service_tokens
from shared.hotpath_client.sync_member import SyncMemberClient

__all__ = [
    "AsyncEngineClient",
    "AsyncMemberClient",
    "MemberSession",
    "OrderView",
    "ShardedEngine",
    "SyncEngineClient",
    "SyncMemberClient",
    "TokenSource",
    "service_tokens",
]
