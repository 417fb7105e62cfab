"""Commands about many orders at once: mass cancel, disconnect, and batches of commands."""

from typing import Final, final

from librt.vecs import vec
from mypy_extensions import i64

from hotpath.core import sweeping
from hotpath.core.codes import (
    CANCEL_DISCONNECT,
    CANCEL_MASS_CANCEL,
    MALFORMED,
    NOT_OWNER,
    UNKNOWN_ACCOUNT,
    UNKNOWN_INSTRUMENT,
    UNKNOWN_KIND,
)
from hotpath.core.lengths import words_of
from hotpath.core.order_commands import OrderCommands
from hotpath.core.state import State
from hotpath.core.sweeps import Sweep
from shared.domain.ids import MAX_ACCOUNT_ID
from shared.domain.records import (
    BATCH_DONE,
    C_ACCOUNT,
    C_HEADER,
    C_ID,
    C_QUANTITY,
    CANCEL_ORDER,
    COMMAND_WORDS,
    MASS_CANCELLED,
    MAX_BATCH,
    MAX_SESSION,
    PLACE_ORDER,
    PLACE_ORDER_EXTENDED,
    REPLACE_ORDER,
    SCOPE_ALL_INSTRUMENTS,
    SCOPE_ONE_SIDE,
    SELL,
)


@final
class GroupCommands:
    def __init__(self, state: State, orders: OrderCommands) -> None:
        self.state: Final = state
        self.orders: Final = orders

    def mass_cancel(self, c: vec[i64], at: i64) -> None:
        """Say how many orders of an account are going to leave; they leave after this event."""
        state = self.state
        header: i64 = c[at + C_HEADER]
        flags: i64 = header >> 32 & 0xFFFF
        side: i64 = header >> 8 & 0xFF
        account_id: i64 = c[at + C_ACCOUNT]
        sound: bool = c[at + C_ID] >= 0 and 0 < account_id <= MAX_ACCOUNT_ID
        if not sound or flags & ~(SCOPE_ALL_INSTRUMENTS | SCOPE_ONE_SIDE) != 0:
            state.refuse(c, at, MALFORMED, 0)
            return
        if flags & SCOPE_ONE_SIDE != 0 and side > SELL:
            state.refuse(c, at, MALFORMED, 0)
            return
        sweep = Sweep(state.orders.clock, CANCEL_MASS_CANCEL)
        sweep.account = state.accounts.find(account_id)
        if sweep.account == 0:
            state.refuse(c, at, UNKNOWN_ACCOUNT, 0)
            return
        number: i64 = 0
        if flags & SCOPE_ALL_INSTRUMENTS == 0:
            number = header >> 48
            sweep.instrument = state.instruments.find(number)
            if sweep.instrument == 0:
                state.refuse(c, at, UNKNOWN_INSTRUMENT, 0)
                return
        if flags & SCOPE_ONE_SIDE != 0:
            sweep.side = side
        self._begin(c, at, sweep, account_id, number)

    def disconnect(self, c: vec[i64], at: i64) -> None:
        """The same for the orders of a session that asked to be cancelled with it."""
        if not 1 <= c[at + C_ID] <= MAX_SESSION:
            self.state.refuse(c, at, MALFORMED, 0)
            return
        sweep = Sweep(self.state.orders.clock, CANCEL_DISCONNECT)
        sweep.session = c[at + C_ID]
        self._begin(c, at, sweep, 0, 0)

    def _begin(self, c: vec[i64], at: i64, sweep: Sweep, account: i64, number: i64) -> None:
        state = self.state
        state.work_due = True
        state.sweeps.append(sweep)
        count: i64 = sweeping.count(state, sweep)
        header: i64 = MASS_CANCELLED | number << 48
        state.events.emit(header, c[at + C_ID], account, 0, count, 0, 0, 0)

    # --- batches ---------------------------------------------------------------------------------

    def batch(self, c: vec[i64], at: i64, end: i64) -> None:
        """Apply the commands of one member that follow in words up to `end` as one.

        Nothing comes between them; each is judged alone.
        """
        state = self.state
        count: i64 = c[at + C_QUANTITY]
        sound: bool = c[at + C_HEADER] >= 0 and 1 <= count <= MAX_BATCH
        if not sound or _commands_in(c, at + COMMAND_WORDS, end) != count:
            state.refuse(c, at, MALFORMED, 0)
            return
        left_over: bool = state.careful
        state.careful = True
        accepted: i64 = 0
        one: i64 = at + COMMAND_WORDS
        while one < end:
            if self._apply_inner(c, one, c[at + C_ACCOUNT]):
                accepted += 1
            one += words_of(c[one + C_HEADER])
        state.careful = left_over
        state.events.emit(
            BATCH_DONE, c[at + C_ID], c[at + C_ACCOUNT], 0, accepted, count - accepted, 0, 0
        )

    def _apply_inner(self, c: vec[i64], at: i64, account_id: i64) -> bool:
        kind: i64 = c[at + C_HEADER] & 0xFF
        is_order: bool = kind in (PLACE_ORDER, PLACE_ORDER_EXTENDED)
        if not is_order and kind != CANCEL_ORDER and kind != REPLACE_ORDER:
            self.state.refuse(c, at, UNKNOWN_KIND, 0)
            return False
        if c[at + C_ACCOUNT] != account_id:
            self.state.refuse(c, at, NOT_OWNER, 0)
            return False
        if is_order:
            return self.orders.place(c, at)
        if kind == CANCEL_ORDER:
            return self.orders.cancel(c, at)
        return self.orders.replace(c, at)


def _commands_in(c: vec[i64], at: i64, end: i64) -> i64:
    """Return how many commands the words are; 0 if their lengths do not fit."""
    count: i64 = 0
    while at < end:
        at += words_of(c[at + C_HEADER])
        count += 1
    return count if at == end else 0
