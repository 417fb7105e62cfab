"""One journaled command with its events, and what all messages about it have in common."""

from collections.abc import Sequence
from enum import IntEnum
from typing import Final

from shared.domain import records as r
from shared.domain.events import EngineEvent, decode_event
from shared.domain.ids import trade_id
from shared.domain.reject_codes import CancelReason
from shared.wire import stream_events as s
from shared.wire.journal import JournaledCommand

Words = Sequence[int]
_RETIRED: Final = {401: "PRICE_OUT_OF_BAND"}  # of rules 1, which a journal may begin with
_ANSWERS: Final = {
    r.PLACE_ORDER: r.ORDER_ACCEPTED,
    r.PLACE_ORDER_EXTENDED: r.ORDER_ACCEPTED,
    r.CANCEL_ORDER: r.ORDER_CANCELLED,
    r.REPLACE_ORDER: r.ORDER_REPLACED,
}


class Told:
    """One command with its events, and what all messages about it have in common."""

    def __init__(self, shard: int, command: JournaledCommand) -> None:
        self.shard = shard
        self.command = command
        self.trace_id = command.trace[:16].hex() if command.trace else ""
        self.events = [
            decode_event(words, command.sequence, index, command.time_ns)
            for index, words in enumerate(command.events)
        ]
        self._answered: dict[int, Words] = {}
        if command.words[r.C_HEADER] & 0xFF == r.BATCH:
            self._answered = _answered(_inner(command.words), self.events)

    def asked(self, event: EngineEvent) -> Words:
        """Return the words that an event answers: the command's, or those of one in the batch."""
        if self.command.words[r.C_HEADER] & 0xFF != r.BATCH:
            return self.command.words
        return self._answered.get(event.index, self.command.words)

    def trade_id(self, event: EngineEvent) -> str:
        return str(trade_id(self.shard, event.sequence, event.index))

    def order_event(
        self, event: EngineEvent, type_: str, account_id: int, order_id: int, leaves_lots: int
    ) -> s.OrderEvent:
        return s.OrderEvent(
            type=type_,
            shard=self.shard,
            sequence=event.sequence,
            index=event.index,
            time_ns=event.time_ns,
            account_id=str(account_id),
            order_id=str(order_id),
            instrument_id=event.instrument_id,
            leaves_lots=leaves_lots,
            trace_id=self.trace_id,
        )

    def risk_event(self, event: EngineEvent, type_: str) -> s.RiskEvent:
        return s.RiskEvent(
            type=type_,
            shard=self.shard,
            sequence=event.sequence,
            index=event.index,
            time_ns=event.time_ns,
            account_id=str(event.account_id) if event.account_id else "",
            instrument_id=event.instrument_id,
            command_id=str(event.order_id) if event.order_id else "",
            trace_id=self.trace_id,
        )


def name_of(codes: type[IntEnum], code: int) -> str:
    """Return a code's name; one that is not known here must not stop the stream."""
    try:
        return codes(code).name
    except ValueError:
        return _RETIRED.get(code, f"CODE_{code}")


def _inner(words: Words) -> list[Words]:
    """Return the commands that a batch holds."""
    found, at = [], r.COMMAND_WORDS
    while at < len(words):
        size = r.command_words(words[at] & 0xFF)
        found.append(words[at : at + size])
        at += size
    return found


def _answered(commands: Sequence[Words], events: Sequence[EngineEvent]) -> dict[int, Words]:
    """Return, by the index of the event that answers it, each command of a batch."""
    found: dict[int, Words] = {}
    waiting = iter(commands)
    words = next(waiting, None)
    for event in events:
        if words is not None and _is_answer(event, words):
            found[event.index] = words
            words = next(waiting, None)
    return found


def _is_answer(event: EngineEvent, words: Words) -> bool:
    if event.order_id != words[r.C_ID]:
        return False
    if event.kind == r.ORDER_CANCELLED and event.code != CancelReason.REQUESTED:
        return False
    return event.kind in (r.REJECTED, _ANSWERS.get(words[r.C_HEADER] & 0xFF))
