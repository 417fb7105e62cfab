"""The replay's own book: totals, best prices, and who would trade first."""

from hypothesis import given
from hypothesis import strategies as st

from infra.replay.queue_model import Levels, QueueModel, RestingOrder
from shared.domain.records import BUY, SELL


def test_the_first_order_at_the_best_price_trades_first() -> None:
    model = QueueModel()
    for order, price_ticks in ((1, 100), (2, 101), (3, 101)):
        model.add(order, RestingOrder(order, BUY, price_ticks, 5))
    assert [order for order in (1, 2, 3) if model.would_trade_first(order)] == [2]
    assert model.reduce(2, 3) == 2
    assert model.would_trade_first(2), "a smaller order keeps its place"
    assert model.reduce(2, 9) == 0
    assert model.would_trade_first(3)
    assert model.levels.bests() == ((101, 5), None)


@given(st.lists(st.tuples(st.sampled_from([BUY, SELL]), st.integers(1, 9), st.integers(0, 3))))
def test_the_best_level_is_the_best_of_all(changes: list[tuple[int, int, int]]) -> None:
    levels = Levels()
    for side, price_ticks, lots in changes:
        levels.set(side, price_ticks, lots)
        for which, choose in ((BUY, max), (SELL, min)):
            totals = levels.totals[which]
            expected = (choose(totals), totals[choose(totals)]) if totals else None
            assert levels.best(which) == expected
