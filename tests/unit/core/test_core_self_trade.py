"""Self-trade prevention: the aggressor's mode decides."""

import pytest

from tests.support.core_script import Desk, check_table

RESTING = """
        A1 sell 5 @100              > A1 accepted 5@100 level 5
        B1 sell 5 @100              > B1 accepted 5@100 level 10
"""
TABLES = {
    "without a mode, an account trades with itself, and the trade says so": """
        A2 buy 3 @100               > A2 accepted 3@100; A2 x A1 3@100 level 7 self
    """,
    "cancel newest": """
        A2 buy 8 @100 stp=newest    > A2 accepted 8@100; A2 cancelled 8 SELF_TRADE
        book                        > | 100x10
    """,
    "cancel oldest": """
        A2 buy 8 @100 stp=oldest    > A2 accepted 8@100; A1 cancelled 5 SELF_TRADE
                                    > A2 x B1 5@100 level 0; A2 rested 3@100 level 3
    """,
    "cancel both": """
        A2 buy 8 @100 stp=both      > A2 accepted 8@100; A1 cancelled 5 SELF_TRADE
                                    > A2 cancelled 8 SELF_TRADE
    """,
    "decrement: the smaller is cancelled, the larger goes on": """
        A2 buy 8 @100 stp=decrement > A2 accepted 8@100; A1 cancelled 5 SELF_TRADE
                                    > A2 reduced by 5 to 3; A2 x B1 3@100 level 2
    """,
    "decrement: a larger resting order keeps its place": """
        A2 buy 2 @100 stp=decrement > A2 accepted 2@100; A1 reduced by 2 to 3
                                    > A2 cancelled 2 SELF_TRADE
        C1 buy 3 @100               > C1 accepted 3@100; C1 x A1 3@100 level 5
    """,
    "a group is one party": """
        A group 7                   > terms
        B group 7                   > terms
        B2 buy 8 @100 stp=newest    > B2 accepted 8@100; B2 cancelled 8 SELF_TRADE
        C group 8                   > terms
        C1 buy 1 @100 stp=newest    > C1 accepted 1@100; C1 x A1 1@100 level 9
    """,
    "fill or kill, cancel oldest: own orders do not count, and stay if it is killed": """
        A2 buy 6 @100 fok stp=oldest > A2 accepted 6@100; A2 cancelled 6 FOK_NOT_FILLED
        A3 buy 5 @100 fok stp=oldest > A3 accepted 5@100; A1 cancelled 5 SELF_TRADE
                                    > A3 x B1 5@100 level 0
    """,
    "fill or kill, other modes: an own order in the way kills it": """
        A2 buy 5 @100 fok stp=newest    > A2 accepted 5@100; A2 cancelled 5 FOK_NOT_FILLED
        A3 buy 5 @100 fok stp=both      > A3 accepted 5@100; A3 cancelled 5 FOK_NOT_FILLED
        A4 buy 5 @100 fok stp=decrement > A4 accepted 5@100; A4 cancelled 5 FOK_NOT_FILLED
        book                            > | 100x10
    """,
    "a minimum counts trades with others only": """
        C1 sell 4 @99                      > C1 accepted 4@99 level 4
        A2 buy 9 @100 ioc min=5 stp=newest > A2 accepted 9@100; A2 cancelled 9 MINIMUM_NOT_MET
        A3 buy 9 @100 ioc min=4 stp=newest > A3 accepted 9@100; A3 x C1 4@99 level 0
                                           > A3 cancelled 5 SELF_TRADE
    """,
    "an uncross prevents nothing": """
        session closing_auction     > session closing_auction
        A2 buy 5 @100 stp=newest    > A2 accepted 5@100 level 5
        uncross closed              > uncrossed 5@100 surplus -5; A2 x A1 5@100 auction self
                                    > bids 0@100; offers 5@100; session closed
    """,
}


@pytest.mark.parametrize("name", TABLES)
def test_core_self_trade(name: str, desk: Desk) -> None:
    check_table(desk, RESTING.strip() + "\n" + TABLES[name].lstrip("\n"))
