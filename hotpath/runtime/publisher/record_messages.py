"""The messages about whole journal records: the compiled encoder, and `stream_messages` for the
commands that it leaves to it."""

from collections.abc import Callable
from struct import unpack_from
from typing import Final

from hotpath.runtime.publisher.message_encoder import MessageEncoder
from hotpath.runtime.publisher.stream_messages import Headers, messages, trace_headers
from shared.domain import records as r
from shared.domain.reject_codes import CancelReason
from shared.ports.event_stream import Message
from shared.wire.journal import JournaledCommand, Record
from shared.wire.stream_events import (
    MARKET_DATA,
    ORDER_EVENTS,
    PARTITIONS,
    TRADE_EXECUTIONS,
    first_partition,
)

_TOPICS: Final = (ORDER_EVENTS, TRADE_EXECUTIONS, MARKET_DATA)
_EVENT_BYTES: Final = 8 * r.EVENT_WORDS


class RecordMessages:
    """What the stream is told about one shard's records."""

    def __init__(self, shard: int) -> None:
        self._shard = shard
        partitions = (PARTITIONS[_TOPICS[0]], PARTITIONS[_TOPICS[1]], PARTITIONS[_TOPICS[2]])
        reasons = {int(reason): reason.name for reason in CancelReason}
        make = _maker(shard) if shard else Message
        self._encoder = MessageEncoder(shard, _TOPICS, partitions, reasons, make, trace_headers)

    def of(self, record: Record) -> list[Message]:
        """Return the messages in the order in which they are published."""
        if not record.count:
            return []
        traces = record.traces() if record.trace_count else {}

        def tell(number: int, at: int, words: int, event_at: int, events: int) -> list[Message]:
            command = JournaledCommand(
                sequence=record.first_sequence + number,
                time_ns=record.time_ns,
                words=unpack_from(f"<{words}q", record.data, at),
                events=tuple(
                    unpack_from(f"<{r.EVENT_WORDS}q", record.data, event_at + _EVENT_BYTES * index)
                    for index in range(events)
                ),
                trace=traces.get(number, b""),
            )
            return [message for _, message in messages(self._shard, command)]

        return self._encoder.encode(
            record.data,
            record.first_sequence,
            record.time_ns,
            record.event_counts(),
            record.commands_at,
            record.events_at,
            traces,
            tell,
        )


def _maker(shard: int) -> Callable[[str, int, bytes, bytes, Headers], Message]:
    """Return what makes a message in the partitions of a shard that is not the first."""
    first = {topic: first_partition(topic, shard) for topic in _TOPICS}

    def make(topic: str, partition: int, key: bytes, value: bytes, headers: Headers) -> Message:
        return Message(topic, first[topic] + partition, key, value, headers)

    return make
