"""What the gateway is told of the engine around it, and what it needs of it."""

from dataclasses import dataclass
from typing import Protocol

from hotpath.runtime.gateway.session import Session
from shared.wire import ring_frames


@dataclass(frozen=True, slots=True)
class EngineFacts:
    """What a logon is told of the engine."""

    epoch: int
    shard: int
    is_compiled: bool


class SessionRules(Protocol):
    """What the core knows of sessions, by their numbers."""

    def is_session_throttled(self, session: int) -> bool: ...

    def orders_of_session(self, session: int) -> int: ...


class Watcher(Protocol):
    """The readiness loop as the gateway needs it."""

    def watch(self, descriptor: int, *, write: bool) -> None: ...

    def forget(self, descriptor: int) -> None: ...


class RingHost(Protocol):
    """What makes shared-memory rings for sessions, and drops them."""

    def attach(self, session: Session, asked: ring_frames.RingAttach) -> str: ...

    def detach(self, session: Session) -> None: ...
