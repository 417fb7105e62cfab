"""A batch as the journal holds it: its commands' words, how many events each gave, its record.

Compiled with the core. All commands reach the core from here: they are copied once to where they
are applied, and once more, with their events, into the record.
"""

from collections.abc import Callable
from typing import Final, final

from librt.strings import read_i64_le
from librt.vecs import vec
from mypy_extensions import i64

from hotpath.core.engine import Engine
from hotpath.core.layout import ROW_ROOM
from hotpath.core.lengths import words_at
from hotpath.core.words import grown, zeros
from shared.domain.records import (
    BATCH,
    C_HEADER,
    C_SEQUENCE,
    C_TIME_NS,
    COMMAND_WORDS,
    CONTINUE,
    EVENT_WORDS,
    FIRST_EXTENDED_KIND,
)

HEADER_WORDS: Final = 5  # of a journal record; shared/wire/journal.py defines it
BATCH_KIND: Final = 1
HAS_SYNCED: Final = 1
_LOW_HALF: Final = 0xFFFF_FFFF


@final
class BatchWords:
    """Takes one command after the other: it is put at word `used` of `words`, and then run."""

    def __init__(self, engine: Engine, commands: i64, words: i64) -> None:
        """Make room for so many commands, of so many words in all."""
        self.engine: Final = engine
        self.count: i64 = 0  # commands of this batch
        self.used: i64 = 0  # and their words
        self.first_sequence: i64 = 0
        self.time_ns: i64 = 0
        self.words: vec[i64] = zeros(words + ROW_ROOM)
        self._view = memoryview(self.words)
        self._commands: i64 = commands
        self._starts: vec[i64] = zeros(commands + 1)  # each command's word
        self._counts: vec[i64] = zeros((commands + 1) // 2)  # two to a word, as journaled
        self._counts_view = memoryview(self._counts)
        self._ends: vec[i64] = zeros(HEADER_WORDS)  # of a record: its header's words 1 … 4, synced
        self._ends_view = memoryview(self._ends)

    def begin(self, first_sequence: i64, time_ns: i64) -> None:
        """Begin a batch, without any events."""
        self.engine.reset_events()
        self.count = self.used = 0
        self.first_sequence = first_sequence
        self.time_ns = time_ns

    def expect(self, commands: i64) -> None:
        """Make room for so many commands, if there is less."""
        if commands > self._commands:
            self._commands = commands
            self._starts = zeros(commands + 1)
            self._counts = zeros((commands + 1) // 2)
            self._counts_view = memoryview(self._counts)

    def load(self, buffer: bytes, at: i64) -> i64:
        """Put the command at byte `at` behind the others; return how many words it has."""
        to: i64 = self.used
        header: i64 = read_i64_le(buffer, at)
        kind: i64 = header & 0xFF
        is_short: bool = kind < FIRST_EXTENDED_KIND and kind != BATCH
        if not is_short or to + COMMAND_WORDS + ROW_ROOM > len(self.words):
            return self._load_any(buffer, at)
        words = self.words  # word by word: a loop takes 6 ns more
        words[to] = header
        words[to + 1] = read_i64_le(buffer, at + 8)
        words[to + 2] = read_i64_le(buffer, at + 16)
        words[to + 3] = read_i64_le(buffer, at + 24)
        words[to + 4] = read_i64_le(buffer, at + 32)
        words[to + 5] = read_i64_le(buffer, at + 40)
        words[to + 6] = read_i64_le(buffer, at + 48)
        words[to + 7] = read_i64_le(buffer, at + 56)
        return COMMAND_WORDS

    def _load_any(self, buffer: bytes, at: i64) -> i64:
        size: i64 = words_at(buffer, at)
        to: i64 = self.used
        if to + size + ROW_ROOM > len(self.words):
            self._grow(size)
        words = self.words
        index: i64 = 0
        while index < size:
            words[to + index] = read_i64_le(buffer, at + index * 8)
            index += 1
        return size

    def _grow(self, size: i64) -> None:
        self.words = grown(self.words, (len(self.words) + size) * 2)
        self._view = memoryview(self.words)

    def stamp(self) -> None:
        """Give the command that stands behind the others its sequence and time."""
        words = self.words
        used: i64 = self.used
        words[used + C_SEQUENCE] = self.first_sequence + self.count
        words[used + C_TIME_NS] = self.time_ns

    def run(self, size: i64) -> i64:
        """Apply the command of `size` words behind the others; return how many events it gave."""
        engine = self.engine
        words = self.words
        used: i64 = self.used
        number: i64 = self.count
        written = engine.state.events
        before: i64 = written.used
        if words[used + C_HEADER] & 0xFF == BATCH:
            engine.apply_batch(words, used, used + size)
        else:
            engine.apply(words, used)
        events: i64 = (written.used - before) // EVENT_WORDS
        self._starts[number] = used
        if number & 1 == 0:
            self._counts[number >> 1] = events
        else:
            self._counts[number >> 1] |= events << 32
        self.used = used + size
        self.count = number + 1
        return events

    def go_on(self) -> None:
        """Have the core go on: nobody's command, so nobody is answered."""
        if self.used + COMMAND_WORDS + ROW_ROOM > len(self.words):
            self._grow(COMMAND_WORDS)
        words = self.words
        index: i64 = 0
        while index < COMMAND_WORDS:
            words[self.used + index] = 0
            index += 1
        words[self.used + C_HEADER] = CONTINUE
        self.stamp()
        self.run(COMMAND_WORDS)

    # --- what was done ---------------------------------------------------------------------------

    def event_count(self, number: i64) -> i64:
        """Return how many events a command gave."""
        return self._counts[number >> 1] >> (32 if number & 1 else 0) & _LOW_HALF

    def command_bytes(self, number: i64) -> bytes:
        """Return the words of one command."""
        self._starts[self.count] = self.used
        return self._view[self._starts[number] : self._starts[number + 1]].tobytes()

    def bytes_of_all(self) -> bytes:
        """Return the words of all commands."""
        return self._view[: self.used].tobytes()

    def record(
        self, synced_bytes: i64, traces: list[tuple[int, bytes]], checksum: Callable[[bytes], int]
    ) -> tuple[bytes, bytes]:
        """Return the journal's record of the batch, what `encode_batch` gives, in two parts.

        Length and checksum are the first: put before the second they would cost another copy.
        """
        ends = self._ends
        view = self._ends_view
        written = self.engine.state.events
        ends[0] = self.first_sequence
        ends[1] = self.time_ns
        ends[2] = self.count | (written.used // EVENT_WORDS) << 32
        ends[3] = self.used | len(traces) << 32 | BATCH_KIND << 48 | HAS_SYNCED << 56
        ends[4] = synced_bytes
        parts: list[bytes | memoryview] = [
            view[:4],
            self._counts_view[: (self.count + 1) >> 1],
            self._view[: self.used],
            written.view[: written.used],
        ]
        for number, trace in traces:
            parts.append(number.to_bytes(8, "little"))
            parts.append(trace)
        parts.append(view[4:])
        body: bytes = b"".join(parts)
        check = checksum(body)
        return (len(body) + 8).to_bytes(4, "little") + check.to_bytes(4, "little"), body
