"""Where credit is taken from, and how much an order may need."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.orders.buying_power import need_of
from functions.orders.terms import Terms
from functions.payments.credit_lines import plan_moves, settled_minor
from shared.ports.engine import AccountView, BookLevel, BookView
from shared.reference import instruments
from shared.wire.stream_events import Instructions

NOVA = instruments().by_symbol["NOVA"]


def part(shard: int, settled: int, *, total: int | None = None, reserved: int = 0, held: int = 0):
    total_minor = settled if total is None else total
    return AccountView(1, 1, 840, total_minor, settled, reserved, held, 0, [], shard)


@pytest.mark.parametrize(
    "parts, need, plan",
    [
        ([part(0, 100), part(1, 0), part(2, 70)], 120, [(0, 100), (2, 20)]),
        ([part(0, 70), part(1, 30), part(2, 100)], 120, [(2, 90)]),
        ([part(0, 70), part(1, 120), part(2, 100)], 120, []),  # it is there
        ([part(0, 70), part(1, 0), part(2, 49)], 120, []),  # less than there is
        ([part(0, 100, reserved=40, held=30), part(1, 0)], 30, [(0, 30)]),
        ([part(0, 100, reserved=40, held=31), part(1, 0)], 30, []),
        ([part(0, 10, total=100), part(1, 0)], 30, []),  # what is not settled stays
        ([part(0, 100), part(2, 100)], 30, []),  # engine 1 does not know the account
        ([part(0, 100), part(1, -20, total=-20)], 30, [(0, 50)]),
    ],
)
def test_the_richest_engine_gives_first(
    parts: list[AccountView], need: int, plan: list[tuple[int, int]]
) -> None:
    assert plan_moves(parts, 1, need) == plan


def test_with_less_than_needed_but_enough_all_of_it_moves() -> None:
    parts = [part(0, 100), part(1, 5)]
    assert plan_moves(parts, 1, 120) == []
    assert plan_moves(parts, 1, 120, enough_minor=105) == [(0, 100)]


def test_a_withdrawal_needs_settled_cash() -> None:
    parts = [part(0, 100), part(1, 20, total=200)]
    assert plan_moves(parts, 1, 120, usable=settled_minor) == [(0, 100)]


_AMOUNTS = st.integers(min_value=-1_000, max_value=1_000)
_PARTS = st.lists(st.tuples(_AMOUNTS, _AMOUNTS, st.integers(0, 500), st.integers(0, 500)))


@given(_PARTS, st.integers(1, 2_000), st.integers(1, 2_000))
def test_no_plan_takes_more_than_is_settled_and_free_nor_brings_less_than_enough(
    rows: list[tuple[int, int, int, int]], need: int, enough: int
) -> None:
    parts = [
        part(shard, settled, total=total, reserved=reserved, held=held)
        for shard, (settled, total, reserved, held) in enumerate(rows)
    ]
    plan = plan_moves(parts, 0, need, min(need, enough))
    assert len({shard for shard, _ in plan} - {0}) == len(plan)
    assert all(0 < amount <= settled_minor(parts[shard]) for shard, amount in plan)
    if plan:
        after = parts[0].available_minor + sum(amount for _, amount in plan)
        assert min(need, enough) <= after <= need


def terms(price_ticks: int, stop: int = 0) -> Terms:
    told = Instructions(stop_price_ticks=stop) if stop else None
    return Terms(NOVA.instrument_id, "BUY", "LIMIT", "GTC", price_ticks, 100, told)


def test_a_limit_order_needs_its_value_and_something_for_fees() -> None:
    need, enough = need_of(terms(1_000), NOVA, None)
    assert enough == NOVA.notional_minor(1_000, 100) == 100_000
    assert need == 101_000


def test_an_order_without_a_limit_needs_the_collars_end() -> None:
    book = BookView(NOVA.instrument_id, 1, 1, [], [BookLevel(2_000, 5, 1)])
    at_reference = need_of(terms(0), NOVA, None)
    assert at_reference == (NOVA.notional_minor(1_100, 100), 1)
    assert need_of(terms(0), NOVA, book) == (NOVA.notional_minor(2_200, 100), 1)
    assert need_of(terms(0, stop=3_000), NOVA, book) == (NOVA.notional_minor(3_300, 100), 1)
