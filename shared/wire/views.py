"""How the answers to queries are laid out: a head of some words, then rows of a fixed width.

status       head only
account      head, then one row per instrument that the account has a position or order in
book         head, then rows of bids (best first), then rows of asks (best first)
open orders  rows only
order        head only; found for every id that the engine knows
"""

from collections.abc import Iterator, Sequence
from typing import Final

# status
S_SHARD: Final = 0
S_EPOCH: Final = 1
S_SEQUENCE: Final = 2  # last sequence applied; what leaves the engine is at most the durable one
S_DURABLE_SEQUENCE: Final = 3
S_COMPILED: Final = 4
S_DURABILITY: Final = 5  # index into DURABILITIES
S_STATE_HASH: Final = 6
S_OPEN_ORDERS: Final = 7
S_SOURCE_HASH: Final = 8  # SHA-256 in four words
STATUS_WORDS: Final = 12
DURABILITIES: Final = ("os", "fsync", "replicated")

# account
A_ACCOUNT: Final = 0
A_STATE: Final = 1
A_CURRENCY: Final = 2  # ISO 4217 numeric
A_TOTAL_MINOR: Final = 3
A_SETTLED_MINOR: Final = 4
A_RESERVED_MINOR: Final = 5
A_HELD_MINOR: Final = 6
A_OPEN_ORDERS: Final = 7
ACCOUNT_WORDS: Final = 8
POSITION_WORDS: Final = 5  # instrument, total, settled, reserved buy, reserved sell (lots)

# book
B_INSTRUMENT: Final = 0
B_STATE: Final = 1
B_SEQUENCE: Final = 2
B_BIDS: Final = 3  # how many of the rows are bids
BOOK_WORDS: Final = 4
LEVEL_WORDS: Final = 3  # price_ticks, quantity_lots, orders

OPEN_ORDER_WORDS: Final = 5  # order id, instrument, side, price_ticks, leaves_lots

# order
O_ORDER: Final = 0
O_FIRST_SEQUENCE: Final = 1  # of the command that used the id
O_OPEN: Final = 2  # 1 while the order rests; the words after it are 0 otherwise
O_INSTRUMENT: Final = 3
O_SIDE: Final = 4
O_PRICE: Final = 5
O_LEAVES: Final = 6
ORDER_WORDS: Final = 7


def rows(words: Sequence[int], start: int, width: int) -> Iterator[Sequence[int]]:
    """Yield the rows of `width` words from `start` on; raise ValueError when one is cut short."""
    if (len(words) - start) % width:
        raise ValueError(f"{len(words) - start} words are no rows of {width}")
    for offset in range(start, len(words), width):
        yield words[offset : offset + width]


def split_digest(digest: bytes) -> list[int]:
    """Return a SHA-256 digest as four signed words."""
    return [int.from_bytes(digest[i : i + 8], "little", signed=True) for i in range(0, 32, 8)]


def join_digest(words: Sequence[int]) -> bytes:
    return b"".join(word.to_bytes(8, "little", signed=True) for word in words)
