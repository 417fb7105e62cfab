"""From stream messages to a function's typed records and back: events, failures, routes."""

import json
from collections.abc import Sequence

import msgspec
import pytest

from infra.local import packaging
from infra.local.consumers.msk_event import EventSource, dead_letter, msk_event
from infra.local.consumers.routes import Route, read_resends, read_routes
from infra.local.errors import StackError
from shared.edge.stream_handler import InfrastructureUnavailable, StreamRecord, stream_handler
from shared.ports.engine import EngineUnavailable
from shared.ports.event_stream import StoredMessage
from shared.wire.stream_events import PARTITIONS
from tests.support.lambda_events import Context

SOURCE = EventSource("arn:aws:kafka:us-east-1:000000000000:cluster/local/0", "127.0.0.1:9092")


class Payment(msgspec.Struct):
    amount_minor: int


def message(offset: int, value: bytes, partition: int = 0) -> StoredMessage:
    headers = (("traceparent", b"00-ab\xff"),)
    return StoredMessage("payments", partition, offset, 1_700_000_000_000, b"key", value, headers)


def test_a_handler_gets_the_messages_back_as_typed_records() -> None:
    received: list[StreamRecord[Payment]] = []

    @stream_handler("test", Payment)
    def handler(records: Sequence[StreamRecord[Payment]]) -> None:
        received.extend(records)

    batch = [message(7, b'{"amount_minor": 5}'), message(9, b'{"amount_minor": 6}')]
    answer = handler(json.loads(json.dumps(msk_event(SOURCE, batch))), Context())

    assert answer == {"batchItemFailures": []}
    assert [record.value.amount_minor for record in received] == [5, 6]
    first = received[0]
    assert (first.topic, first.partition, first.offset) == ("payments", 0, 7)
    assert (first.key, first.timestamp_ms) == (b"key", 1_700_000_000_000)
    assert first.headers == (("traceparent", b"00-ab\xff"),)


def test_an_event_has_the_shape_that_lambda_gives_it() -> None:
    event = msk_event(SOURCE, [message(7, b"{}", partition=3)])

    assert event["eventSource"] == "aws:kafka"
    assert event["records"] == {
        "payments-3": [
            {
                "topic": "payments",
                "partition": 3,
                "offset": 7,
                "timestamp": 1_700_000_000_000,
                "timestampType": "CREATE_TIME",
                "key": "a2V5",
                "value": "e30=",
                "headers": [{"traceparent": [48, 48, 45, 97, 98, 255]}],
            }
        ]
    }


@pytest.mark.parametrize("value", [b"", b"no json", b'{"amount_minor": "5"}', b"\xff\xfe", b"{}"])
def test_a_record_that_cannot_be_decoded_is_named_and_the_others_are_handled(value: bytes) -> None:
    received: list[int] = []

    @stream_handler("test", Payment)
    def handler(records: Sequence[StreamRecord[Payment]]) -> None:
        received.extend(record.offset for record in records)

    good = b'{"amount_minor": 5}'
    event = msk_event(SOURCE, [message(1, good), message(2, value), message(3, good)])

    failed = {"itemIdentifier": {"partition": "payments-0", "offset": 2}}
    assert handler(event, Context()) == {"batchItemFailures": [failed]}
    assert received == [1, 3]


def test_the_records_that_a_use_case_returns_are_named() -> None:
    @stream_handler("test", Payment)
    def handler(records: Sequence[StreamRecord[Payment]]) -> list[StreamRecord[Payment]]:
        return [record for record in records if record.value.amount_minor < 0]

    event = msk_event(SOURCE, [message(n, b'{"amount_minor": %d}' % (5 - n)) for n in range(8)])

    offsets = [
        each["itemIdentifier"]["offset"] for each in handler(event, Context())["batchItemFailures"]
    ]
    assert offsets == [6, 7]


def test_infrastructure_that_is_away_is_raised_under_one_name() -> None:
    @stream_handler("test", Payment)
    def handler(records: Sequence[StreamRecord[Payment]]) -> None:
        raise EngineUnavailable("no answer")

    with pytest.raises(InfrastructureUnavailable, match="EngineUnavailable: no answer") as raised:
        handler(msk_event(SOURCE, [message(1, b'{"amount_minor": 5}')]), Context())
    assert type(raised.value) is InfrastructureUnavailable


def test_a_bug_is_raised_as_it_is() -> None:
    @stream_handler("test", Payment)
    def handler(records: Sequence[StreamRecord[Payment]]) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        handler(msk_event(SOURCE, [message(1, b'{"amount_minor": 5}')]), Context())


def test_a_dead_letter_says_where_the_record_is_and_what_happened() -> None:
    letter = json.loads(
        dead_letter(
            SOURCE, group="g", function="F", message=message(7, b"x"), attempts=4, error="E"
        )
    )

    place = letter["KafkaBatchInfo"]["recordsInfo"]["payments-0"]
    assert (place["firstRecordOffset"], place["lastRecordOffset"]) == (7, 7)
    assert letter["requestContext"]["approximateInvokeCount"] == 4
    assert (letter["error"], letter["record"]["value"]) == ("E", "eA==")


def test_a_large_records_dead_letter_fits_a_queue_message() -> None:
    large = message(7, b"v" * 900_000)

    letter = dead_letter(
        SOURCE, group="g", function="F", message=large, attempts=1, error="e" * 9_999
    )

    assert len(letter) < 256 * 1024
    assert json.loads(letter)["record"]["value"] is None


def test_the_templates_mappings_are_the_routes() -> None:
    template = packaging.read_template()
    routes = read_routes(template)

    assert {route.topic for route in routes} <= PARTITIONS.keys()
    groups = [(route.group, route.topic) for route in routes]
    assert len(groups) == len(set(groups))
    for route in routes:
        assert template["Resources"][route.function]["Type"] == "AWS::Serverless::Function"
        assert template["Resources"][route.dead_letters]["Type"] == "AWS::SQS::Queue"
        assert 1 <= route.max_retries <= 10


def test_the_resend_functions_are_found_by_their_schedule() -> None:
    resends = {resend.function for resend in read_resends(packaging.read_template())}

    assert "ResendFunction" in resends


def test_a_mapping_reads_as_declared_or_as_lambda_would() -> None:
    properties = {
        "FunctionName": {"Ref": "Projector"},
        "Topics": ["orders"],
        "AmazonManagedKafkaEventSourceConfig": {"ConsumerGroupId": "projector"},
        "BatchSize": 7,
        "MaximumBatchingWindowInSeconds": 2,
        "MaximumRetryAttempts": 3,
        "DestinationConfig": {"OnFailure": {"Destination": {"Fn::GetAtt": ["Letters", "Arn"]}}},
    }

    assert read_routes(mapping(properties)) == [
        Route("orders", "projector", "Projector", 7, 2_000, 3, "Letters")
    ]
    assert read_routes(mapping({"FunctionName": "x", "EventSourceArn": "arn:aws:sqs:x"})) == []
    with pytest.raises(StackError, match="ConsumerGroupId"):
        read_routes(mapping({"FunctionName": "x", "Topics": ["orders"]}))


def mapping(properties: dict[str, object]) -> dict[str, object]:
    resource = {"Type": "AWS::Lambda::EventSourceMapping", "Properties": properties}
    return {"Resources": {"Mapping": resource}}
