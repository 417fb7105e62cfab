"""Drives the order flow of one instrument through the order-entry protocol, as several members."""

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from infra.demo.flow import Arrival
from shared.domain import records as r
from shared.domain.commands import CancelOrder, Command, PlaceOrder
from shared.domain.events import EngineEvent
from shared.domain.ids import member_order_id
from shared.domain.reject_codes import CancelReason
from shared.hotpath_client.async_client import MemberSession


@dataclass(slots=True)
class FlowReport:
    """What the members saw. Latencies are from sending a command to its durable answer."""

    commands: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    trades: list[tuple[int, int]] = field(default_factory=list)  # (price_ticks, quantity_lots)
    ack_ns: list[int] = field(default_factory=list)
    seconds: float = 0.0
    last_book_sequence: int = 0  # the journal's sequence of the last change of the book

    def ack_us(self, quantile: float) -> float:
        return percentile(self.ack_ns, quantile) / 1_000


def percentile(values: Sequence[int], quantile: float) -> int:
    """Return the value below which `quantile` of the values lie; 0 for none."""
    ordered = sorted(values)
    return ordered[min(int(quantile * len(ordered)), len(ordered) - 1)] if ordered else 0


class Members:
    """A few members who share the flow: each order belongs to one of them, in turn."""

    def __init__(self, address: str, tokens: Mapping[int, str], instrument_id: int) -> None:
        self._address = address
        self._tokens = tokens  # account id to order-entry token
        self._instrument_id = instrument_id
        self._accounts = list(tokens)
        self._sessions: dict[int, MemberSession] = {}

    async def log_on(self) -> None:
        for account_id, token in self._tokens.items():
            self._sessions[account_id] = await MemberSession.connect(
                self._address, token, on_report=_ignore
            )

    async def close(self) -> None:
        for session in self._sessions.values():
            await session.close()

    async def run(self, arrivals: Iterable[Arrival], report: FlowReport) -> None:
        """Send the arrivals one after another, each once the one before it is durable."""
        began = time.perf_counter()
        for arrival in arrivals:
            account_id = self._accounts[arrival.order % len(self._accounts)]
            command = self._command(arrival, account_id)
            sent_ns = time.perf_counter_ns()
            result = await self._sessions[account_id].submit(command)
            report.ack_ns.append(time.perf_counter_ns() - sent_ns)
            report.commands[arrival.kind] += 1
            for event in result.events:
                if event.kind == r.TRADE_EXECUTED:
                    report.trades.append((event.price_ticks, event.quantity_lots))
                elif event.kind == r.REJECTED:
                    report.refused[event.reject_code.name] += 1
                if _changes_book(event):
                    report.last_book_sequence = event.sequence
        report.seconds += time.perf_counter() - began

    def _command(self, arrival: Arrival, account_id: int) -> Command:
        order_id = member_order_id(account_id, arrival.order)
        if arrival.kind == "CANCEL":
            return CancelOrder(account_id, order_id, self._instrument_id)
        is_limit = arrival.kind == "LIMIT"
        return PlaceOrder(
            account_id=account_id,
            order_id=order_id,
            instrument_id=self._instrument_id,
            side=arrival.side,
            order_type=r.LIMIT if is_limit else r.MARKET,
            time_in_force=r.GTC if is_limit else r.IOC,
            quantity_lots=arrival.quantity_lots,
            price_ticks=arrival.price_ticks if is_limit else 0,
        )


def _changes_book(event: EngineEvent) -> bool:
    if event.kind == r.ORDER_CANCELLED:
        return event.cancel_reason is CancelReason.REQUESTED
    return event.is_resting or event.kind in (r.TRADE_EXECUTED, r.ORDER_RESTED)


def _ignore(events: Sequence[EngineEvent]) -> None:
    """Members of the flow learn of their fills from the book; reports need no action."""
