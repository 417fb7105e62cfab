"""Cash and shares that enter, leave and settle: deposits, withdrawals, credit lines, settlement."""

from typing import Final, final

from librt.vecs import vec
from mypy_extensions import i64

from hotpath.core import promises
from hotpath.core.accounts import CREDIT, H_ACCOUNT, H_AMOUNT, H_KIND, HOLD, HOLD_SHIFT
from hotpath.core.codes import (
    ACCEPTED,
    ACCOUNT_HALTED,
    CAPACITY,
    CURRENCY_MISMATCH,
    INSUFFICIENT_FUNDS,
    MALFORMED,
    UNKNOWN_ACCOUNT,
    UNKNOWN_CREDIT_MOVE,
    UNKNOWN_HOLD,
    UNKNOWN_INSTRUMENT,
    VALUE_OVERFLOW,
)
from hotpath.core.ids import FIRST_ADMINISTRATIVE_ID, NOT_FOUND
from hotpath.core.layout import (
    A_CURRENCY,
    A_HELD,
    A_ID,
    A_RESERVED,
    A_SETTLED,
    A_STATE,
    A_TOTAL,
    I_CURRENCY,
    I_ID,
    I_ISSUED_LOTS,
    P_OPEN_LOTS,
    P_SETTLED,
    P_TOTAL,
)
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
    CREDIT_IN,
    CREDIT_OUT,
    CREDIT_UNDO,
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
        self.state: Final = state

    def check(self, kind: i64, c: vec[i64], at: i64) -> i64:
        """Return ACCEPTED, or the code that refuses the command at word `at`."""
        account_id: i64 = c[at + C_ACCOUNT]
        if not 0 < account_id <= MAX_ACCOUNT_ID or not _is_well_formed(kind, c, at):
            return MALFORMED
        account: i64 = self.state.accounts.find(account_id)
        if account == 0:
            return UNKNOWN_ACCOUNT
        amount: i64 = c[at + C_AMOUNT_MINOR]
        if kind in (DEPOSIT_SHARES, SETTLE):
            return self._check_shares(kind, c, at, account)
        if kind in (DEPOSIT_CASH, CREDIT_IN):
            return self._check_arrival(account, amount)
        if kind in (HOLD_WITHDRAWAL, CREDIT_OUT):
            return self._check_departure(kind, account, amount)
        if kind == CREDIT_UNDO:
            slot: i64 = self._find(c, at, account, CREDIT)
            if slot == 0:
                return UNKNOWN_CREDIT_MOVE
            return self._check_arrival(account, self._amount(slot))
        return ACCEPTED if self._find(c, at, account, HOLD) != 0 else UNKNOWN_HOLD

    def _check_arrival(self, account: i64, amount: i64) -> i64:
        settled: i64 = self.state.accounts.words[account + A_SETTLED]
        most: i64 = max(self.state.accounts.issued_minor, settled)
        return ACCEPTED if most <= MAX_AMOUNT_MINOR - amount else VALUE_OVERFLOW

    def _check_departure(self, kind: i64, account: i64, amount: i64) -> i64:
        state = self.state
        if kind == HOLD_WITHDRAWAL and state.accounts.words[account + A_STATE] == STATE_HALTED:
            return ACCOUNT_HALTED
        if not promises.can_withdraw(state, account, amount):
            return INSUFFICIENT_FUNDS
        what: i64 = HOLD if kind == HOLD_WITHDRAWAL else CREDIT
        return ACCEPTED if state.holds.has_room(what) else CAPACITY

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
        if kind == DEPOSIT_SHARES:
            most: i64 = max(settled, i[instrument + I_ISSUED_LOTS])
            return ACCEPTED if most <= MAX_AMOUNT_MINOR - lots else VALUE_OVERFLOW
        cash: i64 = a[account + A_SETTLED] + c[at + C_CASH_MINOR]
        fits: bool = _is_amount(settled + lots) and _is_amount(cash)
        return ACCEPTED if fits else VALUE_OVERFLOW

    def _find(self, c: vec[i64], at: i64, account: i64, kind: i64) -> i64:
        """Return the slot of the account's hold or credit move that the command names, or 0.

        A command about a hold may leave the amount 0; if it states one, it must be the hold's.
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
        if holds[offset + H_ACCOUNT] != account or holds[offset + H_KIND] != kind:
            return 0
        amount: i64 = c[at + C_AMOUNT_MINOR]
        if kind == HOLD and amount != 0 and amount != holds[offset + H_AMOUNT]:
            return 0
        return slot

    def _amount(self, slot: i64) -> i64:
        return self.state.holds.words[(slot << HOLD_SHIFT) + H_AMOUNT]

    def do(self, kind: i64, c: vec[i64], at: i64) -> i64:
        """Do what `check` has allowed; return the slot of a new hold or credit move, else 0."""
        state = self.state
        account: i64 = state.accounts.find(c[at + C_ACCOUNT])
        if kind in (DEPOSIT_SHARES, SETTLE):
            self._move_shares(kind, c, at, account)
            return 0
        a = state.accounts.words
        amount: i64 = c[at + C_AMOUNT_MINOR]
        slot: i64 = 0
        if kind == HOLD_WITHDRAWAL:
            a[account + A_HELD] = a[account + A_HELD] + amount
            slot = state.holds.add(c[at + C_ID], account, amount, HOLD)
        elif kind in (DEPOSIT_CASH, CREDIT_IN):
            self._move(account, amount)
        elif kind == CREDIT_OUT:
            slot = state.holds.add(c[at + C_ID], account, amount, CREDIT)
            amount = -amount
            self._move(account, amount)
        elif kind == CREDIT_UNDO:
            amount = self._end(c, at, account, CREDIT)
            self._move(account, amount)
        else:
            amount = -self._end(c, at, account, HOLD)
            a[account + A_HELD] = a[account + A_HELD] + amount
            if kind == CONFIRM_WITHDRAWAL:
                self._move(account, amount)
        report_cash(state, c[at + C_ID], account, amount, 0)
        return slot

    def _move(self, account: i64, amount: i64) -> None:
        accounts = self.state.accounts
        a = accounts.words
        a[account + A_TOTAL] = a[account + A_TOTAL] + amount
        a[account + A_SETTLED] = a[account + A_SETTLED] + amount
        accounts.issued_minor += amount

    def _end(self, c: vec[i64], at: i64, account: i64, kind: i64) -> i64:
        """Drop the hold or credit move that the command names; return its amount."""
        slot: i64 = self._find(c, at, account, kind)
        amount: i64 = self._amount(slot)
        self.state.holds.remove(slot)
        self.state.ids.release(c[at + C_TARGET_ID])
        return amount

    def _move_shares(self, kind: i64, c: vec[i64], at: i64, account: i64) -> None:
        state = self.state
        instrument: i64 = state.instruments.find(c[at + C_HEADER] >> 48)
        position: i64 = state.positions.find(account, instrument)
        p = state.positions.words
        lots: i64 = c[at + C_QUANTITY]
        p[position + P_SETTLED] = p[position + P_SETTLED] + lots
        if kind == DEPOSIT_SHARES:
            i = state.instruments.words
            p[position + P_TOTAL] = p[position + P_TOTAL] + lots
            i[instrument + I_ISSUED_LOTS] = i[instrument + I_ISSUED_LOTS] + lots
        else:
            a = state.accounts.words
            cash: i64 = c[at + C_CASH_MINOR]
            a[account + A_SETTLED] = a[account + A_SETTLED] + cash
            report_cash(state, c[at + C_ID], account, cash, instrument)
        report_position(state, c[at + C_ID], account, instrument, lots)


def report_cash(state: State, id_: i64, account: i64, delta: i64, instrument: i64) -> None:
    """Say what an account's cash is now; instrument is an offset, 0: of none."""
    a = state.accounts.words
    number: i64 = 0 if instrument == 0 else state.instruments.words[instrument + I_ID] << 48
    state.events.emit(
        CASH_CHANGED | number,
        id_,
        a[account + A_ID],
        delta,
        a[account + A_TOTAL],
        a[account + A_SETTLED],
        a[account + A_RESERVED],
        a[account + A_HELD],
    )


def report_position(state: State, id_: i64, account: i64, instrument: i64, delta: i64) -> None:
    p = state.positions.words
    position: i64 = state.positions.find(account, instrument)
    state.events.emit(
        POSITION_CHANGED | state.instruments.words[instrument + I_ID] << 48,
        id_,
        state.accounts.words[account + A_ID],
        delta,
        p[position + P_TOTAL],
        p[position + P_SETTLED],
        p[position + P_OPEN_LOTS + SELL],
        0,
    )


def _is_amount(amount: i64) -> bool:
    return -MAX_AMOUNT_MINOR <= amount <= MAX_AMOUNT_MINOR


def _is_well_formed(kind: i64, c: vec[i64], at: i64) -> bool:
    """Return whether the words of a money command lie in their declared ranges."""
    amount: i64 = c[at + C_AMOUNT_MINOR]
    if kind == DEPOSIT_SHARES:
        return 0 < c[at + C_QUANTITY] <= MAX_QUANTITY_LOTS
    if kind == SETTLE:
        return _is_amount(c[at + C_CASH_MINOR]) and _is_amount(c[at + C_QUANTITY])
    if kind == CREDIT_UNDO:
        return True
    if kind in (DEPOSIT_CASH, HOLD_WITHDRAWAL, CREDIT_OUT, CREDIT_IN):
        return 0 < amount <= MAX_AMOUNT_MINOR
    return c[at + C_TARGET_ID] > 0 and 0 <= amount <= MAX_AMOUNT_MINOR
