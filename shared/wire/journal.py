"""The journal's format: segment header, records, and how one batch of commands is laid out in them.

A segment is a file of fixed size, zeros where nothing is written yet. All numbers are little-endian
and every record starts on a multiple of 8.

    segment  magic 8 | format u16 | rules u16 | shard u32 | epoch i64 | first sequence i64
             | created ns i64 | reserved 20 | crc32c u32                                  (64 bytes)
    record   length u32 | crc32c u32 | first sequence i64 | time ns i64 | commands u32 | events u32
             | command words u32 | traces u16 | kind u8 | flags u8                        (40 bytes)
    batch    events per command u32 … (padded to 8) | command words | event words
             | traces: command number u64, trace id and span id 24 bytes
             | synced u64, if flag 1 is set
    epoch    epoch i64 | process id i64 | state hash i64 | reserved i64
    mark     reserved i64 | process id i64 | state hash i64 | reserved i64

`length` counts the whole record; the checksum covers the record from behind itself to its end.
`synced` is how many bytes of the segment were on the disk for certain when the record was written:
a hole before that byte is damage, one behind it is what a power cut may leave. A mark is the
writer's own state hash between two batches. Format 1 knows neither and is read as well.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from struct import Struct, unpack_from
from typing import Final

import google_crc32c

from shared.domain import records as r
from shared.domain.command_size import command_bytes

FORMAT_VERSION: Final = 2
READABLE_VERSIONS: Final = (1, FORMAT_VERSION)
MAGIC: Final = b"TRDJRNL\x01"
SEGMENT_HEADER_BYTES: Final = 64
RECORD_HEADER_BYTES: Final = 40
MAX_RECORD_BYTES: Final = 1 << 30  # an uncross is one command, whatever the book holds

BATCH: Final = 1
EPOCH: Final = 2
MARK: Final = 3

_HAS_SYNCED: Final = 1  # a flag
_SHORT: Final = 8 * r.COMMAND_WORDS
_SYNCED_BYTES: Final = 8
TRACE_BYTES: Final = 24
_SEGMENT: Final = Struct("<8sHHIqqq20sI")
_RECORD: Final = Struct("<IIqqIIIHBB")
_RECORD_BODY: Final = Struct("<qqIIIHBB")
_LENGTH_AND_CRC: Final = Struct("<II")
_EPOCH: Final = Struct("<qqqq")
_TRACE: Final = Struct("<Q24s")


class JournalError(Exception):
    """The journal cannot be used; the message says where and why."""


class JournalDamaged(JournalError):
    """Bytes that were durable are not what was written."""


@dataclass(frozen=True, slots=True)
class SegmentHeader:
    shard: int
    epoch: int
    first_sequence: int
    created_ns: int
    rules_version: int = r.RULES_VERSION
    format_version: int = FORMAT_VERSION

    def encode(self) -> bytes:
        head = _SEGMENT.pack(
            MAGIC,
            self.format_version,
            self.rules_version,
            self.shard,
            self.epoch,
            self.first_sequence,
            self.created_ns,
            bytes(20),
            0,
        )[:-4]
        return bytes(head) + int(google_crc32c.value(head)).to_bytes(4, "little")


@dataclass(frozen=True, slots=True)
class JournaledCommand:
    """One command as the journal holds it: its words and those of its events, and its trace."""

    sequence: int
    time_ns: int
    words: tuple[int, ...]
    events: tuple[tuple[int, ...], ...]
    trace: bytes  # trace id and span id, or empty


@dataclass(frozen=True, slots=True)
class Record:
    """One record, checked. `data` holds all of its bytes."""

    kind: int
    first_sequence: int
    time_ns: int
    count: int
    event_count: int
    command_word_count: int
    trace_count: int
    flags: int
    data: bytes

    @property
    def synced_bytes(self) -> int:
        """Return how much of its segment was on the disk when it was written; 0: not told."""
        return int.from_bytes(self.data[-_SYNCED_BYTES:], "little") if self.flags else 0

    @property
    def last_sequence(self) -> int:
        """Return the sequence of its last command; of the one before it when it has none."""
        return self.first_sequence + self.count - 1

    @property
    def check(self) -> int:
        """Return its CRC-32C."""
        return int.from_bytes(self.data[4:8], "little")

    def event_counts(self) -> tuple[int, ...]:
        return unpack_from(f"<{self.count}I", self.data, RECORD_HEADER_BYTES)

    @property
    def commands_at(self) -> int:
        """Return where in `data` the words of its commands begin."""
        return RECORD_HEADER_BYTES + _padded(4 * self.count)

    @property
    def events_at(self) -> int:
        """Return where in `data` the words of its events begin."""
        return self.commands_at + 8 * self.command_word_count

    def command_bytes(self) -> bytes:
        return self.data[self.commands_at : self.events_at]

    def event_bytes(self) -> bytes:
        start = self.events_at
        return self.data[start : start + 8 * r.EVENT_WORDS * self.event_count]

    def traces(self) -> dict[int, bytes]:
        """Return the traces by the command's number in the record."""
        end = len(self.data) - (_SYNCED_BYTES if self.flags else 0)
        return dict(_TRACE.iter_unpack(self.data[end - _TRACE.size * self.trace_count : end]))

    def commands(self) -> Iterator[JournaledCommand]:
        """Yield its commands with their events, in order."""
        commands = self.command_bytes()
        words = unpack_from(f"<{self.command_word_count}q", commands)
        events = unpack_from(f"<{r.EVENT_WORDS * self.event_count}q", self.event_bytes())
        traces = self.traces() if self.trace_count else {}
        at_word = at_event = 0
        for number, event_count in enumerate(self.event_counts()):
            size = command_bytes(commands, 8 * at_word) // 8
            end = at_event + r.EVENT_WORDS * event_count
            yield JournaledCommand(
                sequence=self.first_sequence + number,
                time_ns=self.time_ns,
                words=words[at_word : at_word + size],
                events=tuple(
                    events[i : i + r.EVENT_WORDS] for i in range(at_event, end, r.EVENT_WORDS)
                ),
                trace=traces.get(number, b""),
            )
            at_word, at_event = at_word + size, end

    def command(self, sequence: int) -> JournaledCommand | None:
        """Return the one command with this sequence, without decoding the others."""
        number = sequence - self.first_sequence
        if not 0 <= number < self.count:
            return None
        return next(self.commands_at_numbers([number]))

    def commands_at_numbers(self, numbers: Sequence[int]) -> Iterator[JournaledCommand]:
        """Yield the commands with these numbers in the record, which rise; decode no others."""
        data, counts = self.data, self.event_counts()
        traces = self.traces() if self.trace_count else {}
        number, at, event_at = 0, self.commands_at, self.events_at
        for wanted in numbers:
            while number < wanted:
                at += command_bytes(data, at)
                event_at += 8 * r.EVENT_WORDS * counts[number]
                number += 1
            yield JournaledCommand(
                sequence=self.first_sequence + number,
                time_ns=self.time_ns,
                words=unpack_from(f"<{command_bytes(data, at) // 8}q", data, at),
                events=tuple(
                    unpack_from(f"<{r.EVENT_WORDS}q", data, event_at + 8 * r.EVENT_WORDS * i)
                    for i in range(counts[number])
                ),
                trace=traces.get(number, b""),
            )

    @property
    def content(self) -> bytes:
        """Return what is the same in every copy of the journal, wherever its segments end."""
        return self.data[8:-_SYNCED_BYTES] if self.flags else self.data[8:]

    def copy(self, synced_bytes: int) -> bytes:
        """Return the record for another journal, of whose segment so much is on the disk."""
        if not self.flags:
            return self.data
        return _seal(self.content + synced_bytes.to_bytes(_SYNCED_BYTES, "little"))

    def epoch(self) -> "EpochMark":
        """Return what an epoch record, or a mark, holds."""
        epoch, process_id, state_hash, _ = _EPOCH.unpack_from(self.data, RECORD_HEADER_BYTES)
        return EpochMark(epoch, process_id, state_hash)


@dataclass(frozen=True, slots=True)
class EpochMark:
    """A writer's start: what it says of itself, and the state's hash from which it goes on."""

    epoch: int
    process_id: int
    state_hash: int  # as a signed word


def decode_segment_header(data: bytes) -> SegmentHeader:
    """Return the header of a segment of this format; raise JournalError when it is no such."""
    if len(data) < SEGMENT_HEADER_BYTES:
        raise JournalDamaged("the segment's header is cut short")
    magic, version, rules, shard, epoch, first, created, _, crc = _SEGMENT.unpack_from(data)
    if magic != MAGIC:
        raise JournalDamaged("this is no journal segment")
    if crc != google_crc32c.value(bytes(data[: SEGMENT_HEADER_BYTES - 4])):
        raise JournalDamaged("the segment's header has a wrong checksum")
    if version not in READABLE_VERSIONS:
        raise JournalError(f"the segment has format {version}; this program reads {FORMAT_VERSION}")
    return SegmentHeader(shard, epoch, first, created, rules, version)


def encode_batch(
    first_sequence: int,
    time_ns: int,
    event_counts: Sequence[int],
    commands: bytes,
    events: bytes,
    traces: Sequence[tuple[int, bytes]] = (),
    synced_bytes: int = 0,
) -> bytes:
    """Return the record of one batch; commands and events are their words' bytes.

    `synced_bytes` is how much of the segment is on the disk for certain.
    """
    count = len(event_counts)
    counts = Struct(f"<{count}I").pack(*event_counts) + bytes(_padded(4 * count) - 4 * count)
    tail = [_TRACE.pack(number, trace) for number, trace in traces]
    body = _RECORD_BODY.pack(
        first_sequence,
        time_ns,
        count,
        len(events) // (8 * r.EVENT_WORDS),
        len(commands) // 8,
        len(traces),
        BATCH,
        _HAS_SYNCED,
    )
    synced = synced_bytes.to_bytes(_SYNCED_BYTES, "little")
    return _seal(b"".join((body, counts, commands, events, *tail, synced)))


def encode_epoch(next_sequence: int, time_ns: int, mark: EpochMark) -> bytes:
    """Return the record that opens a writer's epoch; `next_sequence` is its first command's."""
    head = _RECORD_BODY.pack(next_sequence, time_ns, 0, 0, 0, 0, EPOCH, 0)
    return _seal(head + _EPOCH.pack(mark.epoch, mark.process_id, mark.state_hash, 0))


def encode_mark(next_sequence: int, time_ns: int, process_id: int, state_hash: int) -> bytes:
    """Return the record that notes the writer's state hash before command `next_sequence`."""
    head = _RECORD_BODY.pack(next_sequence, time_ns, 0, 0, 0, 0, MARK, 0)
    return _seal(head + _EPOCH.pack(0, process_id, state_hash, 0))


def record_length(data: bytes, offset: int) -> int:
    """Return the length that stands at `offset`: 0 where nothing was written. Checks nothing."""
    return int.from_bytes(data[offset : offset + 4], "little")


def record_extent(data: bytes, offset: int) -> tuple[int, int] | None:
    """Return first sequence and number of commands that a record's header at `offset` tells of.

    None where no whole header stands. The record's checksum is not looked at.
    """
    if len(data) - offset < RECORD_HEADER_BYTES:
        return None
    length, _, first, _, count, *_ = _RECORD.unpack_from(data, offset)
    return (first, count) if length >= RECORD_HEADER_BYTES else None


def decode_record(data: bytes, offset: int = 0) -> Record | None:
    """Return the record at `offset`, or None where no whole, sound record stands."""
    length = record_length(data, offset)
    if not RECORD_HEADER_BYTES <= length <= min(MAX_RECORD_BYTES, len(data) - offset) or length % 8:
        return None
    whole = bytes(data[offset : offset + length])
    _, crc, first, time_ns, count, events, words, traces, kind, flags = _RECORD.unpack_from(whole)
    if google_crc32c.value(whole[8:]) != crc:
        return None
    record = Record(kind, first, time_ns, count, events, words, traces, flags, whole)
    return record if _is_consistent(record) else None


def _is_consistent(record: Record) -> bool:
    """Return whether the sizes add up and the commands fill their words exactly."""
    if record.kind in (EPOCH, MARK):
        size = RECORD_HEADER_BYTES + _EPOCH.size
        return len(record.data) == size and record.count == record.flags == 0
    sections = _padded(4 * record.count) + 8 * record.command_word_count
    sections += 8 * r.EVENT_WORDS * record.event_count + _TRACE.size * record.trace_count
    sections += _SYNCED_BYTES if record.flags else 0
    if record.flags not in (0, _HAS_SYNCED):
        return False
    if record.kind != BATCH or len(record.data) != RECORD_HEADER_BYTES + sections:
        return False
    if sum(record.event_counts()) != record.event_count:
        return False
    return _are_whole(record.command_bytes(), record.count)


def _are_whole(commands: bytes, count: int) -> bool:
    """Return whether the bytes are so many commands."""
    if len(commands) == _SHORT * count:
        kinds = commands[::_SHORT]
        if max(kinds, default=0) < r.FIRST_EXTENDED_KIND and r.BATCH not in kinds:
            return True  # each has the short length: no need to look at one after the other
    at = 0
    try:
        for _ in range(count):
            at += command_bytes(commands, at)
    except IndexError:
        return False
    return at == len(commands)


def _padded(size: int) -> int:
    return -(-size // 8) * 8


def _seal(body: bytes) -> bytes:
    assert len(body) % 8 == 0
    return _LENGTH_AND_CRC.pack(len(body) + 8, google_crc32c.value(body)) + body
