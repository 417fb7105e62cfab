"""Busts and corrections of trades: asked of settlement, done by the engine, then concluded.

Settlement keeps the trade out of its batches until it is told what the engine said. Whoever ends in
between leaves a row behind, and the minutely job goes on from there: an amendment that was not sent
is withdrawn, one that was answered is concluded.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final, Protocol

from functions.backoffice import actions
from functions.backoffice.actions import Action
from functions.backoffice.models import ActionAnswer, ActionRequest
from shared.edge.problems import Problem
from shared.ports.engine import Engine
from shared.ports.failures import InfrastructureUnavailable
from shared.postgres.pool import PoolSource
from shared.postgres.unit_of_work import UnitOfWork

_ABANDONED_AFTER_S: Final = 120  # longer than any call of the function may take
_PAGE: Final = 100
_REFUSALS: Final = {
    "NOT_FOUND": (404, "trade_not_found", "There is no such trade."),
    "NETTED": (409, "trade_in_settlement", "Its settlement has begun."),
    "BUSTED": (409, "trade_busted", "The trade is busted."),
    "PENDING": (409, "trade_amendment_pending", "Another amendment of it is under way."),
    "WITHDRAWN": (409, "amendment_abandoned", "It took too long; ask again."),
}
_CONCLUDED: Final = """
    select a.amendment_id, a.trade_id, o.answered_at is not null and o.reject_code is null
    from admin.amendments a left join admin.engine_outbox o using (command_id)
    where a.state = 'ABANDONED' or (a.state = 'SENT' and o.answered_at is not null)
    order by a.amendment_id limit %s for update of a skip locked
"""


class Settlement(Protocol):
    """What is asked of the settlement service."""

    def ask_amendment(
        self, amendment_id: int, trade_id: int, corrected: dict[str, int] | None
    ) -> dict[str, Any]: ...

    def conclude_amendment(self, amendment_id: int, trade_id: int, applied: bool) -> None: ...


def amend(
    source: PoolSource,
    engine: Engine,
    settlement: Settlement,
    trade_id: int,
    corrected: dict[str, int] | None,
    action_of: Callable[[dict[str, Any]], Action],
    request: ActionRequest,
) -> ActionAnswer:
    """Bust a trade (None) or correct it; `action_of` makes the action of the trade's terms.

    Raises Problem when the trade cannot be amended now.
    """
    amendment_id = _begin(source, trade_id)
    found = settlement.ask_amendment(amendment_id, trade_id, corrected)
    if refusal := _REFUSALS.get(found["outcome"]):
        _finish(source, amendment_id)
        raise Problem(*refusal)
    action = replace(action_of(found), before_commit=_sent(amendment_id))
    answer = actions.carry_out(source, engine, action, request)
    with suppress(InfrastructureUnavailable):  # the minutely job tells settlement
        conclude(source, settlement)
    return answer


def conclude(source: PoolSource, settlement: Settlement) -> int:
    """Tell settlement of all amendments that are decided; return how many there were."""
    with UnitOfWork(source) as uow:
        uow.connection.execute(
            "update admin.amendments set state = 'ABANDONED' where state = 'ASKED' "
            "and created_at < clock_timestamp() - %s * interval '1 s'",
            (_ABANDONED_AFTER_S,),
        )
        uow.commit()  # before settlement hears of it: now they cannot be sent any more
    with UnitOfWork(source) as uow:
        rows = uow.connection.execute(_CONCLUDED, (_PAGE,)).fetchall()
        for amendment_id, trade_id, applied in rows:
            settlement.conclude_amendment(amendment_id, trade_id, applied)
            uow.connection.execute(
                "update admin.amendments set state = 'DONE' where amendment_id = %s",
                (amendment_id,),
            )
        uow.commit()
    return len(rows)


def _begin(source: PoolSource, trade_id: int) -> int:
    with UnitOfWork(source) as uow:
        row = uow.connection.execute(
            "insert into admin.amendments (trade_id) values (%s) returning amendment_id",
            (trade_id,),
        ).fetchone()
        uow.commit()
    assert row is not None
    return int(row[0])


def _finish(source: PoolSource, amendment_id: int) -> None:
    """Note that settlement has nothing to be told: it refused."""
    with UnitOfWork(source) as uow:
        uow.connection.execute(
            "update admin.amendments set state = 'DONE' "
            "where amendment_id = %s and state = 'ASKED'",
            (amendment_id,),
        )
        uow.commit()


def _sent(amendment_id: int) -> Callable[[UnitOfWork, int], None]:
    """Return what marks an amendment as sent, with its command, unless it was given up."""

    def mark(uow: UnitOfWork, command_id: int) -> None:
        marked = uow.connection.execute(
            "update admin.amendments set state = 'SENT', command_id = %s "
            "where amendment_id = %s and state = 'ASKED'",
            (command_id, amendment_id),
        )
        if marked.rowcount != 1:
            raise Problem(*_REFUSALS["WITHDRAWN"])

    return mark
