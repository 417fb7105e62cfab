"""The engine outbox: commands stored with the decision that made them, sent after its commit.

Each service's schema holds one table, made by its migration:

    create table <schema>.engine_outbox (
        outbox_id bigint generated always as identity primary key,
        command_id bigint not null unique,
        account_id bigint not null,
        words bigint[] not null,
        traceparent text not null default '',
        created_at timestamptz not null default now(),
        attempts integer not null default 0,
        answered_at timestamptz,
        engine_sequence bigint,
        reject_code integer
    );
    create index on <schema>.engine_outbox (outbox_id) where answered_at is null;
    create index on <schema>.engine_outbox (account_id, outbox_id) where answered_at is null;
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from psycopg import sql

from shared.domain import records as r
from shared.domain.command_codec import decode_administrative
from shared.domain.reject_codes import RejectCode
from shared.ports.engine import CommandResult, Engine, EngineError
from shared.postgres.pool import PoolSource
from shared.postgres.unit_of_work import UnitOfWork

# The engine may accept these later: an account that is still on its way, a table being enlarged.
RETRYABLE: Final = frozenset({RejectCode.UNKNOWN_ACCOUNT, RejectCode.CAPACITY})


@dataclass(frozen=True, slots=True)
class Answer:
    """What the engine said to one command. `reject_code` is None when it was carried out.

    A command that the engine knew already (DUPLICATE_ID) counts as carried out; `sequence` is then
    the first one's.
    """

    command_id: int
    kind: int
    account_id: int
    sequence: int
    reject_code: RejectCode | None

    @property
    def accepted(self) -> bool:
        return self.reject_code is None


@dataclass(frozen=True, slots=True)
class SendReport:
    """The commands answered by one call, and how many still wait."""

    answers: Sequence[Answer]
    left: int


OnAnswer = Callable[[UnitOfWork, Answer], None]


class Outbox:
    """The outbox of one service, named by its schema."""

    def __init__(self, schema: str) -> None:
        self._table = sql.Identifier(schema, "engine_outbox")

    def enqueue(
        self,
        uow: UnitOfWork,
        command_id: int,
        words: Sequence[int],
        traceparent: str = "",
    ) -> None:
        """Store a command inside the caller's transaction; the same id a second time is a no-op."""
        uow.connection.execute(
            sql.SQL(
                "insert into {} (command_id, account_id, words, traceparent) "
                "values (%s, %s, %s, %s) on conflict (command_id) do nothing"
            ).format(self._table),
            (command_id, words[r.C_ACCOUNT], list(words), traceparent),
        )

    def send_pending(
        self,
        engine: Engine,
        source: PoolSource,
        *,
        account_id: int | None = None,
        limit: int = 100,
        on_answer: OnAnswer | None = None,
    ) -> SendReport:
        """Send waiting commands in the order in which they were stored; stop when the engine fails.

        Two senders cannot pass each other: rows are locked while they are sent. `on_answer` runs in
        the transaction that marks the row, so a service can advance its own state with it. What
        was sent but not marked is sent again; the engine knows its id.
        """
        answers: list[Answer] = []
        with UnitOfWork(source) as uow:
            for command_id, words, traceparent in self._lock_waiting(uow, account_id, limit):
                try:
                    result = engine.submit(decode_administrative(words), traceparent=traceparent)
                except EngineError:
                    break
                answer = _answer(command_id, words, result)
                self._record(uow, answer)
                if answer.reject_code in RETRYABLE:
                    continue
                answers.append(answer)
                if on_answer is not None:
                    on_answer(uow, answer)
            left = self._count_waiting(uow, account_id)
            uow.commit()
        return SendReport(answers, left)

    def _lock_waiting(
        self, uow: UnitOfWork, account_id: int | None, limit: int
    ) -> list[tuple[int, list[int], str]]:
        query = sql.SQL(
            "select command_id, words, traceparent from {} where answered_at is null "
            "and (%s::bigint is null or account_id = %s) order by outbox_id limit %s for update"
        ).format(self._table)
        return uow.connection.execute(query, (account_id, account_id, limit)).fetchall()

    def _record(self, uow: UnitOfWork, answer: Answer) -> None:
        uow.connection.execute(
            sql.SQL(
                "update {} set attempts = attempts + 1, engine_sequence = %s, reject_code = %s, "
                "answered_at = case when %s then null else clock_timestamp() end "
                "where command_id = %s"
            ).format(self._table),
            (
                answer.sequence,
                answer.reject_code,
                answer.reject_code in RETRYABLE,
                answer.command_id,
            ),
        )

    def _count_waiting(self, uow: UnitOfWork, account_id: int | None) -> int:
        query = sql.SQL(
            "select count(*) from {} where answered_at is null "
            "and (%s::bigint is null or account_id = %s)"
        ).format(self._table)
        row = uow.connection.execute(query, (account_id, account_id)).fetchone()
        assert row is not None
        return int(row[0])


def _answer(command_id: int, words: Sequence[int], result: CommandResult) -> Answer:
    kind, account_id = words[r.C_HEADER] & 0xFF, words[r.C_ACCOUNT]
    refusal = next((event for event in result.events if event.kind == r.REJECTED), None)
    if refusal is None:
        return Answer(command_id, kind, account_id, result.sequence, None)
    if refusal.reject_code is RejectCode.DUPLICATE_ID:
        first_sequence = refusal.words[r.E_FIRST_SEQUENCE]
        return Answer(command_id, kind, account_id, first_sequence, None)
    return Answer(command_id, kind, account_id, result.sequence, refusal.reject_code)
