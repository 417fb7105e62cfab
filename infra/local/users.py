"""The stack's ready users: their passwords, and the way from registration to a funded account."""

import json
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from infra.local import aws, deploy, keys
from infra.local.api import ApiAddress, ApiClient, ApiError, NewUser
from infra.local.errors import StackError
from infra.local.settings import Settings

_DOMAIN: Final = "trading.example"
_READY_TIMEOUT_S: Final = 30.0
_POLL_S: Final = 0.2
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Person:
    """Whom to register, and what to fund the account with, in major units of its currency."""

    name: str
    given_name: str
    family_name: str
    deposit: str
    currency: str = "USD"

    @property
    def email(self) -> str:
        return f"{self.name}@{_DOMAIN}"


PEOPLE: Final = {
    person.name: person
    for person in (
        Person("alice", "Alice", "Archer", "50000.00"),
        Person("bob", "Bob", "Baker", "50000.00"),
        Person("maker", "Market", "Maker", "5000000.00"),
    )
}


def address(settings: Settings) -> ApiAddress:
    """Return where the deployed API is."""
    outputs = deploy.require(settings).outputs
    return ApiAddress(
        api_url=deploy.api_url(settings),
        identity_url=settings.aws_endpoint,
        client_id=outputs["UserPoolClientId"],
    )


def client(settings: Settings, name: str) -> ApiClient:
    """Return the API as one of PEOPLE sees it; raise StackError for any other name."""
    if name not in PEOPLE:
        raise StackError(f"no user {name}: there are {', '.join(PEOPLE)}")
    return ApiClient(address(settings), PEOPLE[name].email, password(settings, name))


def password(settings: Settings, name: str) -> str:
    """Return a user's password, made on first use and kept with the state folder's keys."""
    file = settings.keys / "users.json"
    known: dict[str, str] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    if name not in known:
        known[name] = f"Aa1{secrets.token_urlsafe(18)}"
        keys.write_private(file, json.dumps(known, indent=1) + "\n")
    return known[name]


def remembered_accounts(settings: Settings) -> dict[str, int]:
    """Return the account numbers that earlier runs found, by name."""
    file = settings.state / "accounts.json"
    known: dict[str, int] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    return known


def remember_accounts(settings: Settings, accounts: Mapping[str, int]) -> None:
    keys.write_private(settings.state / "accounts.json", json.dumps(accounts) + "\n")


def has_login(settings: Settings, name: str) -> bool:
    """Return whether the user pool knows one of PEOPLE."""
    client = aws.cognito(settings)
    pool_id = deploy.require(settings).outputs["UserPoolId"]
    try:
        client.admin_get_user(UserPoolId=pool_id, Username=PEOPLE[name].email)
    except client.exceptions.UserNotFoundException:
        return False
    return True


def ensure_verified(api: ApiClient, person: Person, secret: str) -> Mapping[str, Any]:
    """Return the profile of a verified user with a trading account; register one who is new.

    The login is renewed until the token carries the account.
    """
    try:
        api.log_in()
    except ApiError:
        with ApiClient(api.address) as anonymous:
            anonymous.register(
                NewUser(
                    email=person.email,
                    password=secret,
                    given_name=person.given_name,
                    family_name=person.family_name,
                    currency=person.currency,
                )
            )

    def verified() -> Mapping[str, Any] | None:
        try:
            profile = api.profile()
            if profile["kyc_status"] != "APPROVED" or not profile["account_id"]:
                return None
            api.log_in()  # only a token made after the account carries it
        except ApiError as error:
            if error.status >= 500:
                raise
            return None
        return profile

    return wait_for(f"the identity check of {person.name}", verified)


def ensure_funded(api: ApiClient, person: Person) -> None:
    """Deposit through the payment provider unless the account has cash, and wait for it."""
    if has_cash(api):
        return
    deposit = api.deposit(person.deposit, person.currency)

    def arrived() -> bool | None:
        status = api.call("GET", f"/api/v1/deposits/{deposit['deposit_id']}")["status"]
        if status in ("FAILED", "QUARANTINED"):
            raise StackError(f"the deposit of {person.name} ended as {status}")
        return True if status == "SUCCEEDED" and has_cash(api) else None

    wait_for(f"the deposit of {person.name}", arrived)


def has_cash(api: ApiClient) -> bool:
    """Return whether the engine knows of any cash of the account, reserved or not."""
    try:
        return float(api.balances()["total"]) > 0
    except ApiError as error:
        if error.status == 404:
            return False
        raise


def wait_for(what: str, ready: Callable[[], _Result | None]) -> _Result:
    """Return the first result that is not None; raise StackError when none comes in time."""
    deadline = time.monotonic() + _READY_TIMEOUT_S
    while time.monotonic() < deadline:
        result = ready()
        if result is not None:
            return result
        time.sleep(_POLL_S)
    raise StackError(
        f"{what} did not end within {_READY_TIMEOUT_S:.0f} s; see `logs/` in the state"
    )
