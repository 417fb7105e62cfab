"""How many words a command has: 8 or 16, a batch with the commands that follow it."""

from librt.strings import read_i64_le
from librt.vecs import vec
from mypy_extensions import i64

from shared.domain.records import (
    BATCH,
    C_QUANTITY,
    COMMAND_WORDS,
    EXTENDED_COMMAND_WORDS,
    FIRST_EXTENDED_KIND,
    MAX_BATCH,
)


def words_of(header: i64) -> i64:
    """Return how many words a command has by its header; of a batch those before its commands."""
    return EXTENDED_COMMAND_WORDS if header & 0xFF >= FIRST_EXTENDED_KIND else COMMAND_WORDS


def words_at(buffer: bytes, offset: i64) -> i64:
    """Return how many words the command at byte `offset` has, commands of a batch included.

    A batch of a number that is no batch's has none that follow it; it will be refused.
    """
    header: i64 = read_i64_le(buffer, offset)
    words: i64 = words_of(header)
    if header & 0xFF != BATCH:
        return words
    left: i64 = read_i64_le(buffer, offset + C_QUANTITY * 8)
    if not 0 <= left <= MAX_BATCH:
        return words
    end: i64 = (len(buffer) - offset) // 8
    while left > 0 and words < end:
        words += words_of(read_i64_le(buffer, offset + words * 8))
        left -= 1
    return min(words, end)


def words_in(c: vec[i64], at: i64, end: i64) -> i64:
    """Return the same of the command at word `at` of words that end at `end`."""
    words: i64 = words_of(c[at])
    left: i64 = c[at + C_QUANTITY]
    if c[at] & 0xFF != BATCH or not 0 <= left <= MAX_BATCH:
        return words
    while left > 0 and at + words < end:
        words += words_of(c[at + words])
        left -= 1
    return min(words, end - at)
