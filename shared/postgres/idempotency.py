"""Idempotency keys: one execution per key, its answer kept byte for byte.

Each service's schema holds one table, made by its migration:

    create table <schema>.idempotency_keys (
        scope text not null,                -- user and route
        key text not null,
        request_hash bytea not null,
        owner uuid not null,                -- which execution holds the key
        held_until timestamptz not null,    -- after this another may take an unanswered key over
        status integer,                     -- the answer, once there is one
        content_type text,
        body bytea,
        created_at timestamptz not null default now(),
        primary key (scope, key)
    );
    create index on <schema>.idempotency_keys (created_at);
"""

import uuid
from dataclasses import dataclass
from typing import Final

from psycopg import sql

from shared.postgres.pool import PoolSource
from shared.postgres.unit_of_work import UnitOfWork

HOLD_S: Final = 30  # longer than any function may run
# How long an answer is kept. What a forgotten key created has an id made of user, route and key, so
# the same request finds it again.
KEPT_HOURS: Final = 72
_FORGOTTEN_AT_ONCE: Final = 10_000


@dataclass(frozen=True, slots=True)
class SavedAnswer:
    status: int
    content_type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Execute:
    """The caller holds the key and must execute, then `save` or `release`."""

    owner: uuid.UUID


class InFlight:
    """Another execution holds the key."""


class OtherRequest:
    """The key was used for a different request."""


Claim = SavedAnswer | Execute | InFlight | OtherRequest


class IdempotencyStore:
    """The keys of one service, named by its schema."""

    def __init__(self, schema: str, source: PoolSource) -> None:
        self._table = sql.Identifier(schema, "idempotency_keys")
        self._source = source

    def claim(self, scope: str, key: str, request_hash: bytes) -> Claim:
        """Take the key, or tell who has it; an unanswered key whose time ran out is taken over."""
        owner = uuid.uuid4()
        with UnitOfWork(self._source) as uow:
            taken = uow.connection.execute(
                sql.SQL(
                    "insert into {table} as k (scope, key, request_hash, owner, held_until) "
                    "values (%s, %s, %s, %s, clock_timestamp() + make_interval(secs => %s)) "
                    "on conflict (scope, key) do update "
                    "set owner = excluded.owner, held_until = excluded.held_until "
                    "where k.status is null and k.held_until < clock_timestamp() "
                    "and k.request_hash = excluded.request_hash returning 1"
                ).format(table=self._table),
                (scope, key, request_hash, owner, HOLD_S),
            ).fetchone()
            row = uow.connection.execute(
                sql.SQL(
                    "select request_hash, status, content_type, body from {} "
                    "where scope = %s and key = %s"
                ).format(self._table),
                (scope, key),
            ).fetchone()
            uow.commit()
        if taken is not None:
            return Execute(owner)
        if row is None:  # released in between: the next try takes it
            return InFlight()
        found_hash, status, content_type, body = row
        if bytes(found_hash) != request_hash:
            return OtherRequest()
        return InFlight() if status is None else SavedAnswer(status, content_type, bytes(body))

    def save(self, scope: str, key: str, owner: uuid.UUID, answer: SavedAnswer) -> None:
        """Keep the answer, unless another execution took the key over."""
        with UnitOfWork(self._source) as uow:
            uow.connection.execute(
                sql.SQL(
                    "update {} set status = %s, content_type = %s, body = %s "
                    "where scope = %s and key = %s and owner = %s and status is null"
                ).format(self._table),
                (answer.status, answer.content_type, answer.body, scope, key, owner),
            )
            uow.commit()

    def release(self, scope: str, key: str, owner: uuid.UUID) -> None:
        """Give the key back after a failure, so that the request may be tried again at once."""
        with UnitOfWork(self._source) as uow:
            uow.connection.execute(
                sql.SQL(
                    "delete from {} where scope = %s and key = %s and owner = %s and status is null"
                ).format(self._table),
                (scope, key, owner),
            )
            uow.commit()

    def forget_old(self) -> int:
        """Delete keys older than KEPT_HOURS, so many at once as take no time; return how many."""
        with UnitOfWork(self._source) as uow:
            cursor = uow.connection.execute(
                sql.SQL(
                    "delete from {0} where (scope, key) in (select scope, key from {0} "
                    "where created_at < now() - make_interval(hours => %s) "
                    "and (status is not null or held_until < now()) "
                    "order by created_at limit %s for update skip locked)"
                ).format(self._table),
                (KEPT_HOURS, _FORGOTTEN_AT_ONCE),
            )
            uow.commit()
            return cursor.rowcount
