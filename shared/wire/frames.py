"""The order-entry protocol's frames, byte by byte; docs/ORDER_ENTRY.md is their specification.

A frame is a header of 8 bytes and a body. All numbers are little-endian; `length` counts the whole
frame. Decoders raise FrameError for anything that is not exactly a frame of its type.

    length u32 | type u8 | version u8 | reserved u16 = 0 | body
"""

from collections.abc import Sequence
from dataclasses import dataclass
from struct import Struct, unpack_from
from typing import Final

from shared.domain.command_size import is_one_command
from shared.wire.gateway_codes import FrameError as FrameError
from shared.wire.gateway_codes import GatewayCode as GatewayCode
from shared.wire.traces import NO_TRACE as NO_TRACE
from shared.wire.traces import TRACE_BYTES as TRACE_BYTES
from shared.wire.traces import trace_bytes as trace_bytes
from shared.wire.traces import traceparent as traceparent
from shared.wire.views import ORDER_WORDS

PROTOCOL_VERSION: Final = 1
HEADER_BYTES: Final = 8
HEARTBEAT_S: Final = 10  # a member that is silent for three of these is disconnected
MAX_REQUEST_BYTES: Final = 8320  # what the gateway takes: the longest batch, or a token
MAX_ANSWER_BYTES: Final = 8 << 20  # what a client takes: a full book, a sweep of many orders

LOGON: Final = 1
LOGON_ACCEPTED: Final = 2
REJECT: Final = 3
COMMAND: Final = 4
COMMAND_RESULT: Final = 5
EXECUTION_REPORT: Final = 6
QUERY: Final = 7
QUERY_RESULT: Final = 8
HEARTBEAT: Final = 9
LOGOUT: Final = 10
RING_ATTACH: Final = 11
RING_ATTACHED: Final = 12
RING_WAKE: Final = 13  # the engine sleeps, and something waits in the ring; not answered

MEMBER: Final = 1  # one account, order commands only, gets execution reports
SERVICE: Final = 2  # acts for the account that each frame names, within the token's scopes

QUERY_STATUS: Final = 1
QUERY_ACCOUNT: Final = 2  # argument: account id
QUERY_BOOK: Final = 3  # argument: instrument id; depth: levels a side, 0 for all
QUERY_OPEN_ORDERS: Final = 4  # argument: account id
QUERY_ORDER: Final = 5  # argument: order id

FLAG_REPEAT: Final = 1  # COMMAND_RESULT: given from the journal, to a command sent before
FLAG_NUMBERED: Final = 2  # COMMAND_RESULT to a member: its number and its predecessor's stand last
FLAG_RESENT: Final = 4  # made from the journal again, for a member that had lost its connection


_HEADER: Final = Struct("<IBBH")
_LOGON: Final = Struct("<BBHI")
_LOGON_ACCEPTED: Final = Struct("<qqqHBBIq")
_AFTER: Final = Struct("<q")
_REJECT: Final = Struct("<qHHI")
_COMMAND: Final = Struct("<q24s")
_RESULT: Final = Struct("<qqqII")
_REPORT: Final = Struct("<qqqII")
_NUMBERS: Final = Struct("<qq")
_QUERY: Final = Struct("<qqiI")
_QUERY_RESULT: Final = Struct("<qIBBH")
_EVENT: Final = Struct("<8q")
_REPORTED_EVENT: Final = Struct("<9q")
EVENT_BYTES: Final = _EVENT.size
COMMAND_PREFIX_BYTES: Final = HEADER_BYTES + _COMMAND.size  # the command's words follow


@dataclass(frozen=True, slots=True)
class Logon:
    """`resume_after` is the number of the last message that a member has; None: it begins anew."""

    kind: int
    token: str
    cancel_on_disconnect: bool = False
    resume_after: int | None = None


@dataclass(frozen=True, slots=True)
class LogonAccepted:
    """`window` is how many commands may be unanswered before ENGINE_BUSY is the answer.

    `next_request` is the number that a member's next command has to have; 0: whatever it likes.
    """

    epoch: int
    durable_sequence: int
    expires_ms: int  # Unix time at which the session ends with the token
    shard: int
    compiled: bool
    heartbeat_s: int
    window: int
    next_request: int = 0


@dataclass(frozen=True, slots=True)
class Reject:
    """`request` is 0 when no request is meant."""

    request: int
    code: int
    text: str


@dataclass(frozen=True, slots=True)
class CommandRequest:
    request: int
    trace: bytes
    words: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Result:
    """A durable command's place in the journal and the words of its events, in order.

    A repeat (FLAG_REPEAT) carries in `order` what the order is now: the words of an order query.
    A member's (FLAG_NUMBERED) has in `numbers` its own number and that of the message before it.
    """

    request: int
    sequence: int
    time_ns: int
    flags: int
    events: tuple[tuple[int, ...], ...]
    order: tuple[int, ...] = ()
    numbers: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class ExecutionReport:
    """Events of another session's command that touched this account: (index, words) each.

    `sequence` is the message's number as well, `previous` that of the message before it.
    """

    sequence: int
    time_ns: int
    previous: int
    flags: int
    events: tuple[tuple[int, tuple[int, ...]], ...]


@dataclass(frozen=True, slots=True)
class Query:
    request: int
    kind: int
    argument: int
    depth: int = 0


@dataclass(frozen=True, slots=True)
class QueryAnswer:
    """`words` are laid out as `shared/wire/views.py` says; none are there when nothing is found."""

    request: int
    kind: int
    found: bool
    words: tuple[int, ...]


def frame(kind: int, body: bytes = b"") -> bytes:
    return _HEADER.pack(HEADER_BYTES + len(body), kind, PROTOCOL_VERSION, 0) + body


HEARTBEAT_FRAME: Final = frame(HEARTBEAT)
LOGOUT_FRAME: Final = frame(LOGOUT)
RING_WAKE_FRAME: Final = frame(RING_WAKE)


def frame_length(buffer: bytes | bytearray, offset: int, max_bytes: int) -> int:
    """Return the length of the frame at `offset`, or 0 while its header has not all arrived.

    Raises FrameError when the header cannot start a frame of at most `max_bytes`.
    """
    if len(buffer) - offset < HEADER_BYTES:
        return 0
    length, _, version, reserved = _HEADER.unpack_from(buffer, offset)
    if version != PROTOCOL_VERSION:
        raise FrameError(GatewayCode.UNSUPPORTED_VERSION, f"version {version} is not spoken here")
    if length > max_bytes:
        raise FrameError(GatewayCode.FRAME_TOO_LARGE, f"{length} bytes; at most {max_bytes}")
    if length < HEADER_BYTES or reserved:
        raise FrameError(GatewayCode.MALFORMED_FRAME, "header")
    return int(length)


def frame_type(frame_bytes: bytes) -> int:
    return frame_bytes[4]


class FrameBuffer:
    """Cuts a received byte stream into whole frames."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Return the frames that are complete now; raise FrameError at the first bad header."""
        buffer = self._buffer
        buffer += data
        frames, offset = [], 0
        while True:
            length = frame_length(buffer, offset, self._max_bytes)
            if length == 0 or len(buffer) - offset < length:
                break
            frames.append(bytes(buffer[offset : offset + length]))
            offset += length
        del buffer[:offset]
        return frames


def encode_logon(logon: Logon) -> bytes:
    token = logon.token.encode()
    flags = 1 if logon.cancel_on_disconnect else 0
    after = b""
    if logon.resume_after is not None:
        flags |= 2
        after = _AFTER.pack(logon.resume_after)
    return frame(LOGON, _LOGON.pack(logon.kind, flags, 0, len(token)) + token + after)


def decode_logon(data: bytes) -> Logon:
    _expect(data, LOGON, _LOGON.size)
    kind, flags, reserved, length = _LOGON.unpack_from(data, HEADER_BYTES)
    end = HEADER_BYTES + _LOGON.size + length
    size = end + (_AFTER.size if flags & 2 else 0)
    if len(data) != size or reserved or flags > 3 or kind not in (MEMBER, SERVICE):
        raise _malformed("logon")
    token = data[HEADER_BYTES + _LOGON.size : end]
    if not token.isascii():
        raise _malformed("token")
    after = _AFTER.unpack_from(data, end)[0] if flags & 2 else None
    return Logon(kind, token.decode("ascii"), bool(flags & 1), after)


def encode_logon_accepted(accepted: LogonAccepted) -> bytes:
    body = _LOGON_ACCEPTED.pack(
        accepted.epoch,
        accepted.durable_sequence,
        accepted.expires_ms,
        accepted.shard,
        accepted.compiled,
        accepted.heartbeat_s,
        accepted.window,
        accepted.next_request,
    )
    return frame(LOGON_ACCEPTED, body)


def decode_logon_accepted(data: bytes) -> LogonAccepted:
    _expect_exactly(data, LOGON_ACCEPTED, _LOGON_ACCEPTED.size)
    epoch, durable, expires, shard, compiled, *rest = _LOGON_ACCEPTED.unpack_from(
        data, HEADER_BYTES
    )
    return LogonAccepted(epoch, durable, expires, shard, bool(compiled), *rest)


def encode_reject(request: int, code: int, text: str) -> bytes:
    encoded = text.encode()[:1024]
    return frame(REJECT, _REJECT.pack(request, code, len(encoded), 0) + encoded)


def decode_reject(data: bytes) -> Reject:
    _expect(data, REJECT, _REJECT.size)
    request, code, length, _ = _REJECT.unpack_from(data, HEADER_BYTES)
    text = data[HEADER_BYTES + _REJECT.size :]
    if len(text) != length:
        raise _malformed("reject")
    return Reject(request, code, text.decode(errors="replace"))


def encode_command(request: int, words: Sequence[int], trace: bytes = NO_TRACE) -> bytes:
    return frame(COMMAND, _COMMAND.pack(request, trace) + Struct(f"<{len(words)}q").pack(*words))


def decode_command(data: bytes) -> CommandRequest:
    _expect(data, COMMAND, _COMMAND.size + 8)
    request, trace = _COMMAND.unpack_from(data, HEADER_BYTES)
    if not is_one_command(data, COMMAND_PREFIX_BYTES):
        raise _malformed("command")
    words = (len(data) - COMMAND_PREFIX_BYTES) // 8
    return CommandRequest(request, trace, unpack_from(f"<{words}q", data, COMMAND_PREFIX_BYTES))


def encode_result(
    request: int,
    sequence: int,
    time_ns: int,
    events: bytes,
    *,
    flags: int = 0,
    order: Sequence[int] = (),
    numbers: tuple[int, int] | None = None,
) -> bytes:
    """Encode a result; `events` are the events' words, already little-endian.

    A repeat has in `order` the words of views.ORDER_WORDS; `numbers` are for members.
    """
    tail = b""
    if order:
        flags |= FLAG_REPEAT
        tail = Struct(f"<{ORDER_WORDS}q").pack(*order)
    if numbers is not None:
        flags |= FLAG_NUMBERED
        tail += _NUMBERS.pack(*numbers)
    head = _RESULT.pack(request, sequence, time_ns, flags, len(events) // EVENT_BYTES)
    return frame(COMMAND_RESULT, head + events + tail)


def decode_result(data: bytes) -> Result:
    _expect(data, COMMAND_RESULT, _RESULT.size)
    request, sequence, time_ns, flags, count = _RESULT.unpack_from(data, HEADER_BYTES)
    start = HEADER_BYTES + _RESULT.size
    end = start + count * EVENT_BYTES
    words = ORDER_WORDS if flags & FLAG_REPEAT else 0
    numbers = 2 if flags & FLAG_NUMBERED else 0
    if len(data) != end + 8 * (words + numbers):
        raise _malformed("command result")
    events = tuple(_EVENT.unpack_from(data, start + i * EVENT_BYTES) for i in range(count))
    order = unpack_from(f"<{words}q", data, end)
    own = unpack_from(f"<{numbers}q", data, end + 8 * words)
    return Result(request, sequence, time_ns, flags, events, order, own)


def encode_report(
    sequence: int,
    time_ns: int,
    events: Sequence[tuple[int, bytes]],
    *,
    previous: int = 0,
    flags: int = 0,
) -> bytes:
    """Encode an execution report from (index, event bytes) pairs."""
    body = [_REPORT.pack(sequence, time_ns, previous, flags, len(events))]
    for index, event in events:
        body.append(index.to_bytes(8, "little") + event)
    return frame(EXECUTION_REPORT, b"".join(body))


def decode_report(data: bytes) -> ExecutionReport:
    _expect(data, EXECUTION_REPORT, _REPORT.size)
    sequence, time_ns, previous, flags, count = _REPORT.unpack_from(data, HEADER_BYTES)
    start = HEADER_BYTES + _REPORT.size
    if len(data) != start + count * _REPORTED_EVENT.size:
        raise _malformed("execution report")
    rows = (
        _REPORTED_EVENT.unpack_from(data, start + i * _REPORTED_EVENT.size) for i in range(count)
    )
    events = tuple((row[0], row[1:]) for row in rows)
    return ExecutionReport(sequence, time_ns, previous, flags, events)


def encode_query(query: Query) -> bytes:
    return frame(QUERY, _QUERY.pack(query.request, query.argument, query.kind, query.depth))


def decode_query(data: bytes) -> Query:
    _expect_exactly(data, QUERY, _QUERY.size)
    request, argument, kind, depth = _QUERY.unpack_from(data, HEADER_BYTES)
    if not QUERY_STATUS <= kind <= QUERY_ORDER:
        raise _malformed(f"query kind {kind}")
    return Query(request, kind, argument, depth)


def encode_query_answer(request: int, kind: int, words: Sequence[int] | None) -> bytes:
    """Encode the answer; `words` None means that nothing was found."""
    found = words is not None
    row = words or ()
    body = _QUERY_RESULT.pack(request, len(row), kind, found, 0)
    return frame(QUERY_RESULT, body + Struct(f"<{len(row)}q").pack(*row))


def decode_query_answer(data: bytes) -> QueryAnswer:
    _expect(data, QUERY_RESULT, _QUERY_RESULT.size)
    request, count, kind, found, _ = _QUERY_RESULT.unpack_from(data, HEADER_BYTES)
    start = HEADER_BYTES + _QUERY_RESULT.size
    if len(data) != start + 8 * count:
        raise _malformed("query result")
    return QueryAnswer(request, kind, bool(found), unpack_from(f"<{count}q", data, start))


def _malformed(what: str) -> FrameError:
    return FrameError(GatewayCode.MALFORMED_FRAME, what)


def _expect(data: bytes, kind: int, body_bytes: int) -> None:
    if len(data) < HEADER_BYTES + body_bytes or data[4] != kind:
        raise _malformed(f"not a frame of type {kind}")


def _expect_exactly(data: bytes, kind: int, body_bytes: int) -> None:
    _expect(data, kind, body_bytes)
    if len(data) != HEADER_BYTES + body_bytes:
        raise _malformed(f"length of a frame of type {kind}")
