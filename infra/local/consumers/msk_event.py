"""Stream messages in the shapes that AWS gives them: the MSK event and the dead letter.

https://docs.aws.amazon.com/lambda/latest/dg/with-msk.html
https://docs.aws.amazon.com/lambda/latest/dg/kafka-on-failure.html
"""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from shared.ports.event_stream import StoredMessage

_MAX_DEAD_LETTER_VALUE_BYTES: Final = 180_000  # an SQS message holds 256 KiB


@dataclass(frozen=True, slots=True)
class EventSource:
    """What the events say of where they come from."""

    arn: str
    bootstrap_servers: str


def msk_event(source: EventSource, batch: Sequence[StoredMessage]) -> dict[str, Any]:
    """Return the event that Lambda makes of a batch: records grouped by `topic-partition`."""
    records: dict[str, list[dict[str, Any]]] = {}
    for message in batch:
        records.setdefault(f"{message.topic}-{message.partition}", []).append(_record(message))
    return {
        "eventSource": "aws:kafka",
        "eventSourceArn": source.arn,
        "bootstrapServers": source.bootstrap_servers,
        "records": records,
    }


def dead_letter(
    source: EventSource,
    *,
    group: str,
    function: str,
    message: StoredMessage,
    attempts: int,
    error: str,
) -> str:
    """Return the queue message for a record that its function could not handle.

    Lambda sends the metadata; `record`, `consumerGroupId` and `error` are added. The value is left
    out when it would not fit: the coordinates say where the stream has it.
    """
    record = _record(message)
    if len(record["value"]) > _MAX_DEAD_LETTER_VALUE_BYTES:
        record["value"] = None
    place = {
        "firstRecordOffset": message.offset,
        "lastRecordOffset": message.offset,
        "firstRecordTimestamp": message.timestamp_ms,
        "lastRecordTimestamp": message.timestamp_ms,
    }
    letter = {
        "version": "1.0",
        "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "requestContext": {
            "functionArn": function,
            "condition": "RetryAttemptsExhausted",
            "approximateInvokeCount": attempts,
        },
        "responseContext": {"statusCode": 200, "functionError": "Unhandled"},
        "KafkaBatchInfo": {
            "batchSize": 1,
            "eventSourceArn": source.arn,
            "bootstrapServers": source.bootstrap_servers,
            "payloadSize": len(message.value),
            "recordsInfo": {f"{message.topic}-{message.partition}": place},
        },
        "consumerGroupId": group,
        "error": error[:2_000],
        "record": record,
    }
    return json.dumps(letter)


def _record(message: StoredMessage) -> dict[str, Any]:
    return {
        "topic": message.topic,
        "partition": message.partition,
        "offset": message.offset,
        "timestamp": message.timestamp_ms,
        "timestampType": "CREATE_TIME",
        "key": base64.b64encode(message.key).decode(),
        "value": base64.b64encode(message.value).decode(),
        "headers": [{name: list(value)} for name, value in message.headers],
    }
