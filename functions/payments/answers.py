"""Maps what the payments service knows to the answers of its API, and back."""

import uuid
from dataclasses import dataclass
from typing import Any, Final

from functions.payments.models import DepositAnswer, WithdrawalAnswer
from functions.payments.store import Deposit, Withdrawal
from shared.domain.money import from_minor
from shared.edge.auth import Principal
from shared.edge.problems import Problem

_MAX_ID: Final = 255


@dataclass(frozen=True, slots=True)
class WebhookEvent:
    """What a webhook is about; its copy of the object is not read."""

    event_id: str
    type: str
    object_id: str


def deposit(stored: Deposit | None) -> DepositAnswer:
    """Return a deposit; raise the 404 Problem when the user has no such one."""
    if stored is None:
        raise Problem(404, "deposit_not_found", "You have no such deposit.")
    return DepositAnswer(
        deposit_id=str(stored.deposit_id),
        status=stored.status,
        amount=from_minor(stored.amount_minor, stored.currency),
        currency=stored.currency,
        reason=stored.reason,
    )


def withdrawal(stored: Withdrawal | None) -> WithdrawalAnswer:
    """Return a withdrawal; raise the 404 Problem when the user has no such one."""
    if stored is None:
        raise Problem(404, "withdrawal_not_found", "You have no such withdrawal.")
    return WithdrawalAnswer(
        withdrawal_id=str(stored.withdrawal_id),
        status=stored.status,
        amount=from_minor(stored.amount_minor, stored.currency),
        currency=stored.currency,
        reason=stored.reason,
    )


def account_for(principal: Principal, currency: str) -> int:
    """Return the principal's account; raise the Problem when it has none in this currency."""
    account_id = principal.trading_account()
    if principal.account_currency != currency:
        raise Problem(422, "currency_mismatch", f"Your account is in {principal.account_currency}.")
    return account_id


def path_id(text: str, what: str) -> uuid.UUID:
    """Return the id in a path; raise the 404 Problem for anything that is no id."""
    try:
        found = uuid.UUID(text)
    except ValueError:
        found = None
    if found is None or str(found) != text:
        raise Problem(404, f"{what}_not_found", f"You have no such {what}.")
    return found


def webhook_event(document: Any) -> WebhookEvent | None:
    """Return what a genuine webhook is about, None when it does not look like one."""
    body = document if isinstance(document, dict) else {}
    data = body.get("data")
    thing = data.get("object") if isinstance(data, dict) else None
    object_id = thing.get("id") if isinstance(thing, dict) else None
    parts = (body.get("id"), body.get("type"), object_id)
    if not all(isinstance(part, str) and 0 < len(part) <= _MAX_ID for part in parts):
        return None
    return WebhookEvent(*(str(part) for part in parts))
