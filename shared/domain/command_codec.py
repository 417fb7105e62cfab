"""The administrative command that a record's words stand for: the inverse of `Command.words`."""

from collections.abc import Sequence

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
)


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
    raise ValueError(f"kind {kind} is no administrative command")


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
