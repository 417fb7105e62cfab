"""What is done every minute: waiting actions, orders that are due to expire, indicative prices."""

from dataclasses import dataclass
from typing import Final

from functions.backoffice.actions import OUTBOX
from functions.backoffice.amendments import Settlement, conclude
from shared.domain import names
from shared.domain.ids import SOURCE_BACKOFFICE, administrative_id
from shared.domain.market_commands import ExpireOrders, PublishIndicative
from shared.ports.engine import Engine, EngineError, ShardsUnavailable
from shared.postgres.pool import PoolSource
from shared.postgres.unit_of_work import UnitOfWork
from shared.reference import Instruments

_OF_SECONDS: Final = 1 << 55  # numbers of commands that are counted by time, not by actions
_DUE: Final = (
    "select exists (select 1 from admin.orders where time_in_force = 'GTD' "
    "and status in ('PENDING', 'PARTIALLY_FILLED', 'REPLACED') "
    "and (instructions->>'expiry_ns')::bigint <= %s)"
)


@dataclass(frozen=True, slots=True)
class Report:
    """How many waiting actions were answered, if orders expire, how many calls were told of, and
    of how many amendments settlement."""

    answered: int
    expiring: bool
    calls: int
    amended: int


def run(
    source: PoolSource,
    engine: Engine,
    settlement: Settlement,
    instruments: Instruments,
    time_ns: int,
) -> Report:
    """Do the minute's work; what the engine does not answer is done a minute later."""
    answered = len(OUTBOX.send_pending(engine, source).answers)
    expiring, calls = _expire(source, engine, time_ns), _tell(engine, instruments)
    return Report(answered, expiring, calls, conclude(source, settlement))


def _expire(source: PoolSource, engine: Engine, time_ns: int) -> bool:
    """Have the engine let orders expire, if one is known whose time has come.

    Each minute's command is another one, so what an engine does not answer is asked for again.
    """
    with UnitOfWork(source) as uow:
        row = uow.connection.execute(_DUE, (time_ns,)).fetchone()
    if row is None or not row[0]:
        return False
    number = _OF_SECONDS | time_ns // 1_000_000_000
    try:
        engine.submit(ExpireOrders(administrative_id(SOURCE_BACKOFFICE, number)))
    except ShardsUnavailable as error:
        return bool(error.answers)
    except EngineError:
        return False
    return True


def _tell(engine: Engine, instruments: Instruments) -> int:
    """Have the outcome published that each auction call has now; return how many there are."""
    calls = 0
    for instrument in instruments:
        try:
            book = engine.book(instrument.instrument_id, 1)
            if book is not None and names.SESSIONS.get(book.state) in names.CALLS:
                engine.submit(PublishIndicative(instrument.instrument_id))
                calls += 1
        except EngineError as error:
            if error.others is None:
                break
            engine = error.others
    return calls
