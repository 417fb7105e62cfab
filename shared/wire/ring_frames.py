"""The frames by which a session gets a shared-memory ring; shared/wire/ring.py is what it maps."""

from dataclasses import dataclass
from struct import Struct
from typing import Final

from shared.wire.frames import (
    HEADER_BYTES,
    RING_ATTACH,
    RING_ATTACHED,
    FrameError,
    GatewayCode,
    frame,
)

_ATTACH: Final = Struct("<qII")
_ATTACHED: Final = Struct("<qIIHHI")


@dataclass(frozen=True, slots=True)
class RingAttach:
    """The sizes of the queues for requests and answers, in words."""

    request: int
    request_words: int
    answer_words: int


@dataclass(frozen=True, slots=True)
class RingAttached:
    request: int
    request_words: int
    answer_words: int
    path: str  # to open and map


def encode_ring_attach(asked: RingAttach) -> bytes:
    body = _ATTACH.pack(asked.request, asked.request_words, asked.answer_words)
    return frame(RING_ATTACH, body)


def decode_ring_attach(data: bytes) -> RingAttach:
    if len(data) != HEADER_BYTES + _ATTACH.size or data[4] != RING_ATTACH:
        raise FrameError(GatewayCode.MALFORMED_FRAME, "ring attach")
    return RingAttach(*_ATTACH.unpack_from(data, HEADER_BYTES))


def encode_ring_attached(asked: RingAttach, path: str) -> bytes:
    name = path.encode()
    sizes = (asked.request_words, asked.answer_words, len(name), 0, 0)
    return frame(RING_ATTACHED, _ATTACHED.pack(asked.request, *sizes) + name)


def decode_ring_attached(data: bytes) -> RingAttached:
    if len(data) < HEADER_BYTES + _ATTACHED.size or data[4] != RING_ATTACHED:
        raise FrameError(GatewayCode.MALFORMED_FRAME, "not a ring's address")
    request, requests, answers, length, _, _ = _ATTACHED.unpack_from(data, HEADER_BYTES)
    name = data[HEADER_BYTES + _ATTACHED.size :]
    if len(name) != length:
        raise FrameError(GatewayCode.MALFORMED_FRAME, "ring attached")
    return RingAttached(request, requests, answers, name.decode(errors="replace"))
