"""Reconciliation finds every planted break and raises none where the books agree."""

import random
from collections.abc import Callable
from dataclasses import replace

import pytest

from functions.settlement.reconciliation import Books, compare_account, compare_house
from shared.domain.records import ACCOUNT_ACTIVE, BUY, SELL
from shared.ports.engine import AccountView, OpenOrder, PositionView
from shared.reference import instruments

NOVA = instruments().by_symbol["NOVA"]
USD = 840
ACCOUNTS = 1_000
PLANTED = 100


def agreeing(account_id: int, dice: random.Random) -> tuple[Books, AccountView, list[OpenOrder]]:
    """Return an account whose ledger, unsettled trades and reservations give the engine's view."""
    cash, lots = dice.randrange(10**9), dice.randrange(10**6)
    unsettled_cash, unsettled_lots = dice.randrange(-1_000, 1_000), dice.randrange(-100, 100)
    orders = [
        OpenOrder(1, NOVA.instrument_id, BUY, dice.randrange(1, 100), dice.randrange(1, 100)),
        OpenOrder(2, NOVA.instrument_id, SELL, dice.randrange(1, 100), dice.randrange(1, 100)),
    ]
    bought, sold = orders
    position = PositionView(
        NOVA.instrument_id,
        total_lots=lots + unsettled_lots,
        settled_lots=lots,
        reserved_buy_lots=bought.leaves_lots,
        reserved_sell_lots=sold.leaves_lots,
    )
    view = AccountView(
        account_id=account_id,
        state=ACCOUNT_ACTIVE,
        currency_number=USD,
        total_minor=cash + unsettled_cash,
        settled_minor=cash,
        reserved_minor=NOVA.notional_minor(bought.price_ticks, bought.leaves_lots),
        held_minor=0,
        open_orders=2,
        positions=[position],
    )
    books = Books(
        account_id,
        settled={"USD": cash, NOVA.isin: lots},
        unsettled={"USD": unsettled_cash, NOVA.isin: unsettled_lots},
    )
    return books, view, orders


def _position(view: AccountView, **changes: int) -> AccountView:
    return replace(view, positions=[replace(view.positions[0], **changes)])


PLANTS: dict[str, Callable[[AccountView], AccountView]] = {
    "settled_cash": lambda view: replace(view, settled_minor=view.settled_minor + 1),
    "total_cash": lambda view: replace(view, total_minor=view.total_minor - 1),
    "reserved_cash": lambda view: replace(view, reserved_minor=view.reserved_minor + 1),
    "settled_securities": lambda view: _position(
        view, settled_lots=view.positions[0].settled_lots + 1
    ),
    "total_securities": lambda view: _position(view, total_lots=view.positions[0].total_lots - 1),
    "reserved_buys": lambda view: _position(view, reserved_buy_lots=0),
    "reserved_sells": lambda view: _position(view, reserved_sell_lots=0),
}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_all_planted_breaks_are_found_and_none_besides(seed: int) -> None:
    dice = random.Random(seed)
    planted = {
        account_id: dice.choice(sorted(PLANTS))
        for account_id in dice.sample(range(1, ACCOUNTS + 1), PLANTED)
    }
    found = []
    for account_id in range(1, ACCOUNTS + 1):
        books, view, orders = agreeing(account_id, dice)
        if account_id in planted:
            view = PLANTS[planted[account_id]](view)
        found += compare_account(books, view, orders, instruments())
    assert {item.account_id: item.kind for item in found} == planted
    assert len(found) == PLANTED


def test_an_account_that_the_engine_does_not_know_breaks_only_with_a_balance() -> None:
    assert compare_account(Books(1, {"USD": 0}), None, [], instruments()) == []
    (found,) = compare_account(Books(1, {"USD": 5}), None, [], instruments())
    assert (found.kind, found.expected, found.found) == ("account_unknown_to_engine", "5", "0")


def test_the_house_is_square_when_it_holds_the_other_side_of_what_settled() -> None:
    assert compare_house({"USD": 0}, {"USD": 70}, {"USD": -70}) == []
    kinds = {item.kind for item in compare_house({"USD": 1}, {"USD": 69}, {"USD": -70})}
    assert kinds == {"conservation", "clearing_house"}


def test_cash_between_two_engines_belongs_to_the_account() -> None:
    books, view, orders = agreeing(1, random.Random(1))
    at_engines = replace(
        view, settled_minor=view.settled_minor - 70, total_minor=view.total_minor - 70
    )
    assert compare_account(books, at_engines, orders, instruments(), in_transit_minor=70) == []
    kinds = {item.kind for item in compare_account(books, at_engines, orders, instruments())}
    assert kinds == {"settled_cash", "total_cash"}
    made = compare_account(books, view, orders, instruments(), in_transit_minor=70)
    assert {item.kind for item in made} == {"settled_cash", "total_cash"}
