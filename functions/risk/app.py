"""Entry points of risk: the HTTP API, the consumers of two topics, the operators' invocation."""

from collections.abc import Sequence
from typing import Annotated, Any, Final

from aws_lambda_powertools import Logger
from pydantic import Field, TypeAdapter, ValidationError

from functions.risk import wiring
from functions.risk.limits import UNLIMITED, Limits
from functions.risk.models import (
    LimitsAnswer,
    PositionList,
    ResendAction,
    SetLimitsAction,
)
from functions.risk.view import position_answer
from shared.edge.auth import principal
from shared.edge.http import HttpApp
from shared.edge.rate_limit import rate_limit
from shared.edge.stream_handler import StreamRecord, stream_handler
from shared.edge.tracing import start_trace
from shared.postgres.outbox import SendReport
from shared.reference import instruments
from shared.wire.stream_events import RiskEvent, TradeExecution

app = HttpApp("risk")
handler = app.handler

_ACTION: Final = TypeAdapter[SetLimitsAction | ResendAction](
    Annotated[SetLimitsAction | ResendAction, Field(discriminator="action")]
)


@app.get(
    "/api/v1/risk/positions",
    summary="List your positions with what they cost and are worth",
    tags=["risk"],
    middlewares=[rate_limit("reads")],
)
def get_positions() -> PositionList:
    account_id = principal(app).trading_account()
    report = wiring.service().report(account_id)
    return PositionList(
        account_id=str(account_id),
        source="cache" if report.from_hot_copy else "database",
        positions=[
            position_answer(
                position,
                instruments().by_id[position.instrument_id],
                report.last_prices.get(position.instrument_id),
            )
            for position in report.positions
        ],
    )


@app.get(
    "/api/v1/risk/limits",
    summary="Show the limits of your account",
    tags=["risk"],
    middlewares=[rate_limit("reads")],
)
def get_limits() -> LimitsAnswer:
    account_id = principal(app).trading_account()
    known = wiring.service().limits(account_id)
    limits = known.limits if known else UNLIMITED
    return LimitsAnswer(
        account_id=str(account_id),
        max_order_lots=limits.max_order_lots,
        max_order_value_minor=limits.max_order_value_minor,
        max_position_lots=limits.max_position_lots,
        max_open_orders=limits.max_open_orders,
        in_force=known.in_force if known else False,
    )


@stream_handler("risk", TradeExecution)
def trade_executions_handler(records: Sequence[StreamRecord[TradeExecution]]) -> None:
    """Take trades into positions; those that are in them already change nothing."""
    wiring.service().apply_trades([record.value for record in records])


@stream_handler("risk", RiskEvent)
def risk_events_handler(records: Sequence[StreamRecord[RiskEvent]]) -> None:
    """Take deposits into positions and raise alerts; events handled already change nothing."""
    wiring.service().apply_risk_events([record.value for record in records])


def admin_handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Set limits for an operator, or send what the engine has not answered.

    Answers `{"answered", "left", "rejected"}`, or `{"error", "fields"}` for a malformed action.
    """
    if event.get("ping") is True:
        return {"pong": "risk"}
    traceparent = start_trace(event.get("traceparent"))
    wanted = {name: value for name, value in event.items() if name != "traceparent"}
    try:
        action = _ACTION.validate_python(wanted)
    except ValidationError as error:
        fields = sorted({".".join(map(str, fault["loc"])) for fault in error.errors()})
        return {"error": "invalid_action", "fields": fields}
    if isinstance(action, ResendAction):
        report = wiring.service().resend()
    else:
        limits = Limits(
            action.max_order_lots,
            action.max_order_value_minor,
            action.max_position_lots,
            action.max_open_orders,
        )
        report = wiring.service().set_limits(
            action.account_id, limits, action.decided_by, traceparent
        )
    answer = _report(report)
    Logger(service="risk").info(action.action, extra=answer)
    return answer


def _report(report: SendReport) -> dict[str, Any]:
    rejected = [
        answer.reject_code.name.lower()
        for answer in report.answers
        if answer.reject_code is not None
    ]
    return {"answered": len(report.answers), "left": report.left, "rejected": rejected}
