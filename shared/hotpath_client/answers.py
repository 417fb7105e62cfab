"""Turns the gateway's frames into the values of shared/ports/engine.py."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from shared.domain import records as r
from shared.domain.events import EngineEvent, decode_event
from shared.domain.reject_codes import RejectCode
from shared.ports.engine import (
    AccountView,
    BookLevel,
    BookView,
    CommandResult,
    EngineBusy,
    EngineError,
    EngineRefused,
    EngineStatus,
    EngineUnavailable,
    OpenOrder,
    PositionView,
)
from shared.wire import frames, views


@dataclass(frozen=True, slots=True)
class OrderView:
    """What the engine knows of an order id. `open_order` is None when the order is done."""

    order_id: int
    first_sequence: int
    open_order: OpenOrder | None


def command_result(result: frames.Result, shard: int = 0) -> CommandResult | EngineError:
    events = [
        decode_event(words, result.sequence, index, result.time_ns)
        for index, words in enumerate(result.events)
        if words[0]  # zeros stand in the place of what is not for this session
    ]
    if events and events[0].kind == r.REJECTED and events[0].code == RejectCode.ENGINE_BUSY:
        return EngineBusy("ENGINE_BUSY: a large auction is being told")
    if not result.flags & frames.FLAG_REPEAT:
        return CommandResult(result.sequence, result.time_ns, events, shard=shard)
    open_now = _open_order(result.order)
    return CommandResult(
        result.sequence, result.time_ns, events, is_repeat=True, open_now=open_now, shard=shard
    )


def report_events(report: frames.ExecutionReport) -> list[EngineEvent]:
    return [
        decode_event(words, report.sequence, index, report.time_ns)
        for index, words in report.events
    ]


def request_of(answer: bytes) -> int:
    """Return which request a result, a reject or a query's result answers."""
    at = frames.HEADER_BYTES
    return int.from_bytes(answer[at : at + 8], "little", signed=True)


def error_of(reject: frames.Reject) -> EngineError:
    """Return the exception that stands for a gateway's reject."""
    text = f"{_code_name(reject.code)}: {reject.text}"
    if reject.code == frames.GatewayCode.ENGINE_BUSY:
        return EngineBusy(text)
    if reject.code in (frames.GatewayCode.NOT_AUTHORISED, frames.GatewayCode.BAD_TOKEN):
        return EngineRefused(text)
    return EngineUnavailable(text)


def account_view(answer: frames.QueryAnswer, shard: int = 0) -> AccountView | None:
    if not answer.found:
        return None
    words = answer.words
    return AccountView(
        account_id=words[views.A_ACCOUNT],
        state=words[views.A_STATE],
        currency_number=words[views.A_CURRENCY],
        total_minor=words[views.A_TOTAL_MINOR],
        settled_minor=words[views.A_SETTLED_MINOR],
        reserved_minor=words[views.A_RESERVED_MINOR],
        held_minor=words[views.A_HELD_MINOR],
        open_orders=words[views.A_OPEN_ORDERS],
        positions=[
            PositionView(*row)
            for row in views.rows(words, views.ACCOUNT_WORDS, views.POSITION_WORDS)
        ],
        shard=shard,
    )


def book_view(answer: frames.QueryAnswer) -> BookView | None:
    if not answer.found:
        return None
    words = answer.words
    levels = (BookLevel(*row) for row in views.rows(words, views.BOOK_WORDS, views.LEVEL_WORDS))
    return BookView(
        instrument_id=words[views.B_INSTRUMENT],
        state=words[views.B_STATE],
        sequence=words[views.B_SEQUENCE],
        bids=list(islice(levels, words[views.B_BIDS])),
        asks=list(levels),
    )


def open_orders(answer: frames.QueryAnswer) -> list[OpenOrder]:
    return [OpenOrder(*row) for row in views.rows(answer.words, 0, views.OPEN_ORDER_WORDS)]


def order_view(answer: frames.QueryAnswer) -> OrderView | None:
    if not answer.found:
        return None
    words = answer.words
    return OrderView(words[views.O_ORDER], words[views.O_FIRST_SEQUENCE], _open_order(words))


def _open_order(words: Sequence[int]) -> OpenOrder | None:
    """Return what rests of the order that an order query's words tell of."""
    if not words[views.O_OPEN]:
        return None
    return OpenOrder(words[views.O_ORDER], *words[views.O_INSTRUMENT : views.O_LEAVES + 1])


def engine_status(answer: frames.QueryAnswer) -> EngineStatus:
    words = answer.words
    return EngineStatus(
        shard=words[views.S_SHARD],
        epoch=words[views.S_EPOCH],
        sequence=words[views.S_SEQUENCE],
        durable_sequence=words[views.S_DURABLE_SEQUENCE],
        compiled=bool(words[views.S_COMPILED]),
        source_hash=views.join_digest(words[views.S_SOURCE_HASH : views.STATUS_WORDS]).hex(),
        state_hash=words[views.S_STATE_HASH] & (1 << 64) - 1,
        durability=views.DURABILITIES[words[views.S_DURABILITY]],
        open_orders=words[views.S_OPEN_ORDERS],
    )


def _code_name(code: int) -> str:
    try:
        return frames.GatewayCode(code).name
    except ValueError:
        return f"code {code}"
