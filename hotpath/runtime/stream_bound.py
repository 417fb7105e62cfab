"""How far the engine may run ahead of the event stream before it refuses new orders."""

from typing import Final

from hotpath.runtime.journal.status_file import StatusFile
from shared.domain import records as r

REASON: Final = "stream outage bound"
# What may trade waits; cancels, money and the operators' commands do not.
ORDERS: Final = (r.PLACE_ORDER, r.REPLACE_ORDER, r.PLACE_ORDER_EXTENDED, r.BATCH)


class StreamBound:
    """Compares what is durable with what the publisher has stored; `commands` 0 sets no bound."""

    def __init__(self, status: StatusFile, commands: int) -> None:
        self._status = status
        self._commands = commands

    def refusal(self) -> str:
        """Return why new orders are refused; empty while they are taken."""
        if not self._commands:
            return ""
        status = self._status
        unpublished = status.durable_sequence - status.published_sequence
        return REASON if unpublished >= self._commands else ""
