"""Who is asking: the claims that the HTTP API's JWT authorizer has verified."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver

from shared.domain.ids import MAX_ACCOUNT_ID
from shared.edge.problems import Problem


@dataclass(frozen=True, slots=True)
class Principal:
    """A user; there is no account until identity checks are passed and a new token is fetched."""

    user_id: str
    account_id: int | None
    account_currency: str  # empty without an account
    groups: frozenset[str]
    scopes: frozenset[str]

    def trading_account(self) -> int:
        """Return the account id; raise the 403 Problem when the user has none."""
        if self.account_id is None:
            raise Problem(
                403,
                "account_not_open",
                "No trading account yet. Fetch a new token once identity checks have passed.",
            )
        return self.account_id


def principal(app: APIGatewayHttpResolver) -> Principal:
    """Return who calls the route being handled; raise the 401 Problem without an access token.

    Signature, issuer, audience and expiry were checked by the API's authorizer. An ID token passes
    that check too, so its use is checked here.
    """
    request: Mapping[str, Any] = app.current_event.raw_event.get("requestContext") or {}
    jwt = (request.get("authorizer") or {}).get("jwt") or {}
    return principal_of(jwt.get("claims") or {})


def principal_of(claims: Mapping[str, Any]) -> Principal:
    """Return the principal that verified claims describe; raise the 401 Problem."""
    user_id = claims.get("sub")
    if not user_id or claims.get("token_use") != "access":
        raise Problem(401, "unauthorized", "Send an access token.")
    return Principal(
        user_id=str(user_id),
        account_id=_account_id(claims.get("account_id")),
        account_currency=str(claims.get("account_currency") or ""),
        groups=_words(claims.get("cognito:groups")),
        scopes=_words(claims.get("scope")),
    )


def _account_id(claim: object) -> int | None:
    text = str(claim or "")
    if not (text.isascii() and text.isdigit() and 0 < len(text) < 11):
        return None
    return int(text) if 1 <= int(text) <= MAX_ACCOUNT_ID else None


def _words(claim: object) -> frozenset[str]:
    """Return a list claim's items: the HTTP API hands it over as "[a b]"."""
    return frozenset(str(claim or "").strip("[]").replace(",", " ").split())
