"""What is not right is refused with a stable code, is not stored and does not reach the engine."""

import base64
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from infra.local.api import ApiClient
from tests.support.e2e_platform import Platform

ORDERS = "/api/v1/orders"
DEPOSITS = "/api/v1/deposits"
WITHDRAWALS = "/api/v1/withdrawals"
USERS = "/api/v1/users"

ORDER = {"symbol": "NOVA", "side": "BUY", "type": "LIMIT", "price": "9.50", "quantity": "1"}
IN_LOTS = {**ORDER, "symbol": "ORBT", "price": "25.00", "quantity": "10"}  # ticks of 0.05
DEPOSIT = {"amount": "10.00", "currency": "USD", "payment_method": "pm_card_visa"}
WITHDRAWAL = {"amount": "10.00", "currency": "USD"}
PERSON = {
    "email": "nobody@trading.example",
    "password": "Long-enough-1",
    "given_name": "No",
    "family_name": "Body",
    "date_of_birth": "1990-04-01",
    "country": "DE",
    "currency": "USD",
}


def text(body: Mapping[str, Any], **changed: Any) -> str:
    """Return a body as JSON, with members changed, or taken away where the value is ...."""
    return json.dumps({key: value for key, value in {**body, **changed}.items() if value != ...})


def raw(body: Mapping[str, Any], member: str, literal: str) -> str:
    """Return a body in which one member is written as given, valid JSON or not."""
    return json.dumps({**body, member: "@"}).replace('"@"', literal)


@dataclass(frozen=True)
class Bad:
    """A request that must be refused, with the answer's status and code."""

    what: str
    path: str
    body: str | bytes
    status: int
    code: str
    content_type: str = "application/json"


BAD_BODIES = (
    Bad("no JSON", ORDERS, "{symbol: NOVA}", 400, "malformed_json"),
    Bad("half a document", ORDERS, '{"symbol": "NOVA"', 400, "malformed_json"),
    Bad("no UTF-8", ORDERS, b'{"symbol": "\xff\xfe"}', 400, "invalid_request"),
    Bad("a list", ORDERS, "[]", 400, "invalid_request"),
    Bad("a member twice", ORDERS, text(ORDER)[:-1] + ', "side": "SELL"}', 400, "malformed_json"),
    Bad("a form", ORDERS, "symbol=NOVA", 415, "unsupported_media_type", "text/plain"),
    Bad("an unknown member", ORDERS, text(ORDER, status="FILLED"), 400, "unknown_field"),
    Bad("another's account", ORDERS, text(ORDER, account_id="1001"), 400, "unknown_field"),
    Bad("a member that is missing", ORDERS, text(ORDER, side=...), 400, "invalid_request"),
    Bad("a price off the tick", ORDERS, text(IN_LOTS, price="25.03"), 422, "price_off_tick"),
    Bad("a price of too many decimals", ORDERS, text(ORDER, price="9.505"), 422, "invalid_price"),
    Bad("too high a price", ORDERS, text(ORDER, price="99999999999.99"), 422, "invalid_price"),
    Bad("a price below zero", ORDERS, text(ORDER, price="-9.50"), 400, "invalid_request"),
    Bad("a limit order without price", ORDERS, text(ORDER, price=...), 422, "price_required"),
    Bad("half a share", ORDERS, text(ORDER, quantity="0.5"), 422, "invalid_quantity"),
    Bad("no share", ORDERS, text(ORDER, quantity="0"), 422, "invalid_quantity"),
    Bad("part of a lot", ORDERS, text(IN_LOTS, quantity="15"), 422, "quantity_off_lot"),
    Bad("an unknown instrument", ORDERS, text(ORDER, symbol="NOPE"), 422, "unknown_instrument"),
    Bad("a number for text", ORDERS, raw(ORDER, "quantity", "1"), 400, "invalid_request"),
    Bad("true for text", ORDERS, raw(ORDER, "quantity", "true"), 400, "invalid_request"),
    Bad("NaN", ORDERS, raw(ORDER, "quantity", "NaN"), 400, "malformed_json"),
    Bad("infinity", ORDERS, raw(ORDER, "quantity", "-Infinity"), 400, "malformed_json"),
    Bad("1e400", ORDERS, raw(ORDER, "price", "1e400"), 400, "number_out_of_range"),
    Bad("2^64", ORDERS, raw(ORDER, "quantity", str(1 << 64)), 400, "number_out_of_range"),
    Bad("5,000 digits", ORDERS, raw(ORDER, "quantity", "9" * 5_000), 400, "number_out_of_range"),
    Bad("depth 5,000", ORDERS, "[" * 5_000 + "]" * 5_000, 400, "json_too_deep"),
    Bad("a body over the limit", ORDERS, text(ORDER, side="B" * 17_000), 413, "body_too_large"),
    Bad("too many decimals", DEPOSITS, text(DEPOSIT, amount="10.001"), 400, "invalid_request"),
    Bad("nothing", DEPOSITS, text(DEPOSIT, amount="0.00"), 400, "invalid_request"),
    Bad("another currency", DEPOSITS, text(DEPOSIT, currency="EUR"), 422, "currency_mismatch"),
    Bad("no currency", DEPOSITS, text(DEPOSIT, currency="XXX"), 400, "invalid_request"),
    Bad("a card number", DEPOSITS, text(DEPOSIT, card="4242424242424242"), 400, "unknown_field"),
    Bad("too many decimals", WITHDRAWALS, text(WITHDRAWAL, amount="1.234"), 400, "invalid_request"),
    Bad("a colossal sum", WITHDRAWALS, text(WITHDRAWAL, amount="9" * 18), 400, "invalid_request"),
    Bad("an unknown member", USERS, text(PERSON, kyc_status="APPROVED"), 400, "unknown_field"),
    Bad("a weak password", USERS, text(PERSON, password="password"), 400, "invalid_request"),
    Bad("no date", USERS, text(PERSON, date_of_birth="1990-02-30"), 400, "invalid_request"),
)
NAMES = [f"{bad.path.rpartition('/')[2]}: {bad.what}" for bad in BAD_BODIES]


@pytest.fixture(scope="module")
def alice(shared_platform: Platform) -> Iterator[ApiClient]:
    with shared_platform.alice() as api:
        api.log_in()
        yield api


@pytest.fixture
def nothing_happens(platform: Platform) -> Iterator[None]:
    """Compare the rows of all tables and the journal's sequence before and after a test."""
    platform.settle_down()
    before = platform.row_counts(), platform.engine_status().sequence
    yield
    assert (platform.row_counts(), platform.engine_status().sequence) == before


def expect_problem(response: httpx.Response, status: int, code: str) -> None:
    assert (response.status_code, response.json().get("code")) == (status, code), response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["status"] == status
    assert response.json()["title"]
    assert response.json()["type"]


@pytest.mark.usefixtures("nothing_happens")
def test_a_bad_body_is_refused_with_its_code(alice: ApiClient, platform: Platform) -> None:
    """One test for all: each would compare the same tables before and after."""
    wrong = []
    with httpx.Client(base_url=alice.address.api_url, trust_env=False) as http:
        for bad, name in zip(BAD_BODIES, NAMES, strict=True):
            headers = {
                "authorization": f"Bearer {alice.token}",
                "content-type": bad.content_type,
                "idempotency-key": f"bad-input-{time.time_ns()}",
            }
            response = http.post(bad.path, content=bad.body, headers=headers)
            try:
                expect_problem(response, bad.status, bad.code)
            except AssertionError as error:
                wrong.append(f"{name}: {str(error).splitlines()[0]}")
    assert not wrong, "\n".join(wrong)


def claims_of(token: str) -> dict[str, Any]:
    return _decoded(token.split(".")[1])


def tampered(token: str, **claims: Any) -> str:
    """Return a token whose claims say something else under the same signature."""
    header, _, signature = token.split(".")
    return f"{header}.{_encoded({**claims_of(token), **claims})}.{signature}"


def unsigned(token: str) -> str:
    return f"{_encoded({'alg': 'none', 'typ': 'JWT'})}.{token.split('.')[1]}."


def signed(token: str, key: Any, **claims: Any) -> str:
    """Return a token with other claims, signed by a key, under the key id of the pool."""
    headers = {"kid": _decoded(token.split(".")[0])["kid"]}
    return jwt.encode({**claims_of(token), **claims}, key, "RS256", headers=headers)


def _decoded(segment: str) -> dict[str, Any]:
    padded = segment + "=" * (-len(segment) % 4)
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(padded))
    return found


def _encoded(document: Mapping[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(document).encode()).rstrip(b"=").decode()


@pytest.fixture(scope="module")
def pool_key(shared_platform: Platform) -> str:
    """The key with which the user pool signs access tokens: what no attacker has."""
    folder = shared_platform.settings.emulator / "state" / "cognito-pool-keys"
    return next(folder.glob("*-access.pem")).read_text(encoding="ascii")


def ask_with(api: ApiClient, token: str) -> Iterator[httpx.Response]:
    headers = {"authorization": f"Bearer {token}"} if token else {}
    with httpx.Client(base_url=api.address.api_url, trust_env=False) as http:
        for method, path, body in (
            ("POST", ORDERS, ORDER),
            ("POST", DEPOSITS, DEPOSIT),
            ("GET", "/api/v1/users/me", None),
        ):
            yield http.request(method, path, json=body, headers=headers)


@pytest.mark.usefixtures("nothing_happens")
@pytest.mark.parametrize(
    "forged",
    [
        pytest.param(lambda token: "", id="nothing"),
        pytest.param(lambda token: "not-a-token", id="no token"),
        pytest.param(lambda token: token[:-20], id="cut short"),
        pytest.param(lambda token: tampered(token, account_id="1002"), id="another account"),
        pytest.param(lambda token: tampered(token, exp=4_000_000_000), id="a longer life"),
        pytest.param(unsigned, id="alg none"),
        pytest.param(
            lambda token: signed(token, rsa.generate_private_key(65537, 2048)), id="foreign key"
        ),
    ],
)
def test_a_forged_token_opens_nothing(alice: ApiClient, forged: Callable[[str], str]) -> None:
    for response in ask_with(alice, forged(alice.token)):
        # The gateway answers before any function of ours runs.
        assert (response.status_code, response.json()) == (401, {"message": "Unauthorized"})


@pytest.mark.usefixtures("nothing_happens")
@pytest.mark.parametrize(
    "claims",
    [
        pytest.param({"exp": int(time.time()) - 3_600}, id="expired"),
        pytest.param({"nbf": int(time.time()) + 3_600}, id="not yet valid"),
        pytest.param({"iss": "https://cognito-idp.us-east-1.amazonaws.com/x"}, id="foreign pool"),
        pytest.param({"client_id": "another-client"}, id="foreign client"),
        pytest.param({"token_use": "id"}, id="no access token"),
    ],
)
def test_a_token_of_the_pool_opens_nothing_out_of_its_time_or_place(
    alice: ApiClient, pool_key: str, claims: dict[str, Any]
) -> None:
    for response in ask_with(alice, signed(alice.token, pool_key, **claims)):
        assert response.status_code == 401, response.text


def test_a_token_of_the_pool_opens_what_it_should(alice: ApiClient, pool_key: str) -> None:
    """Else the refusals above would say nothing."""
    headers = {"authorization": f"Bearer {signed(alice.token, pool_key)}"}
    profile = alice.request("GET", "/api/v1/users/me", headers=headers)
    assert profile.json()["email"] == alice.email
