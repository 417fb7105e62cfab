"""A journal's topic in memory, with outages and takeovers at will, for tests of who uses one."""

from collections.abc import Sequence

from shared.ports.event_stream import StreamUnavailable, WriterFenced
from shared.ports.journal_topic import CopiedRecord


class MemoryBroker:
    """What the topic holds, whoever looks at it."""

    def __init__(self) -> None:
        self.records: list[CopiedRecord] = []
        self.beats: list[bytes] = []
        self.writers = 0  # that were opened so far: the last one may write
        self.is_away = False
        self.loses_answer = False  # the next store is done, and nobody is told


class MemoryJournalTopic:
    """One client of a broker."""

    def __init__(self, broker: MemoryBroker) -> None:
        self.broker = broker

    def ensure(self) -> None:
        self._reach()

    def prepare(self) -> None:
        self._reach()

    def writer(self) -> "MemoryWriter":
        self._reach()
        self.broker.writers += 1
        return MemoryWriter(self.broker)

    def last(self) -> CopiedRecord | None:
        self._reach()
        return self.broker.records[-1] if self.broker.records else None

    def end(self, *, settled: bool = True) -> int:
        self._reach()
        return len(self.broker.records)

    def reader(self, offset: int) -> "MemoryReader":
        self._reach()
        return MemoryReader(self, offset)

    def beat(self, text: bytes) -> None:
        if not self.broker.is_away:
            self.broker.beats.append(text)

    def last_beat(self) -> bytes | None:
        self._reach()
        return self.broker.beats[-1] if self.broker.beats else None

    def beats(self) -> int:
        self._reach()
        return len(self.broker.beats)

    def close(self) -> None:
        pass

    def _reach(self) -> None:
        if self.broker.is_away:
            raise StreamUnavailable("away")


class MemoryWriter:
    """Writes until the next one is opened."""

    def __init__(self, broker: MemoryBroker) -> None:
        self._broker = broker
        self._number = broker.writers

    def store(self, records: Sequence[tuple[int, bytes]]) -> None:
        broker = self._broker
        if broker.is_away:
            raise StreamUnavailable("away")
        if self._number != broker.writers:
            raise WriterFenced("another writer was opened")
        for epoch, data in records:
            broker.records.append(CopiedRecord(len(broker.records), epoch, data))
        if broker.loses_answer:
            broker.loses_answer = False
            self._number = -1
            raise StreamUnavailable("no answer")

    def close(self) -> None:
        self._number = -1


class MemoryReader:
    """Reads from an offset on."""

    def __init__(self, topic: MemoryJournalTopic, offset: int) -> None:
        self._topic = topic
        self.position = offset

    def poll(self, max_records: int, timeout_ms: int) -> list[CopiedRecord]:
        end = min(self._topic.end(), self.position + max_records)
        found = self._topic.broker.records[self.position : end]
        self.position = end
        return found

    def close(self) -> None:
        pass
