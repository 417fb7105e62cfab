"""The users service's tables."""

import uuid
from dataclasses import dataclass
from datetime import date

from shared.postgres.unit_of_work import UnitOfWork

_COLUMNS = (
    "u.user_id, u.email, u.subject, u.given_name, u.family_name, u.date_of_birth, u.country, "
    "u.currency, u.kyc_status, a.account_id, k.applicant_id, k.check_id"
)
_FROM = (
    "users.users u left join users.accounts a on a.user_id = u.user_id and a.currency = u.currency "
    "left join users.kyc_checks k on k.user_id = u.user_id"
)


@dataclass(frozen=True, slots=True)
class User:
    """A user with the account and the identity check, when there are."""

    user_id: uuid.UUID
    email: str
    subject: str | None
    given_name: str
    family_name: str
    date_of_birth: date
    country: str
    currency: str
    kyc_status: str
    account_id: int | None = None
    applicant_id: str | None = None
    check_id: str | None = None


def add_user(uow: UnitOfWork, user: User, trace_id: str) -> bool:
    """Store a new user; return False when the address is known."""
    cursor = uow.connection.execute(
        "insert into users.users (user_id, email, given_name, family_name, date_of_birth, country, "
        "currency, trace_id) values (%s, %s, %s, %s, %s, %s, %s, %s) on conflict do nothing",
        (
            user.user_id,
            user.email,
            user.given_name,
            user.family_name,
            user.date_of_birth,
            user.country,
            user.currency,
            trace_id,
        ),
    )
    return cursor.rowcount == 1


def set_subject(uow: UnitOfWork, email: str, subject: str) -> None:
    """Join a stored user with its entry in the identity pool, once."""
    uow.connection.execute(
        "update users.users set subject = %s, updated_at = clock_timestamp() "
        "where email = %s and subject is null",
        (subject, email),
    )


def forget_unregistered(uow: UnitOfWork, user_id: uuid.UUID) -> None:
    """Delete a user whom the identity pool does not know."""
    uow.connection.execute(
        "delete from users.users where user_id = %s and subject is null", (user_id,)
    )


def user_by_subject(uow: UnitOfWork, subject: str) -> User | None:
    return _one(uow, "u.subject = %s", subject)


def user_by_email(uow: UnitOfWork, email: str) -> User | None:
    return _one(uow, "u.email = %s", email)


def user_by_check(uow: UnitOfWork, check_id: str) -> User | None:
    return _one(uow, "k.check_id = %s", check_id)


def lock_user(uow: UnitOfWork, user_id: uuid.UUID) -> User | None:
    """Return a user and let nobody else change it before this unit of work ends."""
    uow.connection.execute("select from users.users where user_id = %s for update", (user_id,))
    return _one(uow, "u.user_id = %s", user_id)


def unfinished_users(uow: UnitOfWork, *, older_than_s: float, limit: int) -> list[User]:
    """Return users whose registration or identity check is under way, longest waiting first."""
    rows = uow.connection.execute(
        f"select {_COLUMNS} from {_FROM} where u.kyc_status in ('PENDING', 'IN_PROGRESS') "
        "and u.updated_at < clock_timestamp() - make_interval(secs => %s) "
        "order by u.updated_at limit %s",
        (older_than_s, limit),
    )
    return [User(*row) for row in rows]


def touch(uow: UnitOfWork, user_id: uuid.UUID) -> None:
    """Put a user at the end of the queue of the unfinished."""
    uow.connection.execute(
        "update users.users set updated_at = clock_timestamp() where user_id = %s", (user_id,)
    )


def set_country(uow: UnitOfWork, subject: str, country: str) -> None:
    uow.connection.execute(
        "update users.users set country = %s, updated_at = clock_timestamp() where subject = %s",
        (country, subject),
    )


def set_kyc_status(uow: UnitOfWork, user_id: uuid.UUID, status: str) -> None:
    uow.connection.execute(
        "update users.users set kyc_status = %s, updated_at = clock_timestamp() where user_id = %s",
        (status, user_id),
    )


def save_applicant(uow: UnitOfWork, user_id: uuid.UUID, applicant_id: str) -> str:
    """Keep the provider's applicant for a user, unless there is one; return the one kept."""
    uow.connection.execute(
        "insert into users.kyc_checks (user_id, applicant_id) values (%s, %s) "
        "on conflict (user_id) do nothing",
        (user_id, applicant_id),
    )
    row = uow.connection.execute(
        "select applicant_id from users.kyc_checks where user_id = %s", (user_id,)
    ).fetchone()
    assert row is not None
    return str(row[0])


def save_check(
    uow: UnitOfWork, user_id: uuid.UUID, check_id: str, status: str, result: str
) -> None:
    uow.connection.execute(
        "update users.kyc_checks set check_id = %s, status = %s, result = %s, "
        "updated_at = clock_timestamp() where user_id = %s",
        (check_id, status, result, user_id),
    )


def open_account(uow: UnitOfWork, user_id: uuid.UUID, currency: str) -> int:
    """Return the id of the user's new trading account."""
    row = uow.connection.execute(
        "insert into users.accounts (user_id, currency) values (%s, %s) returning account_id",
        (user_id, currency),
    ).fetchone()
    assert row is not None
    return int(row[0])


def _one(uow: UnitOfWork, condition: str, value: object) -> User | None:
    row = uow.connection.execute(
        f"select {_COLUMNS} from {_FROM} where {condition}", (value,)
    ).fetchone()
    return None if row is None else User(*row)
