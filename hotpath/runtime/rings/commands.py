"""Commands and events as rows of words on their way through a ring. Compiled with the core."""

from typing import Final

from librt.strings import read_i64_le
from librt.vecs import vec
from mypy_extensions import i64

from hotpath.core.lengths import words_of
from hotpath.core.look_ahead import GROUP, LookAhead
from shared.domain.records import (
    BATCH,
    C_MODES,
    COMMAND_WORDS,
    E_ACCOUNT,
    E_PRICE,
    EXTENDED_COMMAND_WORDS,
    KILL_ACCOUNT,
    KILL_SWITCH_CHANGED,
    PLACE_ORDER,
    PLACE_ORDER_EXTENDED,
)
from shared.wire.ring import FLAG_TRACE, REQUEST_PREFIX_WORDS, TRACE_WORDS

_LOW_HALF: Final = 0xFFFF_FFFF


def look_ahead(ahead: LookAhead, inbox: bytes, first: i64, end: i64) -> i64:
    """Have brought what the next requests will need; return the word behind the last of them.

    A request that is cut short, or a wrong length, ends it: whoever takes it will say so.
    """
    at: i64 = first
    left: i64 = GROUP
    while left > 0 and at + REQUEST_PREFIX_WORDS + TRACE_WORDS + COMMAND_WORDS <= end:
        head: i64 = read_i64_le(inbox, at * 8)
        length: i64 = head & 0xFFFF
        start: i64 = at + REQUEST_PREFIX_WORDS
        if head >> 16 == FLAG_TRACE:
            start += TRACE_WORDS
        ahead.expect_bytes(inbox, start * 8)
        at += length
        left = left - 1 if length > 0 else 0
    ahead.bring()
    return at if left == 0 else end


def copy_command(
    words: vec[i64], to: i64, inbox: bytes, start: i64, size: i64, session: i64, extends: bool
) -> i64:
    """Copy the command at word `start` to word `to`; return how many words it has there.

    Its orders name their session, as `gateway/stamping.py` has them do.
    """
    if read_i64_le(inbox, start * 8) & 0xFF != BATCH:
        return _copy_order(words, to, inbox, start, session, extends)
    index: i64 = 0
    while index < COMMAND_WORDS:
        words[to + index] = read_i64_le(inbox, (start + index) * 8)
        index += 1
    end: i64 = to + COMMAND_WORDS
    while index < size:
        end += _copy_order(words, end, inbox, start + index, session, extends)
        index += words_of(read_i64_le(inbox, (start + index) * 8))
    return end - to


def _copy_order(
    words: vec[i64], to: i64, inbox: bytes, start: i64, session: i64, extends: bool
) -> i64:
    header: i64 = read_i64_le(inbox, start * 8)
    size: i64 = words_of(header)
    index: i64 = 0
    while index < size:
        words[to + index] = read_i64_le(inbox, (start + index) * 8)
        index += 1
    if extends and header & 0xFF == PLACE_ORDER:
        words[to] = header + (PLACE_ORDER_EXTENDED - PLACE_ORDER)
        while index < EXTENDED_COMMAND_WORDS:
            words[to + index] = 0
            index += 1
    if words[to] & 0xFF == PLACE_ORDER_EXTENDED:
        words[to + C_MODES] = (words[to + C_MODES] & _LOW_HALF) | session << 32
    return index


def accounts_of(words: vec[i64], event: i64) -> i64:
    """Return the accounts that an event concerns, two in halves of the word; 0 is everybody."""
    kind: i64 = words[event] & 0xFF
    if kind == KILL_SWITCH_CHANGED and words[event + E_PRICE] != KILL_ACCOUNT:
        return 0  # the number is a group's
    return words[event + E_ACCOUNT]
