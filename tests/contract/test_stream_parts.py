"""What every event stream does with a batch that is published part by part."""

import threading
import time
from collections.abc import Iterator

import pytest

from shared.ports.event_stream import (
    EventStream,
    Message,
    StreamUnavailable,
    StreamWriter,
    WriterFenced,
)
from tests.support.kafka import kafka_server
from tests.support.servers import stores, stream_redis_server
from tests.support.streams import (
    Broker,
    broker,
    numbered,
    partitions_of,
    read_all,
    stream,
    topic,
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

_OUTAGE_S = 90.0
_COUNT = 6_000


class Lost(Exception):
    """What makes the parts fails."""


def parts_of(messages: list[Message]) -> Iterator[list[Message]]:
    for first in range(0, len(messages), 1_000):
        yield messages[first : first + 1_000]


def expect_each_once(stream: EventStream, topic: str, count: int) -> None:
    for partition, messages in enumerate(read_all(stream, topic, count)):
        assert values(messages) == list(range(partition, count, 4))


def test_parts_are_stored_in_their_order(
    stream: EventStream, topic: str, writer: StreamWriter
) -> None:
    writer.publish_parts(parts_of(numbered(topic, range(3_000))))
    writer.publish(numbered(topic, range(3_000, 3_004)))
    writer.publish_parts(parts_of(numbered(topic, range(3_004, _COUNT))))

    expect_each_once(stream, topic, _COUNT)


def test_no_parts_and_empty_parts_are_fine(
    stream: EventStream, topic: str, writer: StreamWriter
) -> None:
    writer.publish_parts([])
    writer.publish_parts([[], []])
    assert [stream.end_offset(place) for place in partitions_of(topic)] == [0, 0, 0, 0]

    writer.publish_parts([[], numbered(topic, range(4)), []])

    expect_each_once(stream, topic, 4)


def test_after_parts_that_ended_early_all_of_them_can_be_published(
    stream: EventStream, topic: str, writer: StreamWriter
) -> None:
    messages = numbered(topic, range(_COUNT))

    def broken() -> Iterator[list[Message]]:
        yield messages[:2_000]
        yield messages[2_000:2_500]
        raise Lost

    for _ in range(2):
        with pytest.raises(Lost):
            writer.publish_parts(broken())
    writer.publish_parts(parts_of(messages))

    expect_each_once(stream, topic, _COUNT)


@pytest.mark.parametrize("heard_after_s", [0.0, 0.5])  # of the client, with a part on its way
def test_a_writer_that_is_fenced_between_two_parts_stores_no_more(
    stream: EventStream, topic: str, writer: StreamWriter, writer_id: str, heard_after_s: float
) -> None:
    messages = numbered(topic, range(_COUNT))

    def overtaken() -> Iterator[list[Message]]:
        yield messages[:1_000]
        successors.append(stream.writer(writer_id, 2))
        time.sleep(heard_after_s)
        yield messages[1_000:]

    successors: list[StreamWriter] = []
    with pytest.raises(WriterFenced):
        writer.publish_parts(overtaken())
    with pytest.raises(WriterFenced):
        writer.publish_parts(parts_of(messages))

    last = [stream.read_last(place) for place in partitions_of(topic)]
    reached = [int(found.value) if found else -1 for found in last]
    assert max(reached) < 1_000
    (successor,) = successors
    successor.publish([each for each in messages if int(each.value) > reached[each.partition]])
    expect_each_once(stream, topic, _COUNT)


@pytest.mark.slow
@pytest.mark.repeated_outages
def test_parts_that_lose_their_server_are_stored_once_when_repeated(
    broker: Broker, stream: EventStream, topic: str, writer: StreamWriter
) -> None:
    messages = numbered(topic, range(_COUNT))
    writer.publish_parts(parts_of(messages[:1_000]))

    def interrupted() -> Iterator[list[Message]]:
        yield messages[1_000:3_000]
        broker.kill()
        yield messages[3_000:]

    with pytest.raises(StreamUnavailable):
        writer.publish_parts(interrupted())
    starting = threading.Thread(target=broker.start)
    starting.start()
    deadline = time.monotonic() + _OUTAGE_S
    while True:
        try:
            writer.publish_parts(parts_of(messages[1_000:]))
            break
        except StreamUnavailable:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    starting.join()

    expect_each_once(stream, topic, _COUNT)
