"""The number of the session that sent an order, where a rule of the core may ask for it.

A member's is its account's: one login, one session. Services have none, so none of their orders
leaves with a connection. Plain orders have no room for it; while the member's session is throttled
they become extended ones.
"""

from typing import Final

from hotpath.runtime.gateway.parts import SessionRules
from shared.domain import records as r
from shared.domain.command_size import command_bytes
from shared.wire import frames

_START: Final = frames.COMMAND_PREFIX_BYTES
_HEADER_BYTES: Final = 8 * r.COMMAND_WORDS
_SESSION_AT: Final = 8 * r.C_MODES + 4  # the upper half of the word
_REST: Final = bytes(8 * (r.EXTENDED_COMMAND_WORDS - r.COMMAND_WORDS))
_EXTENDED: Final = bytes([r.PLACE_ORDER_EXTENDED])


def naming_session(frame: bytes, session: int, rules: SessionRules) -> bytes:
    """Return a COMMAND frame whose orders name their session, 0 a service's."""
    return with_session(frame, session, session != 0 and rules.is_session_throttled(session))


def with_session(frame: bytes, session: int, is_throttled: bool) -> bytes:
    """Return a COMMAND frame whose orders name their session."""
    kind = frame[_START]
    if kind == r.BATCH:
        body = frame[_START : _START + _HEADER_BYTES]
        at = _START + _HEADER_BYTES
        while at < len(frame):
            end = at + command_bytes(frame, at)
            body += _order(frame[at:end], session, is_throttled)
            at = end
    elif kind == r.PLACE_ORDER_EXTENDED or (is_throttled and kind == r.PLACE_ORDER):
        body = _order(frame[_START:], session, is_throttled)
    else:
        return frame
    return (_START + len(body)).to_bytes(4, "little") + frame[4:_START] + body


def _order(command: bytes, session: int, is_throttled: bool) -> bytes:
    if is_throttled and command[0] == r.PLACE_ORDER:
        command = _EXTENDED + command[1:] + _REST
    if command[0] != r.PLACE_ORDER_EXTENDED:
        return command
    number = session.to_bytes(4, "little")
    return command[:_SESSION_AT] + number + command[_SESSION_AT + 4 :]
