"""What a trace is: hops in the order in which an order meets them, and which of them are absent."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

REQUEST: Final = "request"
LOG_LINE: Final = "log_line"
JOURNAL: Final = "journal"
STREAM: Final = "stream"
TRADE: Final = "trade"
INSTRUCTION: Final = "netting_instruction"
TRANSFER: Final = "ledger_transfer"
REPORT: Final = "report_line"

ALL_HOPS: Final = (REQUEST, LOG_LINE, JOURNAL, STREAM, TRADE, INSTRUCTION, TRANSFER, REPORT)
# What an order meets only once it has traded.
_AFTER_A_TRADE: Final = frozenset({TRADE, INSTRUCTION, TRANSFER, REPORT})
# What an order that was entered on a member's own session never meets.
_OF_THE_API: Final = frozenset({LOG_LINE})


@dataclass(frozen=True, slots=True)
class Hop:
    """One place that an order passed: where it is found, what it says, and all of its data."""

    kind: str
    where: str
    summary: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Trace:
    order_id: int
    trace_id: str
    status: str
    has_traded: bool
    came_by_api: bool
    hops: Sequence[Hop]

    @property
    def missing(self) -> list[str]:
        """Return the kinds of hop that this order should have met and that were not found."""
        expected = [
            kind
            for kind in ALL_HOPS
            if (self.has_traded or kind not in _AFTER_A_TRADE)
            and (self.came_by_api or kind not in _OF_THE_API)
        ]
        found = {hop.kind for hop in self.hops}
        return [kind for kind in expected if kind not in found]

    def as_json(self) -> dict[str, Any]:
        return {
            "order_id": str(self.order_id),
            "trace_id": self.trace_id,
            "status": self.status,
            "hops": [asdict(hop) for hop in self.hops],
            "missing": self.missing,
        }
