"""Accounts and instruments: adding them again, their limits, and tables that are full."""

from typing import Any

import pytest

from hotpath.core.api import Engine
from shared.domain import ids
from shared.domain import records as r
from shared.domain.commands import AddAccount, MoveCash, SetLimits
from tests.reference.naive_book import NaiveEngine
from tests.support.core_script import ACCOUNTS, INSTRUMENT, USD, Desk, told

A = ACCOUNTS["A"]


def test_an_account_is_added_once_whatever_id_the_repeat_has(desk: Desk) -> None:
    event = desk.send(AddAccount(desk.new_id(), A, USD))[0]
    assert told(event) == "refused DUPLICATE_ID"
    assert event[r.E_FIRST_SEQUENCE] == 2


def test_an_instrument_may_get_new_terms_but_no_new_band(desk: Desk) -> None:
    events = desk.send(desk.add_instrument(max_order_lots=5, reference_price_ticks=120))
    assert events[0][0] & 0xFF == r.INSTRUMENT_ADDED
    assert desk.say("A1 buy 6 @100") == ["refused QUANTITY_TOO_LARGE"]
    for change in ({"max_price_ticks": 151}, {"min_price_ticks": 51}, {"tick_value_minor": 2}):
        event = desk.send(desk.add_instrument(**change))[0]
        assert told(event) == "refused DUPLICATE_ID"
        assert event[r.E_FIRST_SEQUENCE] == 1


@pytest.mark.parametrize(
    "change, refusal",
    [
        ({"reference_price_ticks": 151}, "PRICE_OUT_OF_BAND"),
        ({"tick_value_minor": 1 << 60}, "VALUE_OVERFLOW"),
        ({"min_price_ticks": 0}, "MALFORMED"),
        ({"max_price_ticks": 49}, "MALFORMED"),
        ({"tick_value_minor": 0}, "MALFORMED"),
        ({"max_order_lots": 1 << 31}, "MALFORMED"),
        ({"currency_number": 1_000}, "MALFORMED"),
        ({"collar_bps": 10_001}, "MALFORMED"),
        ({"instrument_id": 0}, "MALFORMED"),
        ({"max_price_ticks": r.MAX_PRICE_TICKS}, "CAPACITY"),
    ],
)
def test_an_instrument_with_unsound_terms_is_refused(
    empty_desk: Desk, change: dict[str, int], refusal: str
) -> None:
    event = empty_desk.send(empty_desk.add_instrument(**change))[0]
    assert told(event) == f"refused {refusal}"


def test_limits_bind_at_once_and_can_be_lifted(desk: Desk) -> None:
    steps = [
        ((5, 1_000, 1_010, 1), "A1 buy 6 @100", "refused ORDER_SIZE_LIMIT"),
        ((5, 499, 1_010, 1), "A1 buy 5 @100", "refused ORDER_VALUE_LIMIT"),
        ((5, 500, 1_004, 1), "A1 buy 5 @100", "refused POSITION_LIMIT"),
        ((5, 500, 1_005, 0), "A1 buy 5 @100", "refused OPEN_ORDER_LIMIT"),
        ((5, 500, 1_005, 1), "A1 buy 5 @100", "A1 accepted 5@100 level 5"),
        ((5, 600, 1_005, 1), "A2 sell 5 @120", "refused OPEN_ORDER_LIMIT"),
        ((5, 600, 1_005, 1), "A3 sell 5 @120 ioc", "A3 accepted 5@120"),
        ((r.NO_LIMIT,) * 4, "A4 buy 500 @110", "A4 accepted 500@110 level 500"),
    ]
    for limits, line, expected in steps:
        desk.send(SetLimits(desk.new_id(), A, *limits))
        assert desk.say(line)[0] == expected


@pytest.mark.parametrize("engine", [Engine, NaiveEngine])
def test_a_full_table_refuses_by_name(engine: type[Engine] | type[NaiveEngine]) -> None:
    desk = Desk(engine(max_accounts=3, max_orders=2, max_holds=1, max_ids=14)).open_market()
    assert told(desk.send(AddAccount(desk.new_id(), 9, USD))[0]) == "refused CAPACITY"
    desk.say("A1 buy 1 @100")
    desk.say("A2 buy 1 @100")
    assert desk.say("A3 buy 1 @100") == ["refused CAPACITY"]
    hold = MoveCash(r.HOLD_WITHDRAWAL, desk.new_id(), A, 1)
    assert desk.send(hold)[0][0] & 0xFF == r.CASH_CHANGED
    hold = MoveCash(r.HOLD_WITHDRAWAL, desk.new_id(), A, 1)
    assert told(desk.send(hold)[0]) == "refused CAPACITY"
    assert desk.say("A1 cancel") == ["A1 cancelled 1 REQUESTED"]
    assert desk.say("A4 buy 1 @100 ioc")[0] == "A4 accepted 1@100"
    assert desk.say("A5 buy 1 @100") == ["refused CAPACITY"]  # 14 ids are remembered


@pytest.mark.parametrize("engine", [Engine, NaiveEngine])
def test_one_command_makes_a_bounded_number_of_trades(
    engine: type[Engine] | type[NaiveEngine],
) -> None:
    desk = Desk(engine(max_trades=2)).open_market()
    for number in range(1, 6):
        desk.say(f"A{number} sell 1 @100")
    assert desk.say("B1 buy 5 @100")[-1] == "B1 cancelled 3 TOO_MANY_TRADES"
    desk.say("B2 buy 3 @99")
    assert desk.say("B2 replace 3 @100")[-1] == "B2 cancelled 1 TOO_MANY_TRADES"


def test_an_administrative_command_carries_an_administrative_id(desk: Desk) -> None:
    command = MoveCash(r.DEPOSIT_CASH, ids.member_order_id(A, 1), A, 5)
    assert told(desk.send(command)[0]) == "refused MALFORMED"


@pytest.mark.parametrize(
    "setting", ["max_orders", "max_accounts", "max_instruments", "max_holds", "max_trades"]
)
def test_a_table_without_rows_or_beyond_its_links_is_no_setting(setting: str) -> None:
    for size in (0, 1 << 40):
        settings: dict[str, Any] = {setting: size}
        with pytest.raises(ValueError, match=r"outside|too many"):
            Engine(**settings)


def test_queries_answer_none_for_what_is_unknown() -> None:
    engine = Engine()
    Desk(engine).open_market()
    for number in (0, -1, 99, 1 << 70):
        assert engine.queries.account(number) is None
        assert engine.queries.instrument(number) is None
        assert engine.queries.book_levels(number, 5) is None
        assert engine.queries.order(number) is None
        assert engine.queries.open_orders(number) == []
    assert engine.queries.account(A) == (r.ACCOUNT_ACTIVE, USD, 1_000_000, 1_000_000, 0, 0, 0)
    assert engine.queries.instrument(INSTRUMENT) == (r.INSTRUMENT_CONTINUOUS, 100)
