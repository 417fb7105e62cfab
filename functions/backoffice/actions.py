"""What operators do to the market: stored with who and why, then carried out by the engine."""

from typing import Final

from functions.backoffice.models import ActionAnswer, ActionRequest, AuditAnswer, AuditEntry
from shared.domain.commands import SetInstrumentState
from shared.domain.ids import SOURCE_BACKOFFICE, administrative_id
from shared.domain.instruments import Instrument
from shared.domain.records import INSTRUMENT_CONTINUOUS, INSTRUMENT_HALTED
from shared.edge.tracing import current_traceparent, trace_id
from shared.ports.engine import Engine
from shared.postgres.outbox import Outbox
from shared.postgres.pool import PoolSource
from shared.postgres.unit_of_work import UnitOfWork

OUTBOX: Final = Outbox("admin")
HALT: Final = "HALT_INSTRUMENT"
RESUME: Final = "RESUME_INSTRUMENT"
_STATE_AFTER: Final = {HALT: INSTRUMENT_HALTED, RESUME: INSTRUMENT_CONTINUOUS}
_ENGINE_STATE: Final = (
    "case when o.answered_at is null then 'PENDING' when o.reject_code is null then 'APPLIED' "
    "else 'REFUSED' end"
)


def change_instrument_state(
    source: PoolSource, engine: Engine, instrument: Instrument, action: str, request: ActionRequest
) -> ActionAnswer:
    """Record a halt or a resumption and send it; it stays PENDING while the engine is away."""
    action_id = _record(source, instrument, action, request)
    OUTBOX.send_pending(engine, source)
    with UnitOfWork(source) as uow:
        row = uow.connection.execute(
            f"select {_ENGINE_STATE}, o.engine_sequence from admin.actions a "
            "join admin.engine_outbox o using (command_id) where a.action_id = %s",
            (action_id,),
        ).fetchone()
    assert row is not None
    return ActionAnswer(
        action_id=str(action_id),
        action=action,
        symbol=instrument.symbol,
        engine=row[0],
        engine_sequence=None if row[1] is None else str(row[1]),
    )


def list_actions(source: PoolSource, before: int | None, limit: int) -> AuditAnswer:
    """Return the audit trail, newest first, those numbered below `before`."""
    with UnitOfWork(source) as uow:
        rows = uow.connection.execute(
            f"select a.action_id, a.action, a.subject, a.operator, a.reason, {_ENGINE_STATE}, "
            "a.trace_id, a.created_at from admin.actions a "
            "join admin.engine_outbox o using (command_id) "
            "where (%s::bigint is null or a.action_id < %s) order by a.action_id desc limit %s",
            (before, before, limit),
        ).fetchall()
    return AuditAnswer(
        actions=[
            AuditEntry(
                action_id=str(row[0]),
                action=row[1],
                subject=row[2],
                operator=row[3],
                reason=row[4],
                engine=row[5],
                trace_id=row[6],
                created_at=row[7].isoformat(),
            )
            for row in rows
        ],
        next_before=str(rows[-1][0]) if len(rows) == limit else None,
    )


def _record(source: PoolSource, instrument: Instrument, action: str, request: ActionRequest) -> int:
    """Store the action and its command in one transaction; return the action's id."""
    with UnitOfWork(source) as uow:
        row = uow.connection.execute(
            "insert into admin.actions (action, subject, operator, reason, trace_id) "
            "values (%s, %s, %s, %s, %s) returning action_id",
            (action, instrument.symbol, request.operator, request.reason, trace_id()),
        ).fetchone()
        assert row is not None
        action_id = int(row[0])
        command = SetInstrumentState(
            command_id=administrative_id(SOURCE_BACKOFFICE, action_id),
            instrument_id=instrument.instrument_id,
            state=_STATE_AFTER[action],
        )
        uow.connection.execute(
            "update admin.actions set command_id = %s where action_id = %s",
            (command.command_id, action_id),
        )
        OUTBOX.enqueue(uow, command.command_id, command.words(), current_traceparent())
        uow.commit()
    return action_id
