"""The writer of events: rows of eight words, laid out in `shared/domain/records.py`."""

from typing import Final, final

from librt.vecs import vec
from mypy_extensions import i64

from hotpath.core.layout import ROW_ROOM
from hotpath.core.words import grown, zeros
from shared.domain.records import EVENT_WORDS

EVENT_BYTES: Final = 64


@final
class EventWriter:
    """A buffer that fills until it is reset, and grows when it must: `emit` seldom allocates."""

    def __init__(self, events: i64) -> None:
        self.words: vec[i64] = zeros(events * EVENT_WORDS + ROW_ROOM)
        self.view = memoryview(self.words)
        self.used: i64 = 0  # words
        self.size: i64 = events * EVENT_WORDS

    def emit(
        self,
        header: i64,
        id_: i64,
        account: i64,
        price: i64,
        quantity: i64,
        leaves: i64,
        contra: i64,
        level: i64,
    ) -> None:
        """Append one event: the words 0 … 7 of the record."""
        used: i64 = self.used
        if used >= self.size:
            self._grow()
        words = self.words
        words[used] = header
        words[used + 1] = id_
        words[used + 2] = account
        words[used + 3] = price
        words[used + 4] = quantity
        words[used + 5] = leaves
        words[used + 6] = contra
        words[used + 7] = level
        self.used = used + EVENT_WORDS

    def _grow(self) -> None:
        self.size *= 2
        self.words = grown(self.words, self.size + ROW_ROOM)
        self.view = memoryview(self.words)

    def to_bytes(self) -> bytes:
        """Return a copy of the events since the last reset, as they stand in the journal."""
        return self.view[: self.used].tobytes()
