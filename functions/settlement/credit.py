"""Credit between engines as reconciliation sees it: what has left one and not reached another."""

from collections import defaultdict
from typing import Final

from functions.settlement.reconciliation import Break
from shared.domain.credit import credit_move_id, credit_undo_id
from shared.hotpath_client import ShardedEngine
from shared.ports.engine import Engine
from shared.postgres.pool import PoolSource
from shared.postgres.unit_of_work import UnitOfWork

_STUCK_AFTER_S: Final = 600


def in_transit(source: PoolSource, engine: Engine) -> dict[int, int]:
    """Return, by account, the cash that is at no engine, for the moves that are under way.

    The engines' word counts and not the moves' stored state, which may lag behind by an answer
    that nobody stored.
    """
    with UnitOfWork(source) as uow:
        moves = uow.connection.execute(
            "select number, account_id, from_shard, to_shard, amount_minor "
            "from settlement.credit_under_way"
        ).fetchall()
    found: dict[int, int] = defaultdict(int)
    for number, account_id, from_shard, to_shard, amount_minor in moves:
        assert isinstance(engine, ShardedEngine), "one engine has nobody to move credit to"
        origin, target = engine.shard(from_shard), engine.shard(to_shard)
        has_left = origin.order(credit_move_id(number)) is not None
        is_back = origin.order(credit_undo_id(number)) is not None
        has_arrived = target.order(credit_move_id(number)) is not None
        if has_left and not is_back and not has_arrived:
            found[account_id] += amount_minor
    return dict(found)


def stuck(uow: UnitOfWork) -> list[Break]:
    """Return the moves that have been under way for so long that somebody has to look at them."""
    rows = uow.connection.execute(
        "select account_id, number, state from settlement.credit_under_way "
        "where updated_at < clock_timestamp() - make_interval(secs => %s)",
        (_STUCK_AFTER_S,),
    )
    return [Break("credit_under_way", row[0], str(row[1]), "DONE", row[2]) for row in rows]
