"""Risk and money: reservations, fees, limits, throttles, switches, busts."""

import pytest

from tests.support.core_script import Desk, check_table

TABLES = {
    "a buy reserves its worst value and the highest fee that it may owe": """
        tier 1 -100 300 200         > tier
        A tier 1                    > terms
        A1 buy 10 @99               > A1 accepted 10@99 level 10
        A owns                      > 1000000 reserved 991 available 999009 lots 1000
        A1 cancel                   > A1 cancelled 10 REQUESTED
        A owns                      > 1000000 reserved 0 available 1000000 lots 1000
    """,
    "fees round up once per order, not once per trade": """
        tier 1 0 1000 0             > tier
        A tier 1                    > terms
        B1 sell 1 @100              > B1 accepted 1@100 level 1
        B2 sell 9 @100              > B2 accepted 9@100 level 10
        B3 sell 9 @101              > B3 accepted 9@101 level 9
        A1 buy 12 @101              > A1 accepted 12@101; A1 x B1 1@100 level 9; A1 fee 1
                                    > A1 x B2 9@100 level 0; A1 x B3 2@101 level 7; A1 fee 1
        A owns                      > 998796 reserved 0 available 998796 lots 1012
    """,
    "a rebate rounds down": """
        tier 1 -1500 0 0            > tier
        B tier 1                    > terms
        B1 sell 10 @100             > B1 accepted 10@100 level 10
        A1 buy 10 @100              > A1 accepted 10@100; A1 x B1 10@100 level 0; B1 fee -1
        B owns                      > 1001001 reserved 0 available 1001001 lots 990
    """,
    "an auction has its own rate, for both sides": """
        tier 1 0 0 10000            > tier
        A tier 1                    > terms
        B tier 1                    > terms
        session volatility_auction  > session volatility_auction
        A1 buy 10 @100              > A1 accepted 10@100 level 10
        B1 sell 10 @100             > B1 accepted 10@100 level 10
        uncross continuous          > uncrossed 10@100 surplus +0; A1 x B1 10@100 auction
                                    > A1 fee 10; B1 fee 10
                                    > bids 0@100; offers 0@100; session continuous
    """,
    "open orders keep the tier that they came with": """
        A1 buy 10 @100              > A1 accepted 10@100 level 10
        tier 1 10000 10000 10000    > tier
        A tier 1                    > terms
        B1 sell 10 @100             > B1 accepted 10@100; B1 x A1 10@100 level 0
    """,
    "reservations follow partial fills and replaces": """
        A1 buy 10 @99               > A1 accepted 10@99 level 10
        B1 sell 4 @99               > B1 accepted 4@99; B1 x A1 4@99 level 6
        A owns                      > 999604 reserved 594 available 999010 lots 1004
        A1 replace 2 @98            > A1 replaced 2@98
        A owns                      > 999604 reserved 196 available 999408 lots 1004
    """,
    "a market order's buying power is bounded by the collar": """
        A hold 994501               > A cash +994501
        A1 buy 50 market ioc        > REJECTED INSUFFICIENT_FUNDS
        A2 buy 49 market ioc        > A2 accepted 49@0; A2 cancelled 49 NO_LIQUIDITY
        A3 buy 50 @109              > A3 accepted 50@109 level 50
        A4 sell 1001 @101           > REJECTED QUANTITY_TOO_LARGE
    """,
    "margin: an order reserves its part, a long position lends, a short one binds": """
        A margin 200                > terms
        B1 sell 10 @100             > B1 accepted 10@100 level 10
        A owns                      > 1000000 reserved 0 available 1050000 lots 1000
        A1 buy 10 @99               > A1 accepted 10@99 level 10
        A owns                      > 1000000 reserved 495 available 1049505 lots 1000
        A1 cancel                   > A1 cancelled 10 REQUESTED
        A2 buy 10 @100              > A2 accepted 10@100; A2 x B1 10@100 level 0
        A owns                      > 999000 reserved 0 available 1049500 lots 1010
    """,
    "a short sale needs the flag, a margin account and located lots": """
        A hold 900000                    > A cash +900000
        A1 sell 400 @100                 > A1 accepted 400@100 level 400
        A2 sell 400 @101                 > A2 accepted 400@101 level 400
        A3 sell 201 @101                 > REJECTED INSUFFICIENT_POSITION
        A3 sell 201 @101 short locate=201 > REJECTED SHORT_NOT_ALLOWED
        A margin 200                     > terms
        A3 sell 201 @101 short locate=200 > REJECTED LOCATE_TOO_SMALL
        A3 sell 201 @101 short locate=201 > A3 accepted 201@101 level 601
        A owns                           > 1000000 reserved 10151 available 139849 lots 1000
        A4 buy 800 @100                  > REJECTED QUANTITY_TOO_LARGE
        A4 buy 500 @600                  > REJECTED LEVERAGE_LIMIT
    """,
    "limits on an order, on its value, on a position, on open orders": """
        A limits 10 900 1010 1      > limits
        A1 buy 11 @50               > REJECTED ORDER_SIZE_LIMIT
        A1 buy 10 @91               > REJECTED ORDER_VALUE_LIMIT
        A1 buy 8 @90                > A1 accepted 8@90 level 8
        A2 buy 3 @90                > REJECTED POSITION_LIMIT
        A2 buy 2 @90                > REJECTED OPEN_ORDER_LIMIT
        A3 buy 2 @90 ioc            > A3 accepted 2@90; A3 cancelled 2 IOC_REMAINDER
    """,
    "so many orders in a window of time, for an account and for a session": """
        A throttle 2                > throttle
        session-throttle 7 1        > throttle
        A1 buy 1 @99 session=7      > A1 accepted 1@99 level 1
        A2 buy 1 @99 session=7      > REJECTED SESSION_THROTTLED
        A1 replace 2 @99            > REJECTED SESSION_THROTTLED
        A3 buy 1 @99                > A3 accepted 1@99 level 2
        A4 buy 1 @99                > REJECTED ACCOUNT_THROTTLED
        A1 cancel                   > A1 cancelled 1 REQUESTED
        expire 1000000000           > expiring
        A5 buy 1 @99                > A5 accepted 1@99 level 2
    """,
    "the kill switch refuses and cancels: account, group, firm": """
        A1 buy 1 @99                > A1 accepted 1@99 level 1
        B1 buy 1 @99                > B1 accepted 1@99 level 2
        C1 buy 1 @99                > C1 accepted 1@99 level 3
        B group 5                   > terms
        kill account A on           > kill; A1 cancelled 1 KILL_SWITCH
        A2 buy 1 @99                > REJECTED KILL_SWITCH
        kill account A off          > kill
        A3 buy 1 @99                > A3 accepted 1@99 level 3
        kill group 5 on             > kill; B1 cancelled 1 KILL_SWITCH
        B2 buy 1 @99                > REJECTED KILL_SWITCH
        kill firm 0 on              > kill; A3 cancelled 1 KILL_SWITCH; C1 cancelled 1 KILL_SWITCH
        D1 buy 1 @99                > REJECTED KILL_SWITCH
    """,
    "a reducing account may only come nearer to nothing": """
        A state 2                   > account state
        A1 buy 1 @99                > REJECTED ACCOUNT_REDUCING
        A2 sell 1 @101              > A2 accepted 1@101 level 1
        A state 3                   > account state
        A3 sell 1 @101              > REJECTED ACCOUNT_HALTED
    """,
    "credit lines move between shards, and come back once": """
        A credit-out 400            > A cash -400
        A credit-undo               > A cash +400
        A credit-undo               > REJECTED UNKNOWN_CREDIT_MOVE
        A credit-in 50              > A cash +50
        A credit-out 1000051        > REJECTED INSUFFICIENT_FUNDS
        A owns                      > 1000050 reserved 0 available 1000050 lots 1000
    """,
    "a busted trade is undone: cash, shares, fees": """
        tier 1 0 10000 0            > tier
        A tier 1                    > terms
        B1 sell 10 @100             > B1 accepted 10@100 level 10
        A1 buy 10 @100              > A1 accepted 10@100; A1 x B1 10@100 level 0; A1 fee 10
        bust 17 1 A B 100 10 10 0   > busted 10@100; A cash +1010; A position -10
                                    > B cash -1000; B position +10
        A owns                      > 1000000 reserved 0 available 1000000 lots 1000
        B owns                      > 1000000 reserved 0 available 1000000 lots 1000
        bust 17 1 A B 100 10 10 0   > REJECTED ALREADY_BUSTED
    """,
    "a corrected trade has other terms from then on": """
        B1 sell 10 @100               > B1 accepted 10@100 level 10
        A1 buy 10 @100                > A1 accepted 10@100; A1 x B1 10@100 level 0
        correct 15 1 A B 100 10 0 0 101 9 > corrected 9@101; A cash +91; A position -1
                                      > B cash -91; B position +1
        bust 15 1 A B 100 10 0 0      > REJECTED TRADE_DIFFERS
        bust 15 1 A B 101 9 0 0       > busted 9@101; A cash +909; A position -9
                                      > B cash -909; B position +9
        bust 99 1 A B 101 9 0 0       > REJECTED TRADE_DIFFERS
        A owns                        > 1000000 reserved 0 available 1000000 lots 1000
    """,
}


@pytest.mark.parametrize("name", TABLES)
def test_core_risk(name: str, desk: Desk) -> None:
    check_table(desk, TABLES[name])
