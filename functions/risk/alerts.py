"""What risk events mean: deposits for positions, alerts for operators, nothing for the rest."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from functions.risk import store
from shared.domain.ids import SOURCE_SETTLEMENT
from shared.postgres.unit_of_work import UnitOfWork
from shared.wire.stream_events import RiskEvent

BURST: Final = 20  # refused orders of one account in one minute
_STATE_TYPES: Final = (
    *("ACCOUNT_STATE", "INSTRUMENT_STATE", "LIMITS"),
    *("PRICE_LIMIT", "KILL_SWITCH", "TRADE_BUSTED", "TRADE_CORRECTED"),
)


def deposits(events: Sequence[RiskEvent]) -> list[RiskEvent]:
    """Return the events by which an account's shares changed without a trade.

    Settlement turns unsettled shares into settled ones, which changes no quantity.
    """
    return [
        event
        for event in events
        if event.type == "POSITION" and _source(event.command_id) != SOURCE_SETTLEMENT
    ]


def store_alerts(uow: UnitOfWork, events: Sequence[RiskEvent]) -> None:
    """Raise an alert for a change of state or limits, and for a burst of refused orders."""
    refused: dict[tuple[int, datetime], list[RiskEvent]] = {}
    for event in events:
        if event.type in _STATE_TYPES:
            place = f"{event.shard}.{event.sequence}.{event.index}"
            detail = event.state or event.reason or event.trade_id
            store.raise_alert(uow, event.type, place, event, detail)
        elif event.type == "ORDER_REJECTED" and event.account_id:
            minute = datetime.fromtimestamp(event.time_ns // 60_000_000_000 * 60, UTC)
            refused.setdefault((int(event.account_id), minute), []).append(event)
    for (account_id, minute), group in sorted(refused.items(), key=lambda item: item[0]):
        total = store.count_rejections(uow, account_id, minute, len(group))
        if total >= BURST:
            subject = f"{account_id}.{minute:%Y%m%dT%H%M}"
            detail = f"{BURST} or more orders refused, the last {group[-1].reason}"
            store.raise_alert(uow, "REJECTION_BURST", subject, group[-1], detail)


def _source(command_id: str) -> int:
    """Return who issued an administrative command: bits 56 to 61 of its id."""
    return int(command_id) >> 56 & 63 if command_id else 0
