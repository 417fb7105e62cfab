"""Properties of ledger and netting rules that hold for any input."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from shared.domain.ledger import CHAIN_START, ChainedEntry, ChainedStep, chain_hash, imbalances
from shared.domain.settlement import Obligation, net, obligations_of_trade

_trades: st.SearchStrategy[list[dict[str, Any]]] = st.lists(
    st.builds(
        dict,
        instrument_id=st.integers(1, 3),
        currency=st.just("USD"),
        quantity_lots=st.integers(1, 1_000),
        notional_minor=st.integers(1, 10**9),
        buyer=st.tuples(st.integers(1, 5), st.integers(1, 99)),
        seller=st.tuples(st.integers(1, 5), st.integers(1, 99)),
    ),
    max_size=40,
)


def obligations(trades: list[dict]) -> list[Obligation]:
    return [
        side
        for number, terms in enumerate(trades)
        for side in obligations_of_trade(trade_id=number, **terms)
    ]


@given(_trades)
def test_netting_keeps_what_each_account_is_owed(trades: list[dict]) -> None:
    every = obligations(trades)
    positions = net(every)
    for position in positions:
        own = [
            item
            for item in every
            if (item.account_id, item.instrument_id, item.currency)
            == (position.account_id, position.instrument_id, position.currency)
        ]
        assert list(position.obligations) == own
        assert position.cash_minor == sum(item.cash_minor for item in own)
        assert position.quantity_lots == sum(item.quantity_lots for item in own)
    assert sum(len(position.obligations) for position in positions) == len(every)


@given(_trades)
def test_the_clearing_house_ends_square(trades: list[dict]) -> None:
    positions = net(obligations(trades))
    for instrument_id in (1, 2, 3):
        of_instrument = [item for item in positions if item.instrument_id == instrument_id]
        assert sum(item.cash_minor for item in of_instrument) == 0
        assert sum(item.quantity_lots for item in of_instrument) == 0


@given(_trades)
def test_netting_does_not_depend_on_the_order_of_groups(trades: list[dict]) -> None:
    every = obligations(trades)
    by_account = sorted(every, key=lambda item: item.account_id)
    sums = [(p.account_id, p.instrument_id, p.cash_minor, p.quantity_lots) for p in net(every)]
    assert sums == [
        (p.account_id, p.instrument_id, p.cash_minor, p.quantity_lots) for p in net(by_account)
    ]


@given(st.lists(st.tuples(st.sampled_from(["USD", "EUR"]), st.integers(-100, 100))))
def test_imbalances_name_exactly_the_assets_that_do_not_sum_to_zero(
    amounts: list[tuple[str, int]],
) -> None:
    found = imbalances(amounts)
    for asset in ("USD", "EUR"):
        total = sum(amount for name, amount in amounts if name == asset)
        assert found.get(asset, 0) == total
        assert (asset in found) == (total != 0)


_texts = st.text(max_size=6)
_steps = st.builds(
    ChainedStep,
    transfer_id=st.integers(1, 99),
    state=st.sampled_from(["PENDING", "POSTED", "VOIDED"]),
    recorded_us=st.integers(0, 999),
    kind=st.sampled_from(["A", "B_C"]),
    reference=_texts,
    trace_id=_texts,
    entries=st.lists(
        st.builds(
            ChainedEntry,
            owner=_texts,
            asset=st.sampled_from(["USD", "EUR"]),
            purpose=st.sampled_from(["SETTLED", "CLEARING"]),
            amount=st.integers(-9, 9),
        ),
        max_size=3,
    ),
)


@given(_steps, _steps)
def test_two_steps_have_the_same_hash_only_if_they_are_equal(
    one: ChainedStep, other: ChainedStep
) -> None:
    """Free texts may hold the separators; their lengths keep steps apart."""
    same_hash = chain_hash(CHAIN_START, one) == chain_hash(CHAIN_START, other)
    assert same_hash == (one == other)
