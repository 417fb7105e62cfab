"""What every event stream does, whatever it is made of (shared/ports/event_stream.py)."""

import threading
import time
import uuid
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import pytest

from shared.ports.event_stream import (
    MAX_MESSAGE_BYTES,
    EventStream,
    Message,
    MessageTooLarge,
    StreamError,
    StreamUnavailable,
    StreamWriter,
    TopicPartition,
    UnknownTopic,
    WriterFenced,
)
from tests.support.kafka import kafka_server
from tests.support.servers import stores, stream_redis_server
from tests.support.streams import (
    Broker,
    broker,
    numbered,
    partitions_of,
    processor_time_s,
    read,
    read_all,
    stream,
    thread_ids,
    topic,
    until,
    values,
    writer,
    writer_id,
)

__all__ = [
    "broker",
    "kafka_server",
    "stores",
    "stream",
    "stream_redis_server",
    "topic",
    "writer",
    "writer_id",
]


T = TypeVar("T")

_OUTAGE_S = 90.0  # Kafka notices slowly that it lost a broker, and ends what was open


@pytest.fixture
def group() -> str:
    return f"group-{uuid.uuid4().hex}"


def test_a_message_is_read_as_it_was_published(
    stream: EventStream, topic: str, writer: StreamWriter
) -> None:
    before_ms = time.time_ns() // 1_000_000
    headers = (("traceparent", b"00-ab"), ("empty", b""), ("bytes", bytes(range(256))))
    writer.publish([Message(topic, 2, b"\x00key\xff", bytes(range(256)), headers)])

    (message,) = read_all(stream, topic, 1)[2]

    assert (message.topic, message.partition) == (topic, 2)
    assert (message.key, message.value) == (b"\x00key\xff", bytes(range(256)))
    assert message.headers == headers
    assert before_ms <= message.timestamp_ms <= time.time_ns() // 1_000_000


def test_a_partition_keeps_the_order_of_publishing(
    stream: EventStream, topic: str, writer: StreamWriter
) -> None:
    for start in range(0, 600, 60):
        writer.publish(numbered(topic, range(start, start + 60)))

    for partition, messages in enumerate(read_all(stream, topic, 600)):
        assert values(messages) == list(range(partition, 600, 4))


def test_offsets_are_integers_from_zero_that_strictly_increase(
    stream: EventStream, topic: str, writer: StreamWriter
) -> None:
    for _ in range(5):
        writer.publish(numbered(topic, [0, 4, 8]))

    offsets = [message.offset for message in read_all(stream, topic, 15)[0]]

    assert offsets[0] == 0
    assert len(offsets) == 15
    assert offsets == sorted(set(offsets))


def test_the_end_offset_is_where_a_reader_stands_that_has_read_everything(
    stream: EventStream, topic: str, writer: StreamWriter, group: str
) -> None:
    place = TopicPartition(topic, 1)
    assert stream.end_offset(place) == 0
    writer.publish([Message(topic, 1, b"", b"%d" % number) for number in range(10)])
    reader = stream.reader(group, [place])
    read(reader, 10)

    until(lambda: reader.poll(1, 100), lambda: reader.position(place) == stream.end_offset(place))

    end = reader.position(place)
    assert end >= 10

    writer.publish([Message(topic, 1, b"", b"11")])
    assert read(reader, 1)[0].offset >= end


def test_the_last_message_of_a_partition_can_be_looked_up(
    stream: EventStream, topic: str, writer: StreamWriter
) -> None:
    assert stream.read_last(TopicPartition(topic, 0)) is None
    writer.publish(numbered(topic, range(10)))
    read_all(stream, topic, 10)

    last = [stream.read_last(place) for place in partitions_of(topic)]

    assert [int(message.value) for message in last if message] == [8, 9, 6, 7]


def test_a_group_goes_on_after_what_it_committed(
    stream: EventStream, topic: str, writer: StreamWriter, group: str
) -> None:
    place = TopicPartition(topic, 0)
    writer.publish([Message(topic, 0, b"", b"%d" % number) for number in range(10)])
    first = stream.reader(group, [place])
    assert first.committed(place) is None
    handled = read(first, 4)
    first.commit({place: handled[-1].offset + 1})
    assert first.committed(place) == handled[-1].offset + 1
    first.close()

    second = stream.reader(group, [place])

    assert values(read(second, 6)) == [4, 5, 6, 7, 8, 9]


def test_what_was_not_committed_before_a_crash_comes_again(
    broker: Broker, stream: EventStream, topic: str, writer: StreamWriter, group: str
) -> None:
    writer.publish(numbered(topic, range(20)))
    crashed = stream.reader(group, partitions_of(topic))
    assert len(read(crashed, 20)) == 20

    restarted = broker.open().reader(group, partitions_of(topic))

    assert sorted(values(read(restarted, 20))) == list(range(20))


def test_groups_read_independently_and_at_the_same_time(
    stream: EventStream, topic: str, writer: StreamWriter
) -> None:
    received: dict[str, list[int]] = {"risk": [], "clearing": []}
    problems: list[BaseException] = []

    def consume(name: str) -> None:
        try:
            reader = stream.reader(f"{name}-{topic}", partitions_of(topic))
            for message in read(reader, 400):
                received[name].append(int(message.value))
            reader.close()
        except BaseException as problem:
            problems.append(problem)

    threads = [threading.Thread(target=consume, args=(name,)) for name in received]
    for thread in threads:
        thread.start()
    for start in range(0, 400, 40):
        writer.publish(numbered(topic, range(start, start + 40)))
    for thread in threads:
        thread.join()

    assert not problems
    for numbers in received.values():
        assert sorted(numbers) == list(range(400))
        for partition in range(4):
            of_partition = [number for number in numbers if number % 4 == partition]
            assert of_partition == sorted(of_partition)


def test_a_new_group_may_begin_at_the_end(
    stream: EventStream, topic: str, writer: StreamWriter, group: str
) -> None:
    writer.publish(numbered(topic, range(8)))
    read_all(stream, topic, 8)
    reader = stream.reader(group, partitions_of(topic), from_beginning=False)
    writer.publish(numbered(topic, range(8, 12)))

    assert sorted(values(read(reader, 4))) == [8, 9, 10, 11]


def test_seek_goes_back_and_forward(
    stream: EventStream, topic: str, writer: StreamWriter, group: str
) -> None:
    place = TopicPartition(topic, 3)
    writer.publish([Message(topic, 3, b"", b"%d" % number) for number in range(10)])
    reader = stream.reader(group, partitions_of(topic))
    messages = read(reader, 10)

    reader.seek(place, messages[2].offset)
    assert values(read(reader, 3)) == [2, 3, 4]
    reader.seek(place, messages[8].offset)
    assert values(read(reader, 2)) == [8, 9]
    reader.seek(place, 0)
    assert values(read(reader, 10)) == list(range(10))


def test_a_poll_returns_no_more_than_asked_for_and_forgets_nothing(
    stream: EventStream, topic: str, writer: StreamWriter, group: str
) -> None:
    writer.publish(numbered(topic, range(101)))
    reader = stream.reader(group, partitions_of(topic))
    received: list[int] = []

    def poll() -> None:
        messages = reader.poll(3, 500)
        assert len(messages) <= 3
        received.extend(values(messages))

    until(poll, lambda: len(received) >= 101)

    assert sorted(received) == list(range(101))


def test_a_waiting_poll_wakes_when_a_message_comes(
    stream: EventStream, topic: str, writer: StreamWriter, group: str
) -> None:
    reader = stream.reader(group, partitions_of(topic))
    assert reader.poll(10, 50) == []
    publishing = threading.Timer(0.2, writer.publish, args=[numbered(topic, [7])])
    publishing.start()
    started = time.monotonic()

    messages = reader.poll(10, 20_000)

    publishing.join()
    assert values(messages) == [7]
    assert time.monotonic() - started < 5


def test_waiting_costs_no_processor_time(stream: EventStream, topic: str, group: str) -> None:
    """Measured are this thread and those that the reader brought; others have their own work."""
    others = thread_ids() - {threading.get_native_id()}
    reader = stream.reader(group, partitions_of(topic))
    reader.poll(10, 200)
    own = thread_ids() - others
    before_s = processor_time_s(own)

    assert reader.poll(10, 2_000) == []

    assert processor_time_s(own) - before_s < 0.2


def test_nothing_to_publish_is_fine(stream: EventStream, topic: str, writer: StreamWriter) -> None:
    writer.publish([])

    assert [stream.end_offset(place) for place in partitions_of(topic)] == [0, 0, 0, 0]


def test_the_largest_message_passes(stream: EventStream, topic: str, writer: StreamWriter) -> None:
    value = b"v" * (MAX_MESSAGE_BYTES - 3)
    writer.publish([Message(topic, 0, b"key", value)])

    assert read_all(stream, topic, 1)[0][0].value == value


def test_a_message_that_is_too_large_is_refused_with_its_whole_batch(
    stream: EventStream, topic: str, writer: StreamWriter
) -> None:
    too_large = Message(topic, 1, b"", b"v" * (MAX_MESSAGE_BYTES - 1), (("h", b"1"),))

    with pytest.raises(MessageTooLarge):
        writer.publish([*numbered(topic, range(4)), too_large])

    assert [stream.end_offset(place) for place in partitions_of(topic)] == [0, 0, 0, 0]


@pytest.mark.parametrize("partition", [4, -1])
def test_a_partition_that_does_not_exist_is_refused(
    stream: EventStream, topic: str, writer: StreamWriter, group: str, partition: int
) -> None:
    place = TopicPartition(topic, partition)
    assert_unknown(stream, writer, group, place)


def test_a_topic_that_does_not_exist_is_refused(
    stream: EventStream, writer: StreamWriter, group: str
) -> None:
    assert_unknown(stream, writer, group, TopicPartition(f"missing-{uuid.uuid4().hex}", 0))


def assert_unknown(
    stream: EventStream, writer: StreamWriter, group: str, place: TopicPartition
) -> None:
    calls: list[Callable[[], object]] = [
        lambda: writer.publish([Message(place.topic, place.partition, b"", b"")]),
        lambda: stream.reader(group, [place]),
        lambda: stream.end_offset(place),
        lambda: stream.read_last(place),
    ]
    for call in calls:
        with pytest.raises(UnknownTopic):
            call()


def test_topics_are_made_once_and_keep_their_partitions(stream: EventStream, topic: str) -> None:
    stream.ensure_topics({topic: 4})

    with pytest.raises(StreamError, match="4 partitions"):
        stream.ensure_topics({topic: 5})


# --- fencing ------------------------------------------------------------------------------------


def test_a_writer_is_fenced_when_a_higher_epoch_opens(
    stream: EventStream, topic: str, writer_id: str
) -> None:
    old = stream.writer(writer_id, 7)
    old.publish(numbered(topic, range(4)))
    new = stream.writer(writer_id, 8)

    for _ in range(2):
        with pytest.raises(WriterFenced):
            old.publish(numbered(topic, range(4, 8)))
    new.publish(numbered(topic, range(8, 12)))

    assert [values(messages) for messages in read_all(stream, topic, 8)] == [
        [n, n + 8] for n in range(4)
    ]


def test_an_older_epoch_that_opens_later_is_refused_and_disturbs_nobody(
    broker: Broker, stream: EventStream, topic: str, writer_id: str
) -> None:
    new = stream.writer(writer_id, 8)
    new.publish(numbered(topic, range(4)))

    for _ in range(2):
        with pytest.raises(WriterFenced):
            broker.open().writer(writer_id, 7)
    new.publish(numbered(topic, range(4, 8)))

    assert [values(messages) for messages in read_all(stream, topic, 8)] == [
        [n, n + 4] for n in range(4)
    ]


def test_of_two_writers_of_one_epoch_the_later_one_stays(
    stream: EventStream, topic: str, writer_id: str
) -> None:
    crashed = stream.writer(writer_id, 3)
    restarted = stream.writer(writer_id, 3)
    restarted.publish(numbered(topic, range(4)))

    with pytest.raises(WriterFenced):
        crashed.publish(numbered(topic, range(4)))


def test_writers_of_other_ids_are_left_alone(
    stream: EventStream, topic: str, writer: StreamWriter, writer_id: str
) -> None:
    stream.writer(f"{writer_id}-other", 99)

    writer.publish(numbered(topic, range(4)))

    assert [len(messages) for messages in read_all(stream, topic, 4)] == [1, 1, 1, 1]


# --- a broker that goes away ----------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.repeated_outages
def test_without_its_server_every_call_says_so_and_works_again_afterwards(
    broker: Broker, stream: EventStream, topic: str, writer_id: str, group: str
) -> None:
    place = TopicPartition(topic, 0)
    writer = stream.writer(writer_id, 5)
    writer.publish(numbered(topic, range(4)))
    reader = stream.reader(group, partitions_of(topic))
    read(reader, 4)

    broker.kill()
    try:
        for call in (
            lambda: writer.publish(numbered(topic, range(4, 8))),
            lambda: until(lambda: reader.poll(10, 500), lambda: False),
            lambda: reader.commit({place: 1}),
            lambda: stream.end_offset(place),
        ):
            with pytest.raises(StreamUnavailable):
                call()
    finally:
        broker.start()

    publish_until_stored(writer, numbered(topic, range(4, 8)))
    received: list[int] = []

    def poll() -> None:
        try:
            received.extend(values(reader.poll(10, 500)))
        except StreamUnavailable:
            time.sleep(0.05)

    until(poll, lambda: len(received) >= 4)
    assert sorted(received) == [4, 5, 6, 7]
    reader.commit({place: reader.position(place)})
    with pytest.raises(WriterFenced):  # the epoch outlives the server
        stream.writer(writer_id, 4)


@pytest.mark.slow
@pytest.mark.repeated_outages
def test_batches_repeated_while_the_server_dies_are_stored_exactly_once(
    broker: Broker, stream: EventStream, topic: str, writer_id: str
) -> None:
    writer = stream.writer(writer_id, 1)
    stop = threading.Event()
    published = 0
    problems: list[BaseException] = []

    def publish() -> None:
        nonlocal published
        try:
            while not stop.is_set():
                publish_until_stored(writer, numbered(topic, range(published, published + 200)))
                published += 200
        except BaseException as problem:
            problems.append(problem)

    def reached(number: int) -> bool:
        return published >= number or bool(problems)

    thread = threading.Thread(target=publish)
    thread.start()
    try:
        for _ in range(3):
            until(lambda: time.sleep(0.01), partial(reached, published + 600), timeout_s=_OUTAGE_S)
            broker.kill()
            broker.start()
    finally:
        stop.set()
        thread.join()

    assert not problems
    for partition, messages in enumerate(read_all(stream, topic, published)):
        assert values(messages) == list(range(partition, published, 4))


@pytest.mark.slow
@pytest.mark.repeated_outages
def test_a_restarted_writer_goes_on_after_each_partitions_last_message(
    broker: Broker, stream: EventStream, topic: str, writer_id: str
) -> None:
    """The recovery rule: open with a higher epoch, read_last per partition, go on from there."""
    crashed = stream.writer(writer_id, 1)
    journal = numbered(topic, range(4_000))
    crashed.publish(journal[:1_000])
    broker.kill()
    with pytest.raises(StreamUnavailable):
        crashed.publish(journal[1_000:2_000])
    broker.start()

    restarted = broker.open()
    writer = repeated(lambda: restarted.writer(writer_id, 2))
    last = [repeated(partial(restarted.read_last, place)) for place in partitions_of(topic)]
    reached = [int(found.value) if found else -1 for found in last]
    writer.publish([each for each in journal if int(each.value) > reached[each.partition]])

    for partition, messages in enumerate(read_all(restarted, topic, 4_000)):
        assert values(messages) == list(range(partition, 4_000, 4))


def publish_until_stored(writer: StreamWriter, batch: list[Message]) -> None:
    """Repeat a batch on the same writer until the stream has it."""
    repeated(lambda: writer.publish(batch))


def repeated(call: Callable[[], T]) -> T:
    """Repeat a call until the stream is there."""
    deadline = time.monotonic() + _OUTAGE_S
    while True:
        try:
            return call()
        except StreamUnavailable:
            assert time.monotonic() < deadline
            time.sleep(0.05)
