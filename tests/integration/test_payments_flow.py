"""Deposits and withdrawals: real PostgreSQL, Stripe's SDK against localstripe, signed webhooks."""

import json
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
import requests

from functions.payments import app, bootstrap
from functions.payments.adapters_stripe import StripeGateway
from functions.payments.answers import WebhookEvent
from functions.payments.deposits import Deposits
from functions.payments.store import Withdrawal
from functions.payments.webhooks import apply_webhook
from functions.payments.withdrawals import Withdrawals
from infra.local.providers.stripe import signature_header
from shared.domain import records as r
from shared.domain.commands import MoveCash
from shared.edge import rate_limit, settings
from shared.ports.ledger import LedgerAccount, Purpose, member
from shared.postgres.ledger import PostgresLedger
from shared.postgres.pool import pool_for
from shared.postgres.unit_of_work import UnitOfWork
from tests.support.fake_engine import FakeAccount, FakeEngine
from tests.support.lambda_events import Context, HttpAnswer, access_claims, call, http_event
from tests.support.providers import API_KEY, STRIPE_WEBHOOK_SECRET, Providers
from tests.support.servers import MigratedDatabases, Server
from tests.support.waiting import wait_for

WEBHOOK = "/api/v1/webhooks/stripe"


class Payments:
    """The service as its users and its provider see it, and what it has done to the books."""

    def __init__(self, dsn: str, engine: FakeEngine, providers: Providers) -> None:
        self.dsn, self.engine, self.providers = dsn, engine, providers
        self.account_id = 10_000 + uuid.uuid4().int % 100_000_000
        self.claims = access_claims(account_id=self.account_id)
        engine.accounts[self.account_id] = FakeAccount(840)

    def post(self, path: str, body: object, key: str | None = None) -> HttpAnswer:
        headers = {"idempotency-key": key or uuid.uuid4().hex}
        return call(
            app.handler, http_event("POST", path, body, headers=headers, claims=self.claims)
        )

    def get(self, path: str, claims: dict[str, str] | None = None) -> HttpAnswer:
        return call(app.handler, http_event("GET", path, claims=claims or self.claims))

    def deposit(self, amount: str, method: str = "pm_card_visa") -> str:
        body = {"amount": amount, "currency": "USD", "payment_method": method}
        answer = self.post("/api/v1/deposits", body)
        assert answer.status == 202, answer
        return str(answer.json["deposit_id"])

    def wait_for_deposit(self, deposit_id: str, status: str) -> None:
        path = f"/api/v1/deposits/{deposit_id}"
        wait_for(lambda: self.get(path).json["status"] == status, what=status)

    def wait_for_withdrawal(self, withdrawal_id: str, status: str) -> None:
        path = f"/api/v1/withdrawals/{withdrawal_id}"
        wait_for(lambda: self.get(path).json["status"] == status, what=status)

    def ledger_minor(self) -> int:
        settled = LedgerAccount(member(self.account_id), "USD", Purpose.SETTLED)
        with UnitOfWork(self.dsn) as uow:
            return PostgresLedger(uow.connection).balance(settled)

    def engine_minor(self) -> int:
        return self.engine.accounts[self.account_id].total_minor

    def charged_minor(self) -> int:
        """Return what the provider has charged for this account's deposits."""
        query = "select array_agg(deposit_id::text) from payments.deposits where account_id = %s"
        deposit_ids = self.one(query, self.account_id)[0]
        headers = {"authorization": f"Bearer {API_KEY}"}
        url = f"{self.providers.stripe_url}/v1/payment_intents?limit=1000"
        intents = requests.get(url, headers=headers, timeout=5).json()["data"]
        return sum(
            intent["amount"]
            for intent in intents
            if intent["status"] == "succeeded" and intent["metadata"]["reference"] in deposit_ids
        )

    def held_minor(self) -> int:
        return self.engine.accounts[self.account_id].held_minor

    def one(self, query: str, *values: object) -> tuple:
        with UnitOfWork(self.dsn) as uow:
            row = uow.connection.execute(query, values).fetchone()
        assert row is not None
        return row

    def intent_of(self, deposit_id: str) -> str:
        query = "select intent_id from payments.deposits where deposit_id = %s"
        return str(self.one(query, deposit_id)[0])

    def webhook(self, body: bytes | str, header: str | None) -> HttpAnswer:
        text = body if isinstance(body, str) else body.decode()
        headers = {} if header is None else {"stripe-signature": header}
        return call(app.handler, http_event("POST", WEBHOOK, text, headers=headers))

    def signed_webhook(self, body: str, **when: float) -> HttpAnswer:
        header = signature_header(body.encode(), STRIPE_WEBHOOK_SECRET, **when)
        return self.webhook(body, header["Stripe-Signature"])

    def resume(self) -> None:
        bootstrap.deposits().resume(older_than_s=0)
        bootstrap.withdrawals().resume(older_than_s=0)
        app.resend_handler({}, Context())


def event_body(object_id: str, kind: str = "payment_intent.succeeded") -> str:
    event = {"id": f"evt_{uuid.uuid4().hex}", "type": kind, "data": {"object": {"id": object_id}}}
    return json.dumps(event)


@pytest.fixture
def payments(
    migrated_databases: MigratedDatabases,
    redis_server: Server,
    provider_servers: Providers,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Payments]:
    dsn, engine = migrated_databases.service["payments"], FakeEngine()
    gateway = StripeGateway(api_key=API_KEY, api_base=provider_servers.stripe_url, timeout_s=2)
    wired = (lambda: dsn, gateway, lambda uow: PostgresLedger(uow.connection), lambda: engine)
    deposits, withdrawals = Deposits(*wired), Withdrawals(*wired)
    for module in (app, bootstrap):
        monkeypatch.setattr(module, "deposits", lambda: deposits)
        monkeypatch.setattr(module, "withdrawals", lambda: withdrawals)
    monkeypatch.setattr(app, "credit_lines", lambda: None)  # one engine has nothing to move
    monkeypatch.setattr(app, "webhook_secret", lambda: STRIPE_WEBHOOK_SECRET)
    monkeypatch.setattr(app, "engine", lambda: engine)
    monkeypatch.setattr(settings, "secret", lambda name: dsn)
    monkeypatch.setenv("PAYMENTS_DSN_SECRET", "dsn")
    monkeypatch.setenv("REDIS_URL", redis_server.url)
    rate_limit.limiter.cache_clear()
    provider_servers.be_good()
    provider_servers.handlers[WEBHOOK] = app.handler
    yield Payments(dsn, engine, provider_servers)
    provider_servers.handlers.clear()
    rate_limit.limiter.cache_clear()
    pool_for(dsn).close()


def test_a_deposit_is_credited_in_ledger_and_engine_by_the_signed_webhook(
    payments: Payments,
) -> None:
    deposit_id = payments.deposit("250.75")
    payments.wait_for_deposit(deposit_id, "SUCCEEDED")
    assert payments.ledger_minor() == 25_075
    wait_for(lambda: payments.engine_minor() == 25_075)


def test_every_minute_idempotency_keys_of_long_ago_are_forgotten(payments: Payments) -> None:
    payments.wait_for_deposit(payments.deposit("1.00"), "SUCCEEDED")
    old = "update payments.idempotency_keys set created_at = created_at - interval '73 hours'"
    left = "select count(*) from payments.idempotency_keys"
    with psycopg.connect(payments.dsn, autocommit=True) as connection:
        app.resend_handler({}, Context())
        assert connection.execute(left).fetchone() != (0,)
        connection.execute(old)
        assert app.resend_handler({}, Context())["forgotten_keys"] >= 1
        assert connection.execute(left).fetchone() == (0,)


def test_nothing_is_credited_before_the_webhook(payments: Payments) -> None:
    payments.providers.behave(payments.providers.stripe_url, webhooks=False)
    deposit_id = payments.deposit("10.00")
    assert payments.get(f"/api/v1/deposits/{deposit_id}").json["status"] == "PROCESSING"
    assert payments.ledger_minor() == 0
    payments.providers.be_good()
    payments.wait_for_deposit(deposit_id, "SUCCEEDED")


def test_a_hundred_copies_of_one_webhook_at_once_give_one_credit(payments: Payments) -> None:
    payments.providers.behave(payments.providers.stripe_url, webhooks=False)
    intent_id = payments.intent_of(payments.deposit("42.00"))
    event = WebhookEvent("evt_1", "payment_intent.succeeded", intent_id)
    services = bootstrap.deposits(), bootstrap.withdrawals()
    with ThreadPoolExecutor(8) as pool:
        copies = [pool.submit(apply_webhook, payments.dsn, *services, event) for _ in range(100)]
        assert {copy.result() for copy in copies} == {"succeeded"}
    assert (payments.ledger_minor(), payments.engine_minor()) == (4_200, 4_200)


def test_webhooks_in_any_order_lead_to_the_intents_present_state(payments: Payments) -> None:
    deposit_id = payments.deposit("5.00")
    intent_id = payments.intent_of(deposit_id)
    for kind in ("payment_failed", "created", "succeeded", "processing", "canceled"):
        answer = payments.signed_webhook(event_body(intent_id, f"payment_intent.{kind}"))
        assert answer.json == {"outcome": "succeeded"}
    assert payments.ledger_minor() == 500


def test_a_webhook_whose_signature_does_not_fit_is_refused(payments: Payments) -> None:
    payments.providers.behave(payments.providers.stripe_url, webhooks=False)
    deposit_id = payments.deposit("7.00")
    body = event_body(payments.intent_of(deposit_id))
    signed = signature_header(body.encode(), STRIPE_WEBHOOK_SECRET)["Stripe-Signature"]
    reserialised = json.dumps(json.loads(body), indent=1)
    wrong_key = signature_header(body.encode(), "whsec_other")["Stripe-Signature"]
    refused = [
        payments.webhook(body, None),
        payments.webhook(body, ""),
        payments.webhook(body, "t=1,v1="),
        payments.webhook(body, wrong_key),
        payments.webhook(body, signed.replace("v1=", "v0=")),
        payments.webhook(reserialised, signed),
        payments.webhook(body + " ", signed),
    ]
    assert [(answer.status, answer.code) for answer in refused] == [
        (401, "invalid_signature")
    ] * len(refused)
    assert payments.ledger_minor() == 0
    assert payments.webhook(body, signed).status == 200
    assert payments.ledger_minor() == 700


@pytest.mark.parametrize("shift_s", [-400, 400])
def test_a_signature_of_long_ago_or_of_the_future_is_refused(
    payments: Payments, shift_s: int
) -> None:
    import time

    answer = payments.signed_webhook(event_body("pi_any"), now_s=time.time() + shift_s)
    assert (answer.status, answer.code) == (401, "invalid_signature")


def test_an_intent_of_another_amount_is_quarantined(payments: Payments) -> None:
    payments.providers.behave(payments.providers.stripe_url, webhooks=False)
    deposit_id = payments.deposit("9.00")
    with UnitOfWork(payments.dsn) as uow:
        uow.connection.execute(
            "update payments.deposits set amount_minor = 900000 where deposit_id = %s",
            (deposit_id,),
        )
        uow.commit()
    answer = payments.signed_webhook(event_body(payments.intent_of(deposit_id)))
    assert answer.json == {"outcome": "quarantined"}
    assert payments.get(f"/api/v1/deposits/{deposit_id}").json["reason"] == "amount_differs"
    assert payments.ledger_minor() == 0


def test_a_declined_card_fails_the_deposit_and_credits_nothing(payments: Payments) -> None:
    deposit_id = payments.deposit("9.00", method="pm_card_chargeCustomerFail")
    answer = payments.get(f"/api/v1/deposits/{deposit_id}").json
    assert (answer["status"], answer["reason"]) == ("FAILED", "card_declined")
    assert payments.ledger_minor() == 0


def test_an_answer_lost_after_the_charge_leads_to_one_charge_and_one_credit(
    payments: Payments,
) -> None:
    for step in ("/payment_intents", "/confirm"):
        url = payments.providers.stripe_url
        payments.providers.behave(url, lose_next=1, lose_path=step, webhooks=False)
        deposit_id = payments.deposit("3.00")
        payments.resume()
        payments.resume()
        payments.wait_for_deposit(deposit_id, "SUCCEEDED")
    payments.providers.be_good()
    assert payments.ledger_minor() == 600
    assert payments.charged_minor() == 600


def test_a_provider_that_is_down_leaves_the_deposit_to_be_resumed(payments: Payments) -> None:
    payments.providers.behave(payments.providers.stripe_url, refuse_next=1)
    deposit_id = payments.deposit("3.50")
    assert payments.get(f"/api/v1/deposits/{deposit_id}").json["status"] == "CREATED"
    payments.resume()
    payments.wait_for_deposit(deposit_id, "SUCCEEDED")
    assert payments.ledger_minor() == 350


def test_without_the_engine_the_ledger_is_credited_and_the_engine_later(
    payments: Payments,
) -> None:
    payments.engine.is_down = True
    deposit_id = payments.deposit("8.00")
    payments.wait_for_deposit(deposit_id, "SUCCEEDED")
    assert (payments.ledger_minor(), payments.engine_minor()) == (800, 0)
    payments.engine.is_down = False
    payments.resume()
    assert payments.engine_minor() == 800


def test_a_key_used_for_another_body_is_refused(payments: Payments) -> None:
    body = {"amount": "1.00", "currency": "USD", "payment_method": "pm_card_visa"}
    key = uuid.uuid4().hex
    first = payments.post("/api/v1/deposits", body, key)
    again = payments.post("/api/v1/deposits", body, key)
    other = payments.post("/api/v1/deposits", body | {"amount": "2.00"}, key)
    assert (first.status, again.text) == (202, first.text)
    assert again.headers["idempotency-replayed"] == "true"
    assert (other.status, other.code) == (422, "idempotency_key_reused")


@pytest.mark.parametrize(
    "change, code",
    [
        ({"amount": "1.001"}, "too_many_decimals"),
        ({"amount": "0.00"}, "amount_not_positive"),
        ({"amount": "999999999999.99"}, "amount_too_large"),
        ({"amount": "-1.00"}, "string_pattern_mismatch"),
        ({"currency": "XXX"}, "unknown_currency"),
        ({"currency": "usd"}, "string_pattern_mismatch"),
        ({"payment_method": "4242424242424242"}, "string_pattern_mismatch"),
        ({"account_id": "1"}, "extra_forbidden"),
    ],
)
def test_bad_deposits_are_refused_and_store_nothing(
    payments: Payments, change: dict[str, str], code: str
) -> None:
    body = {"amount": "1.00", "currency": "USD", "payment_method": "pm_card_visa"} | change
    answer = payments.post("/api/v1/deposits", body)
    assert answer.status == 400
    assert [fault["code"] for fault in answer.json["errors"]] == [code]
    stored = payments.one(
        "select count(*) from payments.deposits where account_id = %s", payments.account_id
    )
    assert stored == (0,)


def test_a_deposit_in_another_currency_than_the_accounts_is_refused(payments: Payments) -> None:
    body = {"amount": "1.00", "currency": "EUR", "payment_method": "pm_card_visa"}
    assert payments.post("/api/v1/deposits", body).code == "currency_mismatch"


def test_another_users_deposit_does_not_exist(payments: Payments) -> None:
    deposit_id = payments.deposit("1.00")
    other = access_claims(account_id=payments.account_id + 1)
    answer = payments.get(f"/api/v1/deposits/{deposit_id}", claims=other)
    assert (answer.status, answer.code) == (404, "deposit_not_found")


# --- withdrawals ---------------------------------------------------------------------------------


def fund(payments: Payments, amount: str) -> None:
    payments.wait_for_deposit(payments.deposit(amount), "SUCCEEDED")
    wait_for(lambda: payments.engine_minor() > 0)


def withdraw(payments: Payments, amount: str) -> HttpAnswer:
    return payments.post("/api/v1/withdrawals", {"amount": amount, "currency": "USD"})


def test_a_withdrawal_is_held_reserved_paid_out_and_confirmed(payments: Payments) -> None:
    fund(payments, "100.00")
    answer = withdraw(payments, "30.00")
    assert answer.status == 202
    payments.wait_for_withdrawal(answer.json["withdrawal_id"], "PAID")
    wait_for(lambda: payments.engine_minor() == 7_000)
    assert (payments.ledger_minor(), payments.held_minor()) == (7_000, 0)


def test_a_withdrawal_beyond_the_funds_is_refused_by_the_engine(payments: Payments) -> None:
    fund(payments, "10.00")
    answer = withdraw(payments, "10.01").json
    assert (answer["status"], answer["reason"]) == ("REFUSED", "insufficient_funds")
    assert (payments.ledger_minor(), payments.held_minor()) == (1_000, 0)


def test_cash_that_is_not_settled_cannot_leave_and_the_hold_is_released(
    payments: Payments,
) -> None:
    fund(payments, "10.00")
    payments.engine.accounts[payments.account_id].total_minor += 5_000  # an unsettled sale
    answer = withdraw(payments, "20.00").json
    assert (answer["status"], answer["reason"]) == ("REFUSED", "insufficient_settled_funds")
    assert payments.held_minor() == 0


def test_a_payout_that_fails_gives_everything_back(payments: Payments) -> None:
    fund(payments, "10.00")
    payments.providers.behave(payments.providers.stripe_url, payouts_fail=True)
    answer = withdraw(payments, "4.00")
    payments.wait_for_withdrawal(answer.json["withdrawal_id"], "FAILED")
    wait_for(lambda: payments.held_minor() == 0)
    assert (payments.ledger_minor(), payments.engine_minor()) == (1_000, 1_000)


def test_a_payout_whose_answer_is_lost_is_looked_up_and_paid_once(payments: Payments) -> None:
    fund(payments, "10.00")
    payments.providers.behave(payments.providers.stripe_url, lose_next=1, webhooks=False)
    answer = withdraw(payments, "4.00")
    assert answer.json["status"] == "PAYING"
    payments.providers.be_good()
    payments.resume()
    payments.wait_for_withdrawal(answer.json["withdrawal_id"], "PAID")
    wait_for(lambda: payments.engine_minor() == 600)
    assert (payments.ledger_minor(), payments.held_minor()) == (600, 0)


def test_without_the_engine_a_withdrawal_waits_and_nothing_is_reserved(
    payments: Payments,
) -> None:
    fund(payments, "10.00")
    payments.engine.is_down = True
    answer = withdraw(payments, "4.00").json
    assert answer["status"] == "REQUESTED"
    assert payments.ledger_minor() == 1_000
    payments.engine.is_down = False
    payments.resume()
    payments.wait_for_withdrawal(answer["withdrawal_id"], "PAID")


def test_of_many_withdrawals_at_once_only_what_is_covered_succeeds(payments: Payments) -> None:
    fund(payments, "10.00")
    wanted = [
        Withdrawal(uuid.uuid4(), "user", payments.account_id, 300, "USD", f"00-{'a' * 32}-b-01")
        for _ in range(20)
    ]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(bootstrap.withdrawals().request, wanted))

    def outcomes() -> list[str]:
        payments.resume()
        found = [bootstrap.withdrawals().get(item.withdrawal_id, "user") for item in wanted]
        return [item.status for item in found if item is not None]

    wait_for(lambda: set(outcomes()) <= {"PAID", "REFUSED"})
    assert outcomes().count("PAID") == 3
    wait_for(lambda: payments.engine_minor() == 100)
    assert (payments.ledger_minor(), payments.held_minor()) == (100, 0)


def test_every_engine_command_of_this_service_only_moves_cash(payments: Payments) -> None:
    fund(payments, "10.00")
    answer = withdraw(payments, "4.00")
    payments.wait_for_withdrawal(answer.json["withdrawal_id"], "PAID")
    wait_for(lambda: payments.engine_minor() == 600)
    kinds = [command.kind for command in payments.engine.commands if isinstance(command, MoveCash)]
    assert kinds == [r.DEPOSIT_CASH, r.HOLD_WITHDRAWAL, r.CONFIRM_WITHDRAWAL]


# --- settlement ----------------------------------------------------------------------------------


def test_a_settlement_payment_is_confirmed_once_against_the_ledger(payments: Payments) -> None:
    fund(payments, "10.00")
    transfer_id = payments.one(
        "select transfer_id from payments.deposits where account_id = %s", payments.account_id
    )[0]
    task = {
        "batch_id": "B1",
        "instruction_id": f"I-{uuid.uuid4()}",
        "account_id": payments.account_id,
        "currency": "USD",
        "cash_minor": 1_000,
        "transfer_id": transfer_id,
    }
    confirmed = {"instruction_id": task["instruction_id"], "outcome": "CONFIRMED", "reason": ""}
    assert app.settlement_payment_handler(task, Context()) == confirmed
    assert app.settlement_payment_handler(task, Context()) == confirmed
    other = app.settlement_payment_handler(task | {"cash_minor": 999}, Context())
    assert (other["outcome"], other["reason"]) == ("REFUSED", "confirmed_with_other_terms")


def test_a_settlement_payment_that_the_ledger_contradicts_is_refused_and_may_be_tried_again(
    payments: Payments,
) -> None:
    fund(payments, "10.00")
    transfer_id = payments.one(
        "select transfer_id from payments.deposits where account_id = %s", payments.account_id
    )[0]
    task = {
        "batch_id": "B1",
        "instruction_id": f"I-{uuid.uuid4()}",
        "account_id": payments.account_id,
        "currency": "USD",
        "cash_minor": 1_000,
        "transfer_id": None,
    }
    refused = app.settlement_payment_handler(task, Context())
    assert (refused["outcome"], refused["reason"]) == ("REFUSED", "ledger_differs")
    again = app.settlement_payment_handler(task | {"transfer_id": transfer_id}, Context())
    assert again["outcome"] == "CONFIRMED"
