"""The public API as a user of the local stack calls it: plain HTTP, nothing behind its back.

Provisioning, the demo, the end-to-end tests and `trading token` all come in through here.
"""

import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

import httpx

Json = dict[str, Any]

_TIMEOUT_S: Final = 30.0


class ApiError(Exception):
    """The API answered with a problem (RFC 9457)."""

    def __init__(self, method: str, path: str, response: httpx.Response) -> None:
        try:
            self.problem: Json = response.json()
        except json.JSONDecodeError:
            self.problem = {}
        self.status = response.status_code
        self.code = str(self.problem.get("code", ""))
        self.retry_after = response.headers.get("retry-after", "")
        detail = self.problem.get("detail") or response.text[:300]
        super().__init__(f"{method} {path}: {self.status} {self.code}: {detail}")


@dataclass(frozen=True, slots=True)
class ApiAddress:
    """Where one deployment's API is and how its users log in."""

    api_url: str  # without a trailing slash
    identity_url: str  # the Cognito endpoint
    client_id: str


@dataclass(frozen=True, slots=True)
class NewUser:
    """What a person types in to register."""

    email: str
    password: str
    given_name: str
    family_name: str
    date_of_birth: str = "1990-04-01"
    country: str = "DE"
    currency: str = "USD"


class ApiClient:
    """One user's, or nobody's, view of the API. Answers are parsed JSON; problems are raised.

    A token is fetched at the first call that needs one and again by `log_in`, which is also how an
    account number that came into being after the login reaches the token.
    """

    def __init__(self, address: ApiAddress, email: str = "", password: str = "") -> None:
        self.address = address
        self.email = email
        self._password = password
        self._token = ""
        self._http = httpx.Client(base_url=address.api_url, timeout=_TIMEOUT_S, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    # --- login ---------------------------------------------------------------------------------

    def log_in(self) -> str:
        """Return a new access token from the identity provider (OAuth 2.0, JWT)."""
        body = {
            "AuthFlow": "USER_PASSWORD_AUTH",
            "ClientId": self.address.client_id,
            "AuthParameters": {"USERNAME": self.email, "PASSWORD": self._password},
        }
        response = self._http.post(
            self.address.identity_url,
            content=json.dumps(body),
            headers={
                "content-type": "application/x-amz-json-1.1",
                "x-amz-target": "AWSCognitoIdentityProviderService.InitiateAuth",
            },
        )
        if response.is_error:
            raise ApiError("POST", "InitiateAuth", response)
        self._token = str(response.json()["AuthenticationResult"]["AccessToken"])
        return self._token

    @property
    def token(self) -> str:
        return self._token or self.log_in()

    # --- calls ---------------------------------------------------------------------------------

    def request(
        self,
        method: str,
        path: str,
        body: Json | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        authorized: bool = True,
    ) -> httpx.Response:
        """Send one request and return the answer as it came, also when it is a problem."""
        sent = dict(headers or {})
        if authorized and self.email:
            sent.setdefault("authorization", f"Bearer {self.token}")
        return self._http.request(method, path, json=body, headers=sent)

    def call(
        self, method: str, path: str, body: Json | None = None, *, idempotency_key: str = ""
    ) -> Json:
        """Send one request and return its JSON; raise ApiError for 4xx and 5xx."""
        headers = {"idempotency-key": idempotency_key} if idempotency_key else {}
        response = self.request(method, path, body, headers=headers)
        if response.is_error:
            raise ApiError(method, path, response)
        answer: Json = response.json() if response.content else {}
        return answer

    # --- use cases -----------------------------------------------------------------------------

    def register(self, user: NewUser) -> None:
        self.call(
            "POST",
            "/api/v1/users",
            {
                "email": user.email,
                "password": user.password,
                "given_name": user.given_name,
                "family_name": user.family_name,
                "date_of_birth": user.date_of_birth,
                "country": user.country,
                "currency": user.currency,
            },
        )

    def profile(self) -> Json:
        return self.call("GET", "/api/v1/users/me")

    def balances(self) -> Json:
        return self.call("GET", "/api/v1/users/me/balances")

    def deposit(self, amount: str, currency: str, payment_method: str = "pm_card_visa") -> Json:
        body = {"amount": amount, "currency": currency, "payment_method": payment_method}
        return self.call("POST", "/api/v1/deposits", body, idempotency_key=str(uuid.uuid4()))

    def place_order(
        self,
        symbol: str,
        side: str,
        quantity: str,
        price: str | None = None,
        time_in_force: str = "GTC",
        client_order_id: str | None = None,
    ) -> Json:
        """Place a limit order, or a market order when no price is given."""
        body: Json = {"symbol": symbol, "side": side, "quantity": quantity}
        if price is None:
            body["type"] = "MARKET"
        else:
            body |= {"type": "LIMIT", "price": price, "time_in_force": time_in_force}
        if client_order_id is not None:
            body["client_order_id"] = client_order_id
        return self.call("POST", "/api/v1/orders", body)

    def order(self, order_id: str) -> Json:
        return self.call("GET", f"/api/v1/orders/{order_id}")

    def order_entry_token(self) -> str:
        return str(self.call("POST", "/api/v1/order-entry/tokens")["token"])

    def token_source(self) -> Callable[[], str]:
        """Return what the order-entry client calls for each logon."""
        return self.order_entry_token
