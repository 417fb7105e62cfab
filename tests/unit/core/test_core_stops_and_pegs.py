"""Orders that wait for the market or follow it: stops, trailing stops, pegs."""

import pytest

from tests.support.core_script import Desk, check_table

STOPS = {
    "a stop becomes a market order when a trade reaches it": """
        A1 buy 5 @95                > A1 accepted 5@95 level 5
        C1 sell 5 stop=96           > C1 accepted 5@0 waits
        A2 buy 1 @96                > A2 accepted 1@96 level 1
        D1 sell 1 @96               > D1 accepted 1@96; D1 x A2 1@96 level 0
                                    > C1 triggered 5@87; C1 x A1 5@95 level 0
    """,
    "a stop-limit becomes a limit order": """
        A1 sell 1 @105              > A1 accepted 1@105 level 1
        C1 buy 5 stop=105 @106      > C1 accepted 5@106 waits
        D1 buy 1 @105               > D1 accepted 1@105; D1 x A1 1@105 level 0
                                    > C1 triggered 5@106; C1 rested 5@106 level 5
    """,
    "a stop that the last price has reached already is triggered at once": """
        C1 buy 5 stop=100 @101      > C1 accepted 5@101 waits; C1 triggered 5@101
                                    > C1 rested 5@101 level 5
    """,
    "stops set off further stops; buys from the lowest, then sells from the highest": """
        A1 sell 2 @101              > A1 accepted 2@101 level 2
        A2 sell 2 @102              > A2 accepted 2@102 level 2
        A3 sell 2 @103              > A3 accepted 2@103 level 2
        C1 buy 2 stop=102           > C1 accepted 2@0 waits
        C2 buy 1 stop=101           > C2 accepted 1@0 waits
        D1 buy 2 @101               > D1 accepted 2@101; D1 x A1 2@101 level 0
                                    > C2 triggered 1@111; C2 x A2 1@102 level 1
                                    > C1 triggered 2@112; C1 x A2 1@102 level 0
                                    > C1 x A3 1@103 level 1
    """,
    "a trailing stop follows the market in one direction": """
        A1 buy 1 @104               > A1 accepted 1@104 level 1
        C1 sell 5 trail=3           > C1 accepted 5@0 waits
        D1 sell 1 @104              > D1 accepted 1@104; D1 x A1 1@104 level 0
        A2 buy 1 @102               > A2 accepted 1@102 level 1
        D2 sell 1 @102              > D2 accepted 1@102; D2 x A2 1@102 level 0
        A3 buy 1 @101               > A3 accepted 1@101 level 1
        A4 buy 9 @100               > A4 accepted 9@100 level 9
        D3 sell 1 @101              > D3 accepted 1@101; D3 x A3 1@101 level 0
                                    > C1 triggered 5@88; C1 x A4 5@100 level 4
    """,
    "of sells, the one with the highest stop price goes first": """
        A1 buy 1 @95                > A1 accepted 1@95 level 1
        C1 sell 1 stop=95 @95       > C1 accepted 1@95 waits
        C2 sell 1 stop=96 @95       > C2 accepted 1@95 waits
        D1 sell 1 @95               > D1 accepted 1@95; D1 x A1 1@95 level 0
                                    > C2 triggered 1@95; C2 rested 1@95 level 1
                                    > C1 triggered 1@95; C1 rested 1@95 level 2
    """,
    "a trailing stop to buy follows the market down": """
        A1 sell 1 @96               > A1 accepted 1@96 level 1
        C1 buy 5 trail=3            > C1 accepted 5@0 waits
        D1 buy 1 @96                > D1 accepted 1@96; D1 x A1 1@96 level 0
        A2 sell 1 @99               > A2 accepted 1@99 level 1
        D2 buy 1 @99                > D2 accepted 1@99; D2 x A2 1@99 level 0
                                    > C1 triggered 5@113; C1 cancelled 5 NO_LIQUIDITY
    """,
    "a stop with nobody to trade with is cancelled": """
        C1 buy 5 stop=100           > C1 accepted 5@0 waits; C1 triggered 5@110
                                    > C1 cancelled 5 NO_LIQUIDITY
    """,
    "a stop that is cancelled was in no level": """
        C1 sell 5 stop=90           > C1 accepted 5@0 waits
        C1 cancel                   > C1 cancelled 5 REQUESTED
    """,
}
PEGS = {
    "a primary peg follows the best displayed price of its side": """
        A1 buy 5 @98                      > A1 accepted 5@98 level 5
        C1 buy 5 peg=primary offset=1 @99 > C1 accepted 5@97 level 0
        A2 buy 5 @99                      > A2 accepted 5@99 level 5; C1 repriced 97 to 98
        A2 cancel                         > A2 cancelled 5 REQUESTED; C1 repriced 98 to 97
        A1 cancel                         > A1 cancelled 5 REQUESTED; C1 repriced 97 to 0
    """,
    "a peg never goes beyond its limit": """
        A1 buy 5 @98                      > A1 accepted 5@98 level 5
        C1 buy 5 peg=primary @98          > C1 accepted 5@98 level 5
        A2 buy 5 @99                      > A2 accepted 5@99 level 5
    """,
    "a market peg stays a distance from the other side": """
        A1 sell 5 @105                    > A1 accepted 5@105 level 5
        C1 buy 5 peg=market offset=2 @110 > C1 accepted 5@103 level 0
        A1 replace 5 @104                 > A1 replaced 5@104; C1 repriced 103 to 102
    """,
    "a midpoint peg needs both sides, and rounds away from the other side": """
        A1 buy 5 @98                      > A1 accepted 5@98 level 5
        C1 buy 5 peg=mid @110             > C1 accepted 5@110 waits
        A2 sell 5 @103                    > A2 accepted 5@103 level 5; C1 repriced 0 to 100
        D1 sell 5 peg=mid @90             > D1 accepted 5@101 level 0
        book                              > 98x5 | 103x5
        A3 buy 5 @99                      > A3 accepted 5@99 level 5; C1 repriced 100 to 101
                                          > C1 x D1 5@101 level 0
    """,
    "two midpoint pegs meet when one is brought to the other's price": """
        A1 buy 5 @98                      > A1 accepted 5@98 level 5
        A2 sell 5 @102                    > A2 accepted 5@102 level 5
        C1 buy 5 peg=mid @110             > C1 accepted 5@100 level 0
        D1 sell 8 peg=mid @90             > D1 accepted 8@90; D1 repriced 0 to 100
                                          > D1 x C1 5@100 level 0; D1 rested 3@100 level 0
    """,
    "pegs wait outside continuous trading": """
        A1 buy 5 @98                      > A1 accepted 5@98 level 5
        C1 buy 5 peg=primary @99          > C1 accepted 5@98 level 5
        session halted                    > session halted; C1 repriced 98 to 0
        session continuous                > session continuous; C1 repriced 0 to 98
    """,
    "pegs wait in a call as well": """
        A1 buy 5 @98                      > A1 accepted 5@98 level 5
        C1 buy 5 peg=primary @99          > C1 accepted 5@98 level 5
        session closing_auction           > session closing_auction; C1 repriced 98 to 0
    """,
    "a peg cannot be replaced": """
        A1 buy 5 @98                      > A1 accepted 5@98 level 5
        C1 buy 5 peg=primary @99          > C1 accepted 5@98 level 5
        C1 replace 4 @99                  > REJECTED REPLACE_NOT_POSSIBLE
    """,
}


@pytest.mark.parametrize("name", STOPS)
def test_core_stops(name: str, desk: Desk) -> None:
    check_table(desk, STOPS[name])


@pytest.mark.parametrize("name", PEGS)
def test_core_pegs(name: str, desk: Desk) -> None:
    check_table(desk, PEGS[name])


def test_repegging_and_triggering_are_bounded_work(small_desk: Desk) -> None:
    check_table(
        small_desk,
        """
        A1 buy 5 @98              > A1 accepted 5@98 level 5
        C1 buy 1 peg=primary @99  > C1 accepted 1@98 level 5
        C2 buy 1 peg=primary @99  > C2 accepted 1@98 level 5
        C3 buy 1 peg=primary @99  > C3 accepted 1@98 level 5
        D1 buy 1 stop=105 @105    > D1 accepted 1@105 waits
        A2 sell 1 @105            > A2 accepted 1@105 level 1
        B1 buy 1 @105             > B1 accepted 1@105; B1 x A2 1@105 level 0
                                  > D1 triggered 1@105; D1 rested 1@105 level 1
                                  > C1 repriced 98 to 99; C2 repriced 98 to 99; work remains
        continue                  > C3 repriced 98 to 99
        """,
    )
