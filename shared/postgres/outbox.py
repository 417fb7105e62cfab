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
        reject_code integer,
        shard_answers jsonb
    );
    create index on <schema>.engine_outbox (outbox_id) where answered_at is null;
    create index on <schema>.engine_outbox (account_id, outbox_id) where answered_at is null;
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from psycopg import sql
from psycopg.types.json import Jsonb

from shared.domain import records as r
from shared.domain.command_codec import decode_administrative
from shared.domain.reject_codes import RejectCode
from shared.ports.engine import CommandResult, Engine, EngineError, ShardsUnavailable
from shared.postgres.pool import PoolSource
from shared.postgres.unit_of_work import UnitOfWork

# The engine may accept these later: an account that is still on its way, a table being enlarged.
RETRYABLE: Final = frozenset({RejectCode.UNKNOWN_ACCOUNT, RejectCode.CAPACITY})

_MAX_PAGES: Final = 100
LONGEST_S: Final = 5.0  # one call sends no longer: what a function sent and did not commit is lost
_LAST: Final = (1 << 63) - 1


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

        Of several engines, those that are left go on: a command for all is then sent to them and
        waits for the rest, and none passes an earlier one at the same engine. Two senders cannot
        pass each other: rows are locked while they are sent. `on_answer` runs in the transaction
        that marks the row, so a service can advance its own state with it. What was sent but not
        marked is sent again; the engine knows its id.
        """
        answers: list[Answer] = []
        until_s: float | None = None
        with UnitOfWork(source) as uow:
            for outbox_id, command_id, words, trace in self._waiting(uow, account_id, limit):
                if until_s is None:
                    until_s = time.monotonic() + LONGEST_S
                elif time.monotonic() > until_s:
                    break
                try:
                    result = engine.submit(decode_administrative(words), traceparent=trace)
                except EngineError as error:
                    self._record_failure(uow, outbox_id, error)
                    if error.others is None:
                        break
                    engine = error.others
                    continue
                answer = _answer(command_id, words, result)
                self._record(uow, answer, result)
                if answer.reject_code in RETRYABLE:
                    continue
                answers.append(answer)
                if on_answer is not None:
                    on_answer(uow, answer)
            left = self._count_waiting(uow, account_id)
            uow.commit()
        return SendReport(answers, left)

    def _waiting(
        self, uow: UnitOfWork, account_id: int | None, limit: int
    ) -> Iterator[tuple[int, int, list[int], str]]:
        """Yield waiting commands, locked, `limit` at a time.

        The reader stops when the engine fails. What waits for an engine that is away must not hide
        what is behind it, so there is a further page whenever the one before stayed waiting.
        """
        after = 0
        for _ in range(_MAX_PAGES):
            page = self._lock_waiting(uow, account_id, after, limit)
            yield from page
            if len(page) < limit or self._count_waiting(uow, account_id, page[-1][0]) == 0:
                return
            after = page[-1][0]

    def _lock_waiting(
        self, uow: UnitOfWork, account_id: int | None, after: int, limit: int
    ) -> list[tuple[int, int, list[int], str]]:
        query = sql.SQL(
            "select outbox_id, command_id, words, traceparent from {} where answered_at is null "
            "and (%s::bigint is null or account_id = %s) and outbox_id > %s "
            "order by outbox_id limit %s for update"
        ).format(self._table)
        return uow.connection.execute(query, (account_id, account_id, after, limit)).fetchall()

    def _record_failure(self, uow: UnitOfWork, outbox_id: int, error: EngineError) -> None:
        """Keep what the engines said that did answer; the command goes on waiting."""
        if not isinstance(error, ShardsUnavailable):
            return
        said = _said(error.answers) | {str(shard): {"away": True} for shard in error.failures}
        uow.connection.execute(
            sql.SQL(
                "update {} set attempts = attempts + 1, shard_answers = %s where outbox_id = %s"
            ).format(self._table),
            (Jsonb(said), outbox_id),
        )

    def _record(self, uow: UnitOfWork, answer: Answer, result: CommandResult) -> None:
        uow.connection.execute(
            sql.SQL(
                "update {} set attempts = attempts + 1, engine_sequence = %s, reject_code = %s, "
                "answered_at = case when %s then null else clock_timestamp() end, "
                "shard_answers = %s "
                "where command_id = %s"
            ).format(self._table),
            (
                answer.sequence,
                answer.reject_code,
                answer.reject_code in RETRYABLE,
                Jsonb(_said(result.parts)) if result.parts else None,
                answer.command_id,
            ),
        )

    def _count_waiting(self, uow: UnitOfWork, account_id: int | None, up_to: int = _LAST) -> int:
        query = sql.SQL(
            "select count(*) from {} where answered_at is null "
            "and (%s::bigint is null or account_id = %s) and outbox_id <= %s"
        ).format(self._table)
        row = uow.connection.execute(query, (account_id, account_id, up_to)).fetchone()
        assert row is not None
        return int(row[0])


def _answer(command_id: int, words: Sequence[int], result: CommandResult) -> Answer:
    kind, account_id = words[r.C_HEADER] & 0xFF, words[r.C_ACCOUNT]
    return Answer(command_id, kind, account_id, *outcome_of(result))


def outcome_of(result: CommandResult) -> tuple[int, RejectCode | None]:
    """Return the sequence at which a command was carried out, or at which and why it was refused.

    One that the engine knew already was carried out the first time.
    """
    refusal = next((event for event in result.events if event.kind == r.REJECTED), None)
    if refusal is None:
        return result.sequence, None
    if refusal.reject_code is RejectCode.DUPLICATE_ID:
        return refusal.words[r.E_FIRST_SEQUENCE], None
    return result.sequence, refusal.reject_code


def _said(parts: Sequence[CommandResult]) -> dict[str, dict[str, int | bool | None]]:
    """Return what engines answered to a command that is for all, by shard."""
    said: dict[str, dict[str, int | bool | None]] = {}
    for part in parts:
        sequence, code = outcome_of(part)
        said[str(part.shard)] = {"sequence": sequence, "code": code}
    return said
