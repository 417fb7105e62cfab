"""Trade bust and correction: cash and shares go back exactly.

These are rare and carry what the sender says, so they are counted in Python's integers and checked
before anything changes.
"""

from typing import Final, final

from librt.vecs import vec
from mypy_extensions import i64

from hotpath.core.codes import (
    ACCEPTED,
    ALREADY_BUSTED,
    CAPACITY,
    MALFORMED,
    TRADE_DIFFERS,
    UNKNOWN_ACCOUNT,
    UNKNOWN_INSTRUMENT,
    VALUE_OVERFLOW,
)
from hotpath.core.layout import A_TOTAL, A_WATCH, I_ID, I_TICK_VALUE, P_TOTAL, WATCH_MARGIN
from hotpath.core.money import report_cash, report_position
from hotpath.core.state import State
from shared.domain.ids import MAX_ACCOUNT_ID
from shared.domain.records import (
    BUST_TRADE,
    C_CORRECTED_LOTS,
    C_CORRECTED_PRICE_TICKS,
    C_HEADER,
    C_ID,
    C_TRADE_BUYER,
    C_TRADE_INDEX,
    C_TRADE_SELLER_FEE_MINOR,
    C_TRADE_SEQUENCE,
    MAX_AMOUNT_MINOR,
    MAX_PRICE_TICKS,
    MAX_QUANTITY_LOTS,
    TRADE_BUSTED,
    TRADE_CORRECTED,
)

_MAX_INDEX: Final = 1 << 31


@final
class AmendCommands:
    """`check` finds what forbids a command, in the order of RejectCode; `do` cannot fail."""

    def __init__(self, state: State) -> None:
        self.state: Final = state
        self.cash: list[int] = [0, 0]  # what buyer and seller get
        self.fees = 0  # what the house gets

    def check(self, kind: i64, c: vec[i64], at: i64) -> i64:
        state = self.state
        terms = _terms(c, at)
        if not _is_well_formed(kind, c, at, terms):
            return MALFORMED
        for account_id in terms[:2]:
            if state.accounts.find(account_id) == 0:
                return UNKNOWN_ACCOUNT
        if state.instruments.find(c[at + C_HEADER] >> 48) == 0:
            return UNKNOWN_INSTRUMENT
        sequence: i64 = c[at + C_TRADE_SEQUENCE]
        known = state.house.amended.get((int(sequence), int(c[at + C_TRADE_INDEX])), terms)
        if sequence >= state.sequence or (len(known) > 0 and known != terms):
            return TRADE_DIFFERS
        if len(known) == 0:
            return ALREADY_BUSTED
        if not self._fits(kind, c, at, terms):
            return VALUE_OVERFLOW
        return CAPACITY if len(state.house.amended) >= state.max_amended else ACCEPTED

    def _fits(self, kind: i64, c: vec[i64], at: i64, terms: tuple[int, ...]) -> bool:
        """Work out what moves; return whether all amounts stay within their bounds."""
        state = self.state
        instrument = state.instruments.find(c[at + C_HEADER] >> 48)
        tick_value = int(state.instruments.words[instrument + I_TICK_VALUE])
        buyer, seller, price, lots, buyer_fee, seller_fee = terms
        old = price * lots * tick_value
        new_lots = int(c[at + C_CORRECTED_LOTS])
        new = int(c[at + C_CORRECTED_PRICE_TICKS]) * new_lots * tick_value
        self.cash[0] = old - new
        self.cash[1] = new - old
        self.fees = 0
        if kind == BUST_TRADE:
            self.cash[0] += buyer_fee
            self.cash[1] += seller_fee
            self.fees = -buyer_fee - seller_fee
        amounts = [old, new, int(state.accounts.fees_minor) + self.fees]
        moved = new_lots - lots
        for account_id, cash, more in (
            (buyer, self.cash[0], moved),
            (seller, self.cash[1], -moved),
        ):
            account = state.accounts.find(account_id)
            position = state.positions.find(account, instrument)
            amounts.append(int(state.accounts.words[account + A_TOTAL]) + cash)
            amounts.append(int(state.positions.words[position + P_TOTAL]) + more)
        return max([abs(amount) for amount in amounts]) <= MAX_AMOUNT_MINOR

    def do(self, kind: i64, c: vec[i64], at: i64) -> None:
        state = self.state
        terms = _terms(c, at)
        self._fits(kind, c, at, terms)
        instrument: i64 = state.instruments.find(c[at + C_HEADER] >> 48)
        busts: bool = kind == BUST_TRADE
        buyer, seller, price, lots, buyer_fee, seller_fee = terms
        moved = int(c[at + C_CORRECTED_LOTS]) - lots
        new: tuple[int, ...] = ()
        if not busts:
            price = int(c[at + C_CORRECTED_PRICE_TICKS])
            new = (buyer, seller, price, lots + moved, buyer_fee, seller_fee)
        key = (int(c[at + C_TRADE_SEQUENCE]), int(c[at + C_TRADE_INDEX]))
        state.house.amended[key] = new
        state.accounts.fees_minor += self.fees
        before = [self._total(buyer), self._total(seller)]
        self._move(buyer, instrument, self.cash[0], moved)
        self._move(seller, instrument, self.cash[1], -moved)
        number: i64 = state.instruments.words[instrument + I_ID] << 48
        event: i64 = (TRADE_BUSTED if busts else TRADE_CORRECTED) | number
        shown: i64 = lots if busts else lots + moved
        parties: i64 = seller << 32 | buyer
        state.events.emit(event, c[at + C_ID], parties, price, shown, key[0], key[1], 0)
        for index, account_id in enumerate((buyer, seller)):
            account: i64 = state.accounts.find(account_id)
            delta: i64 = self._total(account_id) - before[index]
            report_cash(state, c[at + C_ID], account, delta, instrument)
            more: i64 = moved if index == 0 else -moved
            report_position(state, c[at + C_ID], account, instrument, more)

    def _total(self, account_id: int) -> int:
        state = self.state
        return state.accounts.words[state.accounts.find(account_id) + A_TOTAL]

    def _move(self, account_id: int, instrument: i64, cash: i64, lots: i64) -> None:
        """Give cash and lots; the account may be short or in debt from now on."""
        state = self.state
        account: i64 = state.accounts.find(account_id)
        a = state.accounts.words
        a[account + A_TOTAL] = a[account + A_TOTAL] + cash
        a[account + A_WATCH] = a[account + A_WATCH] | WATCH_MARGIN
        position: i64 = state.positions.find(account, instrument)
        p = state.positions.words
        p[position + P_TOTAL] = p[position + P_TOTAL] + lots


def _terms(c: vec[i64], at: i64) -> tuple[int, ...]:
    """Return buyer, seller, price, lots and both fees of the trade as the command has it."""
    words = range(C_TRADE_BUYER, C_TRADE_SELLER_FEE_MINOR + 1)
    return tuple([int(c[at + word]) for word in words])


def _is_well_formed(kind: i64, c: vec[i64], at: i64, terms: tuple[int, ...]) -> bool:
    buyer, seller, price, lots, buyer_fee, seller_fee = terms
    new_price: i64 = c[at + C_CORRECTED_PRICE_TICKS]
    new_lots: i64 = c[at + C_CORRECTED_LOTS]
    if not _is_deal(price, lots):
        return False
    if kind == BUST_TRADE:
        if new_price != 0 or new_lots != 0:
            return False
    elif not _is_deal(new_price, new_lots):
        return False
    if max(abs(buyer_fee), abs(seller_fee)) > MAX_AMOUNT_MINOR:
        return False
    if not 0 < buyer <= MAX_ACCOUNT_ID or not 0 < seller <= MAX_ACCOUNT_ID:
        return False
    return c[at + C_TRADE_SEQUENCE] > 0 and 0 <= c[at + C_TRADE_INDEX] < _MAX_INDEX


def _is_deal(price: i64, lots: i64) -> bool:
    return 0 < price <= MAX_PRICE_TICKS and 0 < lots <= MAX_QUANTITY_LOTS
