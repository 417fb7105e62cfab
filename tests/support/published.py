"""What a journal says that the stream must hold, and what it holds.

from tests.support.published import expected, stored, wait_until_published
"""

import uuid

from hotpath.runtime.journal.reader import JournalScan
from hotpath.runtime.publisher.resume import TOPICS
from hotpath.runtime.publisher.stream_messages import messages
from shared.ports.event_stream import EventStream, Message, TopicPartition
from shared.wire.stream_events import PARTITIONS
from tests.support.engine import EngineProcess, wait_for

_Place = tuple[str, int]


def expected(engine: EngineProcess, first_sequence: int = 1) -> dict[_Place, list[Message]]:
    """Return what the journal says that the stream must hold of commands from a sequence on."""
    found: dict[_Place, list[Message]] = {
        (topic, number): [] for topic in TOPICS for number in range(PARTITIONS[topic])
    }
    for _, _, record in JournalScan(engine.journal):
        for command in record.commands():
            if command.sequence >= first_sequence:
                for _, message in messages(0, command):
                    found[(message.topic, message.partition)].append(message)
    return found


def stored(stream: EventStream, namespace: str = "") -> dict[_Place, list[Message]]:
    """Return what the topics hold whose names begin with a prefix."""
    found: dict[_Place, list[Message]] = {}
    for topic in TOPICS:
        for number in range(PARTITIONS[topic]):
            partition = TopicPartition(namespace + topic, number)
            reader = stream.reader(uuid.uuid4().hex, [partition])
            rows = []
            while batch := reader.poll(5000, 50):
                rows += batch
            found[(topic, number)] = [
                Message(row.topic, row.partition, row.key, row.value, row.headers) for row in rows
            ]
            reader.close()
    return found


def ends(stream: EventStream) -> int:
    return sum(
        stream.end_offset(TopicPartition(topic, number))
        for topic in TOPICS
        for number in range(PARTITIONS[topic])
    )


def wait_until_published(engine: EngineProcess, stream: EventStream) -> None:
    total = sum(len(rows) for rows in expected(engine).values())
    wait_for(lambda: ends(stream) >= total, f"{total} messages are stored")
