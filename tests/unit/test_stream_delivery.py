"""Lambda's rules for a failing batch: repeat in order, isolate, dead-letter, go on."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from infra.local.consumers.delivery import Delivery
from infra.local.consumers.outcomes import FunctionFailed, Handled, Outcome
from infra.local.consumers.progress import Progress
from infra.local.consumers.routes import Route
from shared.ports.event_stream import StoredMessage, TopicPartition
from shared.ports.failures import InfrastructureUnavailable

RETRIES = 2


@dataclass
class FakeFunction:
    """A function that refuses some offsets, by raising or by naming them, and may be away."""

    refused: frozenset[int] = frozenset()
    names_failures: bool = False
    away_for_calls: int = 0
    calls: list[list[int]] = field(default_factory=list)
    handled: list[int] = field(default_factory=list)
    buried: list[int] = field(default_factory=list)

    def invoke(self, batch: Sequence[StoredMessage]) -> Outcome:
        offsets = [message.offset for message in batch]
        if self.away_for_calls:
            self.away_for_calls -= 1
            raise InfrastructureUnavailable("database")
        self.calls.append(offsets)
        if self.names_failures:
            self.handled += [offset for offset in offsets if offset not in self.refused]
            return Handled(self.refused & set(offsets))
        if self.refused & set(offsets):
            return FunctionFailed("BadRecord: no")
        self.handled += offsets
        return Handled()

    def bury(self, message: StoredMessage, attempts: int, error: str) -> None:
        assert attempts >= 1
        assert error
        self.buried.append(message.offset)


@dataclass
class Run:
    """A delivery of offsets 0 … count-1, and what was committed meanwhile."""

    function: FakeFunction
    commits: list[int] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)
    progress: Progress = field(
        default_factory=lambda: Progress(Route("t", "g", "F"), TopicPartition("t", 0))
    )

    def deliver(self, count: int) -> None:
        Delivery(
            self.function,
            max_retries=RETRIES,
            commit=self.commits.append,
            pause=self.pauses.append,
            watcher=self.progress,
        ).deliver([StoredMessage("t", 0, offset, 0, b"", b"") for offset in range(count)])


def test_a_batch_without_trouble_is_one_call_and_one_commit() -> None:
    run = Run(FakeFunction())

    run.deliver(100)

    assert run.function.calls == [list(range(100))]
    assert run.commits == [100]
    assert run.pauses == []


def test_after_an_error_the_same_batch_comes_again_in_order() -> None:
    run = Run(FakeFunction(refused=frozenset({3})))

    run.deliver(8)

    assert run.function.calls[: RETRIES + 1] == [list(range(8))] * (RETRIES + 1)
    assert len(run.pauses) == RETRIES


def test_one_bad_record_in_a_hundred_is_isolated() -> None:
    run = Run(FakeFunction(refused=frozenset({41})))

    run.deliver(100)

    assert run.function.handled == [offset for offset in range(100) if offset != 41]
    assert run.function.buried == [41]
    assert run.commits[-1] == 100
    assert len(run.function.calls) <= RETRIES + 1 + 2 * 7
    assert run.progress.dead_letters == 1


def test_a_function_that_names_its_failures_is_asked_again_from_the_first_of_them() -> None:
    run = Run(FakeFunction(refused=frozenset({2}), names_failures=True))

    run.deliver(4)

    assert run.function.calls == [[0, 1, 2, 3], *[[2, 3]] * RETRIES, [3]]
    assert run.function.buried == [2]
    assert run.commits == [2, 3, 4]


def test_while_infrastructure_is_away_nothing_counts_as_a_try() -> None:
    run = Run(FakeFunction(away_for_calls=50))

    run.deliver(10)

    assert run.function.calls == [list(range(10))]
    assert run.function.buried == []
    assert run.commits == [10]
    assert max(run.pauses) <= 5


def test_an_outage_in_the_middle_of_the_search_for_a_bad_record_changes_nothing() -> None:
    class Flaky(FakeFunction):
        def invoke(self, batch: Sequence[StoredMessage]) -> Outcome:
            self.away_for_calls = 1 if len(self.calls) % 2 and not self.away_for_calls else 0
            if self.away_for_calls:
                self.calls.append([])
                raise InfrastructureUnavailable("database")
            return super().invoke(batch)

    run = Run(Flaky(refused=frozenset({5})))

    run.deliver(16)

    assert run.function.buried == [5]
    assert run.function.handled == [offset for offset in range(16) if offset != 5]


@given(
    count=st.integers(1, 60),
    refused=st.frozensets(st.integers(0, 59), max_size=6),
    names_failures=st.booleans(),
    away_for_calls=st.integers(0, 5),
)
def test_every_record_is_handled_or_dead_lettered_and_none_is_committed_before(
    count: int, refused: frozenset[int], names_failures: bool, away_for_calls: int
) -> None:
    function = FakeFunction(refused, names_failures, away_for_calls)
    run = Run(function)
    uncommitted_when_committed: list[set[int]] = []

    def commit(position: int) -> None:
        run.commits.append(position)
        done = {*function.handled, *function.buried}
        uncommitted_when_committed.append(set(range(position)) - done)

    Delivery(
        function,
        max_retries=RETRIES,
        commit=commit,
        pause=run.pauses.append,
        watcher=run.progress,
    ).deliver([StoredMessage("t", 0, offset, 0, b"", b"") for offset in range(count)])

    bad = {offset for offset in refused if offset < count}
    assert set(function.handled) == set(range(count)) - bad
    assert function.buried == sorted(bad)
    assert run.commits == sorted(run.commits)
    assert run.commits[-1] == count
    assert not any(uncommitted_when_committed)
