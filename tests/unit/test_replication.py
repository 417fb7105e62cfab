"""Replicator, replica and gate without processes: what is copied, and who is refused."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from hotpath.runtime.batch import BatchApplier
from hotpath.runtime.config import ConfigError, EngineConfig, ReplicatorConfig, StandbyConfig
from hotpath.runtime.journal.reader import Tail
from hotpath.runtime.journal.recovery import JournalDiverged, recover
from hotpath.runtime.journal.writer import JournalWriter
from hotpath.runtime.replication.beats import BeatWatch
from hotpath.runtime.replication.gate import STALLED, ReplicationGate, ReplicationRefused
from hotpath.runtime.replication.journal_place import find_copy
from hotpath.runtime.replication.replicator import JournalSuperseded, Replicator
from hotpath.runtime.replication.shared_file import ReplicationFile
from hotpath.runtime.standby.replica import Replica
from shared.ports.event_stream import StreamUnavailable, WriterFenced
from shared.ports.journal_topic import CopiedRecord
from shared.wire import frames
from shared.wire.journal import (
    EpochMark,
    JournalDamaged,
    decode_record,
    encode_batch,
    encode_epoch,
    encode_mark,
)
from tests.support.engine import market
from tests.support.memory_journal_topic import MemoryBroker, MemoryJournalTopic

COMMANDS = market(accounts=40)


class Writer:
    """An engine's journal: batches of the same commands, epochs and marks, synced when told."""

    def __init__(self, folder: Path, *, skip: int = 0) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        recovered = recover(folder)
        self.epoch = recovered.tail.epoch + 1
        self._applier = BatchApplier(recovered.engine)
        self._next = recovered.tail.next_sequence
        self._at = self._next - 1 + skip
        self._journal = JournalWriter(
            folder, recovered.tail, shard=0, epoch=self.epoch, durability="os", segment_bytes=4096
        )
        self.file = ReplicationFile(folder)
        mark = EpochMark(self.epoch, 1, recovered.engine.state_hash())
        self._journal.append(encode_epoch(self._next, 1, mark), 0)
        self.sync()

    def batch(self, count: int) -> None:
        found = COMMANDS[self._at : self._at + count]
        encoded = [frames.encode_command(0, command.words()) for command in found]
        applier = self._applier
        applier.apply(encoded, frames.COMMAND_PREFIX_BYTES, self._next, 1)
        record = encode_batch(
            self._next,
            1,
            applier.event_counts,
            applier.commands,
            applier.events,
            (),
            self._journal.end.synced_offset,
        )
        self._journal.append(record, count)
        self._next += count
        self._at += count

    def mark(self) -> None:
        state_hash = self._applier.engine.state_hash()
        self._journal.append(encode_mark(self._next, 1, 1, state_hash), 0)

    def sync(self) -> None:
        self._journal.sync()
        self.file.synced_place = self._journal.synced_place

    def close(self) -> None:
        self._journal.close()
        self.file.close()


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[Writer]:
    found = Writer(tmp_path / "first")
    yield found
    found.close()


def replicator(writer: Writer, broker: MemoryBroker) -> Replicator:
    found = Replicator(writer.folder, MemoryJournalTopic(broker), writer.file)
    found.open()
    return found


def copy_all(found: Replicator) -> None:
    while found.step():
        pass


def content(broker: MemoryBroker) -> list[bytes]:
    records = [decode_record(copied.data) for copied in broker.records]
    return [record.content for record in records if record is not None]


def test_only_what_is_synced_is_copied_and_each_record_once(writer: Writer) -> None:
    broker = MemoryBroker()
    copying = replicator(writer, broker)
    writer.batch(3)
    copy_all(copying)
    assert len(broker.records) == 1, "the epoch alone is synced"
    assert (writer.file.copied_epoch, writer.file.copied_sequence) == (1, 0)
    writer.sync()
    for _ in range(20):  # over several segments
        writer.batch(4)
        writer.mark()
        writer.sync()
    copy_all(copying)
    assert writer.file.copied_sequence == 83
    assert len(broker.records) == 1 + 21 + 20
    assert not copying.step()


def test_after_any_failure_it_goes_on_behind_the_topics_last_record(writer: Writer) -> None:
    broker = MemoryBroker()
    copying = replicator(writer, broker)
    for number in range(15):
        writer.batch(3)
        writer.mark()
        writer.sync()
        broker.loses_answer = number % 3 == 0
        broker.is_away = number % 3 == 1
        try:
            copy_all(copying)
        except StreamUnavailable:
            broker.is_away = False
            copying = replicator(writer, broker) if number % 2 else copying
            copying.open()
            copy_all(copying)
    found = content(broker)
    assert len(found) == len(set(found)) == 1 + 15 + 15
    assert writer.file.copied_sequence == 45


def test_a_record_is_found_whatever_segment_it_is_in(writer: Writer) -> None:
    broker = MemoryBroker()
    for number in range(25):
        writer.batch(1 + number % 4)
        if number % 3 == 0:
            writer.mark()
        writer.sync()
    copy_all(replicator(writer, broker))
    for copied in broker.records:
        record = decode_record(copied.data)
        assert record is not None
        found = find_copy(writer.folder, record)
        assert found is not None
        assert found.record.data == copied.data


def test_a_journal_that_the_topic_has_left_behind_is_refused(
    writer: Writer, tmp_path: Path
) -> None:
    broker = MemoryBroker()
    old = replicator(writer, broker)
    writer.batch(5)
    writer.sync()
    copy_all(old)
    replica = follow(broker, tmp_path / "second")
    replica.close()
    second = Writer(tmp_path / "second")
    new = replicator(second, broker)
    copy_all(new)
    writer.batch(2)
    writer.sync()
    with pytest.raises(WriterFenced):
        old.step()
    writers = broker.writers
    with pytest.raises(JournalSuperseded, match="epoch 2"):
        old.open()
    assert broker.writers == writers, "the rightful writer is not disturbed"
    second.batch(2)
    second.sync()
    copy_all(new)
    second.close()


def follow(broker: MemoryBroker, folder: Path) -> Replica:
    """Return a replica that has taken in all of a topic."""
    folder.mkdir(exist_ok=True)
    replica = Replica(folder, 0, 4096)
    for copied in broker.records:
        replica.take(copied)
    replica.sync(len(broker.records))
    return replica


def test_a_replica_is_the_same_journal_and_state_however_often_it_reads(
    writer: Writer, tmp_path: Path
) -> None:
    broker = MemoryBroker()
    copying = replicator(writer, broker)
    for _ in range(20):
        writer.batch(4)
        writer.mark()
        writer.sync()
    copy_all(copying)
    folder = tmp_path / "second"
    for _ in range(3):  # each time from the first record on
        replica = follow(broker, folder)
        assert replica.sequence == 80
        replica.close()
    here, there = recover(writer.folder, check_marks=True), recover(folder, check_marks=True)
    assert here.engine.state_hash() == there.engine.state_hash()
    assert (here.sequence, here.tail.epoch) == (there.sequence, there.tail.epoch)
    assert Replica(folder, 0, 4096).position() == len(broker.records)


def test_a_replica_ignores_older_epochs_and_refuses_gaps_damage_and_other_states(
    writer: Writer, tmp_path: Path
) -> None:
    broker = MemoryBroker()
    copying = replicator(writer, broker)
    for _ in range(3):
        writer.batch(2)
        writer.sync()
        copy_all(copying)
    epoch, first, second, third = broker.records
    folder = tmp_path / "second"
    folder.mkdir()
    replica = Replica(folder, 0, 4096)
    replica.take(epoch)
    replica.take(first)
    with pytest.raises(JournalDamaged, match="sequence 5 follows 2"):
        replica.take(third)
    with pytest.raises(JournalDamaged, match="not sound"):
        replica.take(CopiedRecord(9, 1, second.data[:-1] + b"x"))
    replica.take(CopiedRecord(9, 0, second.data))
    assert (replica.sequence, replica.ignored) == (2, 1)
    wrong = encode_mark(3, 1, 1, 4711)
    with pytest.raises(JournalDiverged):
        replica.take(CopiedRecord(9, 1, wrong))
    replica.take(second)
    replica.take(third)
    assert replica.sequence == 6


def test_the_gate_opens_at_its_epoch_and_passes_what_is_copied(tmp_path: Path) -> None:
    gate = ReplicationGate(tmp_path, stall_ms=1)
    other = ReplicationFile(tmp_path)
    other.note_copied(9, 6)  # what an engine before this one had
    said: list[str] = []

    def say(what: str) -> None:
        said.append(what)
        other.note_copied(5, 7)

    gate.open(7, (1, 64), say)
    assert said
    assert other.synced_place == (1, 64)
    refusals: list[str] = []

    def meanwhile() -> None:
        refusals.append(gate.refusal())
        if STALLED in refusals:
            other.note_copied(6, 7)

    gate.meanwhile = meanwhile
    gate.wait(6, (1, 128))
    assert refusals[-1] == STALLED
    assert gate.refusal() == ""
    assert gate.copied_sequence == 6


def test_the_gate_is_woken_and_says_why_it_is_refused(tmp_path: Path) -> None:
    gate = ReplicationGate(tmp_path, stall_ms=1000)
    other = ReplicationFile(tmp_path)
    timer = threading.Timer(0.05, other.refuse, ["another engine has taken over"])
    timer.start()
    with pytest.raises(ReplicationRefused, match="another engine has taken over"):
        gate.wait(1, (1, 64))
    timer.join()


def test_silence_counts_only_while_the_topic_answers() -> None:
    now, beats, away, delay = [100.0], [0], [False], [0.0]

    def count() -> int:
        now[0] += delay[0]
        if away[0]:
            raise StreamUnavailable("away")
        return beats[0]

    def passes(seconds: float, *, beating: bool) -> list[bool]:
        found = []
        for _ in range(round(seconds * 20)):
            now[0] += 0.05
            beats[0] += beating
            found.append(watch.is_silent())
        return found

    watch = BeatWatch(count, hung_ms=1000, clock=lambda: now[0])
    assert not any(passes(10, beating=False)), "nobody was seen yet"
    assert not any(passes(3, beating=True))
    assert not any(passes(0.9, beating=False))
    assert not any(passes(1, beating=True))
    away[0] = True
    assert not any(passes(60, beating=False)), "kafka is away: nobody is judged"
    away[0] = False
    assert not any(passes(4, beating=False)), "who comes back is given time"
    assert not any(passes(1, beating=True))
    silent = passes(1.3, beating=False)
    assert silent[-1]
    assert not any(silent[:18])
    delay[0] = 4.0
    assert not any(passes(0.05, beating=True)), "an answer that was long on its way"
    delay[0] = 0.0
    assert not any(passes(4, beating=False))
    watch.give_time()
    assert not any(passes(4, beating=False))
    assert passes(2, beating=False)[-1]


GIVEN = {
    "TRADING_JOURNAL": "journal",
    "ENGINE_PUBLIC_KEY_FILE": "key",
    "TRADING_DURABILITY": "replicated",
    "STREAM_URL": "kafka://127.0.0.1:9092",
}


def test_settings_that_cannot_be_together_are_refused_by_name() -> None:
    assert EngineConfig.from_environment(GIVEN).durability == "replicated"
    assert ReplicatorConfig.from_environment(GIVEN).shard == 0
    other_host = {**GIVEN, "STANDBY_PLACEMENT": "other-host"}
    assert StandbyConfig.from_environment(other_host).placement == "other-host"
    with pytest.raises(ConfigError, match="replicated needs Kafka, and STREAM_URL=redis://x"):
        EngineConfig.from_environment({**GIVEN, "STREAM_URL": "redis://x"})
    with pytest.raises(ConfigError, match="STANDBY_PLACEMENT=other-host needs"):
        StandbyConfig.from_environment({**other_host, "TRADING_DURABILITY": "fsync"})
    with pytest.raises(ConfigError, match="STANDBY_PLACEMENT=moon"):
        StandbyConfig.from_environment({**GIVEN, "STANDBY_PLACEMENT": "moon"})


def test_an_empty_journal_has_no_copy_of_anything(tmp_path: Path, writer: Writer) -> None:
    broker = MemoryBroker()
    copy_all(replicator(writer, broker))
    record = decode_record(broker.records[0].data)
    assert record is not None
    (tmp_path / "empty").mkdir()
    assert find_copy(tmp_path / "empty", record) is None
    assert Tail(0, 0, 1, 0, 0) == recover(tmp_path / "empty").tail
