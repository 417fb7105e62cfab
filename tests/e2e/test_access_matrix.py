"""Who may call which route: every route of the deployed APIs, by everybody, with another's ids."""

import json
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx
import jwt
import pytest

from infra.local import aws, backoffice, deploy, packaging, settlement
from infra.local.api import ApiClient
from infra.local.catching_up import wait_until_caught_up
from tests.support.e2e_load import BUYER, SELLER
from tests.support.e2e_platform import SYMBOL, Platform
from tests.support.waiting import wait_for

pytestmark = pytest.mark.slow

LET_IN: Final = 400  # an empty body is refused, but only behind the door


@dataclass(frozen=True)
class Row:
    """The status for a stranger, the owner, another user and the operator's key.

    The ids in the path are the owner's, whoever calls.
    """

    anonymous: int
    owner: int
    other: int
    operator: int
    body: Mapping[str, Any] | None = None


MEMBERS_OWN: Final = Row(401, 200, 404, 401)  # a thing that belongs to one user
MEMBERS: Final = Row(401, 200, 200, 401)  # what each user sees of her own
PUBLIC: Final = Row(200, 200, 200, 200)
OPERATORS: Final = Row(403, 403, 403, 200)
SIGNED: Final = Row(401, 401, 401, 401, {})  # webhooks: what counts is the provider's signature
_REASON: Final = {"operator": "operator-1", "reason": "access matrix"}
_OPEN: Final = {**_REASON, "session": "CONTINUOUS"}
_TERMS: Final = {"symbol": "ORBT", "price": "25.00", "quantity": "10"}

TABLE: Final[dict[str, Row]] = {
    "POST /api/v1/users": Row(LET_IN, LET_IN, LET_IN, LET_IN, {}),
    "POST /api/v1/webhooks/onfido": SIGNED,
    "POST /api/v1/webhooks/stripe": SIGNED,
    "GET /api/v1/users/me": MEMBERS,
    "PATCH /api/v1/users/me": Row(401, 200, 200, 401, {"country": "DE"}),
    "GET /api/v1/users/me/balances": MEMBERS,
    "POST /api/v1/order-entry/tokens": Row(401, 201, 201, 401),
    "POST /api/v1/deposits": Row(401, LET_IN, LET_IN, 401, {}),
    "GET /api/v1/deposits/{deposit_id}": MEMBERS_OWN,
    "POST /api/v1/withdrawals": Row(401, LET_IN, LET_IN, 401, {}),
    "GET /api/v1/withdrawals/{withdrawal_id}": MEMBERS_OWN,
    "POST /api/v1/orders": Row(401, LET_IN, LET_IN, 401, {}),
    "GET /api/v1/orders": MEMBERS,
    "GET /api/v1/orders/{order_id}": MEMBERS_OWN,
    "GET /api/v1/orders/{order_id}/history": MEMBERS_OWN,
    "GET /api/v1/orders/user/{user_id}": MEMBERS_OWN,
    "PATCH /api/v1/orders/{order_id}": Row(401, 200, 404, 401, {"quantity": "10"}),
    "DELETE /api/v1/orders/{order_id}": MEMBERS_OWN,
    "GET /api/v1/instruments": PUBLIC,
    "GET /api/v1/instruments/{symbol}": PUBLIC,
    "GET /api/v1/instruments/{symbol}/ticker": PUBLIC,
    "GET /api/v1/instruments/{symbol}/history": PUBLIC,
    "GET /api/v1/instruments/{symbol}/trades": PUBLIC,
    "GET /api/v1/instruments/{symbol}/book": PUBLIC,
    "GET /api/v1/risk/positions": MEMBERS,
    "GET /api/v1/risk/limits": MEMBERS,
    "GET /api/v1/settlements": MEMBERS,
    "GET /api/v1/settlements/{instruction_id}": MEMBERS_OWN,
    "GET admin:/accounts/{account_id}": OPERATORS,
    "GET admin:/audit": OPERATORS,
    "GET admin:/settlements/{batch_id}": OPERATORS,
    "POST admin:/instruments/{symbol}/halt": Row(403, 403, 403, 200, _REASON),
    "POST admin:/instruments/{symbol}/resume": Row(403, 403, 403, 200, _REASON),
    # What the engine refuses is a 200 as well, with its refusal.
    "POST admin:/instruments/{symbol}/session": Row(403, 403, 403, 200, _OPEN),
    "POST admin:/instruments/{symbol}/uncross": Row(403, 403, 403, 200, _OPEN),
    "POST admin:/instruments/{symbol}/indicative": Row(403, 403, 403, 202),
    "POST admin:/instruments/{symbol}/end-of-day": Row(403, 403, 403, 200, _REASON),
    "POST admin:/instruments/{symbol}/delist": Row(403, 403, 403, 200, _REASON),
    "POST admin:/market/session": Row(403, 403, 403, 200, _OPEN),
    "POST admin:/market/end-of-day": Row(403, 403, 403, 200, _REASON),
    "POST admin:/kill-switch": Row(403, 403, 403, 200, {**_REASON, "scope": "FIRM", "on": False}),
    "POST admin:/trades/{trade_id}/bust": Row(403, 403, 403, 404, _REASON),
    "POST admin:/trades/{trade_id}/correct": Row(403, 403, 403, 404, {**_REASON, **_TERMS}),
}


def routes() -> set[str]:
    """Return every route that template.yaml and the back office's resources deploy."""
    template = packaging.read_template()["Resources"]
    found = {
        resource["Properties"]["RouteKey"]
        for resource in template.values()
        if resource["Type"] == "AWS::ApiGatewayV2::Route"
    }
    fragment = json.loads(deploy.BACKOFFICE_FRAGMENT.read_text(encoding="utf-8"))
    definition = fragment["Resources"]["BackofficeApi"]["Properties"]["DefinitionBody"]
    return found | {
        f"{method.upper()} admin:{path}"
        for path, methods in definition["paths"].items()
        for method in methods
    }


def test_every_deployed_route_has_a_row_and_every_row_a_route() -> None:
    assert routes() == set(TABLE)


@pytest.fixture(scope="module")
def owner(shared_platform: Platform) -> Iterator[ApiClient]:
    with shared_platform.client(BUYER) as api:
        api.log_in()
        yield api


@pytest.fixture(scope="module")
def other(shared_platform: Platform) -> Iterator[ApiClient]:
    with shared_platform.client(SELLER) as api:
        api.log_in()
        yield api


@pytest.fixture(scope="module")
def ids(shared_platform: Platform, owner: ApiClient, other: ApiClient) -> dict[str, str]:
    """What is the owner's, by the names that the paths give it."""
    bought = owner.place_order(SYMBOL, "BUY", "10", "25.90")
    other.place_order(SYMBOL, "SELL", "10", "25.90")
    profile = owner.profile()
    deposit = owner.deposit("5.00", "USD")["deposit_id"]
    withdrawal = owner.call(
        "POST",
        "/api/v1/withdrawals",
        {"amount": "1.00", "currency": "USD"},
        idempotency_key=str(uuid.uuid4()),
    )["withdrawal_id"]
    wait_for(
        lambda: (
            (
                owner.call("GET", f"/api/v1/deposits/{deposit}")["status"],
                owner.call("GET", f"/api/v1/withdrawals/{withdrawal}")["status"],
            )
            == ("SUCCEEDED", "PAID")
        ),
        timeout_s=90,
        what="deposit and withdrawal",
    )
    wait_until_caught_up(shared_platform.settings)
    output = settlement.settle(shared_platform.settings, "next")["output"]
    assert output["outcome"] == "DONE"
    settlements = owner.call("GET", "/api/v1/settlements")["settlements"]
    shared_platform.settle_down()
    return {
        "user_id": str(_claims(owner)["sub"]),
        "account_id": str(profile["account_id"]),
        "filled_order_id": bought["order_id"],
        "deposit_id": deposit,
        "withdrawal_id": withdrawal,
        "instruction_id": settlements[0]["instruction_id"],
        "batch_id": output["batch_id"],
        "symbol": SYMBOL,
        "trade_id": "1",  # no trade's
    }


def _claims(api: ApiClient) -> dict[str, Any]:
    return jwt.decode(api.token, options={"verify_signature": False})


class Caller:
    """Calls any route of either API in any role."""

    def __init__(self, platform: Platform, owner: ApiClient, other: ApiClient) -> None:
        outputs = deploy.require(platform.settings).outputs
        key = aws.api_gateway(platform.settings).get_api_key(
            apiKey=outputs["BackofficeKeyId"], includeValue=True
        )["value"]
        admin = aws.api_url(platform.settings, outputs["BackofficeApiId"], backoffice.STAGE)
        self._bases = {"": deploy.api_url(platform.settings), "admin:": admin}
        self._headers: dict[str, dict[str, str]] = {
            "anonymous": {},
            "owner": {"authorization": f"Bearer {owner.token}"},
            "other": {"authorization": f"Bearer {other.token}"},
            "operator": {"x-api-key": key},
        }
        self._http = httpx.Client(timeout=30, trust_env=False)

    def call(
        self,
        role: str,
        route: str,
        names: Mapping[str, str],
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        method, path = route.format(**names).split(" ", 1)
        api = "admin:" if path.startswith("admin:") else ""
        return self._http.request(
            method,
            self._bases[api] + path.removeprefix("admin:"),
            headers={**self._headers[role], "idempotency-key": f"matrix-{time.time_ns()}"},
            json=body,
            params=query,
        )

    def close(self) -> None:
        self._http.close()


@pytest.fixture(scope="module")
def caller(shared_platform: Platform, owner: ApiClient, other: ApiClient) -> Iterator[Caller]:
    found = Caller(shared_platform, owner, other)
    yield found
    found.close()


@pytest.fixture
def resting(platform: Platform, owner: ApiClient) -> Iterator[str]:
    """An open order of the owner; its id."""
    order = owner.place_order(SYMBOL, "BUY", "20", "22.90")
    platform.settle_down()
    yield order["order_id"]
    owner.request("DELETE", f"/api/v1/orders/{order['order_id']}")


def state_of(platform: Platform, owner: ApiClient, order_id: str) -> tuple[Any, ...]:
    return (
        platform.row_counts(),
        platform.engine_status().sequence,
        owner.order(order_id),
        owner.balances(),
        owner.profile(),
    )


def wrong_answers(
    caller: Caller, role: str, names: Mapping[str, str], secret: str = ""
) -> Iterator[str]:
    """Call every route in a role; yield what is not as the table says, or shows the secret."""
    for route, row in sorted(TABLE.items()):
        response = caller.call(role, route, names, row.body)
        if response.status_code != getattr(row, role):
            yield f"{role} {route}: {response.status_code} {response.text[:120]}"
        elif secret and secret in response.text:
            yield f"{role} {route} shows {secret}"


@pytest.mark.parametrize("role", ["anonymous", "other"])
def test_nobody_else_reaches_what_is_the_owners(
    platform: Platform,
    owner: ApiClient,
    ids: dict[str, str],
    caller: Caller,
    resting: str,
    role: str,
) -> None:
    before = state_of(platform, owner, resting)
    names = {**ids, "order_id": resting}
    assert list(wrong_answers(caller, role, names, secret=resting)) == []
    assert state_of(platform, owner, resting) == before


def test_the_owner_reaches_what_is_hers(
    ids: dict[str, str], caller: Caller, owner: ApiClient
) -> None:
    wrong = []
    for route in sorted(TABLE):
        row = TABLE[route]
        resting = owner.place_order(SYMBOL, "BUY", "20", "22.90")["order_id"]
        response = caller.call("owner", route, {**ids, "order_id": resting}, row.body)
        if response.status_code != row.owner:
            wrong.append(f"owner {route}: {response.status_code} {response.text[:120]}")
        owner.request("DELETE", f"/api/v1/orders/{resting}")
    assert wrong == []


def test_the_operators_key_opens_the_back_office_and_nothing_else(
    ids: dict[str, str], caller: Caller, resting: str
) -> None:
    names = {**ids, "order_id": resting}
    # In the order of their names, an instrument that is halted is resumed afterwards.
    assert list(wrong_answers(caller, "operator", names)) == []


@pytest.mark.parametrize(
    "route",
    sorted(
        route for route, row in TABLE.items() if row == MEMBERS and route.startswith("GET /api")
    ),
)
def test_another_users_ids_in_the_query_change_nothing(
    ids: dict[str, str], caller: Caller, route: str
) -> None:
    own = caller.call("other", route, ids)
    asked = caller.call(
        "other", route, ids, query={name: ids[name] for name in ("user_id", "account_id")}
    )
    if asked.status_code == 200:
        assert without_source(asked) == without_source(own)
    assert ids["user_id"] not in asked.text
    assert ids["filled_order_id"] not in asked.text


def without_source(response: httpx.Response) -> dict[str, Any]:
    """Return an answer without which store it came from: the first one fills the cache."""
    answer: dict[str, Any] = response.json()
    answer.pop("source", None)
    return answer


BODIES: Final[dict[str, dict[str, Any]]] = {
    "POST /api/v1/orders": {
        "symbol": SYMBOL,
        "side": "BUY",
        "type": "LIMIT",
        "price": "22.90",
        "quantity": "10",
    },
    "POST /api/v1/deposits": {
        "amount": "1.00",
        "currency": "USD",
        "payment_method": "pm_card_visa",
    },
    "POST /api/v1/withdrawals": {"amount": "1.00", "currency": "USD"},
    "PATCH /api/v1/users/me": {"country": "FR"},
}


def test_another_users_ids_in_the_body_are_refused(
    platform: Platform, owner: ApiClient, ids: dict[str, str], caller: Caller, resting: str
) -> None:
    before = state_of(platform, owner, resting)
    for route, body in BODIES.items():
        for name in ("user_id", "account_id", "order_id"):
            value = resting if name == "order_id" else ids[name]
            response = caller.call("other", route, ids, {**body, name: value})
            assert response.status_code == 400, (route, name, response.text)
            assert response.json()["code"] == "unknown_field"
    assert state_of(platform, owner, resting) == before


def test_the_same_key_and_body_get_the_same_bytes_and_one_order(
    platform: Platform, owner: ApiClient
) -> None:
    body = BODIES["POST /api/v1/orders"]
    headers = {"idempotency-key": f"once-{uuid.uuid4()}"}
    platform.settle_down()
    before = platform.engine_status().sequence
    first = owner.request("POST", "/api/v1/orders", body, headers=headers)
    again = owner.request("POST", "/api/v1/orders", body, headers=headers)
    assert first.status_code == again.status_code == 201
    assert first.content == again.content
    other_body = {**body, "quantity": "20"}
    reused = owner.request("POST", "/api/v1/orders", other_body, headers=headers)
    assert (reused.status_code, reused.json()["code"]) == (422, "idempotency_key_reused")
    assert platform.engine_status().sequence == before + 1
    owner.request("DELETE", f"/api/v1/orders/{first.json()['order_id']}")
