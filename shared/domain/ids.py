"""Identifiers: 64-bit integers inside the hot path, decimal strings outside.

Every id that the engine remembers lives in one space of positive 63-bit integers, cut so that no
two issuers can ever choose the same one:

    bit 62 set    administrative command: source (6 bits) | number (56 bits)
    bit 62 clear  order: account id (30 bits) | number within the account (32 bits)

Within an account, numbers with bit 31 set are issued by the platform (REST); those without are
chosen by the member on its own order-entry session.
"""

from typing import Final

MAX_ACCOUNT_ID: Final = (1 << 30) - 1
MAX_INSTRUMENT_ID: Final = (1 << 15) - 1
MAX_SHARD: Final = 63
MAX_SEQUENCE: Final = (1 << 42) - 1
EVENTS_OF_NUMBER: Final = 1 << 15  # a command with more uses up the sequences behind its own

_ADMINISTRATIVE_BIT: Final = 1 << 62
_PLATFORM_ISSUED_BIT: Final = 1 << 31

# Who may issue administrative commands; each numbers its own.
SOURCE_REFERENCE_DATA: Final = 1
SOURCE_USERS: Final = 2
SOURCE_LEDGER: Final = 3
SOURCE_SETTLEMENT: Final = 4
SOURCE_RISK: Final = 5
SOURCE_BACKOFFICE: Final = 6
SOURCE_TOOLS: Final = 7  # replays and benchmarks


def administrative_id(source: int, number: int) -> int:
    """Return the id of administrative command `number` (1 … 2^56-1) of `source` (1 … 63)."""
    if not 1 <= source <= 63:
        raise ValueError(f"source {source} is outside 1..63")
    if not 1 <= number < 1 << 56:
        raise ValueError(f"number {number} is outside 1..2^56-1")
    return _ADMINISTRATIVE_BIT | source << 56 | number


def is_administrative(command_id: int) -> bool:
    return command_id & _ADMINISTRATIVE_BIT != 0


def platform_order_id(account_id: int, number: int) -> int:
    """Return the id of order `number` (0 … 2^31-1) that the platform issues for an account."""
    return member_order_id(account_id, number) | _PLATFORM_ISSUED_BIT


def member_order_id(account_id: int, number: int) -> int:
    """Return the id of order `number` (0 … 2^31-1) that a member chose for its account."""
    if not 1 <= account_id <= MAX_ACCOUNT_ID:
        raise ValueError(f"account id {account_id} is outside 1..2^30-1")
    if not 0 <= number < _PLATFORM_ISSUED_BIT:
        raise ValueError(f"order number {number} is outside 0..2^31-1")
    return account_id << 32 | number


def account_of_order(order_id: int) -> int:
    """Return the account that an order id names; 0 for an id that is no order's."""
    return 0 if is_administrative(order_id) else order_id >> 32


def trade_id(shard: int, sequence: int, index: int) -> int:
    """Return the trade's id, a pure function of where the journal holds it.

    Publishing the same journal record again therefore yields the same id. A command with more than
    EVENTS_OF_NUMBER events, such as the uncross of a large book, goes on into the numbers of the
    sequences behind its own; no command that trades has those.
    """
    if not (0 <= shard <= MAX_SHARD and 0 < sequence <= MAX_SEQUENCE):
        raise ValueError(f"shard {shard} or sequence {sequence} is out of bounds")
    number = sequence * EVENTS_OF_NUMBER + index
    if index < 0 or number >> 57:
        raise ValueError(f"event index {index} is out of bounds")
    return shard << 57 | number
