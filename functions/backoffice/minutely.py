"""What is done every minute: actions that wait for the engine, and orders whose time has come."""

from dataclasses import dataclass
from typing import Final

from functions.backoffice.actions import OUTBOX
from shared.domain.ids import SOURCE_BACKOFFICE, administrative_id
from shared.domain.market_commands import ExpireOrders
from shared.ports.engine import Engine, EngineError
from shared.postgres.pool import PoolSource
from shared.postgres.unit_of_work import UnitOfWork

_OF_SECONDS: Final = 1 << 55  # numbers of commands that are counted by time, not by actions
_DUE: Final = (
    "select exists (select 1 from admin.orders where time_in_force = 'GTD' "
    "and status in ('PENDING', 'PARTIALLY_FILLED', 'REPLACED') "
    "and (instructions->>'expiry_ns')::bigint <= %s)"
)


@dataclass(frozen=True, slots=True)
class Report:
    """How many waiting actions were answered, and whether orders were made to expire."""

    answered: int
    expiring: bool


def run(source: PoolSource, engine: Engine, time_ns: int) -> Report:
    """Do the minute's work; what the engine does not answer is done a minute later."""
    answered = len(OUTBOX.send_pending(engine, source).answers)
    with UnitOfWork(source) as uow:
        row = uow.connection.execute(_DUE, (time_ns,)).fetchone()
    is_due = row is not None and bool(row[0])
    if is_due:
        number = _OF_SECONDS | time_ns // 1_000_000_000
        try:
            engine.submit(ExpireOrders(administrative_id(SOURCE_BACKOFFICE, number)))
        except EngineError:
            is_due = False
    return Report(answered, is_due)
