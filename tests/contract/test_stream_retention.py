"""What every event stream may forget: nothing that a group has not committed."""

import uuid

from shared.ports.event_stream import EventStream, Message, TopicPartition
from tests.support.kafka import kafka_server
from tests.support.servers import stores, stream_redis_server
from tests.support.streams import broker, read, stream, topic, values

__all__ = ["broker", "kafka_server", "stores", "stream", "stream_redis_server", "topic"]


def test_what_a_group_has_not_committed_is_never_forgotten(stream: EventStream, topic: str) -> None:
    group, writer = f"group-{topic}", stream.writer(f"writer-{uuid.uuid4().hex}", 1)
    first, other = TopicPartition(topic, 0), TopicPartition(topic, 1)
    writer.publish([Message(topic, n, b"", b"%d" % number) for number in range(50) for n in (0, 1)])
    reader = stream.reader(group, [first, other])
    messages = [message for message in read(reader, 100) if message.partition == 0]
    assert stream.trim(first, 1_000) == 0
    reader.commit({first: messages[30].offset})
    end, last = stream.end_offset(first), stream.read_last(first)

    forgotten = [stream.trim(other, 1), stream.trim(first, 40), stream.trim(first, 1)]

    assert forgotten in ([0, 10, 20], [0, 0, 0])  # Kafka's topics have settings of their own
    assert (stream.end_offset(first), stream.read_last(first)) == (end, last)
    assert values(read(stream.reader(group, [first]), 20)) == list(range(30, 50))
    assert values(read(stream.reader(f"{group}-new", [other]), 50)) == list(range(50))
    writer.publish([Message(topic, 0, b"", b"50")])
    assert values(read(stream.reader(group, [first]), 21))[-1] == 50
    writer.close()
