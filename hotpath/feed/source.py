"""Reads `market-data` from the stream in a thread of its own and hands batches to the loop.

The gateway is a reader without a group to commit for: where it stands is in its checkpoint, or it
reads from the beginning.
"""

import threading
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from shared.ports.event_stream import EventStream, StreamReader, StreamUnavailable, TopicPartition
from shared.wire.stream_events import MARKET_DATA, MarketDataUpdate, partition_counts

BATCH: Final = 2_000
POLL_MS: Final = 200
_RETRY_S: Final = 0.2
_GROUP: Final = "feed"

Positions = dict[int, int]  # partition → offset to read from next


class Batch(msgspec.Struct, frozen=True):
    """Updates in the order of each partition, and where the reader stands after them."""

    updates: list[MarketDataUpdate]
    positions: Positions
    bad: int = 0  # messages that are no update
    starts_anew: bool = False  # the stream is not the one that was read before: forget it


class Source:
    """Polls until it is stopped; survives a stream that goes away and comes back."""

    def __init__(
        self,
        stream: EventStream,
        positions: Mapping[int, int],
        deliver: Callable[[Batch], None],
        shards: int = 1,
    ) -> None:
        self._stream = stream
        self._start = dict(positions)
        self._deliver = deliver
        self._count = partition_counts(shards)[MARKET_DATA]
        self._partitions = [TopicPartition(MARKET_DATA, number) for number in range(self._count)]
        self._decoder = msgspec.json.Decoder(MarketDataUpdate)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="market-data-reader", daemon=True)
        self._caught_up = threading.Event()
        self._available = threading.Event()
        self.failure: Exception | None = None  # what ended the thread, if it was no stop

    @property
    def is_caught_up(self) -> bool:
        """Return whether what the stream held at the start has been delivered."""
        return self._caught_up.is_set()

    @property
    def is_available(self) -> bool:
        return self._available.is_set()

    def start(self) -> None:
        self._thread.start()

    def request_stop(self) -> None:
        """Make the thread end after the batch that it delivers, if it delivers one."""
        self._stop.set()

    def join(self) -> None:
        self._thread.join(timeout=5)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._read()
            except StreamUnavailable:
                self._available.clear()
                self._stop.wait(_RETRY_S)
            except Exception as error:
                self.failure = error
                return

    def _read(self) -> None:
        self._stream.ensure_topics({MARKET_DATA: self._count})
        reader = self._stream.reader(_GROUP, self._partitions)
        try:
            ends = {part: self._stream.end_offset(part) for part in self._partitions}
            self._seek(reader, ends)
            while not self._stop.is_set():
                self._available.set()
                self._poll(reader)
                if not self._caught_up.is_set() and all(
                    reader.position(part) >= end for part, end in ends.items()
                ):
                    self._caught_up.set()
        finally:
            reader.close()

    def _seek(self, reader: StreamReader, ends: Mapping[TopicPartition, int]) -> None:
        """Go to where reading ended before; a stream that ends before that is another one."""
        if any(self._start.get(part.partition, 0) > end for part, end in ends.items()):
            self._start = {}
            self._deliver(Batch([], {}, starts_anew=True))
        for part in self._partitions:
            reader.seek(part, self._start.get(part.partition, 0))

    def _poll(self, reader: StreamReader) -> None:
        stored = reader.poll(BATCH, POLL_MS)
        if not stored:
            return
        updates: list[MarketDataUpdate] = []
        bad = 0
        for message in stored:
            try:
                updates.append(self._decoder.decode(message.value))
            except msgspec.DecodeError:
                bad += 1
        positions = {part.partition: reader.position(part) for part in self._partitions}
        self._start.update(positions)
        self._deliver(Batch(updates, positions, bad=bad))
