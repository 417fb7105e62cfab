"""Answers an order that was sent again: what became of it the first time, and what it is now."""

import logging
from dataclasses import dataclass
from struct import Struct
from typing import Final

from hotpath.runtime.core_host import CoreHost
from hotpath.runtime.gateway.privacy import is_known_id
from hotpath.runtime.journal.index import JournalIndex
from shared.domain import records as r
from shared.domain.records import PLACE_ORDER_EXTENDED
from shared.wire import frames
from shared.wire.journal import JournalError

log = logging.getLogger("engine")

LOOKUPS_A_BATCH: Final = 256  # what is beyond gets the refusal alone, so that others do not wait
_ORDERS: Final = (r.PLACE_ORDER, PLACE_ORDER_EXTENDED)
_STAMPED: Final = slice(r.C_TIME_NS, r.COMMAND_WORDS)  # words that the sender does not choose
_EVENT: Final = Struct(f"<{r.EVENT_WORDS}q")


@dataclass(frozen=True, slots=True)
class Repeat:
    """The first command's place and events, and the words of an order query."""

    sequence: int
    time_ns: int
    events: bytes
    order: list[int]


class Repeats:
    """Looks up first answers in the journal, so many for each batch of commands."""

    def __init__(self, index: JournalIndex, core: CoreHost) -> None:
        self._index = index
        self._core = core
        self._left = LOOKUPS_A_BATCH

    def begin_batch(self) -> None:
        self._left = LOOKUPS_A_BATCH

    def find(self, frame: bytes, events: bytes) -> Repeat | None:
        """Return the first answer to an order whose events refuse it as known already.

        None when it is no such refusal, when the terms are others than the first time, or when the
        batch has had its look-ups: the refusal is then the answer.
        """
        if not is_refused_order(frame, events) or self._left == 0:
            return None
        self._left -= 1
        sequence = _word(events, 8 * r.E_FIRST_SEQUENCE)
        try:
            first = self._index.command(sequence)
        except (OSError, JournalError) as error:
            log.error("sequence %d cannot be read again: %s", sequence, error)
            return None
        if first is None or _terms(frames.decode_command(frame).words) != _terms(first.words):
            return None
        order = self._core.order(first.words[r.C_ID])
        if order is None:
            return None
        answer = b"".join(_EVENT.pack(*event) for event in first.events)
        return Repeat(first.sequence, first.time_ns, answer, order)


def is_refused_order(frame: bytes, events: bytes) -> bool:
    """Return whether a new order was refused because its id is known."""
    return frame[frames.COMMAND_PREFIX_BYTES] in _ORDERS and is_known_id(events)


def _terms(words: tuple[int, ...]) -> list[int]:
    """Return a command's words without those that are stamped."""
    terms = list(words)
    del terms[_STAMPED]
    return terms


def _word(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 8], "little", signed=True)
