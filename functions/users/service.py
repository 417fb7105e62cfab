"""Use cases of the users service: register, check identity, open the account, look at it."""

import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Protocol

from functions.users import store
from functions.users.store import User
from shared.domain.commands import AddAccount, SetLimits
from shared.domain.ids import SOURCE_USERS, administrative_id
from shared.domain.money import CURRENCIES
from shared.ports.engine import AccountView, Engine
from shared.ports.payments import KycCheck, KycProvider, ProviderRefused, ProviderUnavailable
from shared.postgres.outbox import Outbox, SendReport
from shared.postgres.pool import PoolSource
from shared.postgres.unit_of_work import UnitOfWork

# What a new account may do until risk decides otherwise.
DEFAULT_ORDER_LOTS: Final = 1_000_000
DEFAULT_ORDER_VALUE_MINOR: Final = 100_000_000_00
DEFAULT_POSITION_LOTS: Final = 10_000_000
DEFAULT_OPEN_ORDERS: Final = 10_000

_COMMANDS_PER_ACCOUNT: Final = 8  # cuts the number space of SOURCE_USERS
_ADD_ACCOUNT: Final = 0
_SET_LIMITS: Final = 1

OUTBOX: Final = Outbox("users")


class PasswordRefused(Exception):
    """The identity pool's policy refuses the password."""


class IdentityPool(Protocol):
    """The user pool. Calls may be repeated; InfrastructureUnavailable is raised when it is away."""

    def sign_up(self, email: str, password: str) -> str | None:
        """Return the new user's subject, None for a known address; raise PasswordRefused."""
        ...

    def subject_of(self, email: str) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Users:
    """The service with what it stands on."""

    source: PoolSource
    pool: IdentityPool
    kyc: KycProvider
    engine: Callable[[], Engine]

    # --- registration --------------------------------------------------------------------------

    def register(self, user: User, password: str, trace_id: str) -> None:
        """Register a user and start the identity check.

        A known address changes nothing and looks the same to the caller. What fails half-way is
        finished by `resume`. Raises PasswordRefused.
        """
        with UnitOfWork(self.source) as uow:
            is_new = store.add_user(uow, user, trace_id)
            uow.commit()
        try:
            subject = self.pool.sign_up(user.email, password)
        except PasswordRefused:
            if is_new:
                with UnitOfWork(self.source) as uow:
                    store.forget_unregistered(uow, user.user_id)
                    uow.commit()
            raise
        if subject is None:
            return
        with UnitOfWork(self.source) as uow:
            store.set_subject(uow, user.email, subject)
            stored = store.user_by_email(uow, user.email)
            uow.commit()
        assert stored is not None
        with suppress(ProviderUnavailable, ProviderRefused):  # `resume` starts it then
            self.start_check(stored)

    def resume(self, traceparent: str, *, older_than_s: float = 30, limit: int = 50) -> int:
        """Go on with registrations and checks that stand still; return how many were looked at."""
        with UnitOfWork(self.source) as uow:
            waiting = store.unfinished_users(uow, older_than_s=older_than_s, limit=limit)
        for user in waiting:
            with UnitOfWork(self.source) as uow:
                store.touch(uow, user.user_id)
                uow.commit()
            try:
                self._resume_one(user, traceparent)
            except ProviderRefused:
                continue  # looked at again next time; the log of the provider says why
            except ProviderUnavailable:
                break
        return len(waiting)

    def _resume_one(self, user: User, traceparent: str) -> None:
        if user.subject is None:
            subject = self.pool.subject_of(user.email)
            with UnitOfWork(self.source) as uow:
                if subject is None:
                    store.forget_unregistered(uow, user.user_id)
                else:
                    store.set_subject(uow, user.email, subject)
                uow.commit()
            if subject is None:
                return
        if user.check_id is None or user.applicant_id is None:
            self.start_check(user)
        else:
            check = self.kyc.fetch_check(user.check_id, user.applicant_id)
            self.apply_check(user.user_id, check, traceparent)

    # --- identity check --------------------------------------------------------------------------

    def start_check(self, user: User) -> None:
        """Start the user's identity check, or find the one under way.

        Each of the provider's ids is stored before the next step, so a repeat goes on from there.
        """
        applicant_id = user.applicant_id
        if applicant_id is None:
            created = self.kyc.create_applicant(
                given_name=user.given_name,
                family_name=user.family_name,
                email=user.email,
                date_of_birth=user.date_of_birth,
            )
            with UnitOfWork(self.source) as uow:
                applicant_id = store.save_applicant(uow, user.user_id, created)
                uow.commit()
        check = self.kyc.start_check(applicant_id)
        with UnitOfWork(self.source) as uow:
            locked = store.lock_user(uow, user.user_id)
            if locked is not None and locked.kyc_status == "PENDING":
                store.save_check(uow, user.user_id, check.check_id, check.status, check.result)
                store.set_kyc_status(uow, user.user_id, "IN_PROGRESS")
            uow.commit()

    def on_check_webhook(self, check_id: str, traceparent: str) -> str | None:
        """Fetch the check that a webhook names and apply it; return its outcome, None if unknown.

        What the webhook says of the check's state is not used: it may be late or out of order.
        """
        with UnitOfWork(self.source) as uow:
            user = store.user_by_check(uow, check_id)
        if user is None or user.applicant_id is None:
            return None
        check = self.kyc.fetch_check(check_id, user.applicant_id)
        return self.apply_check(user.user_id, check, traceparent)

    def apply_check(self, user_id: uuid.UUID, check: KycCheck, traceparent: str) -> str:
        """Store a check's state; a clear one opens the trading account, once."""
        with UnitOfWork(self.source) as uow:
            user = store.lock_user(uow, user_id)
            if user is None:
                return "unknown"
            if user.kyc_status in ("APPROVED", "REFUSED"):
                return user.kyc_status.lower()
            store.save_check(uow, user_id, check.check_id, check.status, check.result)
            if check.status != "complete":
                uow.commit()
                return "in_progress"
            if check.result != "clear":
                store.set_kyc_status(uow, user_id, "REFUSED")
                uow.commit()
                return "refused"
            store.set_kyc_status(uow, user_id, "APPROVED")
            self._open_account(uow, user, traceparent)
            uow.commit()
        self.send_pending()
        return "approved"

    def _open_account(self, uow: UnitOfWork, user: User, traceparent: str) -> None:
        account_id = store.open_account(uow, user.user_id, user.currency)
        add = AddAccount(
            _command_id(account_id, _ADD_ACCOUNT), account_id, CURRENCIES[user.currency][0]
        )
        limits = SetLimits(
            _command_id(account_id, _SET_LIMITS),
            account_id,
            max_order_lots=DEFAULT_ORDER_LOTS,
            max_order_value_minor=DEFAULT_ORDER_VALUE_MINOR,
            max_position_lots=DEFAULT_POSITION_LOTS,
            max_open_orders=DEFAULT_OPEN_ORDERS,
        )
        for command in (add, limits):
            OUTBOX.enqueue(uow, command.command_id, command.words(), traceparent)

    def send_pending(self) -> SendReport:
        """Send what waits in the outbox; without the engine it goes on waiting."""
        return OUTBOX.send_pending(self.engine(), self.source)

    # --- looking ---------------------------------------------------------------------------------

    def profile(self, subject: str) -> User | None:
        with UnitOfWork(self.source) as uow:
            return store.user_by_subject(uow, subject)

    def change_country(self, subject: str, country: str) -> User | None:
        with UnitOfWork(self.source) as uow:
            store.set_country(uow, subject, country)
            user = store.user_by_subject(uow, subject)
            uow.commit()
        return user

    def balances(self, account_id: int) -> AccountView | None:
        """Return what the engine holds; None while the account is on its way there."""
        return self.engine().account(account_id)


def _command_id(account_id: int, step: int) -> int:
    return administrative_id(SOURCE_USERS, account_id * _COMMANDS_PER_ACCOUNT + step)
