"""The entry of a function that consumes the stream: an MSK event in, failed records out.

What an outcome means to whoever invokes the function (Lambda's event source mapping, or the local
poller):

    returns            all records are handled, except those named in `batchItemFailures`
    raises InfrastructureUnavailable
                       nothing is wrong with the records: repeat the batch until it succeeds, and
                       never dead-letter it
    raises another     the batch is repeated, then bisected until the bad record is found
"""

import base64
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

import msgspec
from aws_lambda_powertools import Logger

from shared.edge.tracing import start_trace, trace_id
from shared.ports.failures import InfrastructureUnavailable

__all__ = ["InfrastructureUnavailable", "StreamRecord", "stream_handler"]

_EVENT_SOURCES: Final = ("aws:kafka", "SelfManagedKafka")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class StreamRecord(Generic[T]):
    """A message of the stream with its place and its decoded value."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes
    value: T
    headers: tuple[tuple[str, bytes], ...] = ()


# Handles a batch, in order; returns the records that cannot be handled, if any.
UseCase = Callable[[Sequence[StreamRecord[T]]], Iterable[StreamRecord[T]] | None]
Handler = Callable[[dict[str, Any], object], dict[str, Any]]


def stream_handler(service: str, message_type: type[T]) -> Callable[[UseCase[T]], Handler]:
    """Make a Lambda handler of a use case for messages of one msgspec type.

    A record that cannot be decoded is reported as failed and the others are still handled. Records
    of one partition come in order. A batch may be delivered again, so the use case is idempotent.

    Examples
    --------
    >>> @stream_handler("settlement", TradeExecution)                    # doctest: +SKIP
    ... def trade_executions_handler(records):
    ...     capture_trades([record.value for record in records])
    """
    decoder = msgspec.json.Decoder(message_type)
    logger = Logger(service=service)

    def decorate(use_case: UseCase[T]) -> Handler:
        def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
            if event.get("ping") is True:
                return {"pong": service}
            started_ns = time.perf_counter_ns()
            start_trace(None)
            records, failed = _decode(event, decoder)
            outcome = "error"
            try:
                failed += [
                    _identifier(record) for record in (use_case(records) if records else None) or ()
                ]
                outcome = "ok"
            except InfrastructureUnavailable as error:
                outcome = "infrastructure_unavailable"
                # One name for all, since an invoker sees the exact type's name only.
                raise InfrastructureUnavailable(f"{type(error).__name__}: {error}") from error
            finally:
                logger.info(
                    "stream_batch",
                    extra={
                        "outcome": outcome,
                        "records": len(records),
                        "failed": failed,
                        "partitions": sorted(event.get("records", {})),
                        "duration_ms": (time.perf_counter_ns() - started_ns) // 1_000_000,
                        "trace_id": trace_id(),
                    },
                )
            return {"batchItemFailures": failed}

        return handler

    return decorate


def _decode(
    event: Mapping[str, Any], decoder: msgspec.json.Decoder[T]
) -> tuple[list[StreamRecord[T]], list[dict[str, Any]]]:
    """Return the event's records and the identifiers of those that cannot be decoded."""
    if event.get("eventSource") not in _EVENT_SOURCES:
        raise ValueError(
            f"not an event of a Kafka source: eventSource={event.get('eventSource')!r}"
        )
    records: list[StreamRecord[T]] = []
    failed: list[dict[str, Any]] = []
    for group in event["records"].values():
        for raw in group:
            record = _undecoded(raw)
            try:
                value = decoder.decode(record.value)
            except (msgspec.DecodeError, UnicodeDecodeError):
                failed.append(_identifier(record))
                continue
            records.append(
                StreamRecord(
                    record.topic,
                    record.partition,
                    record.offset,
                    record.timestamp_ms,
                    record.key,
                    value,
                    record.headers,
                )
            )
    return records, failed


def _undecoded(raw: Mapping[str, Any]) -> StreamRecord[bytes]:
    headers = tuple(
        (name, bytes(byte & 0xFF for byte in value))  # Java's bytes are signed
        for header in raw.get("headers", ())
        for name, value in header.items()
    )
    return StreamRecord(
        topic=raw["topic"],
        partition=raw["partition"],
        offset=raw["offset"],
        timestamp_ms=raw["timestamp"],
        key=base64.b64decode(raw.get("key") or ""),
        value=base64.b64decode(raw.get("value") or ""),
        headers=headers,
    )


def _identifier(record: StreamRecord[Any]) -> dict[str, Any]:
    """Name a record as Lambda's partial batch response for Kafka does."""
    place = {"partition": f"{record.topic}-{record.partition}", "offset": record.offset}
    return {"itemIdentifier": place}
