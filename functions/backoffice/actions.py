"""What operators do to the market: stored with who and why, then carried out by the engine."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from functions.backoffice.models import (
    ActionAnswer,
    ActionRequest,
    AuditAnswer,
    AuditEntry,
    ShardAnswer,
)
from shared.domain.commands import Command
from shared.domain.ids import SOURCE_BACKOFFICE, administrative_id
from shared.domain.reject_codes import RejectCode
from shared.edge.tracing import current_traceparent, trace_id
from shared.ports.engine import Engine
from shared.postgres.outbox import Outbox
from shared.postgres.pool import PoolSource
from shared.postgres.unit_of_work import UnitOfWork

OUTBOX: Final = Outbox("admin")
_ENGINE_STATE: Final = (
    "case when o.answered_at is null then 'PENDING' when o.reject_code is null then 'APPLIED' "
    "else 'REFUSED' end"
)


@dataclass(frozen=True, slots=True)
class Action:
    """What is to be done; `command` makes the engine's command of its id."""

    name: str
    subject: str  # a symbol, an account, a trade, or what else it is done to
    command: Callable[[int], Command]
    detail: str = ""
    # Runs in the transaction that records it, with the command's id; raises Problem to refuse it.
    before_commit: Callable[[UnitOfWork, int], None] = lambda uow, command_id: None


def carry_out(
    source: PoolSource, engine: Engine, action: Action, request: ActionRequest
) -> ActionAnswer:
    """Record an action and send its command; it stays PENDING while the engine is away.

    Raises Problem, and records nothing, when the action may not be done now.
    """
    action_id = _record(source, action, request)
    OUTBOX.send_pending(engine, source)
    with UnitOfWork(source) as uow:
        row = uow.connection.execute(
            f"select {_ENGINE_STATE}, o.engine_sequence, o.reject_code, o.shard_answers "
            "from admin.actions a "
            "join admin.engine_outbox o using (command_id) where a.action_id = %s",
            (action_id,),
        ).fetchone()
    assert row is not None
    return ActionAnswer(
        action_id=str(action_id),
        action=action.name,
        symbol=action.subject,
        detail=action.detail,
        engine=row[0],
        engine_sequence=None if row[1] is None else str(row[1]),
        refusal=None if row[2] is None else _code_name(row[2]),
        shards=_shard_answers(row[3]),
    )


def _shard_answers(said: dict[str, dict[str, Any]] | None) -> list[ShardAnswer]:
    """Return each engine's answer to a command for all, as the outbox keeps them."""
    found = []
    for shard, answer in sorted((said or {}).items(), key=lambda item: int(item[0])):
        sequence, code = answer.get("sequence"), answer.get("code")
        state = "AWAY" if "away" in answer else "APPLIED" if code is None else "REFUSED"
        found.append(
            ShardAnswer(
                shard=int(shard),
                engine=state,
                engine_sequence=None if sequence is None else str(sequence),
                refusal=None if code is None else _code_name(code),
            )
        )
    return found


def list_actions(source: PoolSource, before: int | None, limit: int) -> AuditAnswer:
    """Return the audit trail, newest first, those numbered below `before`."""
    with UnitOfWork(source) as uow:
        rows = uow.connection.execute(
            f"select a.action_id, a.action, a.subject, a.detail, a.operator, a.reason, "
            f"{_ENGINE_STATE}, a.trace_id, a.created_at from admin.actions a "
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
                detail=row[3],
                operator=row[4],
                reason=row[5],
                engine=row[6],
                trace_id=row[7],
                created_at=row[8].isoformat(),
            )
            for row in rows
        ],
        next_before=str(rows[-1][0]) if len(rows) == limit else None,
    )


def _code_name(code: int) -> str:
    try:
        return RejectCode(code).name.lower()
    except ValueError:
        return f"code_{code}"


def _record(source: PoolSource, action: Action, request: ActionRequest) -> int:
    """Store the action and its command in one transaction; return the action's id."""
    with UnitOfWork(source) as uow:
        row = uow.connection.execute(
            "insert into admin.actions (action, subject, detail, operator, reason, trace_id) "
            "values (%s, %s, %s, %s, %s, %s) returning action_id",
            (
                action.name,
                action.subject,
                action.detail,
                request.operator,
                request.reason,
                trace_id(),
            ),
        ).fetchone()
        assert row is not None
        action_id = int(row[0])
        command_id = administrative_id(SOURCE_BACKOFFICE, action_id)
        uow.connection.execute(
            "update admin.actions set command_id = %s where action_id = %s",
            (command_id, action_id),
        )
        words = action.command(command_id).words()
        OUTBOX.enqueue(uow, command_id, words, current_traceparent())
        action.before_commit(uow, command_id)
        uow.commit()
    return action_id
