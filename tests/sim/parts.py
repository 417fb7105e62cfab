"""The parts of a simulated run: the engine's and the publisher's real code, without processes."""

from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hotpath.runtime.core_host import CoreHost
from hotpath.runtime.gateway.repeats import Repeats
from hotpath.runtime.journal.index import JournalIndex
from hotpath.runtime.journal.recovery import recover
from hotpath.runtime.journal.status_file import OPEN, StatusFile
from hotpath.runtime.journal.wake import Waker
from hotpath.runtime.journal.writer import JournalWriter
from hotpath.runtime.metrics import Metrics
from hotpath.runtime.publisher.publishing import Publisher
from hotpath.runtime.sequencer import Sequencer
from shared.wire import frames
from shared.wire.journal import EpochMark, encode_epoch
from tests.sim.world import FailingFiles, SimulatedFaults, World
from tests.support.memory_stream import MemoryBroker, MemoryStream

_SEGMENT_BYTES: Final = 16 << 10  # small, so that runs cross many
_CRASH: Final = 0.01


@dataclass(frozen=True, slots=True)
class Answer:
    """What the engine told a client about the frame that it sent."""

    frame: bytes
    sequence: int
    time_ns: int
    events: bytes


class SimulatedEngine:
    """One life of the engine: recovered, journal open, ready for frames."""

    def __init__(self, world: World, journal: Path, files: FailingFiles, durability: str) -> None:
        self._world = world
        self.inbox: deque[bytes] = deque()
        faults = SimulatedFaults(world, _CRASH)
        self._status = StatusFile(journal, create=True)
        recovered = recover(journal, 0, from_snapshot=True)
        epoch = recovered.tail.epoch + 1
        self.core = CoreHost(recovered.engine)
        self._journal = JournalWriter(
            journal,
            recovered.tail,
            shard=0,
            epoch=epoch,
            durability=durability,
            segment_bytes=_SEGMENT_BYTES,
            faults=faults,
            files=files,
        )
        mark = EpochMark(epoch, epoch, recovered.engine.state_hash())
        record = encode_epoch(recovered.tail.next_sequence, world.clock(), mark)
        self._journal.append(record, 0)
        self._journal.sync()
        self._status.begin(0, epoch, recovered.sequence)
        self._status.state = OPEN
        self._index = JournalIndex(journal)
        self._repeats = Repeats(self._index, self.core)
        self.sequencer = Sequencer(
            self.core,
            self._journal,
            self._status,
            Waker(journal),
            Metrics(),
            sequence=recovered.sequence,
            time_ns=recovered.last_time_ns,
            faults=faults,
            clock=world.clock,
        )

    def step(self, most: int) -> list[Answer]:
        """Commit a batch of what waits; return the answers that leave once it is durable."""
        batch = [self.inbox.popleft() for _ in range(min(most, len(self.inbox)))]
        if not batch and not self.core.has_work_left:
            self._journal.prepare()
            return []
        traces = [(n, frame[16:40]) for n, frame in enumerate(batch) if frame[16:40] != _NO_TRACE]
        committed = self.sequencer.commit(batch, traces)
        for frame in reversed(batch[committed.taken :]):
            self.inbox.appendleft(frame)
        self._repeats.begin_batch()
        answers = []
        pairs = zip(batch[: committed.taken], committed.events, strict=False)
        for number, (frame, events) in enumerate(pairs):
            repeat = self._repeats.find(frame, events)
            if repeat is not None:
                answers.append(Answer(frame, repeat.sequence, repeat.time_ns, repeat.events))
            else:
                sequence = committed.first_sequence + number
                answers.append(Answer(frame, sequence, committed.time_ns, events))
        return answers

    def end(self) -> None:
        """Give back what the system gives back for a process that ended."""
        self._index.close()
        self._status.close()


_NO_TRACE: Final = frames.NO_TRACE


class SimulatedPublisher:
    """One life of the publisher."""

    def __init__(self, world: World, journal: Path, broker: MemoryBroker) -> None:
        self.status = StatusFile(journal, create=False)
        faults = SimulatedFaults(world, _CRASH)
        stream = MemoryStream(broker)
        self.publisher = Publisher(journal, stream, self.status, faults)

    def step(self) -> bool:
        if not self.publisher.is_open:
            self.publisher.open()
        return self.publisher.step()

    @property
    def lag(self) -> int:
        return self.status.durable_sequence - self.status.published_sequence

    def end(self) -> None:
        self.publisher.close()
        self.status.close()
