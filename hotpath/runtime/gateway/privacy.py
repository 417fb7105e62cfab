"""What a member may see of events: nothing that tells who stood on the other side of a trade."""

from typing import Final

from shared.domain import records as r
from shared.domain.reject_codes import RejectCode
from shared.wire import frames

_ACCOUNT: Final = slice(8 * r.E_ACCOUNT, 8 * r.E_ACCOUNT + 8)


def accounts_of(event: bytes) -> tuple[int, int]:
    """Return the accounts that an event concerns: its own, and the resting one of a trade."""
    account = int.from_bytes(event[_ACCOUNT], "little", signed=True)
    if event[0] == r.TRADE_EXECUTED:
        return account & 0xFFFF_FFFF, account >> 32
    return account, 0


def is_known_id(events: bytes) -> bool:
    """Return whether a command was refused because its id is known: its sender alone is told."""
    return (
        events[0] == r.REJECTED and int.from_bytes(events[2:4], "little") == RejectCode.DUPLICATE_ID
    )


def masked(events: bytes, account_id: int) -> bytes:
    """Return the events without what tells a member who stood on the other side of its trades."""
    for at in range(0, len(events), frames.EVENT_BYTES):
        if events[at] == r.TRADE_EXECUTED:
            break
    else:
        return events
    shown = bytearray(events)
    for at in range(0, len(events), frames.EVENT_BYTES):
        if shown[at] != r.TRADE_EXECUTED:
            continue
        aggressor, resting = accounts_of(events[at : at + frames.EVENT_BYTES])
        if aggressor != account_id:
            _clear(shown, at, r.E_ID, 0, 8)
            _clear(shown, at, r.E_ACCOUNT, 0, 4)
            _clear(shown, at, r.E_LEAVES, 0, 4)
        if resting != account_id:
            _clear(shown, at, r.E_CONTRA_ID, 0, 8)
            _clear(shown, at, r.E_ACCOUNT, 4, 8)
            _clear(shown, at, r.E_LEAVES, 4, 8)
    return bytes(shown)


def _clear(events: bytearray, event_at: int, word: int, first: int, end: int) -> None:
    """Zero the bytes first … end of a word: 0 … 4 are its low half."""
    start = event_at + 8 * word
    events[start + first : start + end] = bytes(end - first)
