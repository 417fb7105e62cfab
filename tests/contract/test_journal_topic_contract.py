"""What every journal topic promises: one writer at a time, all of a batch or none, and no gap."""

import random
from collections.abc import Callable

import pytest

from shared.ports.event_stream import StreamError, WriterFenced
from shared.ports.journal_topic import JournalTopic
from shared.streams.factory import open_journal_topic
from shared.streams.kafka_brokers import Brokers
from shared.streams.kafka_journal import KafkaJournalTopic
from shared.streams.topology import MAX_MESSAGE_BYTES
from tests.support.engine import wait_for
from tests.support.kafka import kafka_server
from tests.support.memory_journal_topic import MemoryBroker, MemoryJournalTopic
from tests.support.replicated import new_shard
from tests.support.servers import Server

__all__ = ["kafka_server"]
Open = Callable[[], JournalTopic]


@pytest.fixture(params=["memory", "kafka"])
def open_topic(request: pytest.FixtureRequest) -> Open:
    """Return what opens one more client of the same, new topic."""
    if request.param == "memory":
        broker = MemoryBroker()
        return lambda: MemoryJournalTopic(broker)
    server: Server = request.getfixturevalue("kafka_server")
    shard = new_shard()
    return lambda: open_journal_topic(server.url, shard)


def stored(topic: JournalTopic, offset: int = 0) -> list[tuple[int, bytes]]:
    reader, found = topic.reader(offset), []
    try:
        while reader.position < topic.end():
            found += reader.poll(100, 100)
    finally:
        reader.close()
    return [(copied.epoch, copied.data) for copied in found]


def test_what_is_stored_is_read_in_order_and_the_last_is_known(open_topic: Open) -> None:
    topic = open_topic()
    topic.ensure()
    assert topic.last() is None
    writer = topic.writer()
    records = [(1, b"%d" % number) for number in range(10)]
    for at in range(0, 10, 2):
        writer.store(records[at : at + 2])
    other = open_topic()
    assert stored(other) == records
    last = other.last()
    assert last is not None
    assert (last.epoch, last.data) == records[-1]
    assert stored(other, last.offset) == records[-1:]


def test_who_opens_a_writer_shuts_out_the_one_before(open_topic: Open) -> None:
    first, second = open_topic(), open_topic()
    first.ensure()
    old = first.writer()
    old.store([(1, b"a")])
    new = second.writer()
    for _ in range(4):  # whichever of its ids is next
        with pytest.raises((WriterFenced, StreamError)):
            old.store([(1, b"b")])
    new.store([(2, b"c")])
    assert stored(second) == [(1, b"a"), (2, b"c")]
    again = (
        first.writer()
    )  # by Kafka's rule the last one wins: who may, is decided by what it reads
    again.store([(1, b"d")])
    with pytest.raises(WriterFenced):
        new.store([(2, b"e")])
    assert stored(second) == [(1, b"a"), (2, b"c"), (1, b"d")]


def test_a_record_may_be_as_long_as_the_journal_has_them(open_topic: Open) -> None:
    topic = open_topic()
    topic.ensure()
    data = bytes(range(256)) * (8 << 12)  # 8 MB
    topic.writer().store([(1, data), (1, b"behind")])
    assert stored(topic) == [(1, data), (1, b"behind")]


def test_a_record_longer_than_a_message_is_one_record_to_all_who_read(open_topic: Open) -> None:
    topic = open_topic()
    topic.ensure()
    data = random.Random(7).randbytes(MAX_MESSAGE_BYTES + (1 << 20))
    topic.writer().store([(1, b"before"), (1, data)])
    last = topic.last()
    assert last is not None and (last.epoch, last.data) == (1, data)
    assert stored(topic) == [(1, b"before"), (1, data)]
    assert stored(open_topic(), last.offset) == [(1, data)]


@pytest.fixture
def in_parts(kafka_server: Server) -> Open:
    """Return what opens a topic that stores ten bytes a message."""
    shard, brokers = new_shard(), Brokers.of(kafka_server.url)
    return lambda: KafkaJournalTopic(brokers, shard, part_bytes=10)


@pytest.mark.kafka
def test_parts_are_joined_wherever_reading_begins(in_parts: Open) -> None:
    topic = in_parts()
    topic.ensure()
    writer = topic.writer()
    records = [(1, bytes([number]) * (7 * number)) for number in range(1, 8)]
    for record in records:
        writer.store([record])
    last = topic.last()
    assert last is not None and (last.epoch, last.data) == records[-1]
    reader, found = topic.reader(0), []
    while reader.position < topic.end():
        taken = reader.poll(1, 100)  # one message at a time
        found += taken
        # Whoever begins anew at the position misses nothing and gets nothing twice.
        rest = stored(topic, reader.position)
        assert [(it.epoch, it.data) for it in found] + rest == records
    reader.close()
    topic.close()


@pytest.mark.kafka
def test_a_writer_that_is_shut_out_among_parts_leaves_none_of_them(in_parts: Open) -> None:
    first, second = in_parts(), in_parts()
    first.ensure()
    old = first.writer()
    old.store([(1, b"a" * 25)])
    new = second.writer()
    with pytest.raises((WriterFenced, StreamError)):
        old.store([(1, b"b" * 95)])
    new.store([(2, b"c" * 35)])
    last = second.last()
    assert last is not None and last.data == b"c" * 35
    assert stored(first) == [(1, b"a" * 25), (2, b"c" * 35)]


def test_beats_are_counted_and_the_last_is_known(open_topic: Open) -> None:
    topic, other = open_topic(), open_topic()
    topic.ensure()
    assert other.last_beat() is None
    before = other.beats()
    topic.beat(b"one")
    wait_for(lambda: other.beats() == before + 1, "a beat is counted")
    topic.beat(b"two")
    wait_for(lambda: other.last_beat() == b"two", "the newest is known")


def test_only_kafka_can_hold_a_journal() -> None:
    with pytest.raises(ValueError, match="kafka"):
        open_journal_topic("redis://127.0.0.1:6379/0", 0)
