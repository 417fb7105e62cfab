"""Fills a new engine's state from a snapshot; `snapshot.py` describes the bytes."""

import struct
from typing import Final

from mypy_extensions import i64

from hotpath.core import book, followers, promises, waiting
from hotpath.core.account_watch import watch_account
from hotpath.core.accounts import CASH_LEVERAGE, owner
from hotpath.core.layout import (
    A_GROUP,
    A_OPEN_ORDERS,
    A_OWNER,
    A_RESERVED,
    A_WATCH,
    ACCOUNT_SHIFT,
    AGE_ARRIVED,
    I_LAST,
    IN_AUCTION,
    IN_BOOK,
    IN_STOPS,
    INSTRUMENT_SHIFT,
    IS_REACHED,
    IS_WOKEN,
    ORDER_SHIFT,
    P_SETTLED,
    P_TOTAL,
    WATCH_MARGIN,
    X_FLAGS,
    X_LIMIT,
    X_PARTNER,
    X_PLACE,
    X_TIME,
    X_TYPE,
)
from hotpath.core.leaving import make_cold, wake
from hotpath.core.snapshot import (
    ACCOUNT_FIELDS,
    BEFORE_LINK,
    CHECK_BYTES,
    COLD_FIELDS,
    FORMAT_VERSION,
    HEADER_WORDS,
    INSTRUMENT_FIELDS,
    MAGIC,
    WIDTHS,
    Row,
    digest,
)
from hotpath.core.state import State
from hotpath.core.sweeps import ANY, Sweep
from shared.domain.records import GTC, LIMIT, ORDER_SHORT, RULES_VERSION

_FIRST_COLD: Final = 10  # where COLD_FIELDS begin in an order's row
_LINKED_ID: Final = _FIRST_COLD + BEFORE_LINK


def restore_state(state: State, data: bytes) -> None:
    """Fill an empty state from a snapshot; raise ValueError when that cannot be done."""
    if state.sequence != 0 or state.ids.count != 0:
        raise ValueError("a snapshot is restored into a new engine")
    header, tables = _unpack(data)
    _check_room(state, tables)
    accounts, instruments, positions, orders, holds, tiers = tables[:6]
    ticks, groups, sessions, amended, sweeps, ids = tables[6:]
    state.sequence, state.time_ns, state.day, state.day_ended_at = header[3:7]
    state.accounts.issued_minor, state.accounts.fees_minor = header[7:9]
    state.house.firm_killed = header[9] != 0
    state.careful = header[10] != 0
    state.work_due = state.careful
    for row in ids:
        state.ids.insert(row[0], row[1], 0)
    if state.ids.digest != header[11]:
        raise ValueError("the snapshot's ids do not give its digest")
    _restore_house(state, tiers, ticks, groups, amended)
    for row in sorted(accounts, key=_added_by):
        _restore_account(state, row)
    for row in sorted(instruments, key=_added_by):
        _restore_instrument(state, row)
    for row in positions:
        at = state.positions.find(state.accounts.find(row[0]), state.instruments.find(row[1]))
        state.positions.words[at + P_TOTAL] = row[2]
        state.positions.words[at + P_SETTLED] = row[3]
    for row in holds:
        slot = state.holds.add(row[0], state.accounts.find(row[1]), row[2], row[3])
        state.ids.set_slot(state.ids.find(row[0]), slot)
    for row in sessions:
        at = state.sessions.add(row[0])
        for word in range(3):
            state.sessions.words[at + word] = row[1 + word]
    _restore_orders(state, orders)
    _restore_sweeps(state, sweeps)
    _restore_watches(state, positions, orders)


def _added_by(row: Row) -> int:
    return row[2]


def _unpack(data: bytes) -> tuple[Row, list[list[Row]]]:
    """Return the header's words and the tables."""
    words = HEADER_WORDS + len(WIDTHS)
    body = data[:-CHECK_BYTES]
    if len(body) < words * 8 or digest(body) != data[-CHECK_BYTES:]:
        raise ValueError("the snapshot is damaged")
    header: Row = struct.unpack_from(f"<{words}q", body)
    if header[:3] != (MAGIC, FORMAT_VERSION, RULES_VERSION):
        raise ValueError("the snapshot is of another format or rules version")
    tables: list[list[Row]] = []
    at = words * 8
    for width, count in zip(WIDTHS, header[HEADER_WORDS:], strict=True):
        end = at + width * 8 * count
        tables.append(list(struct.iter_unpack(f"<{width}q", body[at:end])))
        at = end
    return header, tables


def _check_room(state: State, tables: list[list[Row]]) -> None:
    fits = (
        len(tables[0]) <= state.accounts.maximum
        and len(tables[1]) <= state.instruments.maximum
        and len(tables[3]) <= state.orders.maximum
        and len(tables[4]) <= 2 * state.holds.maximum  # of both kinds
        and len(tables[8]) <= state.sessions.maximum
        and len(tables[9]) <= state.max_amended
        and len(tables[11]) <= state.ids.maximum
    )
    if not fits:
        raise ValueError("the snapshot is larger than this engine's tables")


def _restore_house(
    state: State, tiers: list[Row], ticks: list[Row], groups: list[Row], amended: list[Row]
) -> None:
    for row in tiers:
        state.house.tiers[row[0]] = (row[1], row[2], row[3])
    for row in ticks:
        pairs = [(row[word], row[word + 1]) for word in range(1, len(row), 2)]
        state.house.tick_tables[row[0]] = [pair for pair in pairs if pair[0] != 0]
    for row in groups:
        state.house.kill_group(row[0], True)
    for row in amended:
        terms: Row = row[2:] if row[2] != 0 else ()
        state.house.amended[(row[0], row[1])] = terms


def _restore_account(state: State, row: Row) -> None:
    offset = state.accounts.add(row[0], row[1], row[2])
    state.positions.add_account(offset)
    a = state.accounts.words
    for field, value in zip(ACCOUNT_FIELDS, row, strict=True):
        a[offset + field] = value
    a[offset + A_RESERVED] = 0  # they are counted as the orders come back
    a[offset + A_OPEN_ORDERS] = 0
    a[offset + A_OWNER] = owner(row[0], a[offset + A_GROUP])


def _restore_instrument(state: State, row: Row) -> None:
    offset = state.instruments.add(row[0], row[1], row[4], row[5], row[6], row[7], row[2])
    for field, value in zip(INSTRUMENT_FIELDS, row, strict=True):
        state.instruments.words[offset + field] = value
    state.instruments.centre(offset, state.instruments.words[offset + I_LAST])


def _restore_orders(state: State, rows: list[Row]) -> None:
    """Chain the orders by account as they were accepted, then queue them by priority."""
    orders = state.orders
    found = [_restore_order(state, row) for row in rows]
    for row, order in zip(rows, found, strict=True):
        orders.ages[(order >> 2) + AGE_ARRIVED] = len(rows) + row[-1] + 1
        if row[_LINKED_ID] != 0:
            other = state.open_order(row[_LINKED_ID])
            if orders.cold_of(other) == 0:
                make_cold(state, other)
            orders.cold[orders.cold_of(order) + X_PARTNER] = other
            orders.cold[orders.cold_of(other) + X_PARTNER] = order
    orders.clock = 2 * len(rows)
    for order in sorted(found, key=orders.arrived):
        _queue(state, order)


def _restore_order(state: State, row: Row) -> int:
    orders = state.orders
    position = state.positions.find(
        state.accounts.find(row[0] >> 32), state.instruments.find(row[1])
    )
    limit = row[8]
    order = orders.add(row[0], row[7] if row[6] == IN_BOOK else limit, row[9], position, row[2])
    state.ids.set_slot(state.ids.find(row[0]), order >> ORDER_SHIFT)
    plain = (LIMIT, GTC, 0, IN_BOOK, limit, limit, row[9], *[0] * 18, CASH_LEVERAGE)
    if row[3:-1] != plain:
        at = orders.add_cold(order)
        x = orders.cold
        x[at + X_TYPE], x[at + X_TIME], x[at + X_FLAGS] = row[3:6]
        x[at + X_PLACE], x[at + X_LIMIT] = row[6], limit
        values = row[_FIRST_COLD:_LINKED_ID] + row[_LINKED_ID + 1 : -1]
        for field, value in zip(COLD_FIELDS, values, strict=True):
            x[at + field] = value
        followers.note(state, order)
    if state.risk:
        promises.count_lots(state, order, row[9])
        if orders.cold_of(order) != 0:
            promises.reserve_anew(state, order)
        else:
            promises.add_reserved(state, position, promises.reserved_by(state, order))
    return order


def _queue(state: State, order: i64) -> None:
    """Put a restored order where it stood."""
    row: i64 = state.orders.cold_of(order)
    place: i64 = IN_BOOK if row == 0 else state.orders.cold[row + X_PLACE]
    if place == IN_BOOK:
        book.enter(state, order)
    elif place in (IN_STOPS, IS_REACHED):
        waiting.enter_stops(state, order, place == IS_REACHED)
    elif place == IN_AUCTION:
        waiting.enter_auction(state, order)
    elif place == IS_WOKEN:
        wake(state, order)


def _restore_sweeps(state: State, rows: list[Row]) -> None:
    for row in rows:
        sweep = Sweep(row[0], row[1])  # orders are numbered 1, 2, … by age now
        sweep.account = ANY if row[2] == -1 else state.accounts.find(row[2])
        sweep.group = row[3]
        sweep.instrument = ANY if row[4] == -1 else state.instruments.find(row[4])
        sweep.side, sweep.session, sweep.times, sweep.expired_at = row[5:9]
        sweep.expires = row[9] != 0
        state.sweeps.append(sweep)


def _restore_watches(state: State, positions: list[Row], orders: list[Row]) -> None:
    """Set what plain orders have to look at, as if all that matters had just happened."""
    short = [row[0] for row in positions if row[2] < 0]
    short += [row[0] >> 32 for row in orders if row[5] & ORDER_SHORT]
    for account_id in short:
        account = state.accounts.find(account_id)
        a = state.accounts.words
        a[account + A_WATCH] = a[account + A_WATCH] | WATCH_MARGIN
    for slot in range(1, state.accounts.count + 1):
        watch_account(state, slot << ACCOUNT_SHIFT)
    for slot in range(1, state.instruments.count + 1):
        state.instruments.watch(slot << INSTRUMENT_SHIFT)
