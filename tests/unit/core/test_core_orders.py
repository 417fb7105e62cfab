"""Order types and times in force: each table's lines are commands and their events."""

import pytest

from tests.support.core_script import Desk, check_table

TABLES = {
    "a limit order rests, or trades at the resting order's price": """
        A1 sell 10 @101             > A1 accepted 10@101 level 10
        B1 buy 4 @105               > B1 accepted 4@105; B1 x A1 4@101 level 6
        book                        > | 101x6
    """,
    "what an aggressor leaves over rests at its limit": """
        A1 sell 4 @100              > A1 accepted 4@100 level 4
        B1 buy 10 @101 day          > B1 accepted 10@101; B1 x A1 4@100 level 0
                                    > B1 rested 6@101 level 6
    """,
    "a market order trades within the collar; the rest is cancelled": """
        A1 sell 4 @110              > A1 accepted 4@110 level 4
        A2 sell 4 @122              > A2 accepted 4@122 level 4
        B1 buy 10 market ioc        > B1 accepted 10@0; B1 x A1 4@110 level 0
                                    > B1 cancelled 6 NO_LIQUIDITY
    """,
    "a market-to-limit order takes the best price and rests there": """
        A1 sell 4 @101              > A1 accepted 4@101 level 4
        A2 sell 4 @102              > A2 accepted 4@102 level 4
        B1 buy 10 mtl               > B1 accepted 10@0; B1 x A1 4@101 level 0
                                    > B1 rested 6@101 level 6
        book                        > 101x6 | 102x4
    """,
    "a market-to-limit order is a limit order from then on": """
        A1 sell 4 @101              > A1 accepted 4@101 level 4
        A2 sell 4 @102              > A2 accepted 4@102 level 4
        B1 buy 10 mtl               > B1 accepted 10@0; B1 x A1 4@101 level 0
                                    > B1 rested 6@101 level 6
        B1 replace 6 @103           > B1 replaced 6@103; B1 x A2 4@102 level 0
                                    > B1 rested 2@103 level 2
    """,
    "a market-to-limit order that finds nobody is cancelled": """
        B1 buy 10 mtl               > B1 accepted 10@0; B1 cancelled 10 NO_LIQUIDITY
    """,
    "immediate or cancel": """
        A1 sell 4 @100              > A1 accepted 4@100 level 4
        B1 buy 10 @100 ioc          > B1 accepted 10@100; B1 x A1 4@100 level 0
                                    > B1 cancelled 6 IOC_REMAINDER
    """,
    "fill or kill trades all or nothing": """
        A1 sell 4 @100              > A1 accepted 4@100 level 4
        A2 sell 4 @101              > A2 accepted 4@101 level 4
        B1 buy 9 @101 fok           > B1 accepted 9@101; B1 cancelled 9 FOK_NOT_FILLED
        B2 buy 8 @100 fok           > B2 accepted 8@100; B2 cancelled 8 FOK_NOT_FILLED
        B3 buy 8 @101 fok           > B3 accepted 8@101; B3 x A1 4@100 level 0
                                    > B3 x A2 4@101 level 0
    """,
    "fill or kill counts what icebergs and hidden orders hold back": """
        A1 sell 20 @100 show=5      > A1 accepted 20@100 level 5
        C1 sell 10 @100 hidden      > C1 accepted 10@100 level 5
        B1 buy 31 market fok        > B1 accepted 31@0; B1 cancelled 31 FOK_NOT_FILLED
        B2 buy 11 @100 fok          > B2 accepted 11@100
                                    > B2 x A1 5@100 level 0; A1 shows 5 level 5
                                    > B2 x A1 5@100 level 0; A1 shows 5 level 5
                                    > B2 x A1 1@100 level 4
    """,
    "a minimum quantity trades at least that or nothing": """
        A1 sell 4 @100              > A1 accepted 4@100 level 4
        B1 buy 10 @100 ioc min=5    > B1 accepted 10@100; B1 cancelled 10 MINIMUM_NOT_MET
        B2 buy 10 @100 ioc min=4    > B2 accepted 10@100; B2 x A1 4@100 level 0
                                    > B2 cancelled 6 IOC_REMAINDER
    """,
    "an iceberg shows a part, and a new part goes behind the others of its price": """
        A1 sell 20 @100 show=5      > A1 accepted 20@100 level 5
        B1 sell 5 @100              > B1 accepted 5@100 level 10
        C1 buy 7 @100               > C1 accepted 7@100; C1 x A1 5@100 level 5
                                    > A1 shows 5 level 10; C1 x B1 2@100 level 8
        C2 buy 4 @100               > C2 accepted 4@100; C2 x B1 3@100 level 5
                                    > C2 x A1 1@100 level 4
        book                        > | 100x4
    """,
    "a hidden order trades after what is displayed and pegged at its price": """
        A1 sell 5 @100 hidden       > A1 accepted 5@100 level 0
        B1 sell 5 @100              > B1 accepted 5@100 level 5
        C1 sell 5 peg=primary @90   > C1 accepted 5@100 level 5
        D1 buy 12 @100              > D1 accepted 12@100; D1 x B1 5@100 level 0
                                    > D1 x C1 5@100 level 0; D1 x A1 2@100 level 0
    """,
    "a better hidden price comes before a displayed one": """
        A1 sell 5 @99 hidden        > A1 accepted 5@99 level 0
        B1 sell 5 @100              > B1 accepted 5@100 level 5
        C1 buy 6 @100               > C1 accepted 6@100; C1 x A1 5@99 level 0
                                    > C1 x B1 1@100 level 4
    """,
    "a post-only order is refused where it would take, even from a hidden order": """
        A1 sell 5 @100 hidden       > A1 accepted 5@100 level 0
        B1 buy 5 @100 post          > REJECTED WOULD_TRADE
        B2 buy 5 @99 post           > B2 accepted 5@99 level 5
        B2 replace 5 @100           > REJECTED WOULD_TRADE
    """,
    "less quantity keeps priority": """
        A1 buy 10 @99               > A1 accepted 10@99 level 10
        B1 buy 10 @99               > B1 accepted 10@99 level 20
        A1 replace 6 @99            > A1 replaced 6@99 keeps priority
        C1 sell 7 @99               > C1 accepted 7@99; C1 x A1 6@99 level 10
                                    > C1 x B1 1@99 level 9
    """,
    "more quantity loses priority": """
        A1 buy 10 @99               > A1 accepted 10@99 level 10
        B1 buy 10 @99               > B1 accepted 10@99 level 20
        A1 replace 11 @99           > A1 replaced 11@99
        C1 sell 7 @99               > C1 accepted 7@99; C1 x B1 7@99 level 14
    """,
    "another price loses priority, and may trade": """
        A1 buy 10 @99               > A1 accepted 10@99 level 10
        B1 sell 4 @101              > B1 accepted 4@101 level 4
        A1 replace 10 @101          > A1 replaced 10@101; A1 x B1 4@101 level 0
                                    > A1 rested 6@101 level 6
    """,
    "an iceberg that is made smaller shows no more than it has": """
        A1 buy 10 @99 show=4        > A1 accepted 10@99 level 4
        A1 replace 3 @99            > A1 replaced 3@99 keeps priority
        book                        > 99x3 |
    """,
    "one cancels other: a part of a trade is enough": """
        A1 sell 10 @105             > A1 accepted 10@105 level 10
        A2 sell 10 stop=95 oco=A1   > A2 accepted 10@0 waits
        B1 buy 1 @105               > B1 accepted 1@105; B1 x A1 1@105 level 9
                                    > A2 cancelled 10 LINKED
    """,
    "one cancels other: a fill-or-kill order meets its own partner, and goes on without it": """
        A1 sell 10 @100 show=4      > A1 accepted 10@100 level 4
        C1 sell 6 @101              > C1 accepted 6@101 level 6
        A2 buy 10 @101 fok oco=A1   > A2 accepted 10@101
                                    > A2 x A1 4@100 level 0 self; A1 shows 4 level 4
                                    > A1 cancelled 6 LINKED; A2 x C1 6@101 level 0
    """,
    "one cancels other: a fill-or-kill order that would fill its own partner is killed": """
        A1 sell 4 @100              > A1 accepted 4@100 level 4
        C1 sell 6 @101              > C1 accepted 6@101 level 6
        A2 buy 10 @101 fok oco=A1   > A2 accepted 10@101; A2 cancelled 10 FOK_NOT_FILLED
        A3 buy 10 @101 ioc oco=A1   > A3 accepted 10@101; A3 x A1 4@100 level 0 self
                                    > A3 cancelled 6 LINKED
    """,
    "one cancels other: a cancel leaves the other alone": """
        A1 sell 10 @105             > A1 accepted 10@105 level 10
        A2 sell 10 @106 oco=A1      > A2 accepted 10@106 level 10
        A1 cancel                   > A1 cancelled 10 REQUESTED
        book                        > | 106x10
    """,
    "one triggers other: it waits until the first is filled": """
        A1 buy 10 @99               > A1 accepted 10@99 level 10
        A2 sell 10 @105 after=A1    > A2 accepted 10@105 waits
        B1 sell 4 @99               > B1 accepted 4@99; B1 x A1 4@99 level 6
        B2 sell 6 @99               > B2 accepted 6@99; B2 x A1 6@99 level 0
                                    > A2 rested 10@105 level 10
    """,
    "one triggers other: it leaves with the first": """
        A1 buy 10 @99               > A1 accepted 10@99 level 10
        A2 sell 10 @105 after=A1    > A2 accepted 10@105 waits
        A1 cancel                   > A1 cancelled 10 REQUESTED; A2 cancelled 10 LINKED
    """,
    "one triggers other: a stop that has waited for the first waits for its price then": """
        A1 buy 10 @99               > A1 accepted 10@99 level 10
        A2 sell 9 stop=95 @90 after=A1 > A2 accepted 9@90 waits
        B1 sell 10 @99              > B1 accepted 10@99; B1 x A1 10@99 level 0
        C1 buy 2 @95                > C1 accepted 2@95 level 2
        D1 sell 1 @95               > D1 accepted 1@95; D1 x C1 1@95 level 1
                                    > A2 triggered 9@90; A2 x C1 1@95 level 0
                                    > A2 rested 8@90 level 8
    """,
    "an order has one link": """
        A1 buy 10 @99               > A1 accepted 10@99 level 10
        A2 sell 10 @105 after=A1    > A2 accepted 10@105 waits
        A3 sell 10 @106 after=A1    > REJECTED UNKNOWN_LINK
        A4 sell 10 @106 after=A2    > REJECTED UNKNOWN_LINK
        B1 sell 10 @106 after=A1    > REJECTED UNKNOWN_LINK
        A5 sell 10 @106 oco=A9      > REJECTED UNKNOWN_LINK
    """,
    "a batch is one command, each order in it is judged alone": """
        batch A1:buy:5:@99 A2:buy:0:@99 A1:replace:4:@99 > A1 accepted 5@99 level 5
                                    > REJECTED MALFORMED; A1 replaced 4@99 keeps priority
                                    > batch 2 accepted 1 refused
        batch A3:buy:5:@99 B1:buy:5:@99 > A3 accepted 5@99 level 9
                                    > REJECTED NOT_OWNER; batch 1 accepted 1 refused
    """,
    "mass cancel by side and instrument": """
        A1 buy 5 @99                > A1 accepted 5@99 level 5
        A2 sell 5 @101              > A2 accepted 5@101 level 5
        A3 buy 5 stop=105           > A3 accepted 5@0 waits
        A mass-cancel buy           > mass cancel of 2; A3 cancelled 5 MASS_CANCEL
                                    > A1 cancelled 5 MASS_CANCEL
        A mass-cancel all           > mass cancel of 1; A2 cancelled 5 MASS_CANCEL
    """,
    "a session that ends takes the orders that asked for it": """
        A1 buy 5 @99 session=7 drop > A1 accepted 5@99 level 5
        A2 buy 5 @99 session=7      > A2 accepted 5@99 level 10
        A3 buy 5 @99 session=8 drop > A3 accepted 5@99 level 15
        disconnect 7                > mass cancel of 1; A1 cancelled 5 DISCONNECT
    """,
    "good till date ends with the command that says so": """
        A1 buy 5 @99 gtd=500        > A1 accepted 5@99 level 5
        A2 buy 5 @99 gtd=501        > A2 accepted 5@99 level 10
        A3 buy 5 @99                > A3 accepted 5@99 level 15
        expire 500                  > expiring; A1 expired 5 TIME_REACHED
        A4 buy 5 @99 gtd=400        > REJECTED MALFORMED
    """,
}


@pytest.mark.parametrize("name", TABLES)
def test_core_orders(name: str, desk: Desk) -> None:
    check_table(desk, TABLES[name])


def test_one_command_does_a_bounded_part_of_the_work(small_desk: Desk) -> None:
    check_table(
        small_desk,
        """
        A1 buy 5 @99                > A1 accepted 5@99 level 5
        A2 buy 5 @98                > A2 accepted 5@98 level 5
        A3 buy 5 @97                > A3 accepted 5@97 level 5
        A4 buy 5 @96                > A4 accepted 5@96 level 5
        A mass-cancel               > mass cancel of 4; A4 cancelled 5 MASS_CANCEL
                                    > A3 cancelled 5 MASS_CANCEL; A2 cancelled 5 MASS_CANCEL
                                    > work remains
        continue                    > A1 cancelled 5 MASS_CANCEL
        continue                    >
        """,
    )


def test_one_order_makes_a_bounded_number_of_trades(small_desk: Desk) -> None:
    check_table(
        small_desk,
        """
        A1 sell 1 @100              > A1 accepted 1@100 level 1
        A2 sell 1 @100              > A2 accepted 1@100 level 2
        A3 sell 1 @100              > A3 accepted 1@100 level 3
        A4 sell 1 @100              > A4 accepted 1@100 level 4
        B1 buy 9 @100               > B1 accepted 9@100; B1 x A1 1@100 level 3
                                    > B1 x A2 1@100 level 2; B1 x A3 1@100 level 1
                                    > B1 cancelled 6 TOO_MANY_TRADES
        book                        > | 100x1
        """,
    )
