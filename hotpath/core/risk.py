"""Pre-trade risk: may this order be taken, what it reserves, and what a trade moves."""

from typing import final

from mypy_extensions import i64

from hotpath.core.accounts import (
    A_CURRENCY,
    A_HELD,
    A_MAX_OPEN_ORDERS,
    A_MAX_ORDER_LOTS,
    A_MAX_ORDER_VALUE,
    A_MAX_POSITION,
    A_OPEN_ORDERS,
    A_RESERVED,
    A_STATE,
    A_TOTAL,
    Accounts,
)
from hotpath.core.codes import (
    ACCEPTED,
    ACCOUNT_HALTED,
    ACCOUNT_REDUCING,
    CURRENCY_MISMATCH,
    INSTRUMENT_HALTED,
    INSUFFICIENT_FUNDS,
    INSUFFICIENT_POSITION,
    NO_REFERENCE_PRICE,
    OPEN_ORDER_LIMIT,
    ORDER_SIZE_LIMIT,
    ORDER_VALUE_LIMIT,
    POSITION_LIMIT,
    PRICE_OUT_OF_BAND,
    QUANTITY_TOO_LARGE,
    VALUE_OVERFLOW,
)
from hotpath.core.instruments import (
    I_CURRENCY,
    I_MAX_ORDER_LOTS,
    I_MAX_PRICE,
    I_MIN_PRICE,
    I_SAFE_LOTS,
    I_STATE,
    I_TICK_VALUE_MINOR,
    Instruments,
)
from hotpath.core.positions import P_ACCOUNT, P_INSTRUMENT, P_OPEN_LOTS, P_TOTAL, Positions
from shared.domain.records import (
    ACCOUNT_ACTIVE,
    BUY,
    INSTRUMENT_CONTINUOUS,
    MAX_AMOUNT_MINOR,
    SELL,
)
from shared.domain.records import ACCOUNT_HALTED as STATE_HALTED


@final
class Risk:
    def __init__(self, accounts: Accounts, positions: Positions, instruments: Instruments) -> None:
        self.accounts = accounts
        self.positions = positions
        self.instruments = instruments

    def check(
        self,
        instrument: i64,
        position: i64,
        side: i64,
        price: i64,
        lots: i64,
        open_price: i64,
        open_lots: i64,
        may_rest: bool,
    ) -> i64:
        """Return the first code of RejectCode that forbids an order, or ACCEPTED.

        `price` is the worst price it may trade at; 0 is a market order without a reference price.
        A replaced order is checked for what it adds to `open_lots` at `open_price` (0, 0: none).
        """
        p = self.positions.words
        account: i64 = p[position + P_ACCOUNT]
        code: i64 = self._check_state(account, instrument, side, lots - open_lots)
        if code != ACCEPTED:
            return code
        code = self._check_terms(instrument, price, lots)
        if code != ACCEPTED:
            return code
        a = self.accounts.words
        tick_value: i64 = self.instruments.words[instrument + I_TICK_VALUE_MINOR]
        value: i64 = price * lots * tick_value
        if lots > a[account + A_MAX_ORDER_LOTS]:
            return ORDER_SIZE_LIMIT
        if value > a[account + A_MAX_ORDER_VALUE]:
            return ORDER_VALUE_LIMIT
        more_lots: i64 = lots - open_lots
        after: i64 = p[position + P_OPEN_LOTS + side] + more_lots
        after += p[position + P_TOTAL] if side == BUY else -p[position + P_TOTAL]
        if more_lots > 0 and after > a[account + A_MAX_POSITION]:
            return POSITION_LIMIT
        if (
            may_rest
            and open_lots == 0
            and a[account + A_OPEN_ORDERS] >= a[account + A_MAX_OPEN_ORDERS]
        ):
            return OPEN_ORDER_LIMIT
        if side == SELL:
            return INSUFFICIENT_POSITION if after > 0 and more_lots > 0 else ACCEPTED
        more_value: i64 = value - open_price * open_lots * tick_value
        free: i64 = a[account + A_TOTAL] - a[account + A_RESERVED] - a[account + A_HELD]
        return INSUFFICIENT_FUNDS if more_value > free and more_value > 0 else ACCEPTED

    def _check_state(self, account: i64, instrument: i64, side: i64, more_lots: i64) -> i64:
        a = self.accounts.words
        i = self.instruments.words
        state: i64 = a[account + A_STATE]
        if state != ACCOUNT_ACTIVE:
            if state == STATE_HALTED:
                return ACCOUNT_HALTED
            if side == BUY and more_lots > 0:  # positions are never short: a buy adds to them
                return ACCOUNT_REDUCING
        if i[instrument + I_STATE] != INSTRUMENT_CONTINUOUS:
            return INSTRUMENT_HALTED
        if a[account + A_CURRENCY] != i[instrument + I_CURRENCY]:
            return CURRENCY_MISMATCH
        return ACCEPTED

    def _check_terms(self, instrument: i64, price: i64, lots: i64) -> i64:
        i = self.instruments.words
        if price != 0 and (
            price < i[instrument + I_MIN_PRICE] or price > i[instrument + I_MAX_PRICE]
        ):
            return PRICE_OUT_OF_BAND
        if lots > i[instrument + I_MAX_ORDER_LOTS]:
            return QUANTITY_TOO_LARGE
        if price == 0:
            return NO_REFERENCE_PRICE
        if lots > i[instrument + I_SAFE_LOTS]:
            most: i64 = MAX_AMOUNT_MINOR // (price * i[instrument + I_TICK_VALUE_MINOR])
            if lots > most:
                return VALUE_OVERFLOW
        return ACCEPTED

    def reserve(self, position: i64, side: i64, lots: i64, price_times_lots: i64) -> None:
        """Promise lots, and for a buy their value, to an order; negative amounts give them back."""
        p = self.positions.words
        at: i64 = position + P_OPEN_LOTS + side
        p[at] = p[at] + lots
        if side == BUY:
            a = self.accounts.words
            i = self.instruments.words
            reserved: i64 = p[position + P_ACCOUNT] + A_RESERVED
            tick_value: i64 = i[p[position + P_INSTRUMENT] + I_TICK_VALUE_MINOR]
            a[reserved] = a[reserved] + price_times_lots * tick_value

    def trade(
        self, buyer: i64, seller: i64, lots: i64, value_minor: i64, reserved_minor: i64
    ) -> None:
        """Move cash and lots between two positions, and end the reservations for them.

        The buyer had reserved `reserved_minor` (at its limit) for lots that cost `value_minor`.
        """
        p = self.positions.words
        a = self.accounts.words
        p[buyer + P_OPEN_LOTS + BUY] = p[buyer + P_OPEN_LOTS + BUY] - lots
        p[buyer + P_TOTAL] = p[buyer + P_TOTAL] + lots
        p[seller + P_OPEN_LOTS + SELL] = p[seller + P_OPEN_LOTS + SELL] - lots
        p[seller + P_TOTAL] = p[seller + P_TOTAL] - lots
        payer: i64 = p[buyer + P_ACCOUNT]
        payee: i64 = p[seller + P_ACCOUNT]
        a[payer + A_RESERVED] = a[payer + A_RESERVED] - reserved_minor
        a[payer + A_TOTAL] = a[payer + A_TOTAL] - value_minor
        a[payee + A_TOTAL] = a[payee + A_TOTAL] + value_minor
