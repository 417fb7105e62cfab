"""A batch of commands from shared-memory rings: stamped and applied, answered later. Compiled.

Between the ring and the journal no command becomes a Python object: its words are copied out of
the mapping, checked, applied, and lie one behind the other as the journal wants them. A client can
write into its ring at any time, so everything is checked in the copy.
"""

from collections.abc import Mapping
from typing import Final, final

from librt.strings import read_i64_le
from librt.vecs import vec
from mypy_extensions import i64

from hotpath.core.codes import DUPLICATE_ID
from hotpath.core.engine import Engine
from hotpath.core.lengths import words_at
from hotpath.core.words import zeros
from hotpath.runtime.batch import CONTINUES_A_BATCH
from hotpath.runtime.batch_words import BatchWords
from hotpath.runtime.rings.commands import accounts_of, copy_command, look_ahead
from shared.domain.records import (
    C_ACCOUNT,
    C_HEADER,
    C_ID,
    C_REQUEST,
    COMMAND_WORDS,
    EVENT_WORDS,
    EXTENDED_COMMAND_WORDS,
    MAX_BATCH,
    REJECTED,
)
from shared.wire.ring import (
    FLAG_TRACE,
    REQUEST_PREFIX_WORDS,
    TRACE_WORDS,
    QueueReader,
    QueueWriter,
    RingBroken,
)

MAX_BATCH_COMMANDS: Final = 16_384
MAX_BATCH_EVENT_WORDS: Final = (8 << 20) // 8  # a batch ends behind the command that passes this

# What a session may do with a command of a kind.
REFUSED: Final = 0
ALLOWED: Final = 1
OWN_ACCOUNT: Final = 2
OWN_ORDER: Final = 3  # the order's id names the account as well

# Gateway codes; shared/wire/frames.py defines them.
NOT_AUTHORISED: Final = 1
ENGINE_BUSY: Final = 2

ENTRY_WORDS: Final = 2  # request; number of events, or a gateway code below zero
_INBOX_WORDS: Final = 1 << 17
_LONGEST_COMMAND: Final = COMMAND_WORDS + MAX_BATCH * EXTENDED_COMMAND_WORDS
_LONGEST_REQUEST: Final = REQUEST_PREFIX_WORDS + TRACE_WORDS + _LONGEST_COMMAND
_COMMANDS: Final = MAX_BATCH_COMMANDS + CONTINUES_A_BATCH
# Room for a batch of plain commands, and behind it for one that is as long as can be.
_COMMAND_WORDS: Final = _COMMANDS * EXTENDED_COMMAND_WORDS + _LONGEST_COMMAND
# The word of an id two plain requests ahead, see `Engine.apply_many`.
_ID_AHEAD: Final = 2 * (REQUEST_PREFIX_WORDS + COMMAND_WORDS) + REQUEST_PREFIX_WORDS + C_ID
_LOW_HALF: Final = 0xFFFF_FFFF


@final
class RingEnd:
    """The engine's end of one session's ring, and what of the present batch is the session's."""

    def __init__(
        self, reader: QueueReader, writer: QueueWriter, rights: bytes, account_id: i64
    ) -> None:
        self.reader = reader
        self.writer = writer
        self.rights = rights  # by kind
        self.account_id: i64 = account_id  # 0: a service
        self.next_request: i64 = 0  # number of a member's next command; 0: any
        self.broken: str = ""  # why the ring is of no more use
        self.first_entry: i64 = 0
        self.end_entry: i64 = 0
        self.first_command: i64 = 0
        self.end_command: i64 = 0
        self.first_event: i64 = 0
        self.backlog: vec[i64] = zeros(0)  # answers that had no room
        self.backlog_at: i64 = 0
        self.taken: i64 = 0  # words of requests, since the ring was made

    def is_behind(self) -> bool:
        """Return whether answers wait for room: nothing more is taken from the ring until then."""
        return self.backlog_at < len(self.backlog)


@final
class RingBatch:
    """All rings of an engine. What the last `take` brought stands in the fields."""

    def __init__(self, engine: Engine, limited: bytes) -> None:
        self.engine = engine
        self._limited = limited  # by kind: whether `admit` is for it
        self.rings: list[RingEnd] = []
        self.made: Final = BatchWords(engine, _COMMANDS, _COMMAND_WORDS)
        self.entry_count: i64 = 0  # the commands and what was refused
        self.traces: list[tuple[int, bytes]] = []
        self._rejected: list[int] = []  # codes, until they are counted
        # Commands that were refused as known: the number, and the byte where the refusal stands.
        self.duplicates: list[tuple[int, int]] = []
        self.repeats: dict[int, list[int]] = {}  # answers to some of those: events, then the order
        self.admitted: i64 = 0  # commands that count against the rate
        self._turn: i64 = 0
        self.entries: vec[i64] = zeros(MAX_BATCH_COMMANDS * ENTRY_WORDS)

    # --- taking ----------------------------------------------------------------------------------

    def take(self, first_sequence: i64, time_ns: i64, admit: i64) -> None:
        """Take what waits in the rings, stamp and apply it, and go on with what the core left over.

        Of the kinds that are limited only `admit` commands are taken, the rest gets ENGINE_BUSY.
        """
        made = self.made
        made.begin(first_sequence, time_ns)
        self.entry_count = self.admitted = 0
        if len(self.traces) > 0:
            self.traces = []
        if len(self.duplicates) > 0:
            self.duplicates = []
            self.repeats = {}
        rings = self.rings
        size: i64 = len(rings)
        share: i64 = MAX_BATCH_COMMANDS // max(size, 1)
        turn: i64 = self._turn
        self._turn = turn + 1
        index: i64 = 0
        while index < size:
            ring = rings[(turn + index) % size]
            index += 1
            ring.first_entry = ring.end_entry = self.entry_count
            ring.first_command = ring.end_command = made.count
            ring.first_event = self.engine.event_words
            if ring.broken != "" or self._is_full():
                continue
            try:
                if not ring.is_behind():
                    self._take_from(ring, self.entry_count + share, admit)
            except RingBroken as error:
                ring.broken = str(error)
            ring.end_entry = self.entry_count
            ring.end_command = made.count
        more: i64 = 0
        while self.engine.has_work_left and more < CONTINUES_A_BATCH:
            made.go_on()
            more += 1

    def _take_from(self, ring: RingEnd, entry_limit: i64, admit: i64) -> None:
        waiting: i64 = ring.reader.waiting()
        end: i64 = min(waiting, _INBOX_WORDS)
        if end == 0:
            return
        inbox: bytes = ring.reader.peek(end)
        at: i64 = 0
        ahead = self.engine.look_ahead
        looked: i64 = 0 if ahead.pays() else end
        try:
            while at < end and self.entry_count < entry_limit:
                if end < waiting and end - at < _LONGEST_REQUEST:
                    break  # the copy may have cut this one
                if at >= looked:
                    looked = look_ahead(ahead, inbox, at, end)
                if at + _ID_AHEAD < end:
                    ahead.expect_id(read_i64_le(inbox, (at + _ID_AHEAD) * 8))
                at += self._take_one(ring, inbox, at, end, admit)
                if self._is_full():
                    break
        finally:
            ring.reader.release(at)
            ring.taken += at

    def _take_one(self, ring: RingEnd, inbox: bytes, at: i64, end: i64, admit: i64) -> i64:
        """Take the request at word `at`; return its length."""
        head: i64 = read_i64_le(inbox, at * 8)
        length: i64 = head & 0xFFFF
        flags: i64 = head >> 16
        start: i64 = at + REQUEST_PREFIX_WORDS
        if flags == FLAG_TRACE:
            start += TRACE_WORDS
        elif flags != 0:
            raise RingBroken("flags of a request")
        if start >= end:
            raise RingBroken("a request that is cut short")
        kind: i64 = read_i64_le(inbox, (start + C_HEADER) * 8) & 0xFF
        size: i64 = words_at(inbox, start * 8)  # fewer where it is cut short
        if length != start + size - at or at + length > end:
            raise RingBroken("length of a request")
        request: i64 = read_i64_le(inbox, at * 8 + 8)
        account: i64 = read_i64_le(inbox, (start + C_ACCOUNT) * 8)
        command_id: i64 = read_i64_le(inbox, (start + C_ID) * 8)
        if ring.account_id != 0:
            _take_number(ring, request)
        is_limited: bool = self._limited[kind] != 0
        if not _may(ring, kind, account, command_id):
            self._enter(request, -NOT_AUTHORISED)
        elif is_limited and self.admitted >= admit:
            self._enter(request, -ENGINE_BUSY)
        else:
            if is_limited:
                self.admitted += 1
            if flags == FLAG_TRACE:
                trace: bytes = inbox[(start - TRACE_WORDS) * 8 : start * 8]
                self.traces.append((int(self.made.count), trace))
            self._apply(ring, request, inbox, start, size)
        return length

    def _enter(self, request: i64, outcome: i64) -> None:
        at: i64 = self.entry_count * ENTRY_WORDS
        self.entries[at] = request
        self.entries[at + 1] = outcome
        self.entry_count += 1

    def _apply(self, ring: RingEnd, request: i64, inbox: bytes, start: i64, size: i64) -> None:
        engine = self.engine
        made = self.made
        words = made.words
        used: i64 = made.used
        session: i64 = ring.account_id
        extends: bool = session != 0 and engine.queries.is_session_throttled(session)
        size = copy_command(words, used, inbox, start, size, session, extends)
        number: i64 = made.count
        words[used + C_REQUEST] = request if ring.account_id != 0 else 0
        before: i64 = engine.event_words
        made.stamp()
        events: i64 = made.run(size)
        header: i64 = engine.events[before]
        if header & 0xFF == REJECTED:
            code: i64 = header >> 16 & 0xFFFF
            self._rejected.append(int(code))
            if code == DUPLICATE_ID:
                self.duplicates.append((int(number), int(before * 8)))
        self._enter(request, events)

    def _is_full(self) -> bool:
        """Return whether no client's command can be taken any more."""
        return (
            self.engine.is_passing
            or self.engine.event_words > MAX_BATCH_EVENT_WORDS
            or self.made.used > MAX_BATCH_COMMANDS * EXTENDED_COMMAND_WORDS
        )

    # --- what was done ---------------------------------------------------------------------------

    def drain_rejects(self) -> list[int]:
        """Return the codes of all refusals since the last time."""
        found = self._rejected
        self._rejected = []
        return found

    def touching(self, accounts: Mapping[int, object]) -> list[tuple[int, int, int]]:
        """Return (command, first and end byte of its events) where events touch an account."""
        found: list[tuple[int, int, int]] = []
        made = self.made
        words = self.engine.events
        number: i64 = 0
        at: i64 = 0
        while number < made.count:
            end: i64 = at + made.event_count(number) * EVENT_WORDS
            event: i64 = at
            while event < end:
                both: i64 = accounts_of(words, event)
                if both & _LOW_HALF in accounts or both >> 32 in accounts:
                    break
                event += EVENT_WORDS
            if event < end:
                found.append((int(number), int(at * 8), int(end * 8)))
            at = end
            number += 1
        return found


def _take_number(ring: RingEnd, request: i64) -> None:
    if request <= 0 or (ring.next_request != 0 and request != ring.next_request):
        raise RingBroken("the number of a command is not the next one")
    ring.next_request = request + 1


def _may(ring: RingEnd, kind: i64, account: i64, command_id: i64) -> bool:
    right: i64 = ring.rights[kind]
    if right == ALLOWED:
        return True
    if right == REFUSED or account != ring.account_id:
        return False
    return right == OWN_ACCOUNT or (command_id >> 62 == 0 and command_id >> 32 == account)
