"""Accounts and instruments as commands: add them, set their limits, terms and states.

Adding an account again, or an instrument with another band, currency or tick value, is refused as
DUPLICATE_ID with the sequence of the command that added it, whatever id the repeat has. Adding an
instrument again with the same ones sets its reference price, largest order and collar.
"""

from typing import Final, final

from librt.vecs import vec
from mypy_extensions import i64

from hotpath.core.accounts import A_SEQUENCE, A_STATE
from hotpath.core.codes import (
    ACCEPTED,
    CAPACITY,
    MALFORMED,
    PRICE_OUT_OF_BAND,
    UNKNOWN_ACCOUNT,
    UNKNOWN_INSTRUMENT,
    VALUE_OVERFLOW,
)
from hotpath.core.instruments import (
    I_CURRENCY,
    I_MAX_PRICE,
    I_MIN_PRICE,
    I_SEQUENCE,
    I_STATE,
    I_TICK_VALUE_MINOR,
)
from hotpath.core.state import State
from shared.domain.ids import MAX_ACCOUNT_ID
from shared.domain.records import (
    ACCOUNT_ACTIVE,
    ACCOUNT_ADDED,
    ACCOUNT_HALTED,
    ACCOUNT_STATE_CHANGED,
    ADD_ACCOUNT,
    ADD_INSTRUMENT,
    C_ACCOUNT,
    C_COLLAR_BPS,
    C_CURRENCY,
    C_HEADER,
    C_ID,
    C_INSTRUMENT_CURRENCY,
    C_LIMIT_OPEN_ORDERS,
    C_LIMIT_ORDER_LOTS,
    C_LIMIT_ORDER_VALUE_MINOR,
    C_LIMIT_POSITION_LOTS,
    C_MAX_ORDER_LOTS,
    C_MAX_PRICE_TICKS,
    C_MIN_PRICE_TICKS,
    C_PRICE,
    C_STATE,
    C_TICK_VALUE_MINOR,
    INSTRUMENT_ADDED,
    INSTRUMENT_CONTINUOUS,
    INSTRUMENT_HALTED,
    INSTRUMENT_STATE_CHANGED,
    LIMITS_CHANGED,
    MAX_AMOUNT_MINOR,
    MAX_PRICE_TICKS,
    MAX_QUANTITY_LOTS,
    SET_ACCOUNT_STATE,
    SET_INSTRUMENT_STATE,
    SET_LIMITS,
)

_MAX_CURRENCY: Final = 999  # ISO 4217 numeric codes have three digits
_MAX_COLLAR_BPS: Final = 10_000


@final
class AdministrationCommands:
    """`check` finds what forbids a command, in the order of RejectCode; `do` cannot fail."""

    def __init__(self, state: State) -> None:
        self.state = state

    def first_sequence(self, kind: i64, c: vec[i64], at: i64) -> i64:
        """Return which command added what this one would add anew and differently; 0: none did."""
        if kind == ADD_ACCOUNT and 0 < c[at + C_ACCOUNT] <= MAX_ACCOUNT_ID:
            account: i64 = self.state.accounts.find(c[at + C_ACCOUNT])
            return 0 if account == 0 else self.state.accounts.words[account + A_SEQUENCE]
        if kind != ADD_INSTRUMENT or c[at + C_HEADER] < 0:
            return 0
        instrument: i64 = self.state.instruments.find(c[at + C_HEADER] >> 48)
        if instrument == 0:
            return 0
        i = self.state.instruments.words
        same: bool = (
            i[instrument + I_CURRENCY] == c[at + C_INSTRUMENT_CURRENCY]
            and i[instrument + I_TICK_VALUE_MINOR] == c[at + C_TICK_VALUE_MINOR]
            and i[instrument + I_MIN_PRICE] == c[at + C_MIN_PRICE_TICKS]
            and i[instrument + I_MAX_PRICE] == c[at + C_MAX_PRICE_TICKS]
        )
        return 0 if same else i[instrument + I_SEQUENCE]

    def check(self, kind: i64, c: vec[i64], at: i64) -> i64:
        """Return ACCEPTED, or the code that refuses the command at word `at`."""
        state = self.state
        if c[at + C_HEADER] < 0:
            return MALFORMED
        if kind == ADD_INSTRUMENT:
            return self._check_instrument(c, at)
        if kind == SET_INSTRUMENT_STATE:
            if not INSTRUMENT_CONTINUOUS <= c[at + C_STATE] <= INSTRUMENT_HALTED:
                return MALFORMED
            known: bool = state.instruments.find(c[at + C_HEADER] >> 48) != 0
            return ACCEPTED if known else UNKNOWN_INSTRUMENT
        if not 0 < c[at + C_ACCOUNT] <= MAX_ACCOUNT_ID:
            return MALFORMED
        if kind == ADD_ACCOUNT:
            if not 0 < c[at + C_CURRENCY] <= _MAX_CURRENCY:
                return MALFORMED
            return ACCEPTED if state.accounts.has_room() else CAPACITY
        if kind == SET_LIMITS:
            if not _are_limits(c, at):
                return MALFORMED
        elif not ACCOUNT_ACTIVE <= c[at + C_STATE] <= ACCOUNT_HALTED:
            return MALFORMED
        return ACCEPTED if state.accounts.find(c[at + C_ACCOUNT]) != 0 else UNKNOWN_ACCOUNT

    def _check_instrument(self, c: vec[i64], at: i64) -> i64:
        if not _is_well_formed_instrument(c, at):
            return MALFORMED
        instrument_id: i64 = c[at + C_HEADER] >> 48
        reference: i64 = c[at + C_PRICE]
        lowest: i64 = c[at + C_MIN_PRICE_TICKS]
        highest: i64 = c[at + C_MAX_PRICE_TICKS]
        if reference != 0 and not lowest <= reference <= highest:
            return PRICE_OUT_OF_BAND
        if c[at + C_TICK_VALUE_MINOR] > MAX_AMOUNT_MINOR // highest:
            return VALUE_OVERFLOW
        if self.state.instruments.find(instrument_id) != 0:
            return ACCEPTED
        return ACCEPTED if self.state.instruments.has_room(highest - lowest + 1) else CAPACITY

    def do(self, kind: i64, c: vec[i64], at: i64) -> None:
        """Do what `check` has allowed."""
        if kind == ADD_INSTRUMENT:
            self._add_instrument(c, at)
        elif kind == ADD_ACCOUNT:
            account: i64 = self.state.accounts.add(
                c[at + C_ACCOUNT], c[at + C_CURRENCY], self.state.sequence
            )
            self.state.positions.add_account(account)
            self._report(ACCOUNT_ADDED, c, at, c[at + C_CURRENCY], 0)
        elif kind == SET_ACCOUNT_STATE:
            account = self.state.accounts.find(c[at + C_ACCOUNT])
            self.state.accounts.words[account + A_STATE] = c[at + C_STATE]
            self._report(ACCOUNT_STATE_CHANGED, c, at, 0, c[at + C_STATE])
        elif kind == SET_INSTRUMENT_STATE:
            instrument: i64 = self.state.instruments.find(c[at + C_HEADER] >> 48)
            self.state.instruments.words[instrument + I_STATE] = c[at + C_STATE]
            self._report(INSTRUMENT_STATE_CHANGED, c, at, 0, c[at + C_STATE])
        else:
            self._set_limits(c, at)

    def _add_instrument(self, c: vec[i64], at: i64) -> None:
        instrument_id: i64 = c[at + C_HEADER] >> 48
        instruments = self.state.instruments
        instrument: i64 = instruments.find(instrument_id)
        if instrument == 0:
            instrument = instruments.add(
                instrument_id,
                c[at + C_INSTRUMENT_CURRENCY],
                c[at + C_TICK_VALUE_MINOR],
                c[at + C_MIN_PRICE_TICKS],
                c[at + C_MAX_PRICE_TICKS],
                self.state.sequence,
            )
        instruments.set_terms(
            instrument, c[at + C_PRICE], c[at + C_MAX_ORDER_LOTS], c[at + C_COLLAR_BPS]
        )
        self._report(INSTRUMENT_ADDED, c, at, c[at + C_PRICE], 0)

    def _set_limits(self, c: vec[i64], at: i64) -> None:
        lots: i64 = c[at + C_LIMIT_ORDER_LOTS]
        value: i64 = c[at + C_LIMIT_ORDER_VALUE_MINOR]
        position: i64 = c[at + C_LIMIT_POSITION_LOTS]
        orders: i64 = c[at + C_LIMIT_OPEN_ORDERS]
        account: i64 = self.state.accounts.find(c[at + C_ACCOUNT])
        self.state.accounts.set_limits(account, lots, value, position, orders)
        self.state.events.emit(
            LIMITS_CHANGED, c[at + C_ID], c[at + C_ACCOUNT], lots, value, position, orders, 0
        )

    def _report(self, kind: i64, c: vec[i64], at: i64, price: i64, quantity: i64) -> None:
        of_instrument: bool = kind in (INSTRUMENT_ADDED, INSTRUMENT_STATE_CHANGED)
        instrument: i64 = c[at + C_HEADER] >> 48 << 48 if of_instrument else 0
        account: i64 = 0 if of_instrument else c[at + C_ACCOUNT]
        self.state.events.emit(kind | instrument, c[at + C_ID], account, price, quantity, 0, 0, 0)


def _are_limits(c: vec[i64], at: i64) -> bool:
    word: i64 = at + C_LIMIT_ORDER_LOTS
    while word <= at + C_LIMIT_OPEN_ORDERS:
        if not 0 <= c[word] <= MAX_AMOUNT_MINOR:
            return False
        word += 1
    return True


def _is_well_formed_instrument(c: vec[i64], at: i64) -> bool:
    """Return whether the words of an ADD_INSTRUMENT lie in their declared ranges."""
    if c[at + C_HEADER] >> 48 == 0 or not 0 <= c[at + C_PRICE] <= MAX_PRICE_TICKS:
        return False
    lowest: i64 = c[at + C_MIN_PRICE_TICKS]
    if not (0 < lowest <= c[at + C_MAX_PRICE_TICKS] <= MAX_PRICE_TICKS):
        return False
    if not 0 < c[at + C_TICK_VALUE_MINOR] <= MAX_AMOUNT_MINOR:
        return False
    if not 0 < c[at + C_MAX_ORDER_LOTS] <= MAX_QUANTITY_LOTS:
        return False
    if not 0 < c[at + C_INSTRUMENT_CURRENCY] <= _MAX_CURRENCY:
        return False
    return 0 <= c[at + C_COLLAR_BPS] <= _MAX_COLLAR_BPS
