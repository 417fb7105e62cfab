"""Account limits: decided here, stored with the command that carries them to the engine."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from shared.domain.commands import SetLimits
from shared.domain.ids import MAX_ACCOUNT_ID, SOURCE_RISK, administrative_id
from shared.domain.records import NO_LIMIT
from shared.ports.engine import Engine
from shared.postgres.outbox import Answer, Outbox, SendReport
from shared.postgres.pool import PoolSource
from shared.postgres.unit_of_work import UnitOfWork
from shared.wire.stream_events import RiskEvent

_OUTBOX: Final = Outbox("risk")


@dataclass(frozen=True, slots=True)
class Limits:
    """What an account may do; None is no limit, 0 allows nothing."""

    max_order_lots: int | None
    max_order_value_minor: int | None
    max_position_lots: int | None
    max_open_orders: int | None


@dataclass(frozen=True, slots=True)
class KnownLimits:
    """An account's newest limits; `in_force` once the engine has taken them."""

    limits: Limits
    in_force: bool


UNLIMITED: Final = Limits(None, None, None, None)


def decide_limits(
    uow: UnitOfWork, account_id: int, limits: Limits, decided_by: str, traceparent: str
) -> int:
    """Store limits and the command that sets them in the engine; return the command's id.

    Raises
    ------
    ValueError
        For an account id or a limit out of bounds.
    """
    if not 1 <= account_id <= MAX_ACCOUNT_ID:
        raise ValueError("account id out of bounds")
    for value in _values(limits):
        if value is not None and not 0 <= value <= NO_LIMIT:
            raise ValueError("limit out of bounds")
    row = uow.connection.execute("select nextval('risk.command_numbers')").fetchone()
    assert row is not None
    command_id = administrative_id(SOURCE_RISK, int(row[0]))
    uow.connection.execute(
        "insert into risk.risk_limits as l (account_id, max_order_lots, max_order_value_minor, "
        "max_position_lots, max_open_orders, command_id, decided_by) "
        "values (%s, %s, %s, %s, %s, %s, %s) on conflict (account_id) do update set "
        "max_order_lots = excluded.max_order_lots, "
        "max_order_value_minor = excluded.max_order_value_minor, "
        "max_position_lots = excluded.max_position_lots, "
        "max_open_orders = excluded.max_open_orders, command_id = excluded.command_id, "
        "decided_by = excluded.decided_by, decided_at = clock_timestamp(), "
        "confirmed_sequence = null, reject_code = null",
        (account_id, *_values(limits), command_id, decided_by),
    )
    in_engine = [NO_LIMIT if value is None else value for value in _values(limits)]
    command = SetLimits(command_id, account_id, *in_engine)
    _OUTBOX.enqueue(uow, command_id, command.words(), traceparent)
    return command_id


def send_decided(
    source: PoolSource, engine: Callable[[], Engine], account_id: int | None = None
) -> SendReport:
    """Send waiting limits to the engine and note what it said; with an account only its own."""
    return _OUTBOX.send_pending(engine(), source, account_id=account_id, on_answer=_note)


def limits_of(uow: UnitOfWork, account_id: int) -> KnownLimits | None:
    """Return an account's newest limits, or None when none are known.

    A decision that the engine has not answered comes first; then what it took or told last.
    """
    rows = uow.connection.execute(
        "select max_order_lots, max_order_value_minor, max_position_lots, max_open_orders, "
        "confirmed_sequence from risk.risk_limits "
        "where account_id = %s and reject_code is null "
        "union all select max_order_lots, max_order_value_minor, max_position_lots, "
        "max_open_orders, engine_sequence from risk.engine_limits where account_id = %s "
        "order by 5 desc nulls first limit 1",
        (account_id, account_id),
    ).fetchall()
    for *values, sequence in rows:
        known = Limits(*(None if value == NO_LIMIT else value for value in values))
        return KnownLimits(known, sequence is not None)
    return None


def store_engine_limits(uow: UnitOfWork, events: Iterable[RiskEvent]) -> None:
    """Keep the limits that the engine tells of, the newest of each account.

    Every engine tells of them, and sequences of different ones cannot be compared, so the word of
    the one with the lowest number counts.
    """
    for event in events:
        uow.connection.execute(
            "insert into risk.engine_limits as l (account_id, max_order_lots, "
            "max_order_value_minor, max_position_lots, max_open_orders, engine_sequence, shard) "
            "values (%s, %s, %s, %s, %s, %s, %s) on conflict (account_id) do update set "
            "max_order_lots = excluded.max_order_lots, "
            "max_order_value_minor = excluded.max_order_value_minor, "
            "max_position_lots = excluded.max_position_lots, "
            "max_open_orders = excluded.max_open_orders, "
            "engine_sequence = excluded.engine_sequence, shard = excluded.shard "
            "where (-excluded.shard, excluded.engine_sequence) > (-l.shard, l.engine_sequence)",
            (int(event.account_id), *event.limits, event.sequence, event.shard),
        )


def _note(uow: UnitOfWork, answer: Answer) -> None:
    uow.connection.execute(
        "update risk.risk_limits set confirmed_sequence = %s, reject_code = %s "
        "where command_id = %s",
        (answer.sequence if answer.accepted else None, answer.reject_code, answer.command_id),
    )


def _values(limits: Limits) -> tuple[int | None, ...]:
    return (
        limits.max_order_lots,
        limits.max_order_value_minor,
        limits.max_position_lots,
        limits.max_open_orders,
    )
