"""What must hold after every command, looked up in the core's own tables."""

from hotpath.core import accounts as a
from hotpath.core import book as b
from hotpath.core import ladder as lad
from hotpath.core import positions as p
from hotpath.core.api import Engine
from hotpath.core.instruments import I_ISSUED_LOTS, I_TICK_VALUE_MINOR, INSTRUMENT_SHIFT
from shared.domain.records import BUY, SELL


def check_invariants(engine: Engine) -> None:
    """Assert that sums, chains and bitmaps of the core agree with each other."""
    orders = _orders_by_level(engine)
    _check_chains(engine, orders)
    _check_promises(engine, orders)
    _check_conservation(engine)


def _instruments(engine: Engine) -> list[int]:
    return [slot << INSTRUMENT_SHIFT for slot in range(1, engine.state.instruments.count + 1)]


def _accounts(engine: Engine) -> list[int]:
    return [slot << a.ACCOUNT_SHIFT for slot in range(1, engine.state.accounts.count + 1)]


def _orders_by_level(engine: Engine) -> list[int]:
    """Walk every level in use, check its totals and the best price; return all orders."""
    state = engine.state
    found = []
    for instrument in _instruments(engine):
        best = []
        for side in (BUY, SELL):
            book_side = state.instruments.side(instrument, side)
            level = state.ladder.best[book_side]
            prices = []
            while level != lad.NO_LEVEL:
                here = _orders_of_level(engine, level)
                price = state.book.words[here[0] + b.O_PRICE]
                assert all(state.book.words[order + b.O_PRICE] == price for order in here)
                assert state.instruments.level(instrument, side, price) == level
                prices.append(price)
                found += here
                level = state.ladder.next_after(book_side, level)
            assert prices == sorted(prices, reverse=side == BUY)
            best += prices[:1]
        assert best == sorted(set(best)), "the book is crossed"
    return found


def _orders_of_level(engine: Engine, level: int) -> list[int]:
    words, levels, at = engine.state.book.words, engine.state.ladder.levels, level << 2
    found, before, order = [], 0, levels[at + lad.L_HEAD]
    while order:
        assert words[order + b.O_PREVIOUS] == before
        assert words[order + b.O_LEAVES] > 0
        found.append(order)
        before, order = order, words[order + b.O_NEXT]
    assert found and levels[at + lad.L_TAIL] == before
    assert levels[at + lad.L_ORDERS] == len(found)
    assert levels[at + lad.L_LOTS] == sum(words[order + b.O_LEAVES] for order in found)
    return found


def _check_chains(engine: Engine, orders: list[int]) -> None:
    """Every open order is at one level, in its account's chain, and found by its id."""
    state = engine.state
    assert state.book.count == len(orders) == len(set(orders))
    for order in orders:
        order_id = state.book.words[order + b.O_ID]
        row = state.ids.find(order_id)
        assert state.ids.slot(row) << b.ORDER_SHIFT == order
    chained: list[int] = []
    for account in _accounts(engine):
        for instrument in _instruments(engine):
            position = state.positions.find(account, instrument)
            count = len(chained)
            order = state.positions.words[position + p.P_NEWEST_ORDER]
            while order:
                chained.append(order)
                order = state.book.words[order + b.O_OLDER]
            count = len(chained) - count
            assert state.positions.words[position + p.P_OPEN_ORDERS] == count
    assert sorted(chained) == sorted(orders)


def _check_promises(engine: Engine, orders: list[int]) -> None:
    """Reservations are the sums over open orders and holds, and no account promises too much."""
    state = engine.state
    words = state.book.words
    lots: dict[int, int] = {}
    cash: dict[int, int] = {}
    for order in orders:
        side = words[order + b.O_POSITION] & b.SIDE_MASK
        position = words[order + b.O_POSITION] & ~b.SIDE_MASK
        leaves = words[order + b.O_LEAVES]
        lots[position + side] = lots.get(position + side, 0) + leaves
        account = state.positions.words[position + p.P_ACCOUNT]
        if side == BUY:
            instrument = state.positions.words[position + p.P_INSTRUMENT]
            tick_value = state.instruments.words[instrument + I_TICK_VALUE_MINOR]
            cash[account] = cash.get(account, 0) + words[order + b.O_PRICE] * leaves * tick_value
    for account in _accounts(engine):
        assert state.accounts.words[account + a.A_RESERVED] == cash.get(account, 0)
        assert state.accounts.words[account + a.A_HELD] >= 0
        assert state.accounts.available_minor(account) >= 0
        for instrument in _instruments(engine):
            position = state.positions.find(account, instrument)
            held = state.positions.words
            for side in (BUY, SELL):
                assert held[position + p.P_OPEN_LOTS + side] == lots.get(position + side, 0)
            assert held[position + p.P_TOTAL] >= held[position + p.P_OPEN_LOTS + SELL] >= 0


def _check_conservation(engine: Engine) -> None:
    """Trades create and destroy neither cash nor lots."""
    state = engine.state
    accounts = _accounts(engine)
    total = sum(state.accounts.words[account + a.A_TOTAL] for account in accounts)
    assert total == state.accounts.issued_minor
    for instrument in _instruments(engine):
        lots = [
            state.positions.words[state.positions.find(account, instrument) + p.P_TOTAL]
            for account in accounts
        ]
        assert sum(lots) == state.instruments.words[instrument + I_ISSUED_LOTS]
