"""A batch of commands from shared-memory rings: stamped and applied, answered later. Compiled.

Between the ring and the journal no command becomes a Python object: its words are copied out of
the mapping, checked, applied, and lie one behind the other as the journal wants them. A client can
write into its ring at any time, so everything is checked in the copy.
"""

from collections.abc import Callable, Mapping
from typing import Final, final

from librt.strings import read_i64_le
from librt.vecs import vec
from mypy_extensions import i64

from hotpath.core.codes import DUPLICATE_ID
from hotpath.core.engine import Engine
from hotpath.core.lengths import words_at
from hotpath.core.words import zeros
from hotpath.runtime.batch import CONTINUES_A_BATCH
from hotpath.runtime.rings.commands import accounts_of, copy_command, look_ahead
from shared.domain.records import (
    BATCH,
    C_ACCOUNT,
    C_HEADER,
    C_ID,
    C_REQUEST,
    C_SEQUENCE,
    C_TIME_NS,
    COMMAND_WORDS,
    CONTINUE,
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
HEADER_WORDS: Final = 5  # of a journal record; shared/wire/journal.py defines it
BATCH_KIND: Final = 1
HAS_SYNCED: Final = 1
_INBOX_WORDS: Final = 1 << 17
_LONGEST_COMMAND: Final = COMMAND_WORDS + MAX_BATCH * EXTENDED_COMMAND_WORDS
_LONGEST_REQUEST: Final = REQUEST_PREFIX_WORDS + TRACE_WORDS + _LONGEST_COMMAND
_COMMANDS: Final = MAX_BATCH_COMMANDS + CONTINUES_A_BATCH
# Room for a batch of plain commands, and behind it for one that is as long as can be.
_COMMAND_WORDS: Final = _COMMANDS * EXTENDED_COMMAND_WORDS + _LONGEST_COMMAND
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
        self.count: i64 = 0  # commands of this batch
        self.used: i64 = 0  # and their words
        self.entry_count: i64 = 0  # those and what was refused
        self.traces: list[tuple[int, bytes]] = []
        self._rejected: list[int] = []  # codes, until they are counted
        # Commands that were refused as known: the number, and the byte where the refusal stands.
        self.duplicates: list[tuple[int, int]] = []
        self.repeats: dict[int, list[int]] = {}  # answers to some of those: events, then the order
        self.admitted: i64 = 0  # commands that count against the rate
        self.time_ns: i64 = 0
        self.first_sequence: i64 = 0
        self._turn: i64 = 0
        self._words: vec[i64] = zeros(_COMMAND_WORDS)
        self._words_view = memoryview(self._words)
        self._counts: vec[i64] = zeros(_COMMANDS // 2)  # two to a word, as journaled
        self._record: vec[i64] = zeros(1 << 16)
        self._record_view = memoryview(self._record)
        self._starts: vec[i64] = zeros(_COMMANDS + 1)  # each command's word
        self.entries: vec[i64] = zeros(MAX_BATCH_COMMANDS * ENTRY_WORDS)

    # --- taking ----------------------------------------------------------------------------------

    def take(self, first_sequence: i64, time_ns: i64, admit: i64) -> None:
        """Take what waits in the rings, stamp and apply it, and go on with what the core left over.

        Of the kinds that are limited only `admit` commands are taken, the rest gets ENGINE_BUSY.
        """
        self.engine.reset_events()
        self.count = self.entry_count = self.used = self.admitted = 0
        if len(self.traces) > 0:
            self.traces = []
        if len(self.duplicates) > 0:
            self.duplicates = []
            self.repeats = {}
        self.first_sequence = first_sequence
        self.time_ns = time_ns
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
            ring.first_command = ring.end_command = self.count
            ring.first_event = self.engine.event_words
            if ring.broken != "" or self._is_full():
                continue
            try:
                if not ring.is_behind():
                    self._take_from(ring, self.entry_count + share, admit)
            except RingBroken as error:
                ring.broken = str(error)
            ring.end_entry = self.entry_count
            ring.end_command = self.count
        more: i64 = 0
        while self.engine.has_work_left and more < CONTINUES_A_BATCH:
            self._go_on()
            more += 1

    def _take_from(self, ring: RingEnd, entry_limit: i64, admit: i64) -> None:
        waiting: i64 = ring.reader.waiting()
        end: i64 = min(waiting, _INBOX_WORDS)
        if end == 0:
            return
        inbox: bytes = ring.reader.peek(end)
        at: i64 = 0
        looked: i64 = 0 if self.engine.look_ahead.pays() else end
        try:
            while at < end and self.entry_count < entry_limit:
                if end < waiting and end - at < _LONGEST_REQUEST:
                    break  # the copy may have cut this one
                if at >= looked:
                    looked = look_ahead(self.engine.look_ahead, inbox, at, end)
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
                self.traces.append((int(self.count), trace))
            self._apply(ring, request, inbox, start, size)
        return length

    def _enter(self, request: i64, outcome: i64) -> None:
        at: i64 = self.entry_count * ENTRY_WORDS
        self.entries[at] = request
        self.entries[at + 1] = outcome
        self.entry_count += 1

    def _apply(self, ring: RingEnd, request: i64, inbox: bytes, start: i64, size: i64) -> None:
        engine = self.engine
        words = self._words
        used: i64 = self.used
        session: i64 = ring.account_id
        extends: bool = session != 0 and engine.queries.is_session_throttled(session)
        size = copy_command(words, used, inbox, start, size, session, extends)
        number: i64 = self.count
        words[used + C_REQUEST] = request if ring.account_id != 0 else 0
        before: i64 = engine.event_words
        events: i64 = self._run(size)
        header: i64 = engine.events[before]
        if header & 0xFF == REJECTED:
            code: i64 = header >> 16 & 0xFFFF
            self._rejected.append(int(code))
            if code == DUPLICATE_ID:
                self.duplicates.append((int(number), int(before * 8)))
        self._enter(request, events)

    def _go_on(self) -> None:
        """Have the core go on: nobody's command, so nobody is answered."""
        words = self._words
        index: i64 = 0
        while index < COMMAND_WORDS:
            words[self.used + index] = 0
            index += 1
        words[self.used + C_HEADER] = CONTINUE
        self._run(COMMAND_WORDS)

    def _run(self, size: i64) -> i64:
        """Stamp and apply the command of `size` words that stands behind the others.

        Returns how many events it gave.
        """
        engine = self.engine
        words = self._words
        used: i64 = self.used
        number: i64 = self.count
        words[used + C_SEQUENCE] = self.first_sequence + number
        words[used + C_TIME_NS] = self.time_ns
        before: i64 = engine.event_words
        if words[used + C_HEADER] & 0xFF == BATCH:
            engine.apply_batch(words, used, used + size)
        else:
            engine.apply(words, used)
        events: i64 = (engine.event_words - before) // EVENT_WORDS
        self._starts[number] = used
        if number & 1 == 0:
            self._counts[number >> 1] = events
        else:
            self._counts[number >> 1] |= events << 32
        self.used = used + size
        self.count = number + 1
        return events

    def _is_full(self) -> bool:
        """Return whether no client's command can be taken any more."""
        return (
            self.engine.is_passing
            or self.engine.event_words > MAX_BATCH_EVENT_WORDS
            or self.used > MAX_BATCH_COMMANDS * EXTENDED_COMMAND_WORDS
        )

    # --- what the journal holds ------------------------------------------------------------------

    def record_bytes(self, synced_bytes: i64, checksum: Callable[[bytes], int]) -> bytes:
        """Return the journal's record of the batch: what `encode_batch` gives, made from words."""
        events = self.engine.events
        event_words: i64 = self.engine.event_words
        count_words: i64 = (self.count + 1) >> 1
        size: i64 = HEADER_WORDS + count_words + self.used + event_words + 1
        if size > len(self._record):
            self._record = zeros(size * 2)
            self._record_view = memoryview(self._record)
        record = self._record
        record[1] = self.first_sequence
        record[2] = self.time_ns
        record[3] = self.count | (event_words // EVENT_WORDS) << 32
        record[4] = self.used | len(self.traces) << 32 | BATCH_KIND << 48 | HAS_SYNCED << 56
        at: i64 = HEADER_WORDS
        at = _copy(record, at, self._counts, count_words)
        at = _copy(record, at, self._words, self.used)
        at = _copy(record, at, events, event_words)
        record[at] = synced_bytes
        body: bytes
        if len(self.traces) == 0:
            body = self._record_view[1 : at + 1].tobytes()
        else:
            tail: bytes = self._record_view[at : at + 1].tobytes()
            body = self._record_view[1:at].tobytes() + self._trace_bytes() + tail
        check = checksum(body)
        return (len(body) + 8).to_bytes(4, "little") + check.to_bytes(4, "little") + body

    def _trace_bytes(self) -> bytes:
        found: list[bytes] = []
        for number, trace in self.traces:
            found.append(number.to_bytes(8, "little") + trace)
        return b"".join(found)

    def command_bytes(self, number: i64) -> bytes:
        """Return the words of one command."""
        self._starts[self.count] = self.used
        return self._words_view[self._starts[number] : self._starts[number + 1]].tobytes()

    def drain_rejects(self) -> list[int]:
        """Return the codes of all refusals since the last time."""
        found = self._rejected
        self._rejected = []
        return found

    def touching(self, accounts: Mapping[int, object]) -> list[tuple[int, int, int]]:
        """Return (command, first and end byte of its events) where events touch an account."""
        found: list[tuple[int, int, int]] = []
        words = self.engine.events
        number: i64 = 0
        at: i64 = 0
        while number < self.count:
            events: i64 = self._counts[number >> 1] >> (32 if number & 1 else 0) & _LOW_HALF
            end: i64 = at + events * EVENT_WORDS
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


def _copy(into: vec[i64], at: i64, source: vec[i64], count: i64) -> i64:
    """Copy the first `count` words of `source` to word `at` of `into`; return where they end."""
    index: i64 = 0
    while index < count:
        into[at + index] = source[index]
        index += 1
    return at + count


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
