"""Every refusal, and which one wins when several apply: the order of RejectCode."""

from dataclasses import replace

import pytest

from shared.domain import ids
from shared.domain import records as r
from shared.domain.commands import (
    AddAccount,
    CancelOrder,
    Command,
    DepositShares,
    MoveCash,
    PlaceOrder,
    ReplaceOrder,
    SetAccountState,
    SetInstrumentState,
    SetLimits,
    Settle,
)
from shared.domain.reject_codes import RejectCode
from tests.support.core_script import ACCOUNTS, INSTRUMENT, Desk, order_id, told

EUR = 978
STRANGER, EUROPEAN = 77, 4


def refusal(desk: Desk, command: Command) -> RejectCode | None:
    """Send a command; return its refusal. A refused command gives that one event."""
    events = desk.send(command)
    if events[0][0] & 0xFF != r.REJECTED:
        return None
    assert len(events) == 1
    assert events[0][r.E_ID] == command.words()[r.C_ID]
    return RejectCode(events[0][0] >> 16 & 0xFFFF)


def sound_order(**changes: int) -> PlaceOrder:
    """Return an order of member A that nothing speaks against, but for the changes."""
    order = PlaceOrder(ACCOUNTS["A"], order_id("A1"), INSTRUMENT, r.BUY, r.LIMIT, r.GTC, 10, 100)
    return replace(order, **changes)


def test_the_sound_order_is_accepted(desk: Desk) -> None:
    assert refusal(desk, sound_order()) is None


# Each row adds one fault to those below it, so that the row's own code must win over all of them.
# (the code, what the order changes, what the desk does before)
PRECEDENCE: list[tuple[RejectCode, dict[str, int], str]] = [
    (RejectCode.INSUFFICIENT_FUNDS, {}, ""),
    (RejectCode.OPEN_ORDER_LIMIT, {}, "limit open orders"),
    (RejectCode.POSITION_LIMIT, {}, "limit position"),
    (RejectCode.ORDER_VALUE_LIMIT, {}, "limit value"),
    (RejectCode.ORDER_SIZE_LIMIT, {}, "limit size"),
    (RejectCode.VALUE_OVERFLOW, {"quantity_lots": 400}, ""),
    (RejectCode.QUANTITY_TOO_LARGE, {"quantity_lots": 501}, ""),
    (RejectCode.PRICE_OUT_OF_BAND, {"price_ticks": 151}, ""),
    (RejectCode.INSTRUMENT_HALTED, {}, "halt instrument"),
    (RejectCode.ACCOUNT_REDUCING, {}, "reduce account"),
    (RejectCode.ACCOUNT_HALTED, {}, "halt account"),
    (RejectCode.NOT_OWNER, {"order_id": order_id("B1")}, ""),
    (RejectCode.UNKNOWN_INSTRUMENT, {"instrument_id": 9}, ""),
    (RejectCode.UNKNOWN_ACCOUNT, {"account_id": STRANGER}, ""),
    (RejectCode.MALFORMED, {"side": 2}, ""),
]


_LIMITS = ["limit size", "limit value", "limit position", "limit open orders"]
_STATES: dict[str, SetInstrumentState | SetAccountState] = {
    "halt instrument": SetInstrumentState(0, INSTRUMENT, r.INSTRUMENT_HALTED),
    "reduce account": SetAccountState(0, ACCOUNTS["A"], r.ACCOUNT_REDUCING),
    "halt account": SetAccountState(0, ACCOUNTS["A"], r.ACCOUNT_HALTED),
}


def test_the_first_code_in_the_list_of_codes_wins(empty_desk: Desk) -> None:
    """Pile fault upon fault, the lowest precedence first."""
    desk = empty_desk
    desk.send(desk.add_instrument(tick_value_minor=1 << 50))
    desk.send(AddAccount(desk.new_id(), ACCOUNTS["A"], 840))
    limits = [r.NO_LIMIT] * 4
    order = sound_order()
    for code, changes, setup in PRECEDENCE:
        order = replace(order, **changes)
        if setup in _LIMITS:
            limits[_LIMITS.index(setup)] = 0
            desk.send(SetLimits(desk.new_id(), ACCOUNTS["A"], *limits))
        elif setup:
            desk.send(replace(_STATES[setup], command_id=desk.new_id()))
        assert refusal(desk, order) is code
    used = replace(order, order_id=desk.new_id() - 1)
    assert refusal(desk, used) is RejectCode.DUPLICATE_ID


def test_the_codes_of_the_precedence_table_stand_in_order() -> None:
    codes = [code for code, _, _ in PRECEDENCE]
    assert codes == sorted(codes, reverse=True)


def test_a_duplicate_names_the_first_command(desk: Desk) -> None:
    desk.say("A1 buy 10 @100")
    first = desk.sequence
    desk.say("A1 cancel")
    event = desk.send(sound_order(side=7))[0]
    assert told(event) == "refused DUPLICATE_ID"
    assert event[r.E_FIRST_SEQUENCE] == first


def test_a_refused_id_may_be_used_again(desk: Desk) -> None:
    assert refusal(desk, sound_order(price_ticks=151)) is RejectCode.PRICE_OUT_OF_BAND
    assert refusal(desk, sound_order()) is None


def test_selling_needs_the_shares(desk: Desk) -> None:
    assert desk.say("A1 sell 500 @120") == ["A1 accepted 500@120 level 500"]
    assert desk.say("A2 sell 500 @120") == ["A2 accepted 500@120 level 1000"]
    assert desk.say("A3 sell 1 @120") == ["refused INSUFFICIENT_POSITION"]
    desk.say("A1 cancel")
    assert desk.say("A2 replace 501 @120")[0].startswith("refused QUANTITY_TOO_LARGE")
    assert desk.say("A4 sell 500 @120") == ["A4 accepted 500@120 level 1000"]


def test_another_currency_is_refused_by_name(desk: Desk) -> None:
    desk.send(AddAccount(desk.new_id(), EUROPEAN, EUR))
    order = sound_order(account_id=EUROPEAN, order_id=ids.member_order_id(EUROPEAN, 1))
    shares = DepositShares(desk.new_id(), EUROPEAN, INSTRUMENT, 1)
    settle = Settle(desk.new_id(), EUROPEAN, INSTRUMENT, 1, 1)
    for command in (order, shares, settle):
        assert refusal(desk, command) is RejectCode.CURRENCY_MISMATCH


def test_a_market_order_needs_a_reference_price(desk: Desk) -> None:
    desk.send(desk.add_instrument(reference_price_ticks=0))
    assert desk.say("A1 buy 1 market") == ["refused NO_REFERENCE_PRICE"]


def test_cancels_are_taken_while_all_is_halted(desk: Desk) -> None:
    desk.say("A1 buy 10 @100")
    desk.say("A2 buy 10 @100")
    desk.send(SetInstrumentState(desk.new_id(), INSTRUMENT, r.INSTRUMENT_HALTED))
    desk.send(SetAccountState(desk.new_id(), ACCOUNTS["A"], r.ACCOUNT_HALTED))
    assert desk.say("A1 replace 5 @100") == ["refused ACCOUNT_HALTED"]
    assert desk.say("A1 cancel") == ["A1 cancelled 10 REQUESTED"]
    assert desk.say("A mass-cancel")[-1] == "1 cancelled, 0 still open"


def test_a_reducing_account_may_sell_and_shrink_but_not_buy(desk: Desk) -> None:
    desk.say("A1 buy 10 @90")
    desk.send(SetAccountState(desk.new_id(), ACCOUNTS["A"], r.ACCOUNT_REDUCING))
    assert desk.say("A2 buy 1 @90") == ["refused ACCOUNT_REDUCING"]
    assert desk.say("A1 replace 11 @90") == ["refused ACCOUNT_REDUCING"]
    assert desk.say("A1 replace 9 @90")[0].startswith("A1 replaced 9@90")
    assert desk.say("A3 sell 10 @110") == ["A3 accepted 10@110 level 10"]


def test_a_cancel_names_its_own_open_order(desk: Desk) -> None:
    desk.say("A1 buy 10 @100")
    a, b = ACCOUNTS["A"], ACCOUNTS["B"]
    rows: list[tuple[Command, RejectCode]] = [
        (CancelOrder(a, 0, INSTRUMENT), RejectCode.MALFORMED),
        (CancelOrder(STRANGER, order_id("A1"), INSTRUMENT), RejectCode.UNKNOWN_ACCOUNT),
        (CancelOrder(a, order_id("A1"), 9), RejectCode.UNKNOWN_INSTRUMENT),
        (CancelOrder(a, order_id("A2"), INSTRUMENT), RejectCode.UNKNOWN_ORDER),
        (CancelOrder(a, desk.new_id() - 1, INSTRUMENT), RejectCode.UNKNOWN_ORDER),
        (CancelOrder(b, order_id("A1"), INSTRUMENT), RejectCode.NOT_OWNER),
        (ReplaceOrder(b, order_id("A1"), INSTRUMENT, 100, 5), RejectCode.NOT_OWNER),
        (ReplaceOrder(a, order_id("A1"), INSTRUMENT, 0, 5), RejectCode.MALFORMED),
        (ReplaceOrder(a, order_id("A1"), INSTRUMENT, 100, 0), RejectCode.MALFORMED),
    ]
    for command, code in rows:
        assert refusal(desk, command) is code, command


@pytest.mark.parametrize("kind", [0, 5, 15, 22, 27, 127, 130, 255])
def test_an_unknown_kind_is_refused_by_name(desk: Desk, kind: int) -> None:
    event = desk.send_words([kind, 1, 1, 0, 0, 0, 0, 0] + [0] * 8)[0]
    assert told(event) == "refused UNKNOWN_KIND"


@pytest.mark.parametrize("word", [r.C_SEQUENCE, r.C_TIME_NS])
def test_a_stamp_that_no_sequencer_makes_is_refused(desk: Desk, word: int) -> None:
    words = sound_order().words()
    words[r.C_SEQUENCE] = desk.sequence + 1
    words[word] = -1
    assert [told(event) for event in desk.engine.apply_words(words)] == ["refused MALFORMED"]


def test_holds_of_others_and_of_nobody_are_unknown(desk: Desk) -> None:
    hold, a, b = desk.new_id(), ACCOUNTS["A"], ACCOUNTS["B"]
    desk.send(MoveCash(r.HOLD_WITHDRAWAL, hold, a, 100))
    for kind in (r.CONFIRM_WITHDRAWAL, r.RELEASE_WITHDRAWAL):
        for account, amount, target in ((b, 0, hold), (a, 99, hold), (a, 0, hold + 5)):
            command = MoveCash(kind, desk.new_id(), account, amount, target)
            assert refusal(desk, command) is RejectCode.UNKNOWN_HOLD
