"""Publishes outcomes to `settlement-events`, from an outbox, each once and in order."""

from typing import Final

import msgspec

from shared.ports.event_stream import EventStream, Message, TopicPartition
from shared.postgres.pool import PoolSource
from shared.postgres.unit_of_work import UnitOfWork
from shared.streams.topology import SETTLEMENT_WRITER
from shared.wire.stream_events import (
    PARTITIONS,
    SETTLEMENT_EVENTS,
    SettlementEvent,
    partition_of,
)

_PAGE: Final = 500

_UNPUBLISHED: Final = """
    select e.event_sequence, e.event_type, e.occurred_ns, i.batch_id, i.instruction_id,
           i.account_id, i.instrument_id, i.currency, i.cash_minor, i.quantity_lots, i.reason,
           i.trace_id, t.trade_ids, t.order_ids
    from settlement.events_outbox e
    join settlement.instructions i using (instruction_number),
    lateral (
        select array_agg(distinct o.trade_id order by o.trade_id) as trade_ids,
               array_agg(distinct o.order_id order by o.order_id) as order_ids
        from settlement.instruction_obligations l
        join settlement.obligations o using (trade_id, side)
        where l.instruction_number = e.instruction_number
    ) t
    where e.published_at is null order by e.event_sequence limit %s for update of e
"""


def publish_events(source: PoolSource, stream: EventStream) -> int:
    """Publish what waits; return how many events were marked as published.

    A run that was cut off after the stream had stored its events repeats none: the newest event of
    each partition tells how far it came. Epochs shut out an older run that is still going.
    """
    stream.ensure_topics({SETTLEMENT_EVENTS: PARTITIONS[SETTLEMENT_EVENTS]})
    writer = stream.writer(SETTLEMENT_WRITER, _next_epoch(source))
    try:
        published = _stored_up_to(stream)
        count = 0
        while True:
            with UnitOfWork(source) as uow:
                events = [_event(row) for row in uow.connection.execute(_UNPUBLISHED, (_PAGE,))]
                messages = [_message(event) for event in events]
                writer.publish(
                    [
                        message
                        for event, message in zip(events, messages, strict=True)
                        if event.sequence > published[message.partition]
                    ]
                )
                uow.connection.execute(
                    "update settlement.events_outbox set published_at = now() "
                    "where event_sequence = any(%s)",
                    ([event.sequence for event in events],),
                )
                uow.commit()
            count += len(events)
            if len(events) < _PAGE:
                return count
    finally:
        writer.close()


def _next_epoch(source: PoolSource) -> int:
    with UnitOfWork(source) as uow:
        row = uow.connection.execute("select nextval('settlement.publisher_epoch')").fetchone()
        uow.commit()
    assert row is not None
    return int(row[0])


def _stored_up_to(stream: EventStream) -> dict[int, int]:
    """Return the sequence of each partition's newest event, 0 for an empty one."""
    found: dict[int, int] = {}
    for partition in range(PARTITIONS[SETTLEMENT_EVENTS]):
        last = stream.read_last(TopicPartition(SETTLEMENT_EVENTS, partition))
        found[partition] = (
            0 if last is None else msgspec.json.decode(last.value, type=SettlementEvent).sequence
        )
    return found


def _event(row: tuple[object, ...]) -> SettlementEvent:
    sequence, event_type, occurred_ns, batch_id, instruction_id, account_id, *rest = row
    instrument_id, currency, cash_minor, quantity_lots, reason, trace_id, trades, orders = rest
    return msgspec.convert(
        {
            "type": event_type,
            "sequence": sequence,
            "time_ns": occurred_ns,
            "batch_id": str(batch_id),
            "instruction_id": instruction_id,
            "account_id": str(account_id),
            "instrument_id": instrument_id,
            "currency": currency,
            "cash_minor": cash_minor,
            "quantity_lots": quantity_lots,
            "trade_ids": [str(item) for item in msgspec.convert(trades, list[int])],
            "order_ids": [str(item) for item in msgspec.convert(orders, list[int])],
            "reason": reason if event_type == "ROLLED" else "",
            "trace_id": trace_id,
        },
        SettlementEvent,
    )


def _message(event: SettlementEvent) -> Message:
    return Message(
        topic=SETTLEMENT_EVENTS,
        partition=partition_of(SETTLEMENT_EVENTS, int(event.account_id)),
        key=event.account_id.encode(),
        value=msgspec.json.encode(event),
    )
