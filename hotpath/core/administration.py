"""Administration: accounts, limits, fee tiers, tick tables, throttles, kill switches."""

from typing import Final, final

from librt.vecs import vec
from mypy_extensions import i64

from hotpath.core import throttles
from hotpath.core.account_watch import watch_account
from hotpath.core.accounts import CASH_LEVERAGE, owner
from hotpath.core.admin_forms import MAX_CURRENCY, MAX_NUMBER, are_limits, are_ticks, is_tier
from hotpath.core.auction import Auction
from hotpath.core.codes import (
    ACCEPTED,
    CANCEL_KILL_SWITCH,
    CAPACITY,
    MALFORMED,
    UNKNOWN_ACCOUNT,
    UNKNOWN_FEE_TIER,
)
from hotpath.core.instrument_commands import InstrumentCommands, is_of_instruments
from hotpath.core.layout import (
    A_GROUP,
    A_KILLED,
    A_LEVERAGE,
    A_OWNER,
    A_SEQUENCE,
    A_STATE,
    A_THROTTLE,
    A_TIER,
    ACCOUNT_SHIFT,
    I_SEQUENCE,
)
from hotpath.core.state import State
from hotpath.core.sweeps import Sweep
from shared.domain.ids import MAX_ACCOUNT_ID
from shared.domain.records import (
    ACCOUNT_ACTIVE,
    ACCOUNT_ADDED,
    ACCOUNT_HALTED,
    ACCOUNT_STATE_CHANGED,
    ACCOUNT_TERMS_CHANGED,
    ADD_ACCOUNT,
    ADD_INSTRUMENT,
    C_ACCOUNT,
    C_AUCTION_RATE,
    C_CURRENCY,
    C_HEADER,
    C_ID,
    C_LIMIT_OPEN_ORDERS,
    C_LIMIT_ORDER_LOTS,
    C_LIMIT_ORDER_VALUE_MINOR,
    C_LIMIT_POSITION_LOTS,
    C_MAKER_RATE,
    C_SCOPE,
    C_SESSION,
    C_STATE,
    C_TAKER_RATE,
    C_TICK_ROWS,
    END_OF_DAY,
    EXPIRE_ORDERS,
    FEE_TIER_CHANGED,
    KILL_ACCOUNT,
    KILL_FIRM,
    KILL_GROUP,
    KILL_SWITCH_CHANGED,
    LIMITS_CHANGED,
    MAX_GROUP,
    MAX_LEVERAGE,
    MAX_QUANTITY_LOTS,
    MAX_SESSION,
    SET_ACCOUNT_FEE_TIER,
    SET_ACCOUNT_GROUP,
    SET_ACCOUNT_STATE,
    SET_FEE_TIER,
    SET_INSTRUMENT_STATE,
    SET_INSTRUMENT_TERMS,
    SET_KILL_SWITCH,
    SET_LIMITS,
    SET_MARGIN,
    SET_THROTTLE,
    SET_TICK_TABLE,
    THROTTLE_CHANGED,
    TICK_ROWS,
    TICK_TABLE_CHANGED,
    UNCROSS,
)


def is_administrative(kind: i64) -> bool:
    """Say whether AdministrationCommands knows the kind of command."""
    return (
        kind
        in (
            ADD_ACCOUNT,
            ADD_INSTRUMENT,
            SET_LIMITS,
            SET_ACCOUNT_STATE,
            SET_INSTRUMENT_STATE,
            UNCROSS,
            END_OF_DAY,
            SET_MARGIN,
            SET_THROTTLE,
        )
        or EXPIRE_ORDERS <= kind <= SET_KILL_SWITCH
        or SET_INSTRUMENT_TERMS <= kind <= SET_TICK_TABLE
    )


@final
class AdministrationCommands:
    """`check` finds what forbids a command, in the order of RejectCode; `do` cannot fail.

    What is of instruments goes to InstrumentCommands.
    """

    def __init__(self, state: State, auction: Auction) -> None:
        self.state: Final = state
        self.instruments: Final = InstrumentCommands(state, auction)

    def first_sequence(self, kind: i64, c: vec[i64], at: i64) -> i64:
        """Return which command added what this one would add again; 0: none did."""
        if c[at + C_HEADER] < 0:
            return 0
        if kind == ADD_ACCOUNT and 0 < c[at + C_ACCOUNT] <= MAX_ACCOUNT_ID:
            account: i64 = self.state.accounts.find(c[at + C_ACCOUNT])
            return 0 if account == 0 else self.state.accounts.words[account + A_SEQUENCE]
        if kind == ADD_INSTRUMENT:
            instrument: i64 = self.state.instruments.find(c[at + C_HEADER] >> 48)
            return 0 if instrument == 0 else self.state.instruments.words[instrument + I_SEQUENCE]
        return 0

    def check(self, kind: i64, c: vec[i64], at: i64) -> i64:
        """Return ACCEPTED, or the code that refuses the command at word `at`."""
        if is_of_instruments(kind):
            return self.instruments.check(kind, c, at)
        if kind == ADD_ACCOUNT:
            sound: bool = 0 < c[at + C_CURRENCY] <= MAX_CURRENCY
            if not sound or not 0 < c[at + C_ACCOUNT] <= MAX_ACCOUNT_ID:
                return MALFORMED
            return ACCEPTED if self.state.accounts.has_room() else CAPACITY
        if kind in (SET_FEE_TIER, SET_TICK_TABLE):
            sound = is_tier(c, at) if kind == SET_FEE_TIER else are_ticks(c, at)
            return ACCEPTED if sound and 1 <= c[at + C_STATE] <= MAX_NUMBER else MALFORMED
        if kind == SET_KILL_SWITCH:
            return self._check_switch(c, at)
        if kind == SET_THROTTLE:
            return self._check_throttle(c, at)
        return self._check_account(kind, c, at)

    def _check_account(self, kind: i64, c: vec[i64], at: i64) -> i64:
        """Check a command that sets something of one account."""
        value: i64 = c[at + C_STATE]
        sound: bool = False
        if kind == SET_ACCOUNT_STATE:
            sound = ACCOUNT_ACTIVE <= value <= ACCOUNT_HALTED
        elif kind == SET_LIMITS:
            sound = are_limits(c, at)
        elif kind == SET_ACCOUNT_FEE_TIER:
            sound = 0 <= value <= MAX_NUMBER
        elif kind == SET_ACCOUNT_GROUP:
            sound = 0 <= value <= MAX_GROUP
        else:
            sound = CASH_LEVERAGE <= value <= MAX_LEVERAGE
        if not sound or not 0 < c[at + C_ACCOUNT] <= MAX_ACCOUNT_ID:
            return MALFORMED
        if self.state.accounts.find(c[at + C_ACCOUNT]) == 0:
            return UNKNOWN_ACCOUNT
        if kind == SET_ACCOUNT_FEE_TIER and int(value) not in self.state.house.tiers:
            return UNKNOWN_FEE_TIER
        return ACCEPTED

    def _check_switch(self, c: vec[i64], at: i64) -> i64:
        scope: i64 = c[at + C_SCOPE]
        target: i64 = c[at + C_ACCOUNT]
        if not KILL_ACCOUNT <= scope <= KILL_FIRM or not 0 <= c[at + C_STATE] <= 1:
            return MALFORMED
        if (target != 0) if scope == KILL_FIRM else not 1 <= target <= MAX_GROUP:
            return MALFORMED
        if scope != KILL_ACCOUNT:
            return ACCEPTED
        if target > MAX_ACCOUNT_ID:
            return MALFORMED
        return ACCEPTED if self.state.accounts.find(target) != 0 else UNKNOWN_ACCOUNT

    def _check_throttle(self, c: vec[i64], at: i64) -> i64:
        session: i64 = c[at + C_SESSION]
        account: i64 = c[at + C_ACCOUNT]
        if not 0 <= c[at + C_STATE] <= MAX_QUANTITY_LOTS or not 0 <= session <= MAX_SESSION:
            return MALFORMED
        if (session > 0) != (account == 0):
            return MALFORMED
        if session > 0:
            known: bool = self.state.sessions.find(session) != 0
            return ACCEPTED if known or self.state.sessions.has_room() else CAPACITY
        if not 0 < account <= MAX_ACCOUNT_ID:
            return MALFORMED
        return ACCEPTED if self.state.accounts.find(account) != 0 else UNKNOWN_ACCOUNT

    # --- what they do ----------------------------------------------------------------------------

    def do(self, kind: i64, c: vec[i64], at: i64) -> None:
        """Do what `check` has allowed."""
        if is_of_instruments(kind):
            self.instruments.do(kind, c, at)
        elif kind == ADD_ACCOUNT:
            self._add_account(c, at)
        elif kind == SET_FEE_TIER:
            self._set_tier(c, at)
        elif kind == SET_TICK_TABLE:
            self._set_ticks(c, at)
        elif kind == SET_KILL_SWITCH:
            self._set_switch(c, at)
        elif kind == SET_THROTTLE:
            self._set_throttle(c, at)
        elif kind == SET_LIMITS:
            self._set_limits(c, at)
        else:
            self._set_account(kind, c, at)

    def _report(
        self, header: i64, c: vec[i64], at: i64, account: i64, price: i64, quantity: i64
    ) -> None:
        self.state.events.emit(header, c[at + C_ID], account, price, quantity, 0, 0, 0)

    def _add_account(self, c: vec[i64], at: i64) -> None:
        state = self.state
        account_id: i64 = c[at + C_ACCOUNT]
        account: i64 = state.accounts.add(account_id, c[at + C_CURRENCY], state.sequence)
        state.positions.add_account(account)
        watch_account(self.state, account)
        self._report(ACCOUNT_ADDED, c, at, account_id, c[at + C_CURRENCY], 0)

    def _set_tier(self, c: vec[i64], at: i64) -> None:
        maker: i64 = c[at + C_MAKER_RATE]
        taker: i64 = c[at + C_TAKER_RATE]
        auction: i64 = c[at + C_AUCTION_RATE]
        self.state.house.tiers[int(c[at + C_STATE])] = (maker, taker, auction)
        tier: i64 = c[at + C_STATE]
        id_: i64 = c[at + C_ID]
        self.state.events.emit(FEE_TIER_CHANGED, id_, 0, 0, tier, maker, taker, auction)

    def _set_ticks(self, c: vec[i64], at: i64) -> None:
        rows: list[tuple[int, int]] = []
        for row in range(TICK_ROWS):
            start: i64 = c[at + C_TICK_ROWS + 2 * row]
            if start != 0:
                rows.append((int(start), int(c[at + C_TICK_ROWS + 2 * row + 1])))
        self.state.house.tick_tables[int(c[at + C_STATE])] = rows
        self._report(TICK_TABLE_CHANGED, c, at, 0, 0, c[at + C_STATE])

    def _set_account(self, kind: i64, c: vec[i64], at: i64) -> None:
        """Set state, fee tier, group or leverage. Open orders keep the terms they came with."""
        account: i64 = self.state.accounts.find(c[at + C_ACCOUNT])
        a = self.state.accounts.words
        value: i64 = c[at + C_STATE]
        if kind == SET_ACCOUNT_STATE:
            a[account + A_STATE] = value
        elif kind == SET_ACCOUNT_FEE_TIER:
            a[account + A_TIER] = value
        elif kind == SET_ACCOUNT_GROUP:
            a[account + A_GROUP] = value
            a[account + A_OWNER] = owner(c[at + C_ACCOUNT], value)
            for sweep in self.state.sweeps:
                sweep.restart()
        else:
            a[account + A_LEVERAGE] = value
        watch_account(self.state, account)
        if kind == SET_ACCOUNT_STATE:
            self._report(ACCOUNT_STATE_CHANGED, c, at, c[at + C_ACCOUNT], 0, value)
            return
        tier: i64 = a[account + A_TIER]
        group: i64 = a[account + A_GROUP]
        leverage: i64 = a[account + A_LEVERAGE]
        self.state.events.emit(
            ACCOUNT_TERMS_CHANGED, c[at + C_ID], c[at + C_ACCOUNT], tier, group, leverage, 0, 0
        )

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

    def _set_throttle(self, c: vec[i64], at: i64) -> None:
        state = self.state
        session: i64 = c[at + C_SESSION]
        limit: i64 = c[at + C_STATE]
        if session > 0:
            found: i64 = state.sessions.find(session)
            if found == 0:
                found = state.sessions.add(session)
            throttles.set_limit(state.sessions.words, found, limit)
        else:
            account: i64 = state.accounts.find(c[at + C_ACCOUNT])
            throttles.set_limit(state.accounts.words, account + A_THROTTLE, limit)
            watch_account(self.state, account)
        self._report(THROTTLE_CHANGED, c, at, c[at + C_ACCOUNT], session, limit)

    def _set_switch(self, c: vec[i64], at: i64) -> None:
        """Refuse all new orders of an account, a group or everybody, and cancel what is open."""
        state = self.state
        scope: i64 = c[at + C_SCOPE]
        target: i64 = c[at + C_ACCOUNT]
        on: bool = c[at + C_STATE] == 1
        sweep = Sweep(state.orders.clock, CANCEL_KILL_SWITCH)
        if scope == KILL_ACCOUNT:
            sweep.account = state.accounts.find(target)
            state.accounts.words[sweep.account + A_KILLED] = c[at + C_STATE]
        elif scope == KILL_GROUP:
            sweep.group = target
            state.house.kill_group(target, on)
        else:
            state.house.firm_killed = on
        slot: i64 = 1
        while slot <= state.accounts.count:
            watch_account(self.state, slot << ACCOUNT_SHIFT)
            slot += 1
        self._report(KILL_SWITCH_CHANGED, c, at, target, scope, c[at + C_STATE])
        if on:
            state.sweeps.append(sweep)
