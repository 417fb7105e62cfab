"""Cash and lots: what orders reserve, what trades move, what may be withdrawn, what settles."""

from shared.domain import records as r
from shared.domain.commands import MoveCash, Settle
from tests.support.core_script import ACCOUNTS, CASH_MINOR, INSTRUMENT, LOTS, Desk, told

A, B = ACCOUNTS["A"], ACCOUNTS["B"]


def cash(desk: Desk, account: int) -> tuple[int, int, int, int]:
    """Return total, settled, reserved, held, from a settlement of nothing."""
    event = desk.send(Settle(desk.new_id(), account, INSTRUMENT, 0, 0))[0]
    return (event[r.E_TOTAL], event[r.E_SETTLED], event[r.E_RESERVED], event[r.E_HELD])


def lots(desk: Desk, account: int) -> tuple[int, int, int]:
    """Return total, settled, reserved lots, from a settlement of nothing."""
    event = desk.send(Settle(desk.new_id(), account, INSTRUMENT, 0, 0))[1]
    return event[r.E_TOTAL], event[r.E_SETTLED], event[r.E_RESERVED]


def test_a_buy_reserves_its_limit_and_a_cancel_gives_it_back(desk: Desk) -> None:
    desk.say("A1 buy 10 @99")
    assert cash(desk, A) == (CASH_MINOR, CASH_MINOR, 990, 0)
    desk.say("A1 replace 4 @98")
    assert cash(desk, A) == (CASH_MINOR, CASH_MINOR, 392, 0)
    desk.say("A1 cancel")
    assert cash(desk, A) == (CASH_MINOR, CASH_MINOR, 0, 0)


def test_a_trade_at_a_better_price_frees_the_difference(desk: Desk) -> None:
    desk.say("B1 sell 4 @95")
    desk.say("A1 buy 10 @99")
    assert cash(desk, A) == (CASH_MINOR - 380, CASH_MINOR, 594, 0)
    assert cash(desk, B) == (CASH_MINOR + 380, CASH_MINOR, 0, 0)
    assert lots(desk, A) == (LOTS + 4, LOTS, 0)
    assert lots(desk, B) == (LOTS - 4, LOTS, 0)


def test_a_market_order_reserves_at_the_collar_and_keeps_nothing_reserved(desk: Desk) -> None:
    desk.send(MoveCash(r.HOLD_WITHDRAWAL, desk.new_id(), A, CASH_MINOR - 1_099))
    assert desk.say("A1 buy 10 market") == ["refused INSUFFICIENT_FUNDS"]  # 10 x 110
    desk.say("B1 sell 3 @100")
    assert desk.say("A1 buy 9 market")[-1] == "A1 cancelled 6 NO_LIQUIDITY"
    assert cash(desk, A) == (CASH_MINOR - 300, CASH_MINOR, 0, CASH_MINOR - 1_099)


def test_sells_reserve_lots(desk: Desk) -> None:
    desk.say("A1 sell 10 @101")
    assert lots(desk, A) == (LOTS, LOTS, 10)
    desk.say("A1 replace 3 @101")
    assert lots(desk, A) == (LOTS, LOTS, 3)
    desk.say("B1 buy 2 @101")
    assert lots(desk, A) == (LOTS - 2, LOTS, 1)


def test_bought_lots_and_earned_cash_can_be_used_at_once(desk: Desk) -> None:
    desk.say("A1 sell 500 @100")
    desk.say("A2 sell 500 @100")
    assert len(desk.say("B1 buy 500 @100")) == 2
    assert desk.say("B2 sell 500 @120") == ["B2 accepted 500@120 level 500"]
    assert desk.say("B3 sell 500 @120") == ["B3 accepted 500@120 level 1000"]
    assert desk.say("B4 sell 500 @120") == ["B4 accepted 500@120 level 1500"]
    assert desk.say("B5 sell 1 @120") == ["refused INSUFFICIENT_POSITION"]


def test_only_settled_and_unpromised_cash_can_be_held(desk: Desk) -> None:
    desk.say("A1 buy 10 @100")
    desk.say("B1 sell 10 @100")  # B earns 1,000 that has not settled
    desk.say("A2 buy 5 @100")
    ask = MoveCash(r.HOLD_WITHDRAWAL, desk.new_id(), A, CASH_MINOR - 1_499)
    assert [told(event) for event in desk.send(ask)] == ["refused INSUFFICIENT_FUNDS"]
    ask = MoveCash(r.HOLD_WITHDRAWAL, desk.new_id(), A, CASH_MINOR - 1_500)
    assert desk.send(ask)[0][r.E_HELD] == CASH_MINOR - 1_500
    ask = MoveCash(r.HOLD_WITHDRAWAL, desk.new_id(), B, CASH_MINOR + 1)
    assert [told(event) for event in desk.send(ask)] == ["refused INSUFFICIENT_FUNDS"]
    ask = MoveCash(r.HOLD_WITHDRAWAL, desk.new_id(), B, CASH_MINOR)
    assert desk.send(ask)[0][r.E_HELD] == CASH_MINOR


def test_a_hold_ends_once_by_confirmation_or_release(desk: Desk) -> None:
    first, second = desk.new_id(), desk.new_id()
    for hold in (first, second):
        desk.send(MoveCash(r.HOLD_WITHDRAWAL, hold, A, 100))
    confirm = desk.send(MoveCash(r.CONFIRM_WITHDRAWAL, desk.new_id(), A, 0, first))[0]
    assert confirm[r.E_DELTA : r.E_HELD + 1] == (-100, CASH_MINOR - 100, CASH_MINOR - 100, 0, 100)
    release = desk.send(MoveCash(r.RELEASE_WITHDRAWAL, desk.new_id(), A, 100, second))[0]
    assert release[r.E_DELTA : r.E_HELD + 1] == (-100, CASH_MINOR - 100, CASH_MINOR - 100, 0, 0)
    for kind in (r.CONFIRM_WITHDRAWAL, r.RELEASE_WITHDRAWAL):
        for hold in (first, second):
            again = desk.send(MoveCash(kind, desk.new_id(), A, 0, hold))
            assert [told(event) for event in again] == ["refused UNKNOWN_HOLD"]


def test_settlement_turns_unsettled_into_settled(desk: Desk) -> None:
    desk.say("A1 buy 10 @100")
    desk.say("B1 sell 10 @100")
    desk.send(Settle(desk.new_id(), A, INSTRUMENT, -1_000, 10))
    desk.send(Settle(desk.new_id(), B, INSTRUMENT, 1_000, -10))
    assert cash(desk, A) == (CASH_MINOR - 1_000, CASH_MINOR - 1_000, 0, 0)
    assert lots(desk, A) == (LOTS + 10, LOTS + 10, 0)
    assert cash(desk, B) == (CASH_MINOR + 1_000, CASH_MINOR + 1_000, 0, 0)
    assert lots(desk, B) == (LOTS - 10, LOTS - 10, 0)


def test_no_sum_passes_the_largest_amount(desk: Desk) -> None:
    room = r.MAX_AMOUNT_MINOR - 3 * CASH_MINOR
    too_much = MoveCash(r.DEPOSIT_CASH, desk.new_id(), A, room + 1)
    assert [told(event) for event in desk.send(too_much)] == ["refused VALUE_OVERFLOW"]
    assert desk.send(MoveCash(r.DEPOSIT_CASH, desk.new_id(), A, room))[0][r.E_DELTA] == room
    settle = Settle(desk.new_id(), A, INSTRUMENT, r.MAX_AMOUNT_MINOR, 0)
    assert [told(event) for event in desk.send(settle)] == ["refused VALUE_OVERFLOW"]
