"""Cash and shares that enter, leave and settle: deposits, withdrawals, settlement."""

from typing import final

from librt.vecs import vec
from mypy_extensions import i64

from hotpath.core.accounts import (
    A_CURRENCY,
    A_HELD,
    A_RESERVED,
    A_SETTLED,
    A_STATE,
    A_TOTAL,
    H_ACCOUNT,
    H_AMOUNT,
    HOLD_SHIFT,
)
from hotpath.core.codes import (
    ACCEPTED,
    ACCOUNT_HALTED,
    CAPACITY,
    CURRENCY_MISMATCH,
    INSUFFICIENT_FUNDS,
    MALFORMED,
    UNKNOWN_ACCOUNT,
    UNKNOWN_HOLD,
    UNKNOWN_INSTRUMENT,
    VALUE_OVERFLOW,
)
from hotpath.core.ids import FIRST_ADMINISTRATIVE_ID, NOT_FOUND
from hotpath.core.instruments import I_CURRENCY, I_ISSUED_LOTS
from hotpath.core.positions import P_OPEN_LOTS, P_SETTLED, P_TOTAL
from hotpath.core.state import State
from shared.domain.ids import MAX_ACCOUNT_ID
from shared.domain.records import ACCOUNT_HALTED as STATE_HALTED
from shared.domain.records import (
    C_ACCOUNT,
    C_AMOUNT_MINOR,
    C_CASH_MINOR,
    C_HEADER,
    C_ID,
    C_QUANTITY,
    C_TARGET_ID,
    CASH_CHANGED,
    CONFIRM_WITHDRAWAL,
    DEPOSIT_CASH,
    DEPOSIT_SHARES,
    HOLD_WITHDRAWAL,
    MAX_AMOUNT_MINOR,
    MAX_QUANTITY_LOTS,
    POSITION_CHANGED,
    SELL,
    SETTLE,
)


@final
class MoneyCommands:
    """`check` finds what forbids a command, in the order of RejectCode; `do` cannot fail."""

    def __init__(self, state: State) -> None:
        self.state = state

    def check(self, kind: i64, c: vec[i64], at: i64) -> i64:
        """Return ACCEPTED, or the code that refuses the command at word `at`."""
        account_id: i64 = c[at + C_ACCOUNT]
        if c[at + C_HEADER] < 0 or not 0 < account_id <= MAX_ACCOUNT_ID:
            return MALFORMED
        if not _is_well_formed(kind, c, at):
            return MALFORMED
        account: i64 = self.state.accounts.find(account_id)
        if account == 0:
            return UNKNOWN_ACCOUNT
        if kind in (DEPOSIT_SHARES, SETTLE):
            return self._check_shares(kind, c, at, account)
        if kind == DEPOSIT_CASH:
            most: i64 = MAX_AMOUNT_MINOR - self.state.accounts.issued_minor
            settled: i64 = self.state.accounts.words[account + A_SETTLED]
            amount: i64 = c[at + C_AMOUNT_MINOR]
            fits: bool = amount <= most and settled + amount <= MAX_AMOUNT_MINOR
            return ACCEPTED if fits else VALUE_OVERFLOW
        if kind == HOLD_WITHDRAWAL:
            return self._check_hold(account, c[at + C_AMOUNT_MINOR])
        return self._check_end_of_hold(kind, c, at, account)

    def _check_hold(self, account: i64, amount_minor: i64) -> i64:
        if self.state.accounts.words[account + A_STATE] == STATE_HALTED:
            return ACCOUNT_HALTED
        if amount_minor > self.state.accounts.withdrawable_minor(account):
            return INSUFFICIENT_FUNDS
        return ACCEPTED if self.state.holds.has_room() else CAPACITY

    def _check_end_of_hold(self, kind: i64, c: vec[i64], at: i64, account: i64) -> i64:
        slot: i64 = self._find_hold(c, at, account)
        if slot == 0:
            return UNKNOWN_HOLD
        settled: i64 = self.state.accounts.words[account + A_SETTLED]
        amount: i64 = self.state.holds.words[(slot << HOLD_SHIFT) + H_AMOUNT]
        fits: bool = kind != CONFIRM_WITHDRAWAL or _is_amount(settled - amount)
        return ACCEPTED if fits else VALUE_OVERFLOW

    def _check_shares(self, kind: i64, c: vec[i64], at: i64, account: i64) -> i64:
        instrument: i64 = self.state.instruments.find(c[at + C_HEADER] >> 48)
        if instrument == 0:
            return UNKNOWN_INSTRUMENT
        a = self.state.accounts.words
        i = self.state.instruments.words
        if a[account + A_CURRENCY] != i[instrument + I_CURRENCY]:
            return CURRENCY_MISMATCH
        lots: i64 = c[at + C_QUANTITY]
        position: i64 = self.state.positions.find(account, instrument)
        settled: i64 = self.state.positions.words[position + P_SETTLED]
        fits: bool = _is_amount(settled + lots)
        if kind == DEPOSIT_SHARES:
            fits = fits and lots <= MAX_AMOUNT_MINOR - i[instrument + I_ISSUED_LOTS]
        else:
            fits = fits and _is_amount(a[account + A_SETTLED] + c[at + C_CASH_MINOR])
        return ACCEPTED if fits else VALUE_OVERFLOW

    def _find_hold(self, c: vec[i64], at: i64, account: i64) -> i64:
        """Return the slot of the account's hold that the command names, or 0.

        The command may leave the amount 0; if it states one, it must be the hold's.
        """
        target: i64 = c[at + C_TARGET_ID]
        if target < FIRST_ADMINISTRATIVE_ID:
            return 0
        row: i64 = self.state.ids.find(target)
        if row == NOT_FOUND:
            return 0
        slot: i64 = self.state.ids.slot(row)
        if slot == 0:
            return 0
        holds = self.state.holds.words
        offset: i64 = slot << HOLD_SHIFT
        amount: i64 = c[at + C_AMOUNT_MINOR]
        if holds[offset + H_ACCOUNT] != account:
            return 0
        return slot if amount == 0 or amount == holds[offset + H_AMOUNT] else 0

    def do(self, kind: i64, c: vec[i64], at: i64) -> i64:
        """Do what `check` has allowed; return the slot of a new hold, else 0."""
        account: i64 = self.state.accounts.find(c[at + C_ACCOUNT])
        if kind in (DEPOSIT_SHARES, SETTLE):
            self._move_shares(kind, c, at, account)
            return 0
        accounts = self.state.accounts
        a = accounts.words
        amount: i64 = c[at + C_AMOUNT_MINOR]
        slot: i64 = 0
        if kind == DEPOSIT_CASH:
            a[account + A_TOTAL] = a[account + A_TOTAL] + amount
            a[account + A_SETTLED] = a[account + A_SETTLED] + amount
            accounts.issued_minor += amount
        elif kind == HOLD_WITHDRAWAL:
            a[account + A_HELD] = a[account + A_HELD] + amount
            slot = self.state.holds.add(c[at + C_ID], account, amount)
        else:
            amount = -self._end_hold(c, at, account)
            if kind == CONFIRM_WITHDRAWAL:
                a[account + A_TOTAL] = a[account + A_TOTAL] + amount
                a[account + A_SETTLED] = a[account + A_SETTLED] + amount
                accounts.issued_minor += amount
        self._report_cash(c, at, account, amount)
        return slot

    def _end_hold(self, c: vec[i64], at: i64, account: i64) -> i64:
        """Drop the hold that the command names; return its amount."""
        slot: i64 = self._find_hold(c, at, account)
        amount: i64 = self.state.holds.words[(slot << HOLD_SHIFT) + H_AMOUNT]
        a = self.state.accounts.words
        a[account + A_HELD] = a[account + A_HELD] - amount
        self.state.holds.remove(slot)
        self.state.ids.release(c[at + C_TARGET_ID])
        return amount

    def _move_shares(self, kind: i64, c: vec[i64], at: i64, account: i64) -> None:
        instrument: i64 = self.state.instruments.find(c[at + C_HEADER] >> 48)
        position: i64 = self.state.positions.find(account, instrument)
        p = self.state.positions.words
        lots: i64 = c[at + C_QUANTITY]
        p[position + P_SETTLED] = p[position + P_SETTLED] + lots
        if kind == DEPOSIT_SHARES:
            i = self.state.instruments.words
            p[position + P_TOTAL] = p[position + P_TOTAL] + lots
            i[instrument + I_ISSUED_LOTS] = i[instrument + I_ISSUED_LOTS] + lots
        else:
            a = self.state.accounts.words
            cash: i64 = c[at + C_CASH_MINOR]
            a[account + A_SETTLED] = a[account + A_SETTLED] + cash
            self._report_cash(c, at, account, cash)
        self.state.events.emit(
            POSITION_CHANGED | (c[at + C_HEADER] >> 48 << 48),
            c[at + C_ID],
            c[at + C_ACCOUNT],
            lots,
            p[position + P_TOTAL],
            p[position + P_SETTLED],
            p[position + P_OPEN_LOTS + SELL],
            0,
        )

    def _report_cash(self, c: vec[i64], at: i64, account: i64, delta: i64) -> None:
        a = self.state.accounts.words
        instrument: i64 = c[at + C_HEADER] >> 48 << 48 if c[at + C_HEADER] & 0xFF == SETTLE else 0
        self.state.events.emit(
            CASH_CHANGED | instrument,
            c[at + C_ID],
            c[at + C_ACCOUNT],
            delta,
            a[account + A_TOTAL],
            a[account + A_SETTLED],
            a[account + A_RESERVED],
            a[account + A_HELD],
        )


def _is_amount(amount: i64) -> bool:
    return -MAX_AMOUNT_MINOR <= amount <= MAX_AMOUNT_MINOR


def _is_well_formed(kind: i64, c: vec[i64], at: i64) -> bool:
    """Return whether the words of a money command lie in their declared ranges."""
    if kind in (DEPOSIT_CASH, HOLD_WITHDRAWAL):
        return 0 < c[at + C_AMOUNT_MINOR] <= MAX_AMOUNT_MINOR
    if kind == DEPOSIT_SHARES:
        return 0 < c[at + C_QUANTITY] <= MAX_QUANTITY_LOTS
    if kind == SETTLE:
        return _is_amount(c[at + C_CASH_MINOR]) and _is_amount(c[at + C_QUANTITY])
    return c[at + C_TARGET_ID] > 0 and 0 <= c[at + C_AMOUNT_MINOR] <= MAX_AMOUNT_MINOR
