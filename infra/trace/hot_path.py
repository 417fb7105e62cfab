"""Finds an order in the journal and in the event stream."""

import json
from collections.abc import Iterator
from pathlib import Path

from hotpath.runtime.journal.reader import JournalScan
from infra.trace.model import JOURNAL, STREAM, Hop
from shared.domain import records as r
from shared.domain.events import EngineEvent, decode_event
from shared.ports.event_stream import EventStream, StoredMessage, TopicPartition
from shared.wire.frames import traceparent
from shared.wire.journal import JournaledCommand
from shared.wire.stream_events import (
    MARKET_DATA,
    ORDER_EVENTS,
    SETTLEMENT_EVENTS,
    TRADE_EXECUTIONS,
    partition_of,
)

_KIND_NAMES = {
    getattr(r, name): name
    for name in (
        "ORDER_ACCEPTED",
        "REJECTED",
        "TRADE_EXECUTED",
        "ORDER_RESTED",
        "ORDER_CANCELLED",
        "ORDER_REPLACED",
    )
}


def journal(directory: Path, order_id: int) -> list[Hop]:
    """Return every command whose events name the order, in the journal's order."""
    needle = order_id.to_bytes(8, "little")
    hops = []
    for path, _, record in JournalScan(directory):
        if needle not in record.data:  # a scan of bytes is much cheaper than decoding them
            continue
        for command in record.commands():
            events = [event for event in _events(command) if _names(event, order_id)]
            if events:
                hops.append(_journal_hop(path, command, events))
    return hops


def _events(command: JournaledCommand) -> Iterator[EngineEvent]:
    for index, words in enumerate(command.events):
        yield decode_event(words, command.sequence, index, command.time_ns)


def _names(event: EngineEvent, order_id: int) -> bool:
    if event.kind == r.TRADE_EXECUTED and event.contra_order_id == order_id:
        return True
    return event.kind in _KIND_NAMES and event.order_id == order_id


def _journal_hop(path: Path, command: JournaledCommand, events: list[EngineEvent]) -> Hop:
    kinds = [_KIND_NAMES[event.kind] for event in events]
    return Hop(
        JOURNAL,
        path.name,
        f"sequence {command.sequence}: {', '.join(kinds)}",
        {
            "sequence": command.sequence,
            "time_ns": command.time_ns,
            "events": kinds,
            "trade_ids_at": [e.index for e in events if e.kind == r.TRADE_EXECUTED],
            "trace_id": command.trace[:16].hex(),
            "traceparent": traceparent(command.trace) if command.trace else "",
        },
    )


def stream(
    events: EventStream,
    order_id: int,
    account_id: int,
    instrument_id: int,
    sequences: set[int],
    shard: int = 0,
) -> list[Hop]:
    """Return the messages of all topics that came from the order's commands or name the order."""
    hops = []
    for topic, key in (
        (ORDER_EVENTS, account_id),
        (TRADE_EXECUTIONS, instrument_id),
        (MARKET_DATA, instrument_id),
        (SETTLEMENT_EVENTS, account_id),
    ):
        its_shard = 0 if topic == SETTLEMENT_EVENTS else shard
        partition = TopicPartition(topic, partition_of(topic, key, its_shard))
        for stored in stored_messages(events, partition):
            offset, value = stored.offset, stored.value
            message = json.loads(value)
            if topic == MARKET_DATA:
                is_its = message["sequence"] in sequences
            else:
                is_its = f'"{order_id}"'.encode() in value
            if is_its:
                summary = f"{topic}/{partition.partition} offset {offset}"
                if "type" in message:
                    summary += f": {message['type']}"
                carried = dict(stored.headers).get("traceparent", b"").decode()
                if carried:
                    summary += f", {carried}"
                data = {"offset": offset, **message, "traceparent": carried}
                hops.append(Hop(STREAM, topic, summary, data))
    return hops


def messages(events: EventStream, partition: TopicPartition) -> Iterator[tuple[int, bytes]]:
    """Yield offset and value of all messages that the partition holds now."""
    for message in stored_messages(events, partition):
        yield message.offset, message.value


def stored_messages(events: EventStream, partition: TopicPartition) -> Iterator[StoredMessage]:
    """Yield all messages that the partition holds now, without moving any consumer group."""
    last = events.read_last(partition)
    if last is None:
        return
    reader = events.reader("trace", [partition])
    try:
        reader.seek(partition, 0)
        while True:
            for message in reader.poll(1_000, timeout_ms=1_000):
                yield message
                if message.offset >= last.offset:
                    return
    finally:
        reader.close()
