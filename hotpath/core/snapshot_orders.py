"""The open orders in a snapshot: as they were accepted, and with the terms that only some have."""

from librt.strings import BytesWriter, write_i64_le
from librt.vecs import vec
from mypy_extensions import i64

from hotpath.core.accounts import CASH_LEVERAGE
from hotpath.core.layout import (
    I_ID,
    IN_BOOK,
    O_ID,
    O_LEAVES,
    O_OWNER,
    O_PRICE,
    ORDER_SHIFT,
    P_INSTRUMENT,
    POSITION_MASK,
    SIDE_MASK,
    X_DISPLAY,
    X_EXPIRY,
    X_FEE_PAID,
    X_FEE_PART,
    X_FEE_WHOLE,
    X_FLAGS,
    X_LEVERAGE,
    X_LIMIT,
    X_LINK,
    X_LOCATE,
    X_MINIMUM,
    X_MODE,
    X_OFFSET,
    X_PARTNER,
    X_PEG,
    X_PLACE,
    X_RATES,
    X_SESSION,
    X_SHOWN,
    X_STOP,
    X_TIME,
    X_TYPE,
)
from hotpath.core.orders import Orders
from hotpath.core.snapshot_layout import LATER_FIELDS, TERMS_FIELDS, write_fields, write_four
from hotpath.core.sorting import sorted_pairs
from hotpath.core.state import State
from hotpath.core.words import zeros
from shared.domain.records import GTC, LIMIT


def pairs_by_age(orders: Orders, by_arrival: bool) -> vec[i64]:
    """Return pairs of an age of the open orders (since they were accepted, or since they arrived)
    and their offset, the oldest first."""
    pairs = zeros(2 * orders.count)
    index: i64 = 0
    order: i64 = 1 << ORDER_SHIFT
    while order < orders.fresh:
        accepted: i64 = orders.accepted(order)
        if accepted != 0:
            pairs[index] = orders.arrived(order) if by_arrival else accepted
            pairs[index + 1] = order
            index += 2
        order += 1 << ORDER_SHIFT
    return sorted_pairs(pairs, orders.count)


def _ranks(orders: Orders) -> vec[i64]:
    """Return, by slot, how many open orders arrived before an order."""
    pairs = pairs_by_age(orders, True)
    ranks = zeros(orders.fresh >> ORDER_SHIFT)
    index: i64 = 0
    while index < orders.count:
        ranks[pairs[2 * index + 1] >> ORDER_SHIFT] = index
        index += 1
    return ranks


def write_orders(out: BytesWriter, state: State, by_age: vec[i64]) -> None:
    orders = state.orders
    words = orders.words
    ranks = _ranks(orders)
    index: i64 = 0
    while index < orders.count:
        order: i64 = by_age[2 * index + 1]
        owner: i64 = words[order + O_OWNER]
        instrument: i64 = state.positions.words[(owner & POSITION_MASK) + P_INSTRUMENT]
        number: i64 = state.instruments.words[instrument + I_ID]
        price: i64 = words[order + O_PRICE]
        row: i64 = orders.cold_of(order)
        if row != 0 and orders.cold[row + X_PLACE] != IN_BOOK:
            price = 0
        write_i64_le(out, words[order + O_ID])
        write_four(
            out,
            number << 1 | (owner & SIDE_MASK),
            price,
            words[order + O_LEAVES],
            ranks[order >> ORDER_SHIFT],
        )
        index += 1


def write_terms(out: BytesWriter, state: State, by_age: vec[i64]) -> i64:
    """Write the terms of all orders that are not plain; return how many those are."""
    orders = state.orders
    x = orders.cold
    found: i64 = 0
    index: i64 = 0
    while index < orders.count:
        order: i64 = by_age[2 * index + 1]
        row: i64 = orders.cold_of(order)
        if row != 0 and not _is_plain(x, row, orders.words[order + O_PRICE]):
            write_i64_le(out, orders.words[order + O_ID])
            write_fields(out, x, row, TERMS_FIELDS)
            linked_id: i64 = 0
            if x[row + X_LINK] != 0 and x[row + X_PARTNER] != 0:
                linked_id = orders.words[x[row + X_PARTNER] + O_ID]
            write_i64_le(out, linked_id)
            write_fields(out, x, row, LATER_FIELDS)
            found += 1
        index += 1
    return found


def _is_plain(x: vec[i64], row: i64, price: i64) -> bool:
    """Say whether a cold row says nothing that an order without one does not say."""
    if x[row + X_TYPE] != LIMIT or x[row + X_TIME] != GTC or x[row + X_PLACE] != IN_BOOK:
        return False
    if x[row + X_LIMIT] != price or x[row + X_LEVERAGE] != CASH_LEVERAGE:
        return False
    rest: i64 = x[row + X_FLAGS] | x[row + X_DISPLAY] | x[row + X_SHOWN] | x[row + X_MINIMUM]
    rest |= x[row + X_STOP] | x[row + X_OFFSET] | x[row + X_PEG] | x[row + X_MODE]
    rest |= x[row + X_LINK] | x[row + X_SESSION] | x[row + X_EXPIRY] | x[row + X_LOCATE]
    rest |= x[row + X_FEE_WHOLE] | x[row + X_FEE_PART] | x[row + X_FEE_PAID]
    return rest | x[row + X_RATES] | x[row + X_RATES + 1] | x[row + X_RATES + 2] == 0
