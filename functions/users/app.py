"""Lambda handlers of the users service: HTTP, token claims, and the resend schedule."""

import uuid
from typing import Any, Final

from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.users import answers
from functions.users.adapters_onfido import webhook_is_genuine
from functions.users.bootstrap import users, webhook_token
from functions.users.models import (
    BalancesAnswer,
    OrderEntryTokenAnswer,
    PatchProfileRequest,
    ProfileAnswer,
    RegisterAnswer,
    RegisterRequest,
    WebhookAnswer,
)
from functions.users.service import PasswordRefused
from functions.users.store import User, user_by_subject
from shared.edge.auth import principal
from shared.edge.engine import engine_addresses, token_issuer
from shared.edge.http import HttpApp
from shared.edge.problems import Problem
from shared.edge.rate_limit import rate_limit
from shared.edge.requests import body_bytes
from shared.edge.settings import dsn
from shared.edge.tracing import current_traceparent, start_trace, trace_id
from shared.postgres.unit_of_work import UnitOfWork

MEMBER_TOKEN_LIFETIME_S: Final = 900

app = HttpApp("users")
handler = app.handler


@app.post("/api/v1/users", status_code=202, middlewares=[rate_limit("anonymous")])
def register(body: RegisterRequest) -> RegisterAnswer:
    """Register; the answer is the same whether or not the address was known."""
    user = User(
        user_id=uuid.uuid4(),
        email=body.email.lower(),
        subject=None,
        given_name=body.given_name,
        family_name=body.family_name,
        date_of_birth=body.date_of_birth,
        country=body.country,
        currency=body.currency,
        kyc_status="PENDING",
    )
    try:
        users().register(user, body.password.get_secret_value(), trace_id())
    except PasswordRefused as error:
        raise Problem(400, "password_refused", "Choose another password.") from error
    return RegisterAnswer()


@app.get("/api/v1/users/me", middlewares=[rate_limit("reads")])
def get_me() -> ProfileAnswer:
    return answers.profile(users().profile(principal(app).user_id))


@app.patch("/api/v1/users/me", middlewares=[rate_limit("reads")])
def patch_me(body: PatchProfileRequest) -> ProfileAnswer:
    return answers.profile(users().change_country(principal(app).user_id, body.country))


@app.get("/api/v1/users/me/balances", middlewares=[rate_limit("reads")])
def get_balances() -> BalancesAnswer:
    """Show cash and positions as the engine holds them."""
    return answers.balances(users().balances(principal(app).trading_account()))


@app.post("/api/v1/order-entry/tokens", status_code=201, middlewares=[rate_limit("money")])
def create_order_entry_token() -> OrderEntryTokenAnswer:
    """Give a member a short-lived token for a session of the order-entry protocol."""
    account_id = principal(app).trading_account()
    token = token_issuer().member(account_id, lifetime_s=MEMBER_TOKEN_LIFETIME_S)
    return OrderEntryTokenAnswer(
        token=token,
        expires_in_s=MEMBER_TOKEN_LIFETIME_S,
        address=engine_addresses()[0],
        engines=answers.engines(engine_addresses()),
    )


@app.post("/api/v1/webhooks/onfido")
def onfido_webhook() -> WebhookAnswer:
    """Take the identity-check provider's word that a check has changed, and ask how."""
    event = app.current_event
    raw_body = body_bytes(event.raw_event)
    if not webhook_is_genuine(raw_body, event.headers.get("x-sha2-signature"), webhook_token()):
        raise Problem(401, "invalid_signature", "The webhook's signature does not fit.")
    check_id = answers.check_id_of(event.json_body)
    if check_id is None:
        return WebhookAnswer(outcome="ignored")
    outcome = users().on_check_webhook(check_id, current_traceparent())
    if outcome is None:  # our own record of it may still be on its way; the provider tries again
        raise Problem(404, "unknown_check", "There is no such check.")
    return WebhookAnswer(outcome=outcome)


def pre_token_generation_handler(event: dict[str, Any], _: LambdaContext) -> dict[str, Any]:
    """Put the account id into access tokens (Cognito's pre token generation trigger, V2_0)."""
    if event.get("ping") is True:
        return {"pong": app.service}
    subject = event["request"]["userAttributes"]["sub"]
    with UnitOfWork(lambda: dsn("users")) as uow:
        user = user_by_subject(uow, subject)
    event["response"] = answers.token_claims(user)
    app.logger.info("token", extra={"user_id": subject, "trigger": event.get("triggerSource", "")})
    return event


def resend_handler(event: dict[str, Any], _: LambdaContext) -> dict[str, Any]:
    """Go on with what stands still: registrations, identity checks, commands to the engine."""
    if event.get("ping") is True:
        return {"pong": app.service}
    start_trace(None)
    report = users().send_pending()
    resumed = users().resume(current_traceparent())
    outcome = {"resumed": resumed, "sent": len(report.answers), "left": report.left}
    app.logger.info("resend", extra={**outcome, "trace_id": trace_id()})
    return outcome
