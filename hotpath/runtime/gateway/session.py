"""One order-entry connection: its socket, what arrived in part, and what is not sent yet."""

import socket
from dataclasses import dataclass, field
from typing import Final

from shared.wire.frames import MAX_REQUEST_BYTES, FrameBuffer, GatewayCode, encode_reject

MAX_UNREAD_BYTES: Final = 16 << 20  # a reader that is further behind is disconnected
_SEND_BYTES: Final = 1 << 20


@dataclass(eq=False, slots=True)
class Session:
    """State of one connection. `kind` is 0 until the logon is accepted."""

    socket: socket.socket
    opened_s: float
    peer: str
    descriptor: int = -1
    kind: int = 0
    account_id: int = 0
    scopes: frozenset[str] = frozenset()
    expires_s: float = 0.0
    heard_s: float = 0.0
    queued: int = 0  # commands that wait for the next batch
    queries: int = 0  # queries that wait for it
    wants_write: bool = False  # the epoll set watches for room to send
    # Of members: shared/wire/frames.py tells what the numbers are.
    is_joining: bool = False  # the logon is not accepted yet
    is_login: bool = False  # a member's, and no newer session has taken over
    cancels_on_disconnect: bool = False
    has_ring: bool = False
    next_request: int = 0  # number of the next command; 0: any
    last_number: int = 0  # of the last message
    is_closing: bool = False  # what is in `out` still goes, then the connection ends
    frames: FrameBuffer = field(default_factory=lambda: FrameBuffer(MAX_REQUEST_BYTES))
    out: list[bytes] = field(default_factory=list)
    unsent: bytes = b""

    def __post_init__(self) -> None:
        self.descriptor = self.socket.fileno()
        self.heard_s = self.opened_s

    def send(self, frame: bytes) -> None:
        """Queue a frame; `flush` sends it."""
        self.out.append(frame)

    def end(self, code: GatewayCode, text: str, request: int = 0) -> None:
        """Say why, and close once that is sent."""
        if not self.is_closing:
            self.out.append(encode_reject(request, code, text))
            self.is_closing = True

    def forget_unsent(self) -> None:
        """Let go of what cannot be sent any more: a login's last session is remembered."""
        self.out.clear()
        self.unsent = b""
        self.frames = FrameBuffer(MAX_REQUEST_BYTES)

    def unsent_bytes(self) -> int:
        return len(self.unsent) + sum(map(len, self.out))

    def flush(self) -> bool:
        """Send what the socket takes; return whether everything is sent.

        Raises
        ------
        OSError
            The connection is gone.
        BufferError
            The peer is more than MAX_UNREAD_BYTES behind.
        """
        data = self.unsent + b"".join(self.out) if self.unsent else b"".join(self.out)
        self.out.clear()
        sent = 0
        try:
            while sent < len(data):
                sent += self.socket.send(data[sent : sent + _SEND_BYTES] if sent else data)
        except BlockingIOError:
            pass
        self.unsent = data[sent:]
        if len(self.unsent) > MAX_UNREAD_BYTES:
            raise BufferError("the peer does not read")
        return not self.unsent
