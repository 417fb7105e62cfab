"""What a member may see of events: its own, the market's, and of its trades no name on the other
side. Work that a command sets off, or goes on with, may be about anybody's orders."""

from typing import Final

from shared.domain import records as r
from shared.domain.reject_codes import RejectCode
from shared.wire import frames

_ACCOUNT: Final = slice(8 * r.E_ACCOUNT, 8 * r.E_ACCOUNT + 8)
_REJECTED: Final = bytes([r.REJECTED])
_NOT_SHOWN: Final = bytes(frames.EVENT_BYTES)
# One word holds both accounts of these.
OF_TWO: Final = (r.TRADE_EXECUTED, r.TRADE_BUSTED, r.TRADE_CORRECTED)


def accounts_of(event: bytes) -> tuple[int, int]:
    """Return the accounts that an event concerns, two of a trade; (0, 0) is everybody."""
    account = int.from_bytes(event[_ACCOUNT], "little", signed=True)
    if event[0] in OF_TWO:
        return account & 0xFFFF_FFFF, account >> 32
    if event[0] == r.KILL_SWITCH_CHANGED and event[8 * r.E_PRICE] != r.KILL_ACCOUNT:
        return 0, 0  # the number is a group's
    return account, 0


def is_known_id(events: bytes) -> bool:
    """Return whether a command was refused because its id is known.

    Of that event its sender alone is told.
    """
    return (
        events[:1] == _REJECTED and int.from_bytes(events[2:4], "little") == RejectCode.DUPLICATE_ID
    )


def masked(events: bytes, account_id: int) -> bytes:
    """Return the events as a member is shown them.

    One that is not for its eyes is all zeros, so that the others keep their places; behind the last
    that is there are none.
    """
    own = account_id.to_bytes(8, "little")
    if all(
        events[at + _ACCOUNT.start : at + _ACCOUNT.stop] == own and events[at] not in OF_TWO
        for at in range(0, len(events), frames.EVENT_BYTES)
    ):
        return events  # nearly always
    shown = bytearray(events)
    end = 0
    for at in range(0, len(events), frames.EVENT_BYTES):
        here = slice(at, at + frames.EVENT_BYTES)
        accounts = accounts_of(events[here])
        if account_id not in accounts and accounts != (0, 0):
            shown[here] = _NOT_SHOWN
            continue
        end = at + frames.EVENT_BYTES
        if events[at] in OF_TWO:
            _mask_other_side(shown, at, account_id, accounts)
    return bytes(shown[:end])


def _mask_other_side(shown: bytearray, at: int, account_id: int, accounts: tuple[int, int]) -> None:
    """Clear what tells who stood on the other side; of an amended trade only the account does."""
    is_trade = shown[at] == r.TRADE_EXECUTED
    if accounts[0] != account_id:
        _clear(shown, at, r.E_ACCOUNT, 0, 4)
        if is_trade:
            _clear(shown, at, r.E_ID, 0, 8)
            _clear(shown, at, r.E_LEAVES, 0, 4)
    if accounts[1] != account_id:
        _clear(shown, at, r.E_ACCOUNT, 4, 8)
        if is_trade:
            _clear(shown, at, r.E_CONTRA_ID, 0, 8)
            _clear(shown, at, r.E_LEAVES, 4, 8)


def _clear(events: bytearray, event_at: int, word: int, first: int, end: int) -> None:
    """Zero the bytes first … end of a word: 0 … 4 are its low half."""
    start = event_at + 8 * word
    events[start + first : start + end] = bytes(end - first)
