"""Maps what the users service knows to the answers of its API."""

import re
from collections.abc import Sequence
from typing import Any, Final, Literal

from functions.users.models import (
    BalancesAnswer,
    EngineAddress,
    PositionAnswer,
    ProfileAnswer,
)
from functions.users.store import User
from shared.domain import records as r
from shared.domain.money import CURRENCY_BY_NUMBER, from_minor
from shared.edge.problems import Problem
from shared.ports.engine import AccountView, PositionView
from shared.reference import instruments

_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_STATES: Final[dict[int, Literal["ACTIVE", "REDUCING", "HALTED"]]] = {
    r.ACCOUNT_ACTIVE: "ACTIVE",
    r.ACCOUNT_REDUCING: "REDUCING",
    r.ACCOUNT_HALTED: "HALTED",
}


def profile(user: User | None) -> ProfileAnswer:
    """Return a user's profile; raise the 404 Problem when there is none."""
    if user is None:
        raise Problem(404, "user_not_found", "There is no profile for this login.")
    return ProfileAnswer(
        user_id=str(user.user_id),
        email=user.email,
        given_name=user.given_name,
        family_name=user.family_name,
        date_of_birth=user.date_of_birth.isoformat(),
        country=user.country,
        currency=user.currency,
        kyc_status=user.kyc_status,
        account_id=None if user.account_id is None else str(user.account_id),
    )


def balances(view: AccountView | None) -> BalancesAnswer:
    """Return an account's cash and positions; raise the 409 Problem before the engine has it."""
    if view is None:
        raise Problem(
            409, "account_pending", "The account is on its way.", headers={"Retry-After": "2"}
        )
    currency = CURRENCY_BY_NUMBER[view.currency_number]
    return BalancesAnswer(
        account_id=str(view.account_id),
        state=_STATES[view.state],
        currency=currency,
        settled=from_minor(view.settled_minor, currency),
        total=from_minor(view.total_minor, currency),
        reserved=from_minor(view.reserved_minor, currency),
        held=from_minor(view.held_minor, currency),
        available=from_minor(view.available_minor, currency),
        positions=[_position(position) for position in view.positions],
    )


def _position(view: PositionView) -> PositionAnswer:
    instrument = instruments().by_id[view.instrument_id]
    return PositionAnswer(
        symbol=instrument.symbol,
        isin=instrument.isin,
        total=instrument.quantity_text(view.total_lots),
        settled=instrument.quantity_text(view.settled_lots),
        reserved_for_sale=instrument.quantity_text(view.reserved_sell_lots),
    )


def engines(addresses: Sequence[str]) -> list[EngineAddress]:
    """Return where each engine is and what it trades."""
    count = len(addresses)
    return [
        EngineAddress(
            shard=shard,
            address=address,
            symbols=[item.symbol for item in instruments() if item.shard % count == shard],
        )
        for shard, address in enumerate(addresses)
    ]


def check_id_of(webhook: Any) -> str | None:
    """Return the check that a webhook names, None when it is about something else."""
    payload = webhook.get("payload") if isinstance(webhook, dict) else None
    if not isinstance(payload, dict) or payload.get("resource_type") != "check":
        return None
    named = payload.get("object")
    check_id = named.get("id") if isinstance(named, dict) else None
    return check_id if isinstance(check_id, str) and _UUID.fullmatch(check_id) else None


def token_claims(user: User | None) -> dict[str, Any]:
    """Return what the trigger adds to an access token."""
    claims: dict[str, str] = {}
    if user is not None and user.account_id is not None:
        claims = {"account_id": str(user.account_id), "account_currency": user.currency}
    return {
        "claimsAndScopeOverrideDetails": {
            "accessTokenGeneration": {"claimsToAddOrOverride": claims},
            "idTokenGeneration": {"claimsToAddOrOverride": {}},
        }
    }
