"""Event streams for tests: both adapters behind one fixture, and what tests do with messages.

from tests.support.streams import broker, stream, topic        # run on Redis and on Kafka
from tests.support.kafka import kafka_server                    # what they stand on
from tests.support.servers import stores, stream_redis_server
"""

import contextlib
import itertools
import os
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from shared.ports.event_stream import (
    EventStream,
    Message,
    StoredMessage,
    StreamReader,
    StreamWriter,
    TopicPartition,
)
from shared.streams import open_stream
from tests.support.kafka import running_kafka_url
from tests.support.memory_stream import MemoryBroker, MemoryStream
from tests.support.servers import Server

DEADLINE_S = 30.0


@dataclass(frozen=True)
class Broker:
    """A stream's server; `server` is None when it is not ours to kill."""

    url: str
    server: Server | None
    memory: MemoryBroker | None = None

    def open(self) -> EventStream:
        return MemoryStream(self.memory) if self.memory is not None else open_stream(self.url)

    def kill(self) -> None:
        self._ours().kill()

    def start(self) -> None:
        self._ours().start()

    def _ours(self) -> Server:
        if self.memory is not None:
            pytest.skip("what is in memory dies with its process")
        if self.server is None:
            pytest.skip("the broker of KAFKA_BOOTSTRAP_SERVERS is not ours to kill")
        return self.server


@pytest.fixture(
    scope="session", params=["redis", "memory", pytest.param("kafka", marks=pytest.mark.kafka)]
)
def broker(request: pytest.FixtureRequest) -> Broker:
    """Redis and the simulator's stream always; Kafka where it can run."""
    if request.param == "memory":
        return Broker("", None, MemoryBroker())
    if request.param == "kafka" and (url := running_kafka_url()):
        return Broker(url, None)
    name = "stream_redis_server" if request.param == "redis" else "kafka_server"
    server: Server = request.getfixturevalue(name)
    return Broker(server.url, server)


@pytest.fixture
def stream(broker: Broker) -> Iterator[EventStream]:
    opened = broker.open()
    yield opened
    opened.close()


@pytest.fixture
def writer_id() -> str:
    return f"writer-{uuid.uuid4().hex}"


@pytest.fixture
def writer(stream: EventStream, writer_id: str) -> Iterator[StreamWriter]:
    opened = stream.writer(writer_id, 1)
    yield opened
    opened.close()


@pytest.fixture
def topic(stream: EventStream) -> str:
    """A topic of this test's own, with four partitions."""
    name = f"test-{uuid.uuid4().hex}"
    stream.ensure_topics({name: 4})
    return name


def partitions_of(topic: str, count: int = 4) -> list[TopicPartition]:
    return [TopicPartition(topic, number) for number in range(count)]


def numbered(topic: str, numbers: Sequence[int], partitions: int = 4) -> list[Message]:
    """Return messages whose values are the numbers, dealt out to the partitions in turn."""
    return [
        Message(topic, number % partitions, str(number).encode(), b"%d" % number)
        for number in numbers
    ]


def values(messages: Sequence[StoredMessage]) -> list[int]:
    return [int(message.value) for message in messages]


def read(reader: StreamReader, count: int) -> list[StoredMessage]:
    """Poll until `count` messages have come."""
    messages: list[StoredMessage] = []
    until(
        lambda: messages.extend(reader.poll(count - len(messages), 200)),
        lambda: len(messages) >= count,
    )
    return messages


def read_all(stream: EventStream, topic: str, count: int) -> list[list[StoredMessage]]:
    """Return each partition's messages, of which there are `count` together, up to the end."""
    places = partitions_of(topic)
    reader = stream.reader(f"all-{uuid.uuid4().hex}", places)
    messages = read(reader, count)
    until(
        lambda: messages.extend(reader.poll(1_000, 200)),
        lambda: all(reader.position(place) == stream.end_offset(place) for place in places),
    )
    reader.close()
    for place in places:
        offsets = [message.offset for message in messages if message.partition == place.partition]
        assert offsets == sorted(set(offsets)), f"{place}: read twice or out of order"
    return [
        [message for message in messages if message.partition == place.partition]
        for place in places
    ]


def until(
    act: Callable[[], object], done: Callable[[], bool], *, timeout_s: float = DEADLINE_S
) -> None:
    """Act until done, within the deadline."""
    deadline = time.monotonic() + timeout_s
    while not done():
        assert time.monotonic() < deadline, "not done in time"
        act()


def delivered_again(batch: Sequence[StoredMessage], times: int) -> Iterator[list[StoredMessage]]:
    """Yield the deliveries of a batch by a stream that repeats: whole, and cut short before that.

    The last delivery is whole, as consumers are promised. Handling them all must leave what
    handling the batch once leaves.
    """
    assert 1 <= times <= 5
    for attempt in itertools.islice(itertools.count(1), times - 1):
        yield list(batch[: max(1, len(batch) * attempt // times)])
    yield list(batch)


def thread_ids() -> set[int]:
    """Return the kernel's ids of this process's threads, those of C libraries among them."""
    return {int(name) for name in os.listdir("/proc/self/task")}


def processor_time_s(threads: Iterable[int]) -> float:
    """Return what these threads of this process have used together; ended ones count nothing."""
    ticks = 0
    for thread in threads:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            fields = Path(f"/proc/self/task/{thread}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])  # in user and in system mode
    return ticks / os.sysconf("SC_CLK_TCK")
