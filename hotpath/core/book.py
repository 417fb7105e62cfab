"""Queues of orders: the levels of the book, and those in which stops and auction orders wait.

A level's queue is its displayed orders, then its pegged ones, then its hidden ones, each class by
age; so its head always trades next. The two functions that plain orders use take the tables that
they read and write as arguments: a caller that has them at hand need not fetch them again.
"""

from librt.vecs import vec
from mypy_extensions import i64

from hotpath.core.instruments import level_of
from hotpath.core.ladder import NO_LEVEL, Ladder
from hotpath.core.layout import (
    CLASS_HIDDEN,
    CLASS_PEGGED,
    CLASS_SHOWN,
    D_COUNT,
    D_LAST_PEGGED,
    D_LAST_SHOWN,
    DARK_SHIFT,
    L_HEAD,
    L_LOTS,
    L_ORDERS,
    L_TAIL,
    LEVEL_SHIFT,
    O_LEAVES,
    O_NEXT,
    O_OWNER,
    O_PREVIOUS,
    O_PRICE,
    ORDERS_MASK,
    P_INSTRUMENT,
    POSITION_MASK,
    SIDE_MASK,
    X_FLAGS,
    X_SHOWN,
    X_TYPE,
)
from hotpath.core.orders import Orders
from hotpath.core.state import State
from hotpath.core.trees import N_ONE, Trees
from shared.domain.records import BUY, ORDER_HIDDEN, ORDER_ICEBERG, PEGGED, SELL


def side_of(state: State, order: i64) -> i64:
    return state.orders.words[order + O_OWNER] & SIDE_MASK


def instrument_of(state: State, order: i64) -> i64:
    position: i64 = state.orders.words[order + O_OWNER] & POSITION_MASK
    return state.positions.words[position + P_INSTRUMENT]


def class_of(orders: Orders, order: i64) -> i64:
    """Return an order's rank among orders at one price: see [[priority]] in order_rules.toml."""
    cold: i64 = orders.cold_of(order)
    if cold == 0:
        return CLASS_SHOWN
    if orders.cold[cold + X_FLAGS] & ORDER_HIDDEN != 0:
        return CLASS_HIDDEN
    return CLASS_PEGGED if orders.cold[cold + X_TYPE] == PEGGED else CLASS_SHOWN


def displayed(orders: Orders, order: i64) -> i64:
    """Return the lots of an order in the book that others see."""
    cold: i64 = orders.cold_of(order)
    if cold == 0:
        return orders.words[order + O_LEAVES]
    if class_of(orders, order) != CLASS_SHOWN:
        return 0
    if orders.cold[cold + X_FLAGS] & ORDER_ICEBERG != 0:
        return orders.cold[cold + X_SHOWN]
    return orders.words[order + O_LEAVES]


# --- plain orders --------------------------------------------------------------------------------


def enter_level(
    ladder: Ladder,
    levels: vec[i64],
    orders: vec[i64],
    order: i64,
    side: i64,
    number: i64,
) -> i64:
    """Put a displayed order last in a level of the window without dark orders; return its total."""
    at: i64 = number << LEVEL_SHIFT
    last: i64 = levels[at + L_TAIL]
    orders[order + O_PREVIOUS] = last
    orders[order + O_NEXT] = 0
    levels[at + L_TAIL] = order
    if last != 0:
        orders[last + O_NEXT] = order
    else:
        levels[at + L_HEAD] = order
        ladder.use(side, number)
    lots: i64 = levels[at + L_LOTS] + orders[order + O_LEAVES]
    levels[at + L_LOTS] = lots
    levels[at + L_ORDERS] = levels[at + L_ORDERS] + 1
    return lots


def leave_level(
    ladder: Ladder,
    levels: vec[i64],
    orders: vec[i64],
    order: i64,
    side: i64,
    number: i64,
) -> i64:
    """Take a displayed order out of a level of the window without dark ones; return its total."""
    at: i64 = number << LEVEL_SHIFT
    before: i64 = orders[order + O_PREVIOUS]
    after: i64 = orders[order + O_NEXT]
    if before != 0:
        orders[before + O_NEXT] = after
    else:
        levels[at + L_HEAD] = after
    if after != 0:
        orders[after + O_PREVIOUS] = before
    else:
        levels[at + L_TAIL] = before
    lots: i64 = levels[at + L_LOTS] - orders[order + O_LEAVES]
    levels[at + L_LOTS] = lots
    levels[at + L_ORDERS] = levels[at + L_ORDERS] - 1
    if before | after == 0:
        ladder.leave(side, number, orders[order + O_PRICE])
    return lots


# --- any order -----------------------------------------------------------------------------------


def enter(state: State, order: i64) -> i64:
    """Put an order into the book at its O_PRICE, behind its class; return the total there."""
    orders = state.orders
    ladder = state.ladder
    words = orders.words
    side: i64 = side_of(state, order)
    instrument: i64 = instrument_of(state, order)
    price: i64 = words[order + O_PRICE]
    book_side: i64 = state.instruments.side(instrument, side)
    number: i64 = level_of(state.instruments.words, instrument, side, price)
    at: i64 = ladder.at_or_new(book_side, number, price)
    rank: i64 = class_of(orders, order)
    levels = ladder.levels
    if rank == CLASS_SHOWN and levels[at + L_ORDERS] >> DARK_SHIFT == 0:
        _insert(orders.words, levels, at, levels[at + L_TAIL], order)
    else:
        _enter_among_dark(state, at, order, rank)
        levels = ladder.levels
    if words[order + O_PREVIOUS] == 0 and words[order + O_NEXT] == 0:
        ladder.mark(book_side, number, at)
    if rank == CLASS_SHOWN:
        levels[at + L_ORDERS] = levels[at + L_ORDERS] + 1
        levels[at + L_LOTS] = levels[at + L_LOTS] + displayed(orders, order)
    total: i64 = levels[at + L_LOTS]
    if not ladder.base[book_side] <= number < ladder.end[book_side]:
        state.instruments.note_far_use(instrument, price)
    return total


def _insert(orders: vec[i64], levels: vec[i64], at: i64, before: i64, order: i64) -> None:
    """Chain an order into a queue behind `before`; 0: first."""
    after: i64 = orders[before + O_NEXT] if before != 0 else levels[at + L_HEAD]
    orders[order + O_PREVIOUS] = before
    orders[order + O_NEXT] = after
    if before != 0:
        orders[before + O_NEXT] = order
    else:
        levels[at + L_HEAD] = order
    if after != 0:
        orders[after + O_PREVIOUS] = order
    else:
        levels[at + L_TAIL] = order


def _remove(orders: vec[i64], levels: vec[i64], at: i64, order: i64) -> bool:
    """Take an order out of a queue; return whether the queue is empty now."""
    before: i64 = orders[order + O_PREVIOUS]
    after: i64 = orders[order + O_NEXT]
    if before != 0:
        orders[before + O_NEXT] = after
    else:
        levels[at + L_HEAD] = after
    if after != 0:
        orders[after + O_PREVIOUS] = before
    else:
        levels[at + L_TAIL] = before
    return before == 0 and after == 0


def _enter_among_dark(state: State, at: i64, order: i64, rank: i64) -> None:
    """Put an order behind its class in a level that holds pegged or hidden ones, or will now."""
    ladder = state.ladder
    words = state.orders.words
    dark: i64 = ladder.levels[at + L_ORDERS] >> DARK_SHIFT
    if dark == 0:
        dark = ladder.new_level()
        ladder.levels[dark + D_LAST_SHOWN] = ladder.levels[at + L_TAIL]
        ladder.levels[at + L_ORDERS] = ladder.levels[at + L_ORDERS] | dark << DARK_SHIFT
    levels = ladder.levels
    behind: i64 = levels[at + L_TAIL]
    if rank == CLASS_SHOWN:
        behind = levels[dark + D_LAST_SHOWN]
        levels[dark + D_LAST_SHOWN] = order
    elif rank == CLASS_PEGGED:
        behind = levels[dark + D_LAST_PEGGED]
        if behind == 0:
            behind = levels[dark + D_LAST_SHOWN]
        levels[dark + D_LAST_PEGGED] = order
    if rank != CLASS_SHOWN:
        levels[dark + D_COUNT] = levels[dark + D_COUNT] + 1
    _insert(words, levels, at, behind, order)


def leave(state: State, order: i64) -> i64:
    """Take an order out of the book; return the total left at its price."""
    orders = state.orders
    ladder = state.ladder
    words = orders.words
    side: i64 = side_of(state, order)
    instrument: i64 = instrument_of(state, order)
    price: i64 = words[order + O_PRICE]
    book_side: i64 = state.instruments.side(instrument, side)
    number: i64 = level_of(state.instruments.words, instrument, side, price)
    at: i64 = ladder.at(book_side, number, price)
    levels = ladder.levels
    rank: i64 = class_of(orders, order)
    dark: i64 = levels[at + L_ORDERS] >> DARK_SHIFT
    if dark != 0:
        _leave_dark(state, at, dark, order, rank)
    if rank == CLASS_SHOWN:
        levels[at + L_ORDERS] = levels[at + L_ORDERS] - 1
        levels[at + L_LOTS] = levels[at + L_LOTS] - displayed(orders, order)
    total: i64 = levels[at + L_LOTS]
    if _remove(words, levels, at, order):
        ladder.clear(book_side, number, price)
    return total


def _leave_dark(state: State, at: i64, dark: i64, order: i64, rank: i64) -> None:
    """Keep the dark row true when an order leaves; give it back when no dark order remains."""
    levels = state.ladder.levels
    before: i64 = state.orders.words[order + O_PREVIOUS]
    if levels[dark + D_LAST_SHOWN] == order:
        levels[dark + D_LAST_SHOWN] = before
    if levels[dark + D_LAST_PEGGED] == order:
        follows: bool = before != 0 and class_of(state.orders, before) == CLASS_PEGGED
        levels[dark + D_LAST_PEGGED] = before if follows else 0
    if rank == CLASS_SHOWN:
        return
    levels[dark + D_COUNT] = levels[dark + D_COUNT] - 1
    if levels[dark + D_COUNT] == 0:
        levels[at + L_ORDERS] = levels[at + L_ORDERS] & ORDERS_MASK
        state.ladder.give_back(dark)


def show_less(state: State, order: i64, lots: i64) -> i64:
    """Take displayed lots off the total at an order's price; return what is left there."""
    at: i64 = level_at(state, order)
    levels = state.ladder.levels
    levels[at + L_LOTS] = levels[at + L_LOTS] - lots
    return levels[at + L_LOTS]


def level_at(state: State, order: i64) -> i64:
    """Return the offset of the level that an order of the book stands in."""
    side: i64 = side_of(state, order)
    instrument: i64 = instrument_of(state, order)
    return price_level(state, instrument, side, state.orders.words[order + O_PRICE])


def price_level(state: State, instrument: i64, side: i64, price: i64) -> i64:
    """Return the offset of a price's level, or 0 when it has none."""
    number: i64 = level_of(state.instruments.words, instrument, side, price)
    return state.ladder.at(state.instruments.side(instrument, side), number, price)


def level_lots(state: State, order: i64) -> i64:
    """Return the displayed total at the price of an order of the book."""
    return state.ladder.levels[level_at(state, order) + L_LOTS]


def lots_at(state: State, instrument: i64, side: i64, price: i64) -> i64:
    """Return the displayed total at a price."""
    at: i64 = price_level(state, instrument, side, price)
    return 0 if at == 0 else state.ladder.levels[at + L_LOTS]


# --- best prices ---------------------------------------------------------------------------------


def best_order(state: State, instrument: i64, side: i64) -> i64:
    """Return the order of a side that trades next, or 0."""
    book_side: i64 = state.instruments.side(instrument, side)
    if state.ladder.best[book_side] == NO_LEVEL:
        return 0
    return state.ladder.levels[state.ladder.best_at[book_side] + L_HEAD]


def counterparty(state: State, instrument: i64, side: i64, price: i64) -> i64:
    """Return the resting order that trades next with an order of `side` at the price, or 0."""
    opposite: i64 = 1 - side
    number: i64 = level_of(state.instruments.words, instrument, opposite, price)
    if state.ladder.best[state.instruments.side(instrument, opposite)] > number:
        return 0
    return best_order(state, instrument, opposite)


def next_level(state: State, instrument: i64, side: i64, at: i64) -> i64:
    """Return the offset of the level that comes after the one at `at`, or 0."""
    price: i64 = state.orders.words[state.ladder.levels[at + L_HEAD] + O_PRICE]
    number: i64 = level_of(state.instruments.words, instrument, side, price)
    return state.ladder.next_after(state.instruments.side(instrument, side), number, price)


def first_level(state: State, instrument: i64, side: i64) -> i64:
    """Return the offset of the best level of a side, or 0."""
    book_side: i64 = state.instruments.side(instrument, side)
    if state.ladder.best[book_side] == NO_LEVEL:
        return 0
    return state.ladder.best_at[book_side]


def best_displayed(state: State, instrument: i64, side: i64) -> i64:
    """Return the best price that others see; 0: none."""
    at: i64 = first_level(state, instrument, side)
    while at != 0 and state.ladder.levels[at + L_LOTS] == 0:
        at = next_level(state, instrument, side, at)
    if at == 0:
        return 0
    return state.orders.words[state.ladder.levels[at + L_HEAD] + O_PRICE]


def is_crossed(state: State, instrument: i64) -> bool:
    """Say whether a buyer would pay what a seller asks."""
    bid: i64 = best_order(state, instrument, BUY)
    offer: i64 = best_order(state, instrument, SELL)
    if bid == 0 or offer == 0:
        return False
    return state.orders.words[bid + O_PRICE] >= state.orders.words[offer + O_PRICE]


# --- queues beside the book: stops and auctions --------------------------------------------------


def wait_in(state: State, tree: i64, price_key: i64, order: i64) -> None:
    """Put an order into the queue of a key, by age."""
    trees = state.ladder.trees
    leaf: i64 = trees.find(tree, price_key)
    at: i64 = trees.nodes[leaf + N_ONE]
    if leaf == 0:
        at = state.ladder.new_level()
        trees.add(tree, price_key, at)
    words = state.orders.words
    before: i64 = state.ladder.levels[at + L_TAIL]
    age: i64 = state.orders.arrived(order)
    while before != 0 and state.orders.arrived(before) > age:
        before = words[before + O_PREVIOUS]
    _insert(words, state.ladder.levels, at, before, order)


def wait_no_more(state: State, tree: i64, price_key: i64, order: i64) -> None:
    """Take an order out of the queue of a key."""
    trees = state.ladder.trees
    leaf: i64 = trees.find(tree, price_key)
    at: i64 = trees.nodes[leaf + N_ONE]
    if _remove(state.orders.words, state.ladder.levels, at, order):
        state.ladder.give_back(at)
        trees.remove(tree, leaf)


def first_waiting(state: State, tree: i64) -> i64:
    """Return the oldest order at the lowest key of a tree, or 0."""
    trees = state.ladder.trees
    leaf: i64 = trees.first(tree)
    if leaf == 0:
        return 0
    return state.ladder.levels[trees.nodes[leaf + N_ONE] + L_HEAD]


def next_waiting(state: State, trees: Trees, tree: i64, price_key: i64, order: i64) -> i64:
    """Return the order that comes after one of a tree's queues, or 0."""
    following: i64 = state.orders.words[order + O_NEXT]
    if following != 0:
        return following
    leaf: i64 = trees.next(trees.find(tree, price_key))
    if leaf == 0:
        return 0
    return state.ladder.levels[trees.nodes[leaf + N_ONE] + L_HEAD]
