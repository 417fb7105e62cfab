"""Instruments as commands: add them, set their terms and sessions, uncross, end their day."""

from typing import Final, final

from librt.vecs import vec
from mypy_extensions import i64

from hotpath.core import book
from hotpath.core.admin_forms import are_terms, is_instrument
from hotpath.core.auction import Auction
from hotpath.core.codes import (
    ACCEPTED,
    CANCEL_DELISTED,
    CAPACITY,
    EXPIRED_DAY_OVER,
    EXPIRED_TIME_REACHED,
    INSTRUMENT_DELISTED,
    MALFORMED,
    POSITIONS_OPEN,
    SESSION_CANNOT_FOLLOW,
    UNCROSS_NEEDED,
    UNKNOWN_INSTRUMENT,
    UNKNOWN_TICK_TABLE,
    VALUE_OVERFLOW,
)
from hotpath.core.layout import (
    ACCOUNT_SHIFT,
    I_BAND_BPS,
    I_BREAKER_BPS,
    I_COLLAR_ACTION,
    I_DYNAMIC_BPS,
    I_ID,
    I_LAST,
    I_LOT_SIZE,
    I_MIN_NOTIONAL,
    I_REFERENCE,
    I_SESSION,
    I_STATIC_BPS,
    I_TICK_TABLE,
    I_UNCROSS_ORDER,
    INSTRUMENT_SHIFT,
    P_SETTLED,
    P_TOTAL,
)
from hotpath.core.session_changes import can_uncross, change, may_follow
from hotpath.core.state import State
from hotpath.core.sweeps import ANY, OF_THE_DAY, TIME_REACHED, Sweep
from shared.domain.records import (
    ADD_INSTRUMENT,
    C_BREAKER_BPS,
    C_COLLAR_ACTION,
    C_COLLAR_BPS,
    C_DYNAMIC_COLLAR_BPS,
    C_HEADER,
    C_ID,
    C_INSTRUMENT_CURRENCY,
    C_LIMIT_BAND_BPS,
    C_LOT_SIZE,
    C_MAX_ORDER_LOTS,
    C_MIN_NOTIONAL_MINOR,
    C_PRICE,
    C_REFERENCE_TICKS,
    C_STATE,
    C_STATIC_COLLAR_BPS,
    C_TICK_TABLE,
    C_TICK_VALUE_MINOR,
    C_UNCROSS_ORDER,
    DAY_ENDED,
    DELIST_INSTRUMENT,
    END_OF_DAY,
    EXPIRE_ORDERS,
    INSTRUMENT_ADDED,
    INSTRUMENT_CHANGED,
    MAX_AMOUNT_MINOR,
    ORDERS_EXPIRING,
    SCOPE_ALL_INSTRUMENTS,
    SESSION_CLOSED,
    SESSION_CONTINUOUS,
    SESSION_DELISTED,
    SET_INSTRUMENT_STATE,
    SET_INSTRUMENT_TERMS,
    UNCROSS,
    USUAL_UNCROSS_ORDER,
)


def is_of_instruments(kind: i64) -> bool:
    """Say whether InstrumentCommands knows the kind of command."""
    if kind in (ADD_INSTRUMENT, SET_INSTRUMENT_TERMS, SET_INSTRUMENT_STATE, UNCROSS):
        return True
    return kind in (DELIST_INSTRUMENT, END_OF_DAY, EXPIRE_ORDERS)


@final
class InstrumentCommands:
    """`check` finds what forbids a command, in the order of RejectCode; `do` cannot fail."""

    def __init__(self, state: State, auction: Auction) -> None:
        self.state: Final = state
        self.auction: Final = auction

    # --- checks ----------------------------------------------------------------------------------

    def check(self, kind: i64, c: vec[i64], at: i64) -> i64:
        """Return ACCEPTED, or the code that refuses the command at word `at`."""
        if kind == ADD_INSTRUMENT:
            return self._check_instrument(c, at)
        if kind == SET_INSTRUMENT_TERMS:
            return self._check_terms(c, at)
        if kind == SET_INSTRUMENT_STATE:
            return self._check_session(c, at)
        if kind in (UNCROSS, DELIST_INSTRUMENT):
            return self._check_end(kind, c, at)
        return self._check_day(kind, c, at)

    def _check_instrument(self, c: vec[i64], at: i64) -> i64:
        if not is_instrument(c, at):
            return MALFORMED
        most: i64 = MAX_AMOUNT_MINOR // max(1, c[at + C_PRICE])
        if c[at + C_PRICE] != 0 and c[at + C_TICK_VALUE_MINOR] > most:
            return VALUE_OVERFLOW
        return ACCEPTED if self.state.instruments.has_room() else CAPACITY

    def _check_terms(self, c: vec[i64], at: i64) -> i64:
        if not are_terms(c, at):
            return MALFORMED
        if self.state.instruments.find(c[at + C_HEADER] >> 48) == 0:
            return UNKNOWN_INSTRUMENT
        known: bool = int(c[at + C_TICK_TABLE]) in self.state.house.tick_tables
        return ACCEPTED if known else UNKNOWN_TICK_TABLE

    def _check_session(self, c: vec[i64], at: i64) -> i64:
        state = self.state
        session: i64 = c[at + C_STATE]
        flags: i64 = c[at + C_HEADER] >> 32 & 0xFFFF
        if not SESSION_CONTINUOUS <= session < SESSION_DELISTED:
            return MALFORMED
        if flags & ~SCOPE_ALL_INSTRUMENTS != 0:
            return MALFORMED
        if flags != 0:
            slot: i64 = 1
            while slot <= state.instruments.count:
                if self._may_change(slot << INSTRUMENT_SHIFT, session):
                    return ACCEPTED
                slot += 1
            return SESSION_CANNOT_FOLLOW
        instrument: i64 = state.instruments.find(c[at + C_HEADER] >> 48)
        if instrument == 0:
            return UNKNOWN_INSTRUMENT
        now: i64 = state.instruments.words[instrument + I_SESSION]
        if now == SESSION_DELISTED:
            return INSTRUMENT_DELISTED
        if not may_follow(now, session):
            return SESSION_CANNOT_FOLLOW
        return ACCEPTED if self._may_change(instrument, session) else UNCROSS_NEEDED

    def _may_change(self, instrument: i64, session: i64) -> bool:
        if not may_follow(self.state.instruments.words[instrument + I_SESSION], session):
            return False
        return session != SESSION_CONTINUOUS or not book.is_crossed(self.state, instrument)

    def _check_end(self, kind: i64, c: vec[i64], at: i64) -> i64:
        """Check the end of a call, or of an instrument."""
        state = self.state
        instrument: i64 = state.instruments.find(c[at + C_HEADER] >> 48)
        if instrument == 0:
            return UNKNOWN_INSTRUMENT
        session: i64 = state.instruments.words[instrument + I_SESSION]
        if session == SESSION_DELISTED:
            return INSTRUMENT_DELISTED
        if kind == UNCROSS:
            return ACCEPTED if can_uncross(session, c[at + C_STATE]) else SESSION_CANNOT_FOLLOW
        if session != SESSION_CLOSED:
            return SESSION_CANNOT_FOLLOW
        slot: i64 = 1
        while slot <= state.accounts.count:
            position: i64 = state.positions.find(slot << ACCOUNT_SHIFT, instrument)
            words = state.positions.words
            if words[position + P_TOTAL] != 0 or words[position + P_SETTLED] != 0:
                return POSITIONS_OPEN
            slot += 1
        return ACCEPTED

    def _check_day(self, kind: i64, c: vec[i64], at: i64) -> i64:
        number: i64 = c[at + C_HEADER] >> 48
        if number == 0:
            return ACCEPTED
        instrument: i64 = self.state.instruments.find(number)
        if instrument == 0:
            return UNKNOWN_INSTRUMENT
        session: i64 = self.state.instruments.words[instrument + I_SESSION]
        if kind == EXPIRE_ORDERS or session == SESSION_CLOSED:
            return ACCEPTED
        return INSTRUMENT_DELISTED if session == SESSION_DELISTED else SESSION_CANNOT_FOLLOW

    # --- what they do ----------------------------------------------------------------------------

    def do(self, kind: i64, c: vec[i64], at: i64) -> None:
        """Do what `check` has allowed."""
        if kind == ADD_INSTRUMENT:
            self._add_instrument(c, at)
        elif kind == SET_INSTRUMENT_TERMS:
            self._set_terms(c, at)
        elif kind == SET_INSTRUMENT_STATE:
            self._set_session(c, at)
        elif kind == UNCROSS:
            self.auction.uncross(self._instrument(c, at), c[at + C_STATE])
        elif kind == DELIST_INSTRUMENT:
            self._delist(c, at)
        elif kind == END_OF_DAY:
            self._end_day(c, at)
        else:
            number: i64 = c[at + C_HEADER] >> 48
            self._expire_times(ANY if number == 0 else self._instrument(c, at))
            self._report(ORDERS_EXPIRING | number << 48, c, at, 0, 0, 0)

    def _instrument(self, c: vec[i64], at: i64) -> i64:
        return self.state.instruments.find(c[at + C_HEADER] >> 48)

    def _add_instrument(self, c: vec[i64], at: i64) -> None:
        number: i64 = c[at + C_HEADER] >> 48
        self.state.instruments.add(
            number,
            c[at + C_INSTRUMENT_CURRENCY],
            c[at + C_TICK_VALUE_MINOR],
            c[at + C_MAX_ORDER_LOTS],
            c[at + C_COLLAR_BPS],
            c[at + C_PRICE],
            self.state.sequence,
        )
        self._report(INSTRUMENT_ADDED | number << 48, c, at, 0, c[at + C_PRICE], 0)

    def _set_terms(self, c: vec[i64], at: i64) -> None:
        instrument: i64 = self._instrument(c, at)
        i = self.state.instruments.words
        if c[at + C_REFERENCE_TICKS] != 0:
            i[instrument + I_REFERENCE] = c[at + C_REFERENCE_TICKS]
        order: i64 = c[at + C_UNCROSS_ORDER]
        i[instrument + I_TICK_TABLE] = c[at + C_TICK_TABLE]
        i[instrument + I_LOT_SIZE] = c[at + C_LOT_SIZE]
        i[instrument + I_MIN_NOTIONAL] = c[at + C_MIN_NOTIONAL_MINOR]
        i[instrument + I_STATIC_BPS] = c[at + C_STATIC_COLLAR_BPS]
        i[instrument + I_DYNAMIC_BPS] = c[at + C_DYNAMIC_COLLAR_BPS]
        i[instrument + I_COLLAR_ACTION] = c[at + C_COLLAR_ACTION]
        i[instrument + I_BAND_BPS] = c[at + C_LIMIT_BAND_BPS]
        i[instrument + I_BREAKER_BPS] = c[at + C_BREAKER_BPS]
        i[instrument + I_UNCROSS_ORDER] = USUAL_UNCROSS_ORDER if order == 0 else order
        self.state.instruments.watch(instrument)
        self._report_instrument(instrument, c, at)

    def _report_instrument(self, instrument: i64, c: vec[i64], at: i64) -> None:
        i = self.state.instruments.words
        header: i64 = INSTRUMENT_CHANGED | i[instrument + I_ID] << 48
        self._report(header, c, at, 0, i[instrument + I_REFERENCE], 0)

    def _set_session(self, c: vec[i64], at: i64) -> None:
        """Change the session of an instrument, or of all that can change so."""
        session: i64 = c[at + C_STATE]
        instruments = self.state.instruments
        if c[at + C_HEADER] >> 32 & SCOPE_ALL_INSTRUMENTS == 0:
            change(self.state, self._instrument(c, at), session, 0, c[at + C_ID])
            return
        place: i64 = 0
        while place < instruments.count:
            instrument: i64 = instruments.in_order[place]
            if self._may_change(instrument, session):
                change(self.state, instrument, session, 0, c[at + C_ID])
            place += 1

    def _delist(self, c: vec[i64], at: i64) -> None:
        instrument: i64 = self._instrument(c, at)
        change(self.state, instrument, SESSION_DELISTED, 0, c[at + C_ID])
        sweep = Sweep(self.state.orders.clock, CANCEL_DELISTED)
        sweep.instrument = instrument
        self.state.sweeps.append(sweep)

    def _expire_times(self, instrument: i64) -> None:
        """Let GTD orders expire whose time has come."""
        sweep = Sweep(self.state.orders.clock, EXPIRED_TIME_REACHED)
        sweep.instrument = instrument
        sweep.times = TIME_REACHED
        sweep.expired_at = self.state.time_ns
        sweep.expires = True
        self.state.sweeps.append(sweep)

    def _end_day(self, c: vec[i64], at: i64) -> None:
        """End an instrument's day, or, without an instrument, the engine's."""
        state = self.state
        if c[at + C_HEADER] >> 48 == 0:
            state.day += 1
            state.forget_ids(state.day_ended_at)
            state.day_ended_at = state.sequence
            self._report(DAY_ENDED, c, at, 0, 0, state.day)
            return
        instrument: i64 = self._instrument(c, at)
        i = state.instruments.words
        i[instrument + I_REFERENCE] = i[instrument + I_LAST]
        sweep = Sweep(state.orders.clock, EXPIRED_DAY_OVER)
        sweep.instrument = instrument
        sweep.times = OF_THE_DAY
        sweep.expires = True
        state.sweeps.append(sweep)
        self._expire_times(instrument)
        self._report_instrument(instrument, c, at)

    def _report(
        self, header: i64, c: vec[i64], at: i64, account: i64, price: i64, quantity: i64
    ) -> None:
        self.state.events.emit(header, c[at + C_ID], account, price, quantity, 0, 0, 0)
