"""The back office: a REST API of its own for operators, with API keys (the one Chalice app)."""

import json
import re
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import date
from functools import partial, wraps
from typing import Any, TypeVar

from aws_lambda_powertools import Logger
from chalice.app import Chalice, Request, Response
from pydantic import BaseModel, ValidationError

from functions.backoffice import actions, amendments, market, minutely
from functions.backoffice.accounts import account_answer
from functions.backoffice.adapters import SettlementService
from functions.backoffice.models import (
    ActionAnswer,
    ActionRequest,
    CorrectTradeRequest,
    KillSwitchRequest,
    SessionRequest,
    UncrossRequest,
)
from shared.domain.ids import MAX_ACCOUNT_ID
from shared.domain.instruments import Instrument
from shared.domain.market_commands import PublishIndicative
from shared.edge.engine import engine
from shared.edge.problems import CONTENT_TYPE, Problem, unavailable
from shared.edge.requests import MAX_BODY_BYTES
from shared.edge.settings import dsn
from shared.edge.tracing import start_trace, trace_id
from shared.ports.engine import EngineError
from shared.ports.failures import InfrastructureUnavailable
from shared.postgres.pool import DatabaseUnavailable
from shared.postgres.unit_of_work import UnitOfWork
from shared.reference import instruments

MAX_PAGE = 200
MAX_ID = (1 << 63) - 1  # trades of high shards have ids of 19 digits
View = Callable[..., Response]
Body = TypeVar("Body", bound=ActionRequest)

app = Chalice(app_name="backoffice")
logger = Logger(service="backoffice")


def _source() -> str:
    return dsn("backoffice")


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Answer a REST API event, or a ping."""
    if event.get("ping") is True:
        return {"pong": "backoffice"}
    answer: dict[str, Any] = app(event, context)
    return answer


def resend_handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Do what is due every minute."""
    if event.get("ping") is True:
        return {"pong": "backoffice"}
    report = asdict(
        minutely.run(_source, engine(), SettlementService(), instruments(), time.time_ns())
    )
    logger.info("minutely", extra=report)
    return report


def route(path: str, method: str) -> Callable[[View], View]:
    """Register a view behind the API key; it may raise Problem and is logged with one line.

    Exceptions end here: Chalice would answer in a shape of its own and log what the caller sent.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(**arguments: str) -> Response:
            started_ns = time.perf_counter_ns()
            request = _request()
            traceparent = start_trace(request.headers.get("traceparent"))
            response = _guard(view, arguments)
            response.headers.update({"traceparent": traceparent, "cache-control": "no-store"})
            identity = request.context.get("identity", {})
            logger.info(
                "request",
                extra={
                    "route": f"{method} {path}",
                    "status": response.status_code,
                    "duration_ms": (time.perf_counter_ns() - started_ns) // 1_000_000,
                    "trace_id": trace_id(),
                    "api_key_id": identity.get("apiKeyId", ""),
                },
            )
            return response

        app.route(path, methods=[method], api_key_required=True)(guarded)
        return guarded

    return decorate


def _guard(view: View, arguments: Mapping[str, str]) -> Response:
    """Call a view and turn whatever it raises into a problem document."""
    try:
        return view(**arguments)
    except Problem as problem:
        return _render(problem)
    except (DatabaseUnavailable, EngineError, InfrastructureUnavailable) as error:
        logger.warning("part unavailable", extra={"error_type": type(error).__qualname__})
        return _render(unavailable("part_unavailable", "A part of the platform is not available."))
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)[-12:]
        logger.error(
            "unexpected exception",
            extra={
                "error_type": type(error).__qualname__,
                "frames": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames],
            },
        )
        return _render(Problem(500, "internal_error", "Something broke on our side."))


@route("/accounts/{account_id}", "GET")
def show_account(account_id: str) -> Response:
    number = _number(account_id, "account_id")
    if not 1 <= number <= MAX_ACCOUNT_ID:
        raise Problem(404, "account_not_found")
    view = engine().account(number)
    open_orders = [] if view is None else engine().open_orders(number)
    ledger = SettlementService().ledger_balances(number)
    with UnitOfWork(_source) as uow:
        answer = account_answer(uow, instruments(), number, view, open_orders, ledger)
    if answer is None:
        raise Problem(404, "account_not_found", "There is no such account.")
    return _answer(answer)


@route("/instruments/{symbol}/halt", "POST")
def halt_instrument(symbol: str) -> Response:
    return _carry_out(market.halt(_instrument(symbol)), _body(ActionRequest))


@route("/instruments/{symbol}/resume", "POST")
def resume_instrument(symbol: str) -> Response:
    return _carry_out(market.resume(_instrument(symbol)), _body(ActionRequest))


@route("/instruments/{symbol}/session", "POST")
def set_session(symbol: str) -> Response:
    request = _body(SessionRequest)
    return _carry_out(market.set_session(_instrument(symbol), request.session), request)


@route("/instruments/{symbol}/uncross", "POST")
def uncross(symbol: str) -> Response:
    request = _body(UncrossRequest)
    return _carry_out(market.uncross(_instrument(symbol), request.session), request)


@route("/instruments/{symbol}/indicative", "POST")
def publish_indicative(symbol: str) -> Response:
    """Have the feed told what an uncross would do now. It changes nothing, and is not recorded."""
    engine().submit(PublishIndicative(_instrument(symbol).instrument_id))
    return _json(202, {"symbol": symbol})


@route("/instruments/{symbol}/end-of-day", "POST")
def end_of_day(symbol: str) -> Response:
    return _carry_out(market.end_of_day(_instrument(symbol)), _body(ActionRequest))


@route("/instruments/{symbol}/delist", "POST")
def delist(symbol: str) -> Response:
    return _carry_out(market.delist(_instrument(symbol)), _body(ActionRequest))


@route("/market/session", "POST")
def set_all_sessions() -> Response:
    """Change the session wherever it is possible: the market-wide halt, and its end."""
    request = _body(SessionRequest)
    return _carry_out(market.set_session(None, request.session), request)


@route("/market/end-of-day", "POST")
def end_trading_day() -> Response:
    return _carry_out(market.end_of_day(None), _body(ActionRequest))


@route("/kill-switch", "POST")
def set_kill_switch() -> Response:
    request = _body(KillSwitchRequest)
    action = market.set_kill_switch(request)
    if action is None:
        detail = "The firm's switch has no target; the others name an account or a group."
        raise Problem(422, "invalid_target", detail)
    return _carry_out(action, request)


@route("/trades/{trade_id}/bust", "POST")
def bust_trade(trade_id: str) -> Response:
    request = _body(ActionRequest)
    return _amend(trade_id, None, partial(market.bust, trade_id), request)


@route("/trades/{trade_id}/correct", "POST")
def correct_trade(trade_id: str) -> Response:
    request = _body(CorrectTradeRequest)
    instrument = _instrument(request.symbol)
    try:
        price_ticks = instrument.price_ticks(request.price)
        quantity_lots = instrument.quantity_lots(request.quantity)
    except ValueError as error:
        raise Problem(422, "invalid_terms", f"The corrected terms are {error}.") from error
    corrected = {
        "instrument_id": instrument.instrument_id,
        "price_ticks": price_ticks,
        "quantity_lots": quantity_lots,
    }
    action_of = partial(market.correct, trade_id, corrected, request)
    return _amend(trade_id, corrected, action_of, request)


@route("/audit", "GET")
def list_audit() -> Response:
    query: Mapping[str, str] = _request().query_params or {}
    limit = _number(query.get("limit", "50"), "limit")
    before = _number(query["before"], "before") if "before" in query else None
    if not 1 <= limit <= MAX_PAGE:
        raise Problem(400, "invalid_request", f"limit must lie within 1..{MAX_PAGE}.")
    return _answer(actions.list_actions(_source, before, limit))


@route("/settlements/{batch_id}", "GET")
def show_batch(batch_id: str) -> Response:
    try:
        day = date.fromisoformat(batch_id)
    except ValueError as error:
        raise Problem(400, "invalid_request", "batch_id must be an ISO date.") from error
    found = SettlementService().batch(day.isoformat())
    if found is None:
        raise Problem(404, "batch_not_found", "There is no batch of that date.")
    return _json(200, found)


def _instrument(symbol: str) -> Instrument:
    instrument: Instrument | None = instruments().by_symbol.get(symbol)
    if instrument is None:
        raise Problem(404, "instrument_not_found", "There is no such instrument.")
    return instrument


def _carry_out(action: actions.Action, request: ActionRequest) -> Response:
    return _carried_out(actions.carry_out(_source, engine(), action, request))


def _amend(
    trade_id: str,
    corrected: dict[str, int] | None,
    action_of: Callable[[dict[str, Any]], actions.Action],
    request: ActionRequest,
) -> Response:
    number = _number(trade_id, "trade_id")
    answer = amendments.amend(
        _source, engine(), SettlementService(), number, corrected, action_of, request
    )
    return _carried_out(answer)


def _carried_out(answer: ActionAnswer) -> Response:
    return _answer(answer, 202 if answer.engine == "PENDING" else 200)


def _request() -> Request:
    request: Request | None = app.current_request
    assert request is not None, "only routes ask for it"
    return request


def _body(model: type[Body]) -> Body:
    raw = _request().raw_body
    if len(raw) > MAX_BODY_BYTES:
        raise Problem(413, "body_too_large")
    try:
        return model.model_validate_json(raw)
    except ValidationError as error:
        faults = [
            {
                "pointer": "/" + "/".join(str(step)[:64] for step in fault["loc"]),
                "code": str(fault["type"]),
                "message": str(fault["msg"]),
            }
            for fault in error.errors(include_url=False, include_input=False)[:20]
        ]
        raise Problem(400, "invalid_request", "The request is not valid.", errors=faults) from error


def _number(text: str, name: str) -> int:
    if not re.fullmatch(r"[1-9][0-9]{0,18}", text) or int(text) > MAX_ID:
        raise Problem(400, "invalid_request", f"{name} must be a positive number.")
    return int(text)


def _answer(model: BaseModel, status: int = 200) -> Response:
    return _json(status, model.model_dump(mode="json"))


def _json(status: int, document: Mapping[str, Any]) -> Response:
    return Response(
        body=json.dumps(document),
        status_code=status,
        headers={"Content-Type": "application/json"},
    )


def _render(problem: Problem) -> Response:
    return Response(
        body=json.dumps(problem.document()),
        status_code=problem.status,
        headers={"Content-Type": CONTENT_TYPE, **problem.headers},
    )
