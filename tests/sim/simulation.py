"""One seeded run: everything that may happen, then calm, then the auditor's questions.

Engine, journal, publisher and stream clients are the real code; the network, the disk's and the
stream's failures, the consumers' databases and the clock are simulated. One seed gives one run.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from hotpath.runtime.journal.snapshot_writer import SnapshotWriter
from hotpath.runtime.journal.writer import JournalFailed
from hotpath.runtime.publisher.resume import TOPICS
from shared.ports.event_stream import StreamUnavailable
from shared.wire.journal import JournalError
from shared.wire.stream_events import PARTITIONS
from tests.sim.auditor import audit
from tests.sim.clients import Clients
from tests.sim.consumers import Book, Ledger, consumers
from tests.sim.parts import SimulatedEngine, SimulatedPublisher
from tests.sim.world import LYING_DISK, Crash, FailingFiles, World
from tests.support.memory_stream import MemoryBroker, MemoryStream

STEPS: Final = 1_500
_CALM_STEPS: Final = 3_000  # within which all must be done once nothing fails any more


@dataclass
class Outcome:
    """What a run showed: problems in words, what happened in it, and how much was done."""

    seed: int
    problems: list[str]
    happened: dict[str, int]
    commands: int = 0
    trades: int = 0


@dataclass
class Simulation:
    """A run in a folder of its own."""

    seed: int
    folder: Path
    broken: str = ""
    world: World = field(init=False)

    def __post_init__(self) -> None:
        self.world = World(self.seed)
        self.journal = self.folder / "journal"
        self.journal.mkdir(parents=True)
        dice = self.world.dice
        self.durability = "fsync" if self.broken or dice.random() < 0.7 else "os"
        self.files = FailingFiles(self.world, lies=self.broken == LYING_DISK)
        self.broker = MemoryBroker(self.world.pass_stream)
        self.clients = Clients(self.world)
        self.ledger, self.book = Ledger(), Book()
        self.consumers = consumers(self.world, self.broker, self.ledger, self.book)
        self.engine: SimulatedEngine | None = None
        self.publisher: SimulatedPublisher | None = None

    def run(self) -> Outcome:
        """Run with faults, then without, then audit."""
        problems = self._without_faults(self._make_topics)
        try:
            for _ in range(STEPS):
                self._change_the_weather()
                self._step(may_begin=True)
            problems += self._calm_down()
            problems += self._without_faults(self._audit)
        except JournalError as error:  # somebody refuses to go on with it
            problems.append(f"{type(error).__name__}: {error}")
        finally:
            self._end_engine()
            self._end_publisher()
        outcome = Outcome(self.seed, problems, dict(self.world.happened))
        outcome.commands, outcome.trades = len(self.clients.answers), len(self.ledger.trades)
        return outcome

    def _make_topics(self) -> list[str]:
        topics = {topic: PARTITIONS[topic] for topic in TOPICS}
        MemoryStream(self.broker).ensure_topics(topics)
        return []

    def _without_faults(self, act: Callable[[], list[str]]) -> list[str]:
        was_faulty, self.world.faulty = self.world.faulty, False
        try:
            return act()
        finally:
            self.world.faulty = was_faulty

    # --- what happens ----------------------------------------------------------------------------

    def _change_the_weather(self) -> None:
        world = self.world
        if world.chance(0.01):
            world.stream_is_down = not world.stream_is_down
        if world.chance(0.004):
            world.note("publisher killed")
            self._end_publisher()
        if world.chance(0.004):
            world.note("engine killed")
            self._end_engine()
        if self.durability == "fsync" and world.chance(0.004):
            self._end_engine()
            self._end_publisher()
            self.files.cut_power(self.journal)

    def _step(self, *, may_begin: bool) -> None:
        world = self.world
        world.pass_time(2_000)
        actors: list[Callable[[], object]] = [
            lambda: self.clients.step(may_begin=may_begin),
            self._deliver,
            self._step_engine,
            self._step_publisher,
            *(consumer.step for consumer in self.consumers),
        ]
        if world.dice.random() < 0.005:
            actors.append(self._write_snapshot)
        world.dice.shuffle(actors)
        for act in actors:
            try:
                act()
            except StreamUnavailable:
                world.note("stream away")

    def _deliver(self) -> None:
        frames = self.clients.deliver(self.world.dice.randrange(12))
        if self.engine is not None:  # what arrives meanwhile is lost
            self.engine.inbox.extend(frames)

    def _step_engine(self) -> None:
        try:
            if self.engine is None:
                self.engine = SimulatedEngine(self.world, self.journal, self.files, self.durability)
            self.clients.take(self.engine.step(1 + self.world.dice.randrange(8)))
        except Crash:
            self._end_engine()
        except (JournalFailed, OSError) as error:
            self.world.note(f"engine halts: {type(error).__name__}")
            self._end_engine()

    def _step_publisher(self) -> None:
        try:
            if self.publisher is None:
                if self.engine is None:
                    return
                self.publisher = SimulatedPublisher(self.world, self.journal, self.broker)
            self.publisher.step()
        except Crash:
            self._end_publisher()

    def _write_snapshot(self) -> None:
        if self.engine is not None:
            self.world.note("snapshot")
            SnapshotWriter(self.journal).advance(1)

    def _end_engine(self) -> None:
        if self.engine is not None:
            self.engine.end()
        self.files.end_process()
        self.engine = None

    def _end_publisher(self) -> None:
        if self.publisher is not None:
            self.publisher.end()
        self.publisher = None

    # --- the end ---------------------------------------------------------------------------------

    def _calm_down(self) -> list[str]:
        """Stop all faults and wait until everything is answered, published and consumed."""
        self.world.faulty = False
        self.world.stream_is_down = False
        for _ in range(_CALM_STEPS):
            if self._is_done():
                return []
            self._step(may_begin=False)
        return ["not live: not everything was answered, published and consumed in time"]

    def _is_done(self) -> bool:
        engine, publisher = self.engine, self.publisher
        if engine is None or publisher is None or engine.inbox or not self.clients.is_done:
            return False
        has_published = publisher.lag == 0
        return has_published and all(consumer.is_done for consumer in self.consumers)

    def _audit(self) -> list[str]:
        if self.engine is None:
            return ["there is no engine"]
        return audit(
            self.journal,
            self.clients,
            self.broker,
            self.ledger,
            self.book,
            self.engine.core.engine,
        )
