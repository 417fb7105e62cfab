"""Where a publisher goes on that finds a stream: behind it, not at the journal's beginning."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from hotpath.core.api import Engine
from hotpath.runtime.batch import BatchApplier
from hotpath.runtime.journal.reader import JournalScan, Tail
from hotpath.runtime.journal.status_file import StatusFile
from hotpath.runtime.journal.writer import JournalWriter
from hotpath.runtime.publisher import publishing, resume
from hotpath.runtime.publisher.publishing import Publisher
from hotpath.runtime.publisher.resume import StreamDiverged
from hotpath.runtime.publisher.stream_messages import messages
from shared.domain import records as r
from shared.domain.commands import Command
from shared.ports.event_stream import TopicPartition
from shared.wire.journal import encode_batch
from shared.wire.stream_events import RISK_EVENTS
from tests.support.engine import limit_order, market
from tests.support.memory_stream import MemoryBroker, MemoryStream

BATCH_BYTES = 8 << 10
ORDERS = 1_500


def journaled(folder: Path, price_ticks: int = 100) -> int:
    """Write a journal in which four members trade; return its last sequence."""
    orders = [limit_order(1 + n % 4, n, n // 4 % 2, price_ticks, 5) for n in range(1, ORDERS)]
    commands: list[Command] = [*market(accounts=4), *orders]
    applier = BatchApplier(Engine())
    tail = Tail(0, 0, 1, 0, 0)
    writer = JournalWriter(folder, tail, shard=0, epoch=1, durability="os", segment_bytes=1 << 16)
    for first in range(0, len(commands), 7):
        rows = [
            b"".join(word.to_bytes(8, "little", signed=True) for word in command.words())
            for command in commands[first : first + 7]
        ]
        applier.apply(rows, 0, first + 1, 1_000 + first)
        counts, done = applier.event_counts, applier.commands
        writer.append(encode_batch(first + 1, 1_000, counts, done, applier.events), len(rows))
    writer.close()
    return len(commands)


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(resume, "BATCH_BYTES", BATCH_BYTES)
    monkeypatch.setattr(publishing, "BATCH_BYTES", BATCH_BYTES)
    return tmp_path


@pytest.fixture
def status(journal: Path) -> Iterator[StatusFile]:
    last = journaled(journal)
    with StatusFile(journal, create=True) as found:
        found.begin(0, 1, last)
        yield found


@pytest.fixture
def broker() -> MemoryBroker:
    return MemoryBroker()


def publish(journal: Path, status: StatusFile, broker: MemoryBroker) -> int:
    """Publish all that is missing; return the sequence from which on was looked."""
    publisher = Publisher(journal, MemoryStream(broker), status)
    publisher.open()
    first = publisher.read_sequence + 1
    publish_all(publisher)
    publisher.save_checkpoint()
    publisher.close()
    return first


def publish_all(publisher: Publisher) -> None:
    while publisher.step():
        pass


def expect_all_once(journal: Path, broker: MemoryBroker) -> None:
    wanted: dict[TopicPartition, list[bytes]] = {place: [] for place in broker.partitions}
    for _, _, record in JournalScan(journal):
        for command in record.commands():
            for _, message in messages(0, command):
                wanted[TopicPartition(message.topic, message.partition)].append(message.value)
    found = {at: [m.value for m in part.messages] for at, part in broker.partitions.items()}
    assert found == wanted


def test_a_start_reads_one_batch_and_not_the_journal(
    journal: Path, status: StatusFile, broker: MemoryBroker
) -> None:
    assert publish(journal, status, broker) == 1
    (journal / resume.POSITION_FILE).unlink()
    status.published_sequence = 0
    first = publish(journal, status, broker)
    bytes_of_a_command = 8 * (r.COMMAND_WORDS + r.EVENT_WORDS)
    assert first > status.durable_sequence - 2 * BATCH_BYTES // bytes_of_a_command
    assert status.published_sequence == status.durable_sequence
    expect_all_once(journal, broker)


def test_an_empty_stream_is_filled_from_the_beginning(
    journal: Path, status: StatusFile, broker: MemoryBroker
) -> None:
    publish(journal, status, broker)
    emptied = MemoryBroker()
    assert publish(journal, status, emptied) == 1
    expect_all_once(journal, emptied)


@pytest.mark.parametrize("lost", [1, 200, None])
def test_a_partition_that_has_lost_its_end_is_filled_again(
    journal: Path, status: StatusFile, broker: MemoryBroker, lost: int | None
) -> None:
    publish(journal, status, broker)
    partition = broker.partitions[TopicPartition("order-events", 1)]
    kept = 0 if lost is None else len(partition.messages) - lost
    del partition.messages[kept:]
    partition.end = partition.messages[-1].offset + 1 if kept else 0
    publish(journal, status, broker)
    expect_all_once(journal, broker)


def test_a_stream_of_another_history_is_left_as_it_is(
    journal: Path, status: StatusFile, broker: MemoryBroker, tmp_path: Path
) -> None:
    publish(journal, status, broker)
    ends = {place: partition.end for place, partition in broker.partitions.items()}
    other = tmp_path / "other"
    other.mkdir()
    last = journaled(other, price_ticks=101)
    with StatusFile(other, create=True) as found:
        found.begin(0, 1, last)
        publisher = Publisher(other, MemoryStream(broker), found)
        # As if it had come later than the first: the epoch is the journal's own.
        for _ in range(3):
            publishing.next_epoch(other)
        publisher.open()
        with pytest.raises(StreamDiverged, match="does not tell"):
            publish_all(publisher)
        publisher.close()
    assert {place: partition.end for place, partition in broker.partitions.items()} == ends


def test_topics_that_are_rarely_told_of_do_not_hold_the_others_up(
    journal: Path, status: StatusFile, broker: MemoryBroker
) -> None:
    """Risk events end with the accounts' opening, long before the last trade."""
    publish(journal, status, broker)
    quiet = broker.partitions[TopicPartition(RISK_EVENTS, 0)].messages
    assert len(quiet) < 20
    assert publish(journal, status, broker) > 1_000
