"""The answers to a batch from shared-memory rings, once it is durable. Compiled with the core."""

from typing import Final, final

from librt.vecs import vec
from mypy_extensions import i64

from hotpath.core.words import zeros
from hotpath.runtime.rings.batch import ENTRY_WORDS, RingBatch, RingEnd
from hotpath.runtime.rings.commands import accounts_of
from shared.domain.records import (
    E_ACCOUNT,
    E_CONTRA_ID,
    E_ID,
    E_LEAVES,
    EVENT_WORDS,
    TRADE_BUSTED,
    TRADE_CORRECTED,
    TRADE_EXECUTED,
)
from shared.wire.ring import (
    ANSWER_PREFIX_WORDS,
    FLAG_CUT,
    MAX_ANSWER_EVENT_WORDS,
    REFUSAL,
    REFUSAL_WORDS,
    RESULT,
    RingBroken,
)

_LOW_HALF: Final = 0xFFFF_FFFF
_HIGH_HALF: Final = -0x1_0000_0000  # as a signed word


@final
class RingAnswers:
    """Writes the answers to the batch that `batch` holds."""

    def __init__(self, batch: RingBatch) -> None:
        self._batch = batch
        self._out: vec[i64] = zeros(1 << 16)
        self._view = memoryview(self._out)

    def answer(self) -> bool:
        """Give each ring its answers, once they are durable; return whether a ring is broken."""
        is_broken: bool = False
        for ring in self._batch.rings:
            if ring.broken == "":
                self._answer_ring(ring)
            if ring.broken != "":
                is_broken = True
        return is_broken

    def _answer_ring(self, ring: RingEnd) -> None:
        try:
            if ring.is_behind():
                send_backlog(ring)
                return
            if ring.first_entry == ring.end_entry:
                return
            size: i64 = self._compose(ring)
            if ring.writer.room() >= size:
                ring.writer.write(self._view, 0, size)
                return
            ring.backlog = self._out[0:size]
            ring.backlog_at = 0
            send_backlog(ring)
        except RingBroken as error:
            ring.broken = str(error)

    def _compose(self, ring: RingEnd) -> i64:
        """Put the ring's answers into the outbox; return their words."""
        self._reserve(ring)
        out = self._out
        batch = self._batch
        entries = batch.entries
        events = batch.engine.events
        number: i64 = ring.first_command
        event: i64 = ring.first_event
        at: i64 = 0
        entry: i64 = ring.first_entry
        while entry < ring.end_entry:
            request: i64 = entries[entry * ENTRY_WORDS]
            outcome: i64 = entries[entry * ENTRY_WORDS + 1]
            entry += 1
            out[at + 1] = request
            if outcome < 0:
                out[at] = REFUSAL_WORDS | REFUSAL << 32
                out[at + 2] = -outcome
                at += REFUSAL_WORDS
                continue
            size: i64 = outcome * EVENT_WORDS
            if len(batch.repeats) > 0 and int(number) in batch.repeats:
                at = self._compose_repeat(out, at, batch.repeats[int(number)])
            else:
                head: i64 = at
                out[at + 2] = batch.made.first_sequence + number
                out[at + 3] = batch.made.time_ns
                at += ANSWER_PREFIX_WORDS
                shown: i64 = min(size, MAX_ANSWER_EVENT_WORDS)
                index: i64 = 0
                while index < shown:
                    out[at + index] = events[event + index]
                    index += 1
                if ring.account_id != 0:
                    at = _mask(out, at, at + shown, ring.account_id)
                else:
                    at += shown
                out[head] = (at - head) | RESULT << 32
                if shown < size:
                    out[head] = out[head] | FLAG_CUT << 40
            event += size
            number += 1
        return at

    def _compose_repeat(self, out: vec[i64], at: i64, words: list[int]) -> i64:
        """Copy a repeat, which lacks the request alone; return where it ends."""
        out[at] = words[0]
        index: i64 = 2
        size: i64 = len(words)
        while index < size:
            out[at + index] = words[index]
            index += 1
        return at + size

    def _reserve(self, ring: RingEnd) -> None:
        """See that the outbox has room for all answers to the ring."""
        batch = self._batch
        needed: i64 = batch.engine.event_words
        needed += (ring.end_entry - ring.first_entry) * ANSWER_PREFIX_WORDS
        if len(batch.repeats) > 0:
            for words in batch.repeats.values():
                needed += len(words)
        if needed > len(self._out):
            self._out = zeros(needed * 2)
            self._view = memoryview(self._out)


def send_backlog(ring: RingEnd) -> None:
    """Write as many whole answers as there is room for."""
    room: i64 = ring.writer.room()
    start: i64 = ring.backlog_at
    end: i64 = start
    size: i64 = len(ring.backlog)
    while end < size:
        words: i64 = record_words(ring.backlog, end)
        if end + words - start > room:
            break
        end += words
    if end > start:
        ring.writer.write(memoryview(ring.backlog), start, end - start)
        ring.backlog_at = end
    if end == size:
        ring.backlog = zeros(0)
        ring.backlog_at = 0


def record_words(words: vec[i64], at: i64) -> i64:
    """Return the length of the answer at word `at`."""
    return words[at] & _LOW_HALF


def _mask(out: vec[i64], start: i64, end: i64, account: i64) -> i64:
    """Clear what is not for a member's eyes, as `gateway/privacy.py` does; return where it ends."""
    at: i64 = start
    shown_end: i64 = start
    while at < end:
        both: i64 = accounts_of(out, at)
        keep: i64 = 0
        if both & _LOW_HALF == account:
            keep |= _LOW_HALF
        if both >> 32 == account:
            keep |= _HIGH_HALF
        if both != 0 and keep == 0:
            index: i64 = 0
            while index < EVENT_WORDS:
                out[at + index] = 0
                index += 1
        else:
            _mask_other_side(out, at, keep)
            shown_end = at + EVENT_WORDS
        at += EVENT_WORDS
    return shown_end


def _mask_other_side(out: vec[i64], at: i64, keep: i64) -> None:
    """Clear what tells who stood on the other side; `keep` has the halves that are the member's."""
    kind: i64 = out[at] & 0xFF
    if kind not in (TRADE_EXECUTED, TRADE_BUSTED, TRADE_CORRECTED):
        return
    out[at + E_ACCOUNT] &= keep
    if kind != TRADE_EXECUTED:
        return
    out[at + E_LEAVES] &= keep
    if keep & _LOW_HALF == 0:
        out[at + E_ID] = 0
    if keep >> 32 == 0:
        out[at + E_CONTRA_ID] = 0
