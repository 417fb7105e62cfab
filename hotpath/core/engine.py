"""The engine: apply one command, write its events. Nothing here reads a clock or fails on input."""

from typing import Final, final

from librt.strings import read_i64_le
from librt.vecs import vec
from mypy_extensions import i64

from hotpath.core.aggressor import Aggressor
from hotpath.core.auction import Auction
from hotpath.core.codes import (
    DUPLICATE_ID,
    ENGINE_BUSY,
    MALFORMED,
    SESSION_CANNOT_FOLLOW,
    UNKNOWN_INSTRUMENT,
    UNKNOWN_KIND,
)
from hotpath.core.entering import Entering
from hotpath.core.group_commands import GroupCommands
from hotpath.core.house_commands import HouseCommands, has_administrative_id
from hotpath.core.layout import I_SESSION
from hotpath.core.lengths import words_at, words_in, words_of
from hotpath.core.look_ahead import GROUP, LookAhead
from hotpath.core.matching import Matching
from hotpath.core.order_commands import OrderCommands
from hotpath.core.queries import Queries
from hotpath.core.restore import restore_state
from hotpath.core.session_changes import is_call
from hotpath.core.snapshot import snapshot_bytes, state_hash
from hotpath.core.special_orders import SpecialOrders
from hotpath.core.state import State
from hotpath.core.stepping import Stepping
from hotpath.core.words import zeros
from hotpath.core.work import Work
from shared.domain.ids import EVENTS_OF_NUMBER, MAX_SEQUENCE
from shared.domain.records import (
    BATCH,
    C_HEADER,
    C_ID,
    C_PRICE,
    C_SEQUENCE,
    C_TIME_NS,
    CANCEL_ORDER,
    COMMAND_WORDS,
    CONTINUE,
    DISCONNECT,
    EVENT_WORDS,
    EXTENDED_COMMAND_WORDS,
    INDICATIVE_PRICE,
    MASS_CANCEL,
    MAX_BATCH,
    PLACE_ORDER,
    PLACE_ORDER_EXTENDED,
    PUBLISH_INDICATIVE,
    REPLACE_ORDER,
    WORK_REMAINS,
)

# An id's row is asked for while the two commands before its own are applied.
_IDS_AHEAD: Final = 2 * COMMAND_WORDS


@final
class Engine:
    """The matching and risk core of one shard. See `hotpath/core/api.py` for its use."""

    def __init__(
        self,
        max_orders: i64 = 1 << 20,
        max_ids: i64 = 1 << 24,
        max_accounts: i64 = 1 << 16,
        max_instruments: i64 = 16,
        ladder_ticks: i64 = 1 << 12,
        max_holds: i64 = 1 << 16,
        max_trades: i64 = 8192,
        max_work: i64 = 256,
        max_followers: i64 = 256,
        events_of_number: i64 = EVENTS_OF_NUMBER,
        throttle_window_ns: i64 = 1_000_000_000,
        expected_ids: i64 = 1 << 14,
        risk: bool = True,
    ) -> None:
        """Make an empty engine.

        Tables start small and double up to the maximum given here; a command that needs more is
        refused with CAPACITY. `max_ids` bounds how many ids are remembered, `max_trades`
        (1 … 16,384) the steps of one aggressor, `max_work` the steps that follow a command.
        A command with more than `events_of_number` events uses up the sequences behind its own, see
        `shared.domain.ids.trade_id`. `ladder_ticks` prices around the market are found without a
        search. `expected_ids` are remembered before the table of ids grows for the first time.
        Without `risk` nobody's funds, shares and limits are looked at or changed by orders: it is
        there to measure what they cost.

        Raises
        ------
        ValueError
            A maximum is outside what the tables can address.
        """
        if not 1 <= max_trades <= 1 << 14:
            raise ValueError(f"max_trades {max_trades} is outside 1..16384")
        self.state: Final = State(
            max_orders,
            max_ids,
            max_accounts,
            max_instruments,
            ladder_ticks,
            max_holds,
            expected_ids,
            max_trades,
            max_work,
            max_followers,
            events_of_number,
            throttle_window_ns,
            risk,
        )
        self.queries: Final = Queries(self.state)
        self.look_ahead: Final = LookAhead(self.state)
        hand = Aggressor(self.state)
        matching = Matching(self.state, hand, Stepping(self.state, hand))
        entering = Entering(self.state, matching)
        self._auction: Final = Auction(self.state)
        self._orders: Final = OrderCommands(
            self.state, matching, SpecialOrders(self.state, entering)
        )
        self._groups: Final = GroupCommands(self.state, self._orders)
        self._house: Final = HouseCommands(self.state, self._auction)
        self._work: Final = Work(self.state, entering)
        self._command: vec[i64] = zeros((MAX_BATCH + 1) * EXTENDED_COMMAND_WORDS)

    # --- commands --------------------------------------------------------------------------------

    def apply(self, commands: vec[i64], at: i64) -> None:
        """Apply the command whose first word is `commands[at]`; append its events.

        The caller sees that all words of the command are there.
        """
        kind: i64 = commands[at + C_HEADER] & 0xFF
        sequence: i64 = commands[at + C_SEQUENCE]
        time_ns: i64 = commands[at + C_TIME_NS]
        first: i64 = self.state.events.used
        if sequence <= self.state.numbers_used or sequence > MAX_SEQUENCE or time_ns < 0:
            if self._passes_number(commands, at):
                return
            self._refuse_unstamped(kind, commands, at)
        else:
            self.state.sequence = sequence
            self.state.time_ns = time_ns
            if kind == REPLACE_ORDER:
                self._orders.replace(commands, at)
            elif kind in (PLACE_ORDER, PLACE_ORDER_EXTENDED):
                self._orders.place(commands, at)
            elif kind == CANCEL_ORDER:
                self._orders.cancel(commands, at)
            else:
                self._apply_other(kind, commands, at)
        self._finish(first)

    def _finish(self, first: i64) -> None:
        """Do what follows from a command whose events begin at word `first`."""
        if self.state.work_due:
            self._work.go_on()
        if self.state.events.used - first > self.state.events_of_number * EVENT_WORDS:
            self.state.use_numbers(first)

    def _passes_number(self, c: vec[i64], at: i64) -> bool:
        """Say whether the command's number belongs to an earlier one's trades; it does nothing."""
        state = self.state
        sequence: i64 = c[at + C_SEQUENCE]
        if not 0 < sequence <= state.numbers_used or c[at + C_TIME_NS] < 0:
            return False
        state.sequence = sequence
        state.time_ns = c[at + C_TIME_NS]
        if c[at + C_HEADER] & 0xFF != CONTINUE:
            state.refuse(c, at, ENGINE_BUSY, 0)
        if self.has_work_left:
            state.events.emit(WORK_REMAINS, 0, 0, 0, 0, 0, 0, 0)
        return True

    def _apply_other(self, kind: i64, c: vec[i64], at: i64) -> None:
        state = self.state
        if has_administrative_id(kind):
            self._house.apply(kind, c, at)
        elif kind == BATCH:
            self._groups.batch(c, at, at + COMMAND_WORDS)
        elif not _is_known(kind):
            state.refuse(c, at, UNKNOWN_KIND, 0)
        elif c[at + C_HEADER] < 0:
            state.refuse(c, at, MALFORMED, 0)
        elif kind == MASS_CANCEL:
            self._groups.mass_cancel(c, at)
        elif kind == DISCONNECT:
            self._groups.disconnect(c, at)
        elif kind == PUBLISH_INDICATIVE:
            self._publish_indicative(c, at)

    def apply_batch(self, commands: vec[i64], at: i64, end: i64) -> None:
        """Apply a BATCH whose commands lie in the words after its own, up to `end`."""
        state = self.state
        sequence: i64 = commands[at + C_SEQUENCE]
        time_ns: i64 = commands[at + C_TIME_NS]
        first: i64 = state.events.used
        if sequence <= state.numbers_used or sequence > MAX_SEQUENCE or time_ns < 0:
            if self._passes_number(commands, at):
                return
            state.refuse(commands, at, MALFORMED, 0)
        else:
            state.sequence = sequence
            state.time_ns = time_ns
            self._groups.batch(commands, at, end)
        self._finish(first)

    def apply_bytes(self, buffer: bytes, offset: i64) -> None:
        """Apply the command at byte `offset`, as the journal holds it (stamped).

        The caller sees that all words of the command are there.
        """
        words: i64 = self._load(buffer, offset)
        self._apply_loaded(words)

    def apply_stamped(self, buffer: bytes, offset: i64, sequence: i64, time_ns: i64) -> None:
        """Apply the command at byte `offset` with the sequencer's stamps in place of its own."""
        words: i64 = self._load(buffer, offset)
        self._command[C_SEQUENCE] = sequence
        self._command[C_TIME_NS] = time_ns
        self._apply_loaded(words)

    def _load(self, buffer: bytes, offset: i64) -> i64:
        """Take over the command at byte `offset`; return how many words it has."""
        command = self._command
        words: i64 = words_at(buffer, offset)
        index: i64 = 0
        while index < words:
            command[index] = read_i64_le(buffer, offset + index * 8)
            index += 1
        return words

    def _apply_loaded(self, words: i64) -> None:
        if self._command[C_HEADER] & 0xFF == BATCH:
            self.apply_batch(self._command, 0, words)
        else:
            self.apply(self._command, 0)

    def batch_words(self, buffer: bytes, offset: i64) -> i64:
        """Return how many words the command at byte `offset` has, those of a batch included."""
        return words_at(buffer, offset)

    def apply_many(self, commands: vec[i64], first: i64, end: i64) -> None:
        """Apply the commands that lie one after the other in words `first` … `end` - 1."""
        at: i64 = first
        looked: i64 = first if self.look_ahead.pays() else end
        while at < end:
            if at >= looked:
                looked = self._look_ahead(commands, at, end)
            words: i64 = words_in(commands, at, end)
            coming: i64 = at + _IDS_AHEAD + C_ID
            if coming < end:
                self.look_ahead.expect_id(commands[coming])
            if commands[at + C_HEADER] & 0xFF == BATCH:
                self.apply_batch(commands, at, at + words)
            else:
                self.apply(commands, at)
            at += words

    def _look_ahead(self, commands: vec[i64], first: i64, end: i64) -> i64:
        """Have brought what the next commands need; return the word behind the last of them."""
        at: i64 = first
        left: i64 = GROUP
        while at + C_PRICE < end and left > 0:
            header: i64 = commands[at + C_HEADER]
            self.look_ahead.expect(header, commands[at + C_ID], commands[at + C_PRICE])
            at += words_of(header)
            left -= 1
        self.look_ahead.bring()
        return at if left == 0 else end

    def apply_words(self, words: list[int]) -> list[tuple[int, ...]]:
        """Apply one command, a BATCH with the commands that follow it; return its events.

        For tests and tools.
        """
        count: i64 = len(words)
        if count > len(self._command):
            self._command = zeros(count)
        command = self._command
        for index, word in enumerate(words):
            command[index] = word
        first: i64 = self.state.events.used
        if self.look_ahead.pays():
            self._look_ahead(command, 0, count)
        self._apply_loaded(count)
        return self._events_from(first)

    def _publish_indicative(self, c: vec[i64], at: i64) -> None:
        state = self.state
        instrument: i64 = state.instruments.find(c[at + C_HEADER] >> 48)
        if instrument == 0:
            state.refuse(c, at, UNKNOWN_INSTRUMENT, 0)
        elif not is_call(state.instruments.words[instrument + I_SESSION]):
            state.refuse(c, at, SESSION_CANNOT_FOLLOW, 0)
        else:
            self._auction.find_price(instrument)
            self._auction.publish(instrument, INDICATIVE_PRICE)

    def _refuse_unstamped(self, kind: i64, c: vec[i64], at: i64) -> None:
        """Refuse a command whose stamps the sequencer cannot have made."""
        first: i64 = 0
        code: i64 = MALFORMED
        if has_administrative_id(kind):
            first = self._house.first_sequence(kind, c, at)
        elif kind in (PLACE_ORDER, PLACE_ORDER_EXTENDED):
            first = self.state.ids.first_sequence(c[at + C_ID])
        elif not _is_known(kind) and kind != BATCH:
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
        return self.state.orders.count

    @property
    def has_work_left(self) -> bool:
        """Whether the last command ended with WORK_REMAINS: a CONTINUE has to follow."""
        return self.state.careful or self.state.sequence < self.state.numbers_used

    @property
    def is_passing(self) -> bool:
        """Whether the next sequence belongs to an earlier command's trades: none but CONTINUE."""
        return self.state.sequence < self.state.numbers_used

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


def _is_known(kind: i64) -> bool:
    """Say whether a command without a remembered id is of a kind that there is."""
    return CANCEL_ORDER <= kind <= CONTINUE or kind == PUBLISH_INDICATIVE
