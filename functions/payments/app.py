"""Lambda handlers of the payments service: HTTP, the settlement task, the resend schedule."""

from typing import Any, Final

from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.payments import answers
from functions.payments.adapters_stripe import webhook_is_genuine
from functions.payments.bootstrap import (
    credit_lines,
    database,
    deposits,
    webhook_secret,
    withdrawals,
)
from functions.payments.credit_lines import ORDER
from functions.payments.engine_commands import send_pending
from functions.payments.models import (
    CreditRequest,
    DepositAnswer,
    DepositRequest,
    SettlementPayment,
    WebhookAnswer,
    WithdrawalAnswer,
    WithdrawalRequest,
)
from functions.payments.settlement import confirm_payment
from functions.payments.store import Deposit, Withdrawal
from functions.payments.webhooks import apply_webhook
from shared.edge.auth import principal
from shared.edge.engine import engine
from shared.edge.http import HttpApp
from shared.edge.idempotency import Idempotency, request_id
from shared.edge.problems import Problem
from shared.edge.rate_limit import rate_limit
from shared.edge.requests import body_bytes
from shared.edge.tracing import current_traceparent, start_trace, trace_id
from shared.postgres.idempotency import IdempotencyStore

# A provider's event carries the whole object; ours never come near this.
MAX_BODY_BYTES: Final = 64 * 1024

app = HttpApp("payments", max_body_bytes_by_route={"/api/v1/webhooks/stripe": MAX_BODY_BYTES})
handler = app.handler
idempotent = Idempotency("payments", database)


@app.post("/api/v1/deposits", status_code=202, middlewares=[rate_limit("money"), idempotent])
def create_deposit(body: DepositRequest) -> DepositAnswer:
    """Charge a payment method; the cash is there once the provider's webhook has come."""
    user = principal(app)
    wanted = Deposit(
        deposit_id=request_id(app),
        user_id=user.user_id,
        account_id=answers.account_for(user, body.currency),
        amount_minor=body.amount_minor,
        currency=body.currency,
        payment_method=body.payment_method,
        traceparent=current_traceparent(),
    )
    return answers.deposit(deposits().create(wanted))


@app.get("/api/v1/deposits/<deposit_id>", middlewares=[rate_limit("reads")])
def get_deposit(deposit_id: str) -> DepositAnswer:
    found = answers.path_id(deposit_id, "deposit")
    return answers.deposit(deposits().get(found, principal(app).user_id))


@app.post("/api/v1/withdrawals", status_code=202, middlewares=[rate_limit("money"), idempotent])
def create_withdrawal(body: WithdrawalRequest) -> WithdrawalAnswer:
    """Hold settled cash and pay it out."""
    user = principal(app)
    wanted = Withdrawal(
        withdrawal_id=request_id(app),
        user_id=user.user_id,
        account_id=answers.account_for(user, body.currency),
        amount_minor=body.amount_minor,
        currency=body.currency,
        traceparent=current_traceparent(),
    )
    return answers.withdrawal(withdrawals().request(wanted))


@app.get("/api/v1/withdrawals/<withdrawal_id>", middlewares=[rate_limit("reads")])
def get_withdrawal(withdrawal_id: str) -> WithdrawalAnswer:
    found = answers.path_id(withdrawal_id, "withdrawal")
    return answers.withdrawal(withdrawals().get(found, principal(app).user_id))


@app.post("/api/v1/webhooks/stripe")
def stripe_webhook() -> WebhookAnswer:
    """Take the payment provider's word that something has changed, and ask what."""
    event = app.current_event
    raw_body = body_bytes(event.raw_event)
    if not webhook_is_genuine(raw_body, event.headers.get("stripe-signature"), webhook_secret()):
        raise Problem(401, "invalid_signature", "The webhook's signature does not fit.")
    named = answers.webhook_event(event.json_body)
    if named is None:
        return WebhookAnswer(outcome="ignored")
    outcome = apply_webhook(database, deposits(), withdrawals(), named)
    return WebhookAnswer(outcome=outcome)


def settlement_payment_handler(event: dict[str, Any], _: LambdaContext) -> dict[str, Any]:
    """Confirm the cash leg of one netting instruction (a task of the settlement state machine)."""
    if event.get("ping") is True:
        return {"pong": app.service}
    start_trace(event.get("traceparent"))
    terms = {name: event.get(name) for name in SettlementPayment.model_fields}
    payment = SettlementPayment.model_validate(terms)
    outcome = confirm_payment(database, payment)
    app.logger.info(
        "settlement payment",
        extra={"instruction_id": payment.instruction_id, "trace_id": trace_id(), **outcome},
    )
    return {"instruction_id": payment.instruction_id, **outcome}


def credit_handler(event: dict[str, Any], _: LambdaContext) -> dict[str, Any]:
    """Bring an account's credit to the engine where the orders service needs it."""
    if event.get("ping") is True:
        return {"pong": app.service}
    traceparent = start_trace(event.get("traceparent"))
    wanted = CreditRequest.model_validate(
        {name: event.get(name) for name in CreditRequest.model_fields}
    )
    lines = credit_lines()
    moved_minor = 0
    if lines is not None:
        moved_minor = lines.bring(
            wanted.account_id,
            wanted.shard,
            wanted.need_minor,
            ORDER,
            traceparent=traceparent,
            enough_minor=wanted.enough_minor,
        )
    app.logger.info(
        "credit",
        extra={"shard": wanted.shard, "moved_minor": moved_minor, "trace_id": trace_id()},
    )
    return {"moved_minor": moved_minor}


def resend_handler(event: dict[str, Any], _: LambdaContext) -> dict[str, Any]:
    """Go on with what stands still: deposits, withdrawals, commands to the engine."""
    if event.get("ping") is True:
        return {"pong": app.service}
    start_trace(None)
    lines = credit_lines()
    moved = lines.resume() if lines is not None else 0
    report = send_pending(engine(), database)
    resumed = {"deposits": deposits().resume(), "withdrawals": withdrawals().resume()}
    outcome = {"sent": len(report.answers), "left": report.left, "moved": moved, **resumed}
    outcome["forgotten_keys"] = IdempotencyStore(app.service, database).forget_old()
    app.logger.info("resend", extra={**outcome, "trace_id": trace_id()})
    return outcome
