"""Sessions, auctions and what bounds prices: collars, limit bands, circuit breakers."""

import pytest

from shared.domain import records as r
from tests.support.core_events import tell
from tests.support.core_script import Desk, check_table

SESSIONS = {
    "the day of an instrument": """
        session closed              > session closed
        A1 buy 5 @100               > REJECTED INSTRUMENT_CLOSED
        session pre_open            > session pre_open
        A1 buy 5 @102               > A1 accepted 5@102 level 5
        B1 sell 3 @98               > B1 accepted 3@98 level 3
        C1 sell 4 market open       > C1 accepted 4@0 waits
        indicative                  > indicative 5@98 surplus -2
        session opening_uncross     > session opening_uncross
        A1 cancel                   > A1 cancelled 5 REQUESTED
        A2 buy 5 @102               > REJECTED INSTRUMENT_CLOSED
        uncross continuous          > uncrossed 0@0 surplus +0; C1 expired 4 AUCTION_OVER
                                    > session continuous
        D1 buy 2 @99 close          > D1 accepted 2@99 waits
        session closing_auction     > session closing_auction
        uncross closed              > uncrossed 2@98 surplus -1; D1 x B1 2@98 auction
                                    > offers 1@98; session closed
        end-of-day                  > instrument
        end-of-day 0                > day
    """,
    "a call lets the book cross, and only an uncross ends it then": """
        session volatility_auction  > session volatility_auction
        A1 buy 5 @101               > A1 accepted 5@101 level 5
        B1 sell 5 @99               > B1 accepted 5@99 level 5
        session halted              > session halted
        session continuous          > REJECTED UNCROSS_NEEDED
        session volatility_auction  > session volatility_auction
        uncross continuous          > uncrossed 5@100 surplus +0; A1 x B1 5@100 auction
                                    > bids 0@101; offers 0@99; session continuous
    """,
    "halted: cancels only": """
        A1 buy 5 @99                > A1 accepted 5@99 level 5
        session halted              > session halted
        A1 replace 4 @99            > REJECTED INSTRUMENT_HALTED
        A2 buy 5 @99                > REJECTED INSTRUMENT_HALTED
        A1 cancel                   > A1 cancelled 5 REQUESTED
    """,
    "not every session may follow every other": """
        session pre_open            > REJECTED SESSION_CANNOT_FOLLOW
        uncross continuous          > REJECTED SESSION_CANNOT_FOLLOW
        indicative                  > REJECTED SESSION_CANNOT_FOLLOW
        end-of-day                  > REJECTED SESSION_CANNOT_FOLLOW
        session halted everywhere   > session halted
        session halted everywhere   > REJECTED SESSION_CANNOT_FOLLOW
    """,
    "calls refuse what needs a best price or trades at once": """
        session closing_auction     > session closing_auction
        A1 buy 5 @99 ioc            > REJECTED NOT_IN_SESSION
        A1 buy 5 @99 fok            > REJECTED NOT_IN_SESSION
        A1 buy 5 @99 post           > REJECTED NOT_IN_SESSION
        A1 buy 5 mtl                > REJECTED NOT_IN_SESSION
        A1 buy 5 peg=mid @99        > REJECTED NOT_IN_SESSION
        A1 buy 5 @99 open           > REJECTED NOT_IN_SESSION
        A1 buy 5 @99 close          > A1 accepted 5@99 waits
        A2 buy 5 stop=105           > A2 accepted 5@0 waits
        A3 buy 5 @99 hidden         > A3 accepted 5@99 level 0
    """,
    "the day's orders expire when it ends, others stay": """
        A1 buy 5 @99 day            > A1 accepted 5@99 level 5
        A2 buy 5 @98                > A2 accepted 5@98 level 5
        A3 sell 5 @105 close        > A3 accepted 5@105 waits
        session closed              > session closed
        end-of-day                  > instrument; A3 expired 5 DAY_OVER; A1 expired 5 DAY_OVER
        book                        > 98x5 |
    """,
    "linked orders may both trade in an auction: links act when it has traded": """
        session volatility_auction  > session volatility_auction
        A1 buy 5 @101               > A1 accepted 5@101 level 5
        A2 buy 5 @100 oco=A1        > A2 accepted 5@100 level 5
        B1 sell 6 @100              > B1 accepted 6@100 level 6
        uncross continuous          > uncrossed 6@100 surplus +4; A1 x B1 5@100 auction
                                    > A2 x B1 1@100 auction; A2 cancelled 4 LINKED
                                    > bids 0@101; bids 0@100; offers 0@100
                                    > session continuous
    """,
    "a delisted instrument takes nothing any more": """
        session closed              > session closed
        delist                      > REJECTED POSITIONS_OPEN
    """,
}


def test_an_instrument_that_nobody_owns_is_delisted_and_its_orders_go(desk: Desk) -> None:
    terms = {3: 100, 4: 1, r.C_MAX_ORDER_LOTS: 50, r.C_INSTRUMENT_CURRENCY: 840}
    desk.administer(r.ADD_INSTRUMENT, values=terms, instrument=2)
    buy = desk.order_words("A1 buy 5 @99")
    buy[0] = r.pack_command_header(r.PLACE_ORDER, 0, r.LIMIT, r.GTC, 0, 2)
    desk.send(buy[:8])
    desk.administer(r.SET_INSTRUMENT_STATE, values={4: r.SESSION_CLOSED}, instrument=2)
    events = desk.administer(r.DELIST_INSTRUMENT, instrument=2)
    assert [tell(event) for event in events] == ["session delisted", "A1 cancelled 5 DELISTED"]
    again = desk.administer(r.DELIST_INSTRUMENT, instrument=2)
    assert [tell(event) for event in again] == ["REJECTED INSTRUMENT_DELISTED"]


# Buys and sells in a call, then what the uncross gives.
UNCROSS = {
    "maximum volume": ("buy 10 @101, buy 5 @100, sell 12 @100", "12@100 surplus +3"),
    "then minimum surplus": (
        "buy 10 @103, sell 10 @101, sell 3 @102",
        "10@101 surplus +0",
    ),
    "then pressure of buyers: the highest price": (
        "buy 20 @103, sell 10 @101",
        "10@103 surplus +10",
    ),
    "then pressure of sellers: the lowest price": (
        "buy 10 @103, sell 20 @101",
        "10@101 surplus -10",
    ),
    "then the price nearest to the last": ("buy 10 @104, sell 10 @102", "10@102 surplus +0"),
    "the last price itself, where it lies between": (
        "buy 10 @104, sell 10 @97",
        "10@100 surplus +0",
    ),
    "the higher of two that are as near": (
        "buy 10 @104, sell 10 @96, buy 1 @99, sell 1 @101, sell 1 @100, buy 1 @100",
        "11@100 surplus +0",
    ),
    "nothing crosses": ("buy 10 @99, sell 10 @101", "0@0 surplus +0"),
    "hidden orders and whole icebergs take part": (
        "buy 10 @101 show=2, sell 12 @101 hidden",
        "10@101 surplus -2",
    ),
}
PRICES = {
    "the static collar refuses limits far from the reference": """
        terms static=500            > instrument
        A1 buy 5 @105               > A1 accepted 5@105 level 5
        A2 buy 5 @106               > REJECTED PRICE_COLLAR
        A3 buy 5 @94                > REJECTED PRICE_COLLAR
    """,
    "at the end of the day the last price becomes the reference": """
        terms static=500            > instrument
        A1 sell 1 @104              > A1 accepted 1@104 level 1
        B1 buy 1 @104               > B1 accepted 1@104; B1 x A1 1@104 level 0
        B2 buy 1 @109               > REJECTED PRICE_COLLAR
        session closed              > session closed
        end-of-day                  > instrument
        session continuous          > session continuous
        B3 buy 1 @109               > B3 accepted 1@109 level 1
    """,
    "the dynamic collar cancels what would go too far": """
        terms dynamic=200           > instrument
        A1 sell 5 @102              > A1 accepted 5@102 level 5
        A2 sell 5 @105              > A2 accepted 5@105 level 5
        B1 buy 9 @105               > B1 accepted 9@105; B1 x A1 5@102 level 0
                                    > DYNAMIC_COLLAR at 105; B1 cancelled 4 COLLAR
    """,
    "or calls a volatility auction, which the aggressor joins": """
        terms dynamic=200 auction=1 > instrument
        A2 sell 5 @105              > A2 accepted 5@105 level 5
        B1 buy 4 @105               > B1 accepted 4@105; DYNAMIC_COLLAR at 105
                                    > session volatility_auction by DYNAMIC_COLLAR
                                    > B1 rested 4@105 level 4
        uncross continuous          > uncrossed 4@105 surplus -1; B1 x A2 4@105 auction
                                    > bids 0@105; offers 1@105; session continuous
    """,
    "or calls one, which an order that trades at once does not join": """
        terms dynamic=200 auction=1 > instrument
        A2 sell 5 @105              > A2 accepted 5@105 level 5
        B1 buy 4 @105 ioc           > B1 accepted 4@105; DYNAMIC_COLLAR at 105
                                    > session volatility_auction by DYNAMIC_COLLAR
                                    > B1 cancelled 4 COLLAR
    """,
    "no trade beyond a limit band: the aggressor rests at the band": """
        terms band=500              > instrument
        A1 sell 5 @106              > A1 accepted 5@106 level 5
        B1 buy 5 @107               > B1 accepted 5@107; LIMIT_UP at 106
                                    > B1 rested 5@105 level 5
        C1 sell 5 @90               > C1 accepted 5@90; C1 x B1 5@105 level 0
        D1 buy 5 @94                > D1 accepted 5@94 level 5
        C2 sell 5 @90               > C2 accepted 5@90; LIMIT_DOWN at 94
                                    > C2 rested 5@95 level 5
    """,
    "a trade that breaks the circuit halts the instrument": """
        terms breaker=500           > instrument
        A1 sell 5 @105              > A1 accepted 5@105 level 5
        A2 sell 5 @106              > A2 accepted 5@106 level 5
        C1 buy 1 stop=103           > C1 accepted 1@0 waits
        B1 buy 9 @106               > B1 accepted 9@106; B1 x A1 5@105 level 0
                                    > CIRCUIT_BREAKER at 105
                                    > session halted by CIRCUIT_BREAKER; B1 cancelled 4 HALTED
        session volatility_auction  > session volatility_auction
        uncross continuous          > uncrossed 0@0 surplus +0; session continuous
                                    > C1 triggered 1@113; C1 x A2 1@106 level 4
                                    > CIRCUIT_BREAKER at 106
                                    > session halted by CIRCUIT_BREAKER
    """,
    "steps of the price, lots, least value": """
        ticks 1 1:5 100:10          > ticks
        terms ticks=1 lot=10 notional=900 > instrument
        A1 buy 10 @95               > A1 accepted 10@95 level 10
        A2 buy 10 @96               > REJECTED OFF_TICK
        A2 buy 10 @105              > REJECTED OFF_TICK
        A2 buy 15 @95               > REJECTED OFF_LOT
        A2 buy 20 @95 show=5        > REJECTED OFF_LOT
        A2 buy 10 @85               > REJECTED BELOW_MINIMUM_VALUE
        terms ticks=2               > REJECTED UNKNOWN_TICK_TABLE
        terms lot=0                 > REJECTED MALFORMED
    """,
}


@pytest.mark.parametrize("name", SESSIONS)
def test_core_sessions(name: str, desk: Desk) -> None:
    check_table(desk, SESSIONS[name])


@pytest.mark.parametrize("name", UNCROSS)
def test_core_uncross_price(name: str, desk: Desk) -> None:
    orders, outcome = UNCROSS[name]
    desk.run("session volatility_auction")
    for number, order in enumerate(orders.split(", ")):
        letter = "A" if order.startswith("buy") else "B"
        assert "accepted" in desk.run(f"{letter}{number + 1} {order}")[0]
    assert desk.run("indicative") == [f"indicative {outcome}"]
    assert desk.run("uncross continuous")[0] == f"uncrossed {outcome}"


def test_the_order_of_the_criteria_is_the_instruments(desk: Desk) -> None:
    """With reference before pressure, the price nearest to the last wins."""
    desk.run(f"terms criteria={0x3421}")
    desk.run("session volatility_auction")
    for order in ("A1 buy 20 @103", "B1 sell 10 @101"):
        desk.run(order)
    assert desk.run("indicative") == ["indicative 10@101 surplus +10"]
    assert desk.run(f"terms criteria={0x1234}") == ["REJECTED MALFORMED"]  # volume comes first


@pytest.mark.parametrize("name", PRICES)
def test_core_prices(name: str, desk: Desk) -> None:
    check_table(desk, PRICES[name])


def test_a_command_with_many_events_uses_up_the_sequences_behind_its_own(
    talkative_desk: Desk,
) -> None:
    """Its trades' ids go on into those sequences, so nothing else may happen under them."""
    check_table(
        talkative_desk,
        """
        session volatility_auction  > session volatility_auction
        A1 sell 2 @98               > A1 accepted 2@98 level 2
        B1 buy 1 @100               > B1 accepted 1@100 level 1
        C1 buy 1 @100               > C1 accepted 1@100 level 2
        uncross continuous          > uncrossed 2@100 surplus +0; B1 x A1 1@100 auction
                                    > C1 x A1 1@100 auction; bids 0@100; offers 0@98
                                    > session continuous; work remains
        D1 buy 1 @100               > REJECTED ENGINE_BUSY
        D1 buy 1 @100               > D1 accepted 1@100 level 1
        """,
    )
    assert talkative_desk.send_line("session volatility_auction")
    for number in range(2, 8):
        talkative_desk.send_line(f"A{number} sell 1 @100")
        talkative_desk.send_line(f"B{number} buy 1 @100")
    told = talkative_desk.send_line("uncross continuous")
    assert (len(told) - 1) // 4 == 2
    check_table(
        talkative_desk,
        """
        continue                    > work remains
        continue                    >
        A9 buy 1 @90                > A9 accepted 1@90 level 1
        """,
    )
