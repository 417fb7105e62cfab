"""The administrative command that a record's words stand for: the inverse of `Command.words`."""

from collections.abc import Sequence

from shared.domain import market_commands as m
from shared.domain import records as r
from shared.domain.commands import (
    AddAccount,
    AddInstrument,
    Command,
    DepositShares,
    MoveCash,
    SetAccountState,
    SetInstrumentState,
    SetLimits,
    Settle,
)

_CASH_KINDS = (
    r.DEPOSIT_CASH,
    r.HOLD_WITHDRAWAL,
    r.CONFIRM_WITHDRAWAL,
    r.RELEASE_WITHDRAWAL,
    r.CREDIT_OUT,
    r.CREDIT_IN,
    r.CREDIT_UNDO,
)
_TERM_KINDS = (r.SET_ACCOUNT_FEE_TIER, r.SET_ACCOUNT_GROUP, r.SET_MARGIN)


def decode_administrative(words: Sequence[int]) -> Command:
    """Return the command whose words are given; raise ValueError for orders and unknown kinds."""
    kind = words[r.C_HEADER] & 0xFF
    instrument = words[r.C_HEADER] >> 48 & 0x7FFF
    account, command_id = words[r.C_ACCOUNT], words[r.C_ID]
    if len(words) != r.command_words(kind):
        raise ValueError(f"kind {kind} has {r.command_words(kind)} words, not {len(words)}")
    if kind in _CASH_KINDS:
        amount, hold_id = words[r.C_AMOUNT_MINOR], words[r.C_TARGET_ID]
        return MoveCash(kind, command_id, account, amount, hold_id)
    if kind == r.ADD_ACCOUNT:
        return AddAccount(command_id, account, words[r.C_CURRENCY])
    if kind == r.DEPOSIT_SHARES:
        return DepositShares(command_id, account, instrument, words[r.C_QUANTITY])
    if kind == r.SETTLE:
        cash, lots = words[r.C_CASH_MINOR], words[r.C_QUANTITY]
        return Settle(command_id, account, instrument, cash, lots)
    if kind == r.SET_ACCOUNT_STATE:
        return SetAccountState(command_id, account, words[r.C_STATE])
    if kind == r.SET_INSTRUMENT_STATE:
        return SetInstrumentState(command_id, instrument, words[r.C_STATE])
    if kind == r.SET_LIMITS:
        limits = words[r.C_LIMIT_ORDER_LOTS : r.C_LIMIT_OPEN_ORDERS + 1]
        return SetLimits(command_id, account, *limits)
    if kind == r.ADD_INSTRUMENT:
        return _decode_add_instrument(words, command_id, instrument)
    return _decode_market(words, kind, command_id, instrument)


def _decode_add_instrument(words: Sequence[int], command_id: int, instrument: int) -> Command:
    return AddInstrument(
        command_id=command_id,
        instrument_id=instrument,
        currency_number=words[r.C_INSTRUMENT_CURRENCY],
        tick_value_minor=words[r.C_TICK_VALUE_MINOR],
        reference_price_ticks=words[r.C_PRICE],
        min_price_ticks=words[r.C_MIN_PRICE_TICKS],
        max_price_ticks=words[r.C_MAX_PRICE_TICKS],
        max_order_lots=words[r.C_MAX_ORDER_LOTS],
        collar_bps=words[r.C_COLLAR_BPS],
    )


def _decode_market(
    words: Sequence[int], kind: int, command_id: int, instrument: int
) -> m.MarketCommand:
    """Decode what goes beyond the everyday commands."""
    account, third, fourth = words[r.C_ACCOUNT], words[r.C_PRICE], words[r.C_QUANTITY]
    if kind in _TERM_KINDS:
        return m.SetAccountTerm(kind, command_id, account, fourth)
    if kind in (r.BUST_TRADE, r.CORRECT_TRADE):
        return _decode_amendment(words, kind, command_id, instrument)
    match kind:
        case r.UNCROSS:
            return m.Uncross(command_id, instrument, fourth)
        case r.PUBLISH_INDICATIVE:
            return m.PublishIndicative(instrument)
        case r.END_OF_DAY:
            return m.EndOfDay(command_id, instrument)
        case r.EXPIRE_ORDERS:
            return m.ExpireOrders(command_id, instrument)
        case r.DELIST_INSTRUMENT:
            return m.DelistInstrument(command_id, instrument)
        case r.SET_KILL_SWITCH:
            return m.SetKillSwitch(command_id, third, account, fourth != 0)
        case r.SET_THROTTLE:
            return m.SetThrottle(command_id, fourth, account, third)
        case r.SET_INSTRUMENT_TERMS:
            return m.SetInstrumentTerms(command_id, instrument, third, fourth, *words[8:16])
        case r.SET_FEE_TIER:
            return m.SetFeeTier(command_id, fourth, *words[r.C_MAKER_RATE : r.C_AUCTION_RATE + 1])
        case r.SET_TICK_TABLE:
            numbers = words[r.C_TICK_ROWS : r.C_TICK_ROWS + 2 * r.TICK_ROWS]
            pairs = tuple(zip(numbers[::2], numbers[1::2], strict=True))
            return m.SetTickTable(command_id, fourth, tuple(row for row in pairs if any(row)))
    raise ValueError(f"kind {kind} is no administrative command")


def _decode_amendment(
    words: Sequence[int], kind: int, command_id: int, instrument: int
) -> m.BustTrade | m.CorrectTrade:
    parties = words[r.C_TRADE_BUYER : r.C_TRADE_SELLER_FEE_MINOR + 1]
    trade = m.TradeTerms(words[r.C_TRADE_SEQUENCE], words[r.C_TRADE_INDEX], *parties)
    if kind == r.BUST_TRADE:
        return m.BustTrade(command_id, instrument, trade)
    corrected = words[r.C_CORRECTED_PRICE_TICKS], words[r.C_CORRECTED_LOTS]
    return m.CorrectTrade(command_id, instrument, trade, *corrected)
