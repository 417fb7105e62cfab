"""Registration to trading account: real PostgreSQL, the Onfido SDK, signed webhooks."""

import json
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from functions.users import app, bootstrap
from functions.users.adapters_onfido import OnfidoKyc
from functions.users.service import Users
from infra.local.providers.onfido import signature_header
from shared.domain.commands import AddAccount, SetLimits
from shared.edge import rate_limit, settings
from shared.postgres.pool import pool_for
from shared.postgres.unit_of_work import UnitOfWork
from tests.support.fake_engine import FakeEngine
from tests.support.fake_identity_pool import FakeIdentityPool
from tests.support.lambda_events import Context, HttpAnswer, access_claims, call, http_event
from tests.support.providers import (
    API_TOKEN,
    ONFIDO_WEBHOOK_TOKEN,
    Providers,
)
from tests.support.servers import MigratedDatabases, Server
from tests.support.waiting import wait_for

WEBHOOK = "/api/v1/webhooks/onfido"


class Registration:
    """The users service as a person, the provider and the pool see it."""

    def __init__(
        self,
        dsn: str,
        engine: FakeEngine,
        providers: Providers,
        service: Users,
        pool: FakeIdentityPool,
    ) -> None:
        self.dsn, self.engine, self.providers = dsn, engine, providers
        self.service, self.pool = service, pool
        self.email = f"{uuid.uuid4().hex}@example.com"

    def register(self, **changes: object) -> HttpAnswer:
        person = {
            "email": self.email,
            "password": "Correct-Horse-7",
            "given_name": "Zoë",
            "family_name": "O'Neill-Şahin",
            "date_of_birth": "1990-02-28",
            "country": "IE",
        }
        return call(app.handler, http_event("POST", "/api/v1/users", person | changes))

    def row(self) -> tuple | None:
        with UnitOfWork(self.dsn) as uow:
            return uow.connection.execute(
                "select u.subject, u.kyc_status, a.account_id, k.check_id from users.users u "
                "left join users.accounts a using (user_id) "
                "left join users.kyc_checks k using (user_id) where u.email = %s",
                (self.email,),
            ).fetchone()

    def stored(self) -> tuple:
        row = self.row()
        assert row is not None
        return row

    def wait_for_status(self, status: str) -> tuple:
        wait_for(lambda: self.stored()[1] == status, what=status)
        return self.stored()

    def webhook(self, body: str, signature: str | None) -> HttpAnswer:
        headers = {} if signature is None else {"x-sha2-signature": signature}
        return call(app.handler, http_event("POST", WEBHOOK, body, headers=headers))

    def resume(self) -> None:
        self.service.resume("", older_than_s=0)
        app.resend_handler({}, Context())


def check_body(check_id: str) -> str:
    thing = {"id": check_id, "status": "complete", "href": "x"}
    payload = {"resource_type": "check", "action": "check.completed", "object": thing}
    return json.dumps({"payload": payload})


def sign(body: str, token: str = ONFIDO_WEBHOOK_TOKEN) -> str:
    return signature_header(body.encode(), token)["X-SHA2-Signature"]


@pytest.fixture
def registration(
    migrated_databases: MigratedDatabases,
    redis_server: Server,
    provider_servers: Providers,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Registration]:
    dsn, engine, pool = migrated_databases.service["users"], FakeEngine(), FakeIdentityPool()
    kyc = OnfidoKyc(api_token=API_TOKEN, api_base=provider_servers.onfido_url)
    service = Users(lambda: dsn, pool, kyc, lambda: engine)
    for module in (app, bootstrap):
        monkeypatch.setattr(module, "users", lambda: service)
    monkeypatch.setattr(app, "webhook_token", lambda: ONFIDO_WEBHOOK_TOKEN)
    monkeypatch.setattr(settings, "secret", lambda name: dsn)
    monkeypatch.setenv("USERS_DSN_SECRET", "dsn")
    monkeypatch.setenv("REDIS_URL", redis_server.url)
    rate_limit.limiter.cache_clear()
    provider_servers.be_good()
    provider_servers.handlers[WEBHOOK] = app.handler
    yield Registration(dsn, engine, provider_servers, service, pool)
    provider_servers.handlers.clear()
    rate_limit.limiter.cache_clear()
    pool_for(dsn).close()


def test_a_clear_check_opens_an_account_in_the_engine_with_limits(
    registration: Registration,
) -> None:
    assert registration.register().status == 202
    _, _, account_id, _ = registration.wait_for_status("APPROVED")
    wait_for(lambda: account_id in registration.engine.accounts)
    assert [type(command) for command in registration.engine.commands] == [AddAccount, SetLimits]
    assert registration.engine.accounts[account_id].currency_number == 840


def test_a_doubtful_check_opens_nothing(registration: Registration) -> None:
    registration.register(family_name="Consider")
    assert registration.wait_for_status("REFUSED")[2] is None
    assert registration.engine.commands == []


def test_a_known_address_gets_the_same_answer_and_changes_nothing(
    registration: Registration,
) -> None:
    first = registration.register()
    before = registration.wait_for_status("APPROVED")
    second = registration.register(given_name="Mallory", password="Another-Pass-99")
    assert (second.status, second.text) == (first.status, first.text)
    assert registration.stored() == before


def test_addresses_differ_by_more_than_case(registration: Registration) -> None:
    registration.register()
    assert registration.register(email=registration.email.upper()).status == 202
    registration.wait_for_status("APPROVED")


def test_a_webhook_delivered_many_times_at_once_opens_one_account(
    registration: Registration,
) -> None:
    registration.providers.behave(registration.providers.onfido_url, webhooks=False)
    registration.register()
    check_id = registration.wait_for_status("IN_PROGRESS")[3]
    with ThreadPoolExecutor(8) as threads:
        outcomes = set(
            threads.map(lambda _: registration.service.on_check_webhook(check_id, ""), range(40))
        )
    assert outcomes == {"approved"}
    assert [type(command) for command in registration.engine.commands] == [AddAccount, SetLimits]


def test_a_webhook_before_the_decision_waits_for_the_next(registration: Registration) -> None:
    registration.providers.behave(registration.providers.onfido_url, decision_delay_ms=400)
    registration.register()
    check_id = registration.stored()[3]
    body = check_body(check_id)
    early = registration.webhook(body, sign(body))  # it says complete; the provider does not
    assert early.json == {"outcome": "in_progress"}
    registration.wait_for_status("APPROVED")


def test_a_webhook_whose_signature_does_not_fit_is_refused(registration: Registration) -> None:
    registration.providers.behave(registration.providers.onfido_url, webhooks=False)
    registration.register()
    body = check_body(registration.wait_for_status("IN_PROGRESS")[3])
    reserialised = json.dumps(json.loads(body), indent=1)
    refused = [
        registration.webhook(body, None),
        registration.webhook(body, ""),
        registration.webhook(body, sign(body, "another-token")),
        registration.webhook(body, sign(body)[:-1] + "g"),
        registration.webhook(reserialised, sign(body)),
    ]
    assert {(answer.status, answer.code) for answer in refused} == {(401, "invalid_signature")}
    assert registration.stored()[1] == "IN_PROGRESS"
    assert registration.webhook(body, sign(body).upper()).json == {"outcome": "approved"}


@pytest.mark.parametrize("payload", ["x", {}, {"resource_type": "report"}, {"object": {"id": 1}}])
def test_a_genuine_webhook_about_something_else_is_ignored(
    registration: Registration, payload: object
) -> None:
    body = json.dumps({"payload": payload})
    assert registration.webhook(body, sign(body)).json == {"outcome": "ignored"}


def test_an_unknown_check_is_404_so_that_the_provider_tries_again(
    registration: Registration,
) -> None:
    body = check_body(str(uuid.uuid4()))
    answer = registration.webhook(body, sign(body))
    assert (answer.status, answer.code) == (404, "unknown_check")


def test_a_provider_that_is_down_at_registration_is_asked_again(
    registration: Registration,
) -> None:
    registration.providers.behave(registration.providers.onfido_url, refuse_next=1)
    assert registration.register().status == 202
    assert registration.stored()[1] == "PENDING"
    registration.resume()
    registration.wait_for_status("APPROVED")


def test_a_check_whose_start_was_not_answered_is_found_and_not_started_twice(
    registration: Registration,
) -> None:
    onfido_url = registration.providers.onfido_url
    registration.providers.behave(onfido_url, lose_next=1, lose_path="/checks", webhooks=False)
    registration.register()
    assert registration.stored()[1] == "PENDING"
    registration.resume()
    registration.resume()
    registration.wait_for_status("APPROVED")
    assert [type(command) for command in registration.engine.commands] == [AddAccount, SetLimits]


def test_a_sign_up_whose_answer_was_lost_is_finished_later(registration: Registration) -> None:
    registration.pool.lose_answers = 1
    answer = registration.register()
    assert (answer.status, answer.code) == (503, "temporarily_unavailable")
    registration.resume()
    registration.wait_for_status("APPROVED")


def test_a_password_that_the_pool_refuses_leaves_nothing_behind(
    registration: Registration,
) -> None:
    registration.pool.refused_passwords.add("Correct-Horse-7")
    assert registration.register().code == "password_refused"
    assert registration.row() is None


def test_without_the_engine_the_account_is_approved_and_added_later(
    registration: Registration,
) -> None:
    registration.engine.is_down = True
    registration.register()
    account_id = registration.wait_for_status("APPROVED")[2]
    registration.engine.is_down = False
    registration.resume()
    assert account_id in registration.engine.accounts


def test_an_engine_answer_that_was_lost_is_asked_for_again(registration: Registration) -> None:
    registration.engine.lose_answers = 1
    registration.register()
    account_id = registration.wait_for_status("APPROVED")[2]
    registration.resume()
    assert account_id in registration.engine.accounts
    assert len(registration.engine.first_sequences) == 2


def test_profile_balances_and_token_claims_of_an_approved_user(
    registration: Registration,
) -> None:
    registration.register()
    subject, _, account_id, _ = registration.wait_for_status("APPROVED")
    claims = access_claims(subject, account_id)
    profile = call(app.handler, http_event("GET", "/api/v1/users/me", claims=claims)).json
    assert (profile["email"], profile["kyc_status"]) == (registration.email, "APPROVED")
    assert profile["account_id"] == str(account_id)
    wait_for(lambda: account_id in registration.engine.accounts)
    registration.engine.accounts[account_id].total_minor = 12_345
    path = "/api/v1/users/me/balances"
    balances = call(app.handler, http_event("GET", path, claims=claims)).json
    assert (balances["currency"], balances["available"]) == ("USD", "123.45")
    event = {"request": {"userAttributes": {"sub": subject}}}
    answered = app.pre_token_generation_handler(event, Context())["response"]
    added = answered["claimsAndScopeOverrideDetails"]["accessTokenGeneration"]
    assert added["claimsToAddOrOverride"] == {
        "account_id": str(account_id),
        "account_currency": "USD",
    }


def test_a_user_without_an_account_has_no_balances(registration: Registration) -> None:
    claims = access_claims(account_id=None)
    path = "/api/v1/users/me/balances"
    answer = call(app.handler, http_event("GET", path, claims=claims))
    assert (answer.status, answer.code) == (403, "account_not_open")


def test_a_profile_changes_only_where_it_may(registration: Registration) -> None:
    registration.register()
    claims = access_claims(registration.wait_for_status("APPROVED")[0])

    def patch(body: object) -> HttpAnswer:
        return call(app.handler, http_event("PATCH", "/api/v1/users/me", body, claims=claims))

    assert patch({"country": "DE"}).json["country"] == "DE"
    for field in ("role", "balance", "user_id", "kyc_status", "email", "account_id"):
        answer = patch({"country": "FR", field: "x"})
        assert (answer.status, answer.code) == (400, "unknown_field")
    profile = call(app.handler, http_event("GET", "/api/v1/users/me", claims=claims)).json
    assert profile["country"] == "DE"


@pytest.mark.parametrize(
    "change",
    [
        {"email": "nobody"},
        {"email": "a@b.c\r\nBcc: x@y.z"},
        {"password": "short-A1"},
        {"password": "alllowercase1"},
        {"password": "NoDigitsInHere"},
        {"password": 123456789012},
        {"given_name": ""},
        {"given_name": "<script>"},
        {"given_name": "a" * 81},
        {"date_of_birth": "1990-02-30"},
        {"date_of_birth": 7},
        {"country": "Ireland"},
        {"currency": "XXX"},
        {"role": "admin"},
        {"kyc_status": "APPROVED"},
    ],
    ids=str,
)
def test_a_bad_registration_is_refused_and_stores_nothing(
    registration: Registration, change: dict[str, object]
) -> None:
    answer = registration.register(**change)
    assert answer.status == 400
    assert registration.row() is None
    assert str(change.get("password", "\0")) not in answer.text
