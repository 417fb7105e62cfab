"""What orders do, as tables: each line is a command, below it the events that it gives."""

import pytest

from hotpath.core.api import Engine
from shared.domain.records import BUY, SELL
from tests.reference.naive_book import NaiveEngine
from tests.support.core_script import INSTRUMENT, Desk

TABLES: dict[str, str] = {
    "an order that meets nobody rests": """
        A1 buy 10 @99           > A1 accepted 10@99 level 10
        book                    > 99x10 |
    """,
    "orders at one price share a level": """
        A1 sell 10 @101         > A1 accepted 10@101 level 10
        B1 sell 5 @101          > B1 accepted 5@101 level 15
        book                    > | 101x15
    """,
    "the better price trades first": """
        A1 sell 10 @102         > A1 accepted 10@102 level 10
        B1 sell 10 @101         > B1 accepted 10@101 level 10
        C1 buy 15 @102          > C1 accepted 15@102
                                > C1 x B1 10@101 level 0
                                > C1 x A1 5@102 level 5
        book                    > | 102x5
    """,
    "at one price the older order trades first": """
        A1 buy 10 @99           > A1 accepted 10@99 level 10
        B1 buy 10 @99           > B1 accepted 10@99 level 20
        C1 sell 12 @99          > C1 accepted 12@99
                                > C1 x A1 10@99 level 10
                                > C1 x B1 2@99 level 8
        book                    > 99x8 |
    """,
    "what an aggressor leaves over rests at its own limit": """
        A1 sell 4 @100          > A1 accepted 4@100 level 4
        B1 buy 10 @101          > B1 accepted 10@101
                                > B1 x A1 4@100 level 0
                                > B1 rested 6@101 level 6
        book                    > 101x6 |
    """,
    "an order trades at the resting order's price": """
        A1 buy 10 @105          > A1 accepted 10@105 level 10
        B1 sell 10 @95          > B1 accepted 10@95; B1 x A1 10@105 level 0
        book                    > |
    """,
    "an immediate-or-cancel order never rests": """
        A1 sell 4 @100          > A1 accepted 4@100 level 4
        B1 buy 10 @100 ioc      > B1 accepted 10@100
                                > B1 x A1 4@100 level 0
                                > B1 cancelled 6 IOC_REMAINDER
        B2 buy 10 @100 ioc      > B2 accepted 10@100; B2 cancelled 10 IOC_REMAINDER
        book                    > |
    """,
    "a market order trades within the collar around the last price and no further": """
        A1 sell 4 @100          > A1 accepted 4@100 level 4
        A2 sell 4 @110          > A2 accepted 4@110 level 4
        A3 sell 4 @111          > A3 accepted 4@111 level 4
        B1 buy 10 market        > B1 accepted 10@0
                                > B1 x A1 4@100 level 0
                                > B1 x A2 4@110 level 0
                                > B1 cancelled 2 NO_LIQUIDITY
        B2 buy 4 market         > B2 accepted 4@0; B2 x A3 4@111 level 0
        book                    > |
    """,
    "a market order to sell stops at the collar below": """
        A1 buy 4 @90            > A1 accepted 4@90 level 4
        A2 buy 4 @89            > A2 accepted 4@89 level 4
        B1 sell 10 market       > B1 accepted 10@0
                                > B1 x A1 4@90 level 0
                                > B1 cancelled 6 NO_LIQUIDITY
        book                    > 89x4 |
    """,
    "a member may trade with itself": """
        A1 buy 4 @100           > A1 accepted 4@100 level 4
        A2 sell 4 @100          > A2 accepted 4@100; A2 x A1 4@100 level 0
        book                    > |
    """,
    "a cancel takes what is left": """
        A1 buy 10 @100          > A1 accepted 10@100 level 10
        B1 sell 4 @100          > B1 accepted 4@100; B1 x A1 4@100 level 6
        A1 cancel               > A1 cancelled 6 REQUESTED
        A1 cancel               > refused UNKNOWN_ORDER
        book                    > |
    """,
    "less quantity at the same price keeps its place": """
        A1 buy 10 @100          > A1 accepted 10@100 level 10
        B1 buy 10 @100          > B1 accepted 10@100 level 20
        A1 replace 4 @100       > A1 replaced 4@100 level 14 left 14@100 in place
        C1 sell 5 @100          > C1 accepted 5@100
                                > C1 x A1 4@100 level 10
                                > C1 x B1 1@100 level 9
    """,
    "more quantity goes to the end": """
        A1 buy 10 @100          > A1 accepted 10@100 level 10
        B1 buy 10 @100          > B1 accepted 10@100 level 20
        A1 replace 11 @100      > A1 replaced 11@100 level 21 left 21@100
        C1 sell 11 @100         > C1 accepted 11@100
                                > C1 x B1 10@100 level 11
                                > C1 x A1 1@100 level 10
    """,
    "another price goes to the end of its new level": """
        A1 buy 10 @100          > A1 accepted 10@100 level 10
        B1 buy 10 @99           > B1 accepted 10@99 level 10
        A1 replace 5 @99        > A1 replaced 5@99 level 15 left 0@100
        C1 sell 11 @99          > C1 accepted 11@99; C1 x B1 10@99 level 5; C1 x A1 1@99 level 4
    """,
    "a replaced order may trade, and its rest goes to the book": """
        A1 sell 4 @101          > A1 accepted 4@101 level 4
        B1 buy 10 @99           > B1 accepted 10@99 level 10
        B1 replace 6 @102       > B1 replaced 6@102 left 0@99
                                > B1 x A1 4@101 level 0
                                > B1 rested 2@102 level 2
        book                    > 102x2 |
    """,
    "a replaced order may trade in full": """
        A1 sell 4 @101          > A1 accepted 4@101 level 4
        B1 buy 10 @99           > B1 accepted 10@99 level 10
        B1 replace 4 @101       > B1 replaced 4@101 left 0@99; B1 x A1 4@101 level 0
        B1 cancel               > refused UNKNOWN_ORDER
        book                    > |
    """,
    "a mass cancel takes one member's orders, newest first": """
        A1 buy 10 @100          > A1 accepted 10@100 level 10
        B1 buy 10 @100          > B1 accepted 10@100 level 20
        A2 sell 5 @110          > A2 accepted 5@110 level 5
        A mass-cancel           > A2 cancelled 5 MASS_CANCEL
                                > A1 cancelled 10 MASS_CANCEL
                                > 2 cancelled, 0 still open
        A mass-cancel           > 0 cancelled, 0 still open
        book                    > 100x10 |
    """,
    "prices may stand at both ends of the band": """
        A1 buy 1 @50            > A1 accepted 1@50 level 1
        B1 sell 1 @150          > B1 accepted 1@150 level 1
        C1 sell 1 @50           > C1 accepted 1@50; C1 x A1 1@50 level 0
        C2 buy 1 @150           > C2 accepted 1@150; C2 x B1 1@150 level 0
        A2 buy 1 @49            > refused PRICE_OUT_OF_BAND
        A3 buy 1 @151           > refused PRICE_OUT_OF_BAND
        book                    > |
    """,
}


@pytest.mark.parametrize("title", TABLES)
def test_orders_in_trades_and_book_out(desk: Desk, title: str) -> None:
    for command, expected in _rows(TABLES[title]):
        got = _book(desk) if command == "book" else "; ".join(desk.say(command))
        assert got == expected, f"{title}: {command}"


def _rows(table: str) -> list[tuple[str, str]]:
    """Return commands with what is expected; a line without a command continues the one above."""
    rows: list[tuple[str, str]] = []
    for line in table.strip().splitlines():
        command, expected = (part.strip() for part in line.split(">", 1))
        if command:
            rows.append((command, expected))
        else:
            rows[-1] = (rows[-1][0], f"{rows[-1][1]}; {expected}")
    return rows


def test_a_mass_cancel_is_bounded_and_says_how_many_are_left(desk: Desk) -> None:
    for number in range(1, 1_031):
        desk.say(f"A{number} buy 1 @{60 + number % 30}")
    assert desk.say("A mass-cancel")[-1] == "1024 cancelled, 6 still open"
    assert desk.say("A mass-cancel")[-1] == "6 cancelled, 0 still open"
    assert _book(desk) == "|"


def _book(desk: Desk) -> str:
    engine = desk.engine
    if isinstance(engine, NaiveEngine):
        bids, offers = engine.levels(INSTRUMENT, BUY), engine.levels(INSTRUMENT, SELL)
    else:
        assert isinstance(engine, Engine)
        bids, offers = engine.queries.book_levels(INSTRUMENT, 0) or ([], [])
    sides = [" ".join(f"{price}x{lots}" for price, lots, _ in side) for side in (bids, offers)]
    return f"{sides[0]} | {sides[1]}".strip()
