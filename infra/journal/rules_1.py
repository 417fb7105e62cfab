"""A state of rules 1 in the words of rules 2: the same money, orders and ids.

A snapshot of rules 1 has, behind 12 words of header, rows of 64-bit words:

    account     id, currency, state, total, settled, reserved, held, open orders,
                limits (order lots, order value, position, open orders), sequence that added it
    instrument  id, currency, state, tick value, lowest price, highest price, largest order,
                collar, reference price, issued lots, sequence that added it
    position    account id, instrument id, total, settled, open buy lots, open sell lots
    order       id, instrument id, side, price, leaves; in the order in which they would trade
    hold        id, account id, amount
    id          id, first sequence

What rules 1 did not have begins as in a new account or instrument: no fees, leverage, throttles,
tick tables, bands. An instrument's lowest and highest price go: rules 2 take any price.
"""

import hashlib
import struct
from typing import Final

from hotpath.core.accounts import CASH_LEVERAGE, HOLD
from hotpath.core.snapshot_layout import CHECK_BYTES, FORMAT_VERSION, MAGIC
from shared.domain.records import RULES_VERSION, USUAL_UNCROSS_ORDER

Row = tuple[int, ...]
_OLD_HEADER: Final = 12
_OLD_WIDTHS: Final = (13, 11, 6, 5, 3, 2)
_OLD_VERSIONS: Final = (MAGIC, 1, 1)  # format and rules
_NO_WINDOW: Final = -1  # of a throttle


def is_of_rules_1(state: bytes) -> bool:
    return len(state) >= 24 and struct.unpack_from("<3q", state) == _OLD_VERSIONS


def carried_over(state: bytes) -> bytes:
    """Return a snapshot of these rules; raise ValueError for what is no snapshot of rules 1."""
    header, tables = _tables(state)
    accounts, instruments, positions, orders, holds, ids = tables
    issued = sum(account[3] for account in accounts)
    day, fees, flags = (1, 0, 0), 0, (0, 0)  # the first day, no numbers used; nothing killed, left
    rows: list[list[Row]] = [
        [_account(row) for row in accounts],
        [_instrument(row) for row in instruments],
        positions,
        _orders(orders, {row[0]: row[1] for row in ids}),
        [],  # terms
        [(*row, HOLD) for row in holds],
        *[[] for _ in range(6)],  # tiers, ticks, groups, sessions, amended, sweeps
        ids,
    ]
    fixed = (MAGIC, FORMAT_VERSION, RULES_VERSION, *header[3:5], *day, issued, fees, *flags)
    packed = _packed([(*fixed, header[5], *map(len, rows))])
    packed += b"".join(map(_packed, rows))
    return packed + _digest(packed)


def _tables(state: bytes) -> tuple[Row, list[list[Row]]]:
    body, check = state[:-CHECK_BYTES], state[-CHECK_BYTES:]
    if not is_of_rules_1(state) or _digest(body) != check:
        raise ValueError("this is no sound snapshot of rules 1")
    header: Row = struct.unpack_from(f"<{_OLD_HEADER}q", body)
    tables: list[list[Row]] = []
    at = 8 * _OLD_HEADER
    for width, count in zip(_OLD_WIDTHS, header[6:], strict=True):
        end = at + 8 * width * count
        tables.append(list(struct.iter_unpack(f"<{width}q", body[at:end])))
        at = end
    return header, tables


def _account(row: Row) -> Row:
    id_, currency, state, total, settled, reserved, held, count, *limits, sequence = row
    money = (total, settled, reserved, held, count)
    terms = (0, 0, CASH_LEVERAGE, 0)  # group, tier, leverage, killed
    return (id_, currency, sequence, state, *money, *terms, *limits, 0, _NO_WINDOW, 0)


def _instrument(row: Row) -> Row:
    id_, currency, state, tick_value, _, _, largest, collar, price, issued, sequence = row
    prices = (price, price, price, price)  # reference, last, high, low
    rules = (0, 1, 0, 0, 0, 0, 0, 0, USUAL_UNCROSS_ORDER)  # tick table, lot size, …
    return (id_, currency, sequence, state, tick_value, largest, collar, *prices, issued, *rules)


def _orders(rows: list[Row], first: dict[int, int]) -> list[Row]:
    """Return the orders as they were accepted; their rank is their place in `rows`."""
    ranked = [
        (id_, instrument << 1 | side, price, leaves, rank)
        for rank, (id_, instrument, side, price, leaves) in enumerate(rows)
    ]
    return sorted(ranked, key=lambda row: first[row[0]])


def _packed(rows: list[Row]) -> bytes:
    return b"".join(struct.pack(f"<{len(row)}q", *row) for row in rows)


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=CHECK_BYTES).digest()
