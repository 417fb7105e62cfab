"""The consumers between a real stream and real functions in the emulator."""

import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from hotpath.runtime.health import HealthServer
from infra.local import aws
from infra.local.consumers.msk_event import EventSource
from infra.local.consumers.routes import Resend, Route
from infra.local.consumers.service import Consumers, Wiring
from shared.ports.event_stream import EventStream
from shared.streams import open_stream
from tests.support.emulator import Emulator, emulator
from tests.support.servers import Server
from tests.support.streams import delivered_again, numbered, read_all
from tests.support.waiting import wait_for

__all__ = ["emulator"]

# Appends the numbers of its records to a file; fails as the file `mode` beside it says.
FUNCTION = """
import base64, json, os, pathlib

class InfrastructureUnavailable(Exception):
    pass

FOLDER = pathlib.Path(os.environ["FOLDER"])

def handler(event, context):
    mode = (FOLDER / "mode").read_text()
    records = [record for group in event["records"].values() for record in group]
    numbers = [int(base64.b64decode(record["value"])) for record in records]
    with (FOLDER / "calls").open("a") as calls:
        calls.write(json.dumps(numbers) + "\\n")
    if mode == "database down":
        raise InfrastructureUnavailable("DatabaseUnavailable: no connection")
    if mode == "broken" or (mode == "raises at 41" and 41 in numbers):
        raise ValueError("cannot handle this")
    failed = [r for r, n in zip(records, numbers) if n == 41] if mode == "names 41" else []
    with (FOLDER / "handled").open("a") as handled:
        for record, number in zip(records, numbers):
            if record not in failed:
                handled.write(f"{number}\\n")
    return {"batchItemFailures": [
        {"itemIdentifier": {"partition": f"{r['topic']}-{r['partition']}", "offset": r["offset"]}}
        for r in failed
    ]}
"""
SOURCE = EventSource("arn:aws:kafka:us-east-1:000000000000:cluster/local/0", "127.0.0.1:0")


@dataclass
class Flow:
    """One topic on its way to one function, and what the function left in its folder."""

    stream: EventStream
    emulator: Emulator
    folder: Path
    topic: str
    function: str
    queue_url: str
    engine_health_url: str = ""

    def behave(self, mode: str) -> None:
        (self.folder / "mode").write_text(mode)

    def publish(self, numbers: range) -> None:
        writer = self.stream.writer(f"writer-{self.topic}", 1)
        writer.publish(numbered(self.topic, numbers))

    @property
    def handled(self) -> list[int]:
        return [int(line) for line in self._lines("handled")]

    @property
    def calls(self) -> list[list[int]]:
        return [json.loads(line) for line in self._lines("calls")]

    def dead_letters(self) -> list[dict[str, object]]:
        """Take what is in the dead-letter queue."""
        client = aws.sqs(self.emulator.settings)
        letters = []
        while found := client.receive_message(QueueUrl=self.queue_url, MaxNumberOfMessages=10).get(
            "Messages", []
        ):
            for each in found:
                letters.append(json.loads(each["Body"]))
                client.delete_message(QueueUrl=self.queue_url, ReceiptHandle=each["ReceiptHandle"])
        return letters

    @contextmanager
    def consumed(self, batch_size: int = 100) -> Iterator[Callable[[], dict[str, object]]]:
        """Run the consumers; yield what reads their /health."""
        settings = self.emulator.settings
        wiring = Wiring(
            stream=self.stream,
            partitions={self.topic: 4},
            source=SOURCE,
            functions=aws.functions(settings),
            queues=aws.sqs(settings),
            names={"Function": self.function, "Letters": self.queue_url},
            status_port=settings.port("consumers"),
            engine_health_urls=[self.engine_health_url] if self.engine_health_url else [],
        )
        route = Route(self.topic, "group", "Function", batch_size, 0, 2, "Letters")
        consumers = Consumers(wiring, [route], [Resend("Function", b'{"records": {}}')])
        consumers.start()
        try:
            url = f"http://{settings.address('consumers')}"
            yield lambda: dict(httpx.get(f"{url}/health", timeout=5).json())
        finally:
            consumers.stop()

    def _lines(self, name: str) -> list[str]:
        file = self.folder / name
        return file.read_text().splitlines() if file.exists() else []


@pytest.fixture
def flow(emulator: Emulator, stream_redis_server: Server, tmp_path: Path) -> Iterator[Flow]:
    stream = open_stream(stream_redis_server.url)
    name = f"flow-{uuid.uuid4().hex[:12]}"
    stream.ensure_topics({name: 4})
    emulator.make_function(name, FUNCTION, {"FOLDER": str(tmp_path)})
    queue_url = aws.sqs(emulator.settings).create_queue(QueueName=name)["QueueUrl"]
    found = Flow(stream, emulator, tmp_path, name, name, queue_url)
    found.behave("good")
    yield found
    stream.close()


def test_every_message_reaches_the_function_in_the_order_of_its_partition(flow: Flow) -> None:
    with flow.consumed() as health:
        flow.publish(range(400))
        wait_for(lambda: len(flow.handled) >= 400, timeout_s=20)
        wait_for(lambda: health()["lag_total"] == 0)

    for partition in range(4):
        of_partition = [number for number in flow.handled if number % 4 == partition]
        assert of_partition == list(range(partition, 400, 4))


@pytest.mark.parametrize("mode", ["raises at 41", "names 41"])
def test_of_a_hundred_records_one_bad_one_is_dead_lettered_and_the_rest_handled(
    flow: Flow, mode: str
) -> None:
    """Check 18: 99 handled, 1 in the dead-letter queue, the partition moves on."""
    flow.behave(mode)
    flow.publish(range(100))
    with flow.consumed() as health:
        wait_for(lambda: health()["lag_total"] == 0, timeout_s=20)
        flow.publish(range(101, 102))
        wait_for(lambda: 101 in flow.handled)

    assert set(flow.handled) == {number for number in range(102) if number not in (41, 100)}
    (letter,) = flow.dead_letters()
    place = letter["KafkaBatchInfo"]["recordsInfo"][f"{flow.topic}-1"]  # type: ignore[index]
    (bad,) = [each for each in read_all(flow.stream, flow.topic, 101)[1] if each.value == b"41"]
    assert place["firstRecordOffset"] == place["lastRecordOffset"] == bad.offset
    assert letter["error"]


def test_after_an_error_the_batch_comes_again_in_order(flow: Flow) -> None:
    flow.behave("broken")
    flow.publish(range(0, 40, 4))
    with flow.consumed():
        wait_for(lambda: len(flow.calls) >= 2, timeout_s=20)
        flow.behave("good")
        wait_for(lambda: len(flow.handled) >= 10)

    assert flow.calls[0] == flow.calls[1] == list(range(0, 40, 4))
    assert flow.handled == list(range(0, 40, 4))
    assert flow.dead_letters() == []


def test_while_the_database_is_down_nothing_is_dead_lettered(flow: Flow) -> None:
    flow.behave("database down")
    flow.publish(range(0, 40, 4))
    with flow.consumed() as health:
        wait_for(lambda: len(flow.calls) >= 5, timeout_s=20)
        assert "DatabaseUnavailable" in json.dumps(health()["trouble"])
        assert health()["lag_total"] == 10
        flow.behave("good")
        wait_for(lambda: health()["lag_total"] == 0)
        assert health()["trouble"] == {}

    assert flow.handled == list(range(0, 40, 4))
    assert flow.dead_letters() == []


def test_while_the_emulator_is_away_nothing_is_dead_lettered(flow: Flow) -> None:
    with flow.consumed() as health:
        flow.publish(range(4))
        wait_for(lambda: len(flow.handled) >= 4, timeout_s=20)
        flow.emulator.stop()
        try:
            flow.publish(range(4, 44))
            wait_for(lambda: health()["trouble"], timeout_s=20)
        finally:
            flow.emulator.start()
        wait_for(lambda: len(set(flow.handled)) >= 44, timeout_s=30)

    assert sorted(set(flow.handled)) == list(range(44))
    assert flow.dead_letters() == []


def test_consumers_that_start_again_go_on_where_they_were(flow: Flow) -> None:
    flow.publish(range(200))
    with flow.consumed(batch_size=10):
        wait_for(lambda: len(flow.handled) >= 30, timeout_s=20)
    between = len(flow.handled)
    flow.publish(range(200, 240))

    with flow.consumed(batch_size=10) as health:
        wait_for(lambda: health()["lag_total"] == 0, timeout_s=30)

    assert 30 <= between < 240
    assert sorted(flow.handled) == list(range(240))  # an orderly stop repeats nothing


def test_the_engines_return_sends_what_waited_for_it(flow: Flow) -> None:
    server = HealthServer(("127.0.0.1", 0), lambda: (True, {"epoch": 1}), lambda: "")
    flow.engine_health_url = f"http://127.0.0.1:{server.port}/health"
    with closing(server), flow.consumed():
        wait_for(lambda: len(flow.calls) > 0, timeout_s=20)
    assert all(numbers == [] for numbers in flow.calls)  # sent in a few rounds, no records in any


def test_the_consumers_tell_their_lag_to_a_scraper(flow: Flow) -> None:
    with flow.consumed() as health:
        flow.publish(range(8))
        wait_for(lambda: len(flow.handled) >= 8, timeout_s=20)
        wait_for(lambda: health()["lag_total"] == 0)
        url = f"http://{flow.emulator.settings.address('consumers')}/metrics"
        lines = httpx.get(url, timeout=5).text.splitlines()

    labels = f'group="group",topic="{flow.topic}",partition="2"'
    assert f"consumer_lag{{{labels}}} 0" in lines
    assert f"consumer_records_total{{{labels}}} 2" in lines


def test_a_repeated_delivery_ends_with_the_whole_batch(flow: Flow) -> None:
    """What tests of idempotent consumers rely on."""
    flow.publish(range(12))
    batch = read_all(flow.stream, flow.topic, 12)[0]

    for times in range(1, 6):
        deliveries = list(delivered_again(batch, times))
        assert len(deliveries) == times
        assert deliveries[-1] == batch
        assert all(delivery == batch[: len(delivery)] for delivery in deliveries)
