"""A shard's journal outside its host: an ordered log of records that one writer at a time extends.

Who writes is decided by the log, not by clocks or numbers. `writer()` shuts out every writer that
was there before, finishes or undoes what it had under way, and from then on nobody but the caller
can store a record, until someone else calls `writer()`. So whoever has opened a writer and then
read to the end knows all that was ever stored.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class CopiedRecord:
    """A journal record as the topic holds it; `epoch` is that of the engine that made it."""

    offset: int
    epoch: int
    data: bytes


class JournalTopicWriter(Protocol):
    """The one writer; used by one thread."""

    def store(self, records: Sequence[tuple[int, bytes]]) -> None:
        """Store (epoch, record) pairs, all or none; return when that is so for good.

        Raises
        ------
        WriterFenced
            Another writer was opened: nothing was stored, and nothing can be.
        StreamUnavailable
            It is not known whether they were stored. This writer is of no more use: open another
            one, and look where the topic ends.
        """
        ...

    def close(self) -> None: ...


class JournalTopicReader(Protocol):
    """Reads what is stored for good, in order. Raises StreamUnavailable while it cannot."""

    def poll(self, max_records: int, timeout_ms: int) -> list[CopiedRecord]:
        """Return the next records, waiting up to `timeout_ms` when there are none."""
        ...

    @property
    def position(self) -> int:
        """Return the offset of what is read next: the end's once a poll has come back empty."""
        ...

    def close(self) -> None: ...


class JournalTopic(Protocol):
    """One shard's topic, and the beats of the engine that writes it.

    Every call raises StreamUnavailable when the topic cannot be reached, and may be repeated.
    """

    def ensure(self) -> None:
        """Create what does not exist yet."""
        ...

    def prepare(self) -> None:
        """Connect ahead of time what `writer()` needs, so that it is quick. Shuts out nobody."""
        ...

    def writer(self) -> JournalTopicWriter:
        """Shut out all former writers; return the one that may write now."""
        ...

    def last(self) -> CopiedRecord | None:
        """Return the newest record, or None when there is none."""
        ...

    def end(self, *, settled: bool = True) -> int:
        """Return the position of a reader that has read all that is stored by now.

        Waits for what a writer has under way, unless `settled` is not asked for.
        """
        ...

    def reader(self, offset: int) -> JournalTopicReader:
        """Return a reader of what is stored at `offset` and behind."""
        ...

    def beat(self, text: bytes) -> None:
        """Tell whoever watches that the engine lives. Neither waits nor raises."""
        ...

    def last_beat(self) -> bytes | None:
        """Return what the newest beat tells, or None when there is none."""
        ...

    def beats(self) -> int:
        """Return a number that grows with every beat; raise StreamUnavailable without an answer."""
        ...

    def close(self) -> None: ...
