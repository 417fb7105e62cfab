"""The engine: apply one command, write its events. Nothing here reads a clock or fails on input."""

from typing import final

from librt.strings import read_i64_le
from librt.vecs import vec
from mypy_extensions import i64

from hotpath.core.administration import AdministrationCommands
from hotpath.core.codes import ACCEPTED, CAPACITY, DUPLICATE_ID, MALFORMED, UNKNOWN_KIND
from hotpath.core.ids import FIRST_ADMINISTRATIVE_ID
from hotpath.core.money import MoneyCommands
from hotpath.core.orders import OrderCommands
from hotpath.core.queries import Queries
from hotpath.core.snapshot import restore_state, snapshot_bytes, state_hash
from hotpath.core.state import State
from hotpath.core.words import zeros
from shared.domain.ids import MAX_SEQUENCE
from shared.domain.records import (
    ADD_ACCOUNT,
    ADD_INSTRUMENT,
    C_HEADER,
    C_ID,
    C_SEQUENCE,
    C_TIME_NS,
    CANCEL_ORDER,
    COMMAND_WORDS,
    DEPOSIT_CASH,
    EVENT_WORDS,
    EXTENDED_COMMAND_WORDS,
    FIRST_EXTENDED_KIND,
    MASS_CANCEL,
    MASS_CANCEL_BATCH,
    PLACE_ORDER,
    REPLACE_ORDER,
    SET_ACCOUNT_STATE,
    SET_LIMITS,
    SETTLE,
)


@final
class Engine:
    """The matching and risk core of one shard. See `hotpath/core/api.py` for its use."""

    def __init__(
        self,
        max_orders: i64 = 1 << 20,
        max_ids: i64 = 1 << 24,
        max_accounts: i64 = 1 << 16,
        max_instruments: i64 = 16,
        max_levels: i64 = 1 << 21,
        max_holds: i64 = 1 << 16,
        max_trades: i64 = 8192,
        expected_ids: i64 = 1 << 14,
        risk: bool = True,
    ) -> None:
        """Make an empty engine.

        Tables start small and double up to the maximum given here; a command that needs more is
        refused with CAPACITY. `max_ids` bounds how many ids are remembered, `max_levels` the sum of
        all bands' prices over both sides, `max_trades` (1 … 16,384) the trades of one command.
        `expected_ids` are remembered before the table of ids grows for the first time. Without
        `risk` nobody's funds, shares and limits are looked at or changed by orders: it is there to
        measure what they cost.

        Raises
        ------
        ValueError
            A maximum is outside what the tables can address.
        """
        if not 1 <= max_trades <= 1 << 14:
            raise ValueError(f"max_trades {max_trades} is outside 1..16384")
        self.state = State(
            max_orders, max_ids, max_accounts, max_instruments, max_levels, max_holds, expected_ids
        )
        self.queries = Queries(self.state)
        self._orders = OrderCommands(self.state, max_trades, risk)
        self._money = MoneyCommands(self.state)
        self._administration = AdministrationCommands(self.state)
        self._room: i64 = max(max_trades, MASS_CANCEL_BATCH) + 2  # events of one command, at most
        self._command: vec[i64] = zeros(EXTENDED_COMMAND_WORDS)

    # --- commands --------------------------------------------------------------------------------

    def apply(self, commands: vec[i64], at: i64) -> None:
        """Apply the command whose first word is `commands[at]`; append its events.

        The caller sees that all words of the command are there.
        """
        state = self.state
        state.events.reserve(self._room)
        kind: i64 = commands[at + C_HEADER] & 0xFF
        sequence: i64 = commands[at + C_SEQUENCE]
        time_ns: i64 = commands[at + C_TIME_NS]
        if sequence <= 0 or sequence > MAX_SEQUENCE or time_ns < 0:
            self._refuse_unstamped(kind, commands, at)
            return
        state.sequence = sequence
        state.time_ns = time_ns
        if kind == REPLACE_ORDER:
            self._orders.replace(commands, at)
        elif kind == PLACE_ORDER:
            self._orders.place(commands, at)
        elif kind == CANCEL_ORDER:
            self._orders.cancel(commands, at)
        elif kind == MASS_CANCEL:
            self._orders.mass_cancel(commands, at)
        elif _is_administrative(kind):
            self._administer(kind, commands, at)
        else:
            state.refuse(commands, at, UNKNOWN_KIND, 0)

    def apply_bytes(self, buffer: bytes, offset: i64) -> None:
        """Apply the command at byte `offset`, as the journal holds it (stamped).

        The caller sees that all words of the command are there.
        """
        command = self._command
        header: i64 = read_i64_le(buffer, offset)
        words: i64 = (
            COMMAND_WORDS if header & 0xFF < FIRST_EXTENDED_KIND else EXTENDED_COMMAND_WORDS
        )
        index: i64 = 0
        while index < words:
            command[index] = read_i64_le(buffer, offset + index * 8)
            index += 1
        self.apply(command, 0)

    def apply_stamped(self, buffer: bytes, offset: i64, sequence: i64, time_ns: i64) -> None:
        """Apply the command at byte `offset` with the sequencer's stamps in place of its own."""
        command = self._command
        header: i64 = read_i64_le(buffer, offset)
        words: i64 = (
            COMMAND_WORDS if header & 0xFF < FIRST_EXTENDED_KIND else EXTENDED_COMMAND_WORDS
        )
        index: i64 = 0
        while index < words:
            command[index] = read_i64_le(buffer, offset + index * 8)
            index += 1
        command[C_SEQUENCE] = sequence
        command[C_TIME_NS] = time_ns
        self.apply(command, 0)

    def apply_many(self, commands: vec[i64], first: i64, end: i64) -> None:
        """Apply the commands that lie one after the other in words `first` … `end` - 1."""
        at: i64 = first
        while at < end:
            self.apply(commands, at)
            if commands[at + C_HEADER] & 0xFF >= FIRST_EXTENDED_KIND:
                at += EXTENDED_COMMAND_WORDS
            else:
                at += COMMAND_WORDS

    def apply_words(self, words: list[int]) -> list[tuple[int, ...]]:
        """Apply one command given as a list of words; return its events. For tests and tools."""
        command = self._command
        for index, word in enumerate(words):
            command[index] = word
        first: i64 = self.state.events.used
        self.apply(command, 0)
        return self._events_from(first)

    def _administer(self, kind: i64, c: vec[i64], at: i64) -> None:
        state = self.state
        first: i64 = state.ids.first_sequence(c[at + C_ID])
        if first == 0:
            first = self._administration.first_sequence(kind, c, at)
        if first != 0:
            state.refuse(c, at, DUPLICATE_ID, first)
            return
        is_money: bool = DEPOSIT_CASH <= kind <= SETTLE
        code: i64 = MALFORMED
        if c[at + C_ID] >= FIRST_ADMINISTRATIVE_ID:
            if is_money:
                code = self._money.check(kind, c, at)
            else:
                code = self._administration.check(kind, c, at)
        if code == ACCEPTED and state.ids.is_full():
            code = CAPACITY
        if code != ACCEPTED:
            state.refuse(c, at, code, 0)
            return
        hold: i64 = 0
        if is_money:
            hold = self._money.do(kind, c, at)
        else:
            self._administration.do(kind, c, at)
        state.ids.insert(c[at + C_ID], state.sequence, hold)

    def _refuse_unstamped(self, kind: i64, c: vec[i64], at: i64) -> None:
        """Refuse a command whose stamps the sequencer cannot have made."""
        first: i64 = 0
        code: i64 = MALFORMED
        if _is_administrative(kind):
            first = self.state.ids.first_sequence(c[at + C_ID])
            if first == 0:
                first = self._administration.first_sequence(kind, c, at)
        elif kind == PLACE_ORDER:
            first = self.state.ids.first_sequence(c[at + C_ID])
        elif not CANCEL_ORDER <= kind <= MASS_CANCEL:
            code = UNKNOWN_KIND
        self.state.refuse(c, at, DUPLICATE_ID if first != 0 else code, first)

    # --- events ----------------------------------------------------------------------------------

    @property
    def event_words(self) -> int:
        """How many words of `events` are filled since the last reset."""
        return self.state.events.used

    @property
    def event_count(self) -> int:
        return self.state.events.used // EVENT_WORDS

    @property
    def events(self) -> vec[i64]:
        """The event buffer itself; it is another one after a command that made it grow."""
        return self.state.events.words

    def events_bytes(self) -> bytes:
        """Return a copy of the events since the last reset, as the journal holds them."""
        return self.state.events.to_bytes()

    def reset_events(self) -> None:
        self.state.events.used = 0

    def event_tuples(self) -> list[tuple[int, ...]]:
        """Return the events since the last reset, one tuple of words each."""
        return self._events_from(0)

    def _events_from(self, first: i64) -> list[tuple[int, ...]]:
        words = self.state.events.words
        found: list[tuple[int, ...]] = []
        at: i64 = first
        while at < self.state.events.used:
            found.append(tuple([int(words[at + index]) for index in range(EVENT_WORDS)]))
            at += EVENT_WORDS
        return found

    # --- state -----------------------------------------------------------------------------------

    @property
    def sequence(self) -> int:
        """The sequence of the command applied last; 0 before the first."""
        return self.state.sequence

    @property
    def open_order_count(self) -> int:
        return self.state.book.count

    def state_hash(self) -> int:
        """Return 63 bits that depend on the state alone, not on this implementation."""
        return state_hash(self.state)

    def snapshot_bytes(self) -> bytes:
        """Return the whole state in its canonical form."""
        return snapshot_bytes(self.state)

    def restore(self, data: bytes) -> None:
        """Fill this engine, which must be new, from a snapshot.

        Raises
        ------
        ValueError
            The snapshot is damaged, of another format or rules version, or larger than the tables.
        """
        restore_state(self.state, data)


def _is_administrative(kind: i64) -> bool:
    if kind >= FIRST_EXTENDED_KIND:
        return kind in (ADD_INSTRUMENT, SET_LIMITS)
    return DEPOSIT_CASH <= kind <= SETTLE or SET_ACCOUNT_STATE <= kind <= ADD_ACCOUNT
