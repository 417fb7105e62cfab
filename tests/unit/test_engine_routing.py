"""Which of several engines a command is for, and what many answers come to."""

import pytest

from shared.domain import records as r
from shared.domain.commands import (
    AddAccount,
    AddInstrument,
    Batch,
    CancelOrder,
    Command,
    DepositShares,
    MassCancel,
    MoveCash,
    PlaceOrder,
    ReplaceOrder,
    SetAccountState,
    SetInstrumentState,
    SetLimits,
    Settle,
)
from shared.domain.events import EngineEvent, decode_event
from shared.domain.extended_orders import PlaceExtendedOrder
from shared.domain.market_commands import (
    BustTrade,
    CorrectTrade,
    DelistInstrument,
    EndOfDay,
    ExpireOrders,
    PublishIndicative,
    SetAccountTerm,
    SetFeeTier,
    SetInstrumentTerms,
    SetKillSwitch,
    SetThrottle,
    SetTickTable,
    TradeTerms,
    Uncross,
)
from shared.domain.reject_codes import RejectCode
from shared.hotpath_client.routing import ALL, NoRoute, Routing, home_shard
from shared.hotpath_client.sharded import combined, refusal_of
from shared.ports.engine import CommandResult
from shared.reference import instruments

SHARDS = 3
INSTRUMENT, ITS_SHARD = 8, 2
ACCOUNT, HOME = 1_001, 2
ROUTING = Routing(SHARDS, lambda instrument_id: instrument_id % SHARDS)
TRADE = TradeTerms(1, 2, 3, 4, 5, 6)

AT_THE_INSTRUMENT: list[Command] = [
    PlaceOrder(ACCOUNT, 1, INSTRUMENT, r.BUY, r.LIMIT, r.GTC, 1, 1),
    PlaceExtendedOrder(ACCOUNT, 1, INSTRUMENT, r.BUY, r.LIMIT, r.FOK, 1, 1),
    CancelOrder(ACCOUNT, 1, INSTRUMENT),
    ReplaceOrder(ACCOUNT, 1, INSTRUMENT, 1, 1),
    MassCancel(ACCOUNT, INSTRUMENT),
    DepositShares(1, ACCOUNT, INSTRUMENT, 1),
    Settle(1, ACCOUNT, INSTRUMENT, -1, 1),
    AddInstrument(1, INSTRUMENT, 840, 1, 1, 1, 1, 1, 1),
    SetInstrumentState(1, INSTRUMENT, r.SESSION_HALTED),
    SetInstrumentTerms(1, INSTRUMENT),
    Uncross(1, INSTRUMENT, r.SESSION_CONTINUOUS),
    PublishIndicative(INSTRUMENT),
    DelistInstrument(1, INSTRUMENT),
    EndOfDay(1, INSTRUMENT),
    ExpireOrders(1, INSTRUMENT),
    BustTrade(1, INSTRUMENT, TRADE),
    CorrectTrade(1, INSTRUMENT, TRADE, 1, 1),
]
AT_HOME: list[Command] = [
    MoveCash(kind, 1, ACCOUNT, 1)
    for kind in (r.DEPOSIT_CASH, r.HOLD_WITHDRAWAL, r.CONFIRM_WITHDRAWAL, r.RELEASE_WITHDRAWAL)
]
AT_ALL: list[Command] = [
    AddAccount(1, ACCOUNT, 840),
    SetLimits(1, ACCOUNT, 1, 1, 1, 1),
    SetAccountState(1, ACCOUNT, r.ACCOUNT_HALTED),
    SetAccountTerm(r.SET_ACCOUNT_FEE_TIER, 1, ACCOUNT, 1),
    SetKillSwitch(1, r.KILL_FIRM, 0, True),
    SetThrottle(1, 5, ACCOUNT),
    SetFeeTier(1, 1, 1, 1, 1),
    SetTickTable(1, 1, ((1, 1),)),
    MassCancel(ACCOUNT, 0),
    SetInstrumentState(1, 0, r.SESSION_HALTED),
    EndOfDay(1),
    ExpireOrders(1),
]


@pytest.mark.parametrize(
    "commands, wanted", [(AT_THE_INSTRUMENT, ITS_SHARD), (AT_HOME, HOME), (AT_ALL, ALL)]
)
def test_each_kind_of_command_goes_where_it_belongs(commands: list[Command], wanted: int) -> None:
    assert {type(command).__name__: ROUTING.of(command) for command in commands} == {
        type(command).__name__: wanted for command in commands
    }


@pytest.mark.parametrize("kind", [r.CREDIT_OUT, r.CREDIT_IN, r.CREDIT_UNDO])
def test_a_credit_move_has_no_shard_of_its_own(kind: int) -> None:
    with pytest.raises(NoRoute):
        ROUTING.of(MoveCash(kind, 1, ACCOUNT, 1))


def test_a_batch_is_for_one_shard() -> None:
    orders = (PlaceOrder(ACCOUNT, n, n, r.BUY, r.LIMIT, r.GTC, 1, 1) for n in (2, 5, 3))
    same, its, other = orders
    assert ROUTING.of(Batch(ACCOUNT, (same, its))) == 2
    with pytest.raises(NoRoute):
        ROUTING.of(Batch(ACCOUNT, (same, other)))


def test_every_instrument_has_one_of_the_shards_and_every_account_a_home() -> None:
    for shards in (1, 2, 3, 5):
        found = {instruments().shard_of(item.instrument_id, shards) for item in instruments()}
        assert found <= set(range(shards))
        assert {home_shard(account, shards) for account in range(1_001, 1_100)} == set(
            range(shards)
        )
    assert len({instruments().shard_of(item.instrument_id, 3) for item in instruments()}) == 3


def event(code: RejectCode | None) -> EngineEvent:
    kind = r.CASH_CHANGED if code is None else r.REJECTED
    words = [0] * r.EVENT_WORDS
    words[r.E_HEADER] = r.pack_event_header(kind, code=int(code or 0))
    return decode_event(words, 1, 0, 1)


@pytest.mark.parametrize(
    "codes, deciding",
    [
        ((None, None, None), 0),
        ((RejectCode.DUPLICATE_ID, None, RejectCode.DUPLICATE_ID), 0),
        ((RejectCode.DUPLICATE_ID,) * 3, 0),
        ((None, RejectCode.DUPLICATE_ID, RejectCode.UNKNOWN_ACCOUNT), 2),
        ((RejectCode.CAPACITY, None, RejectCode.UNKNOWN_ACCOUNT), 0),
    ],
)
def test_a_refusal_decides_and_else_the_first_shard(
    codes: tuple[RejectCode | None, ...], deciding: int
) -> None:
    parts = [CommandResult(10 + n, 1, [event(code)], shard=n) for n, code in enumerate(codes)]
    result = combined(parts)
    assert (result.shard, result.sequence) == (deciding, 10 + deciding)
    assert refusal_of(result) is codes[deciding]
    assert [refusal_of(part) for part in result.parts] == list(codes)
