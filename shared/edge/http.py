"""HttpApp: a function behind the HTTP API, with one error shape and one log line a request."""

import time
import traceback
from collections.abc import Mapping
from typing import Any, Final

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError, ServiceError
from aws_lambda_powertools.event_handler.openapi.exceptions import (
    RequestUnsupportedContentType,
    RequestValidationError,
    ResponseValidationError,
)
from aws_lambda_powertools.utilities.typing import LambdaContext

from shared.edge.problems import Problem, unavailable
from shared.edge.requests import MAX_BODY_BYTES, check_request, loads
from shared.edge.tracing import start_trace, trace_id
from shared.ports.engine import EngineBusy, EngineError
from shared.ports.failures import InfrastructureUnavailable
from shared.postgres.pool import DatabaseUnavailable

_ANSWER_HEADERS: Final = {
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
}


class HttpApp(APIGatewayHttpResolver):
    """A Powertools resolver with validation on and every error as problem+json.

    Examples
    --------
    >>> app = HttpApp("orders")                                        # doctest: +SKIP
    ... @app.post("/api/v1/orders", status_code=201, middlewares=[rate_limit("orders"), idempotent])
    ... def place_order(body: PlaceOrderRequest) -> OrderAnswer: ...
    ... handler = app.handler
    """

    def __init__(
        self, service: str, *, max_body_bytes_by_route: Mapping[str, int] | None = None
    ) -> None:
        super().__init__(
            enable_validation=True,
            json_body_deserializer=loads,
            response_validation_error_http_code=500,
        )
        self.service = service
        self.logger = Logger(service=service)
        self._max_body_bytes = max_body_bytes_by_route or {}
        self._refusal_code = ""
        self._register_exception_handlers()

    def handler(self, event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
        """Answer an HTTP API event (payload 2.0), or a ping."""
        if event.get("ping") is True:
            return {"pong": self.service}
        started_ns = time.perf_counter_ns()
        headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
        traceparent = start_trace(headers.get("traceparent"))
        self._refusal_code = ""
        answer = self._answer(event, context)
        answer["headers"] = {
            **_ANSWER_HEADERS,
            **answer.get("headers", {}),
            "traceparent": traceparent,
        }
        self._log(event, int(answer["statusCode"]), started_ns)
        return answer

    def _answer(self, event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
        try:
            check_request(event, self._max_body_bytes.get(event.get("rawPath", ""), MAX_BODY_BYTES))
            return self.resolve(event, context)
        except Problem as problem:
            return _raw(self._render(problem))
        except Exception as error:
            return _raw(self._unexpected(error))

    def _log(self, event: Mapping[str, Any], status: int, started_ns: int) -> None:
        request = event.get("requestContext", {})
        claims = request.get("authorizer", {}).get("jwt", {}).get("claims", {})
        self.logger.info(
            "request",
            extra={
                "route": event.get("routeKey", ""),
                "status": status,
                "code": self._refusal_code,
                "duration_ms": (time.perf_counter_ns() - started_ns) // 1_000_000,
                "trace_id": trace_id(),
                "user_id": claims.get("sub", ""),
                "request_id": request.get("requestId", ""),
            },
        )

    def _register_exception_handlers(self) -> None:
        handlers: list[tuple[type[Exception], Any]] = [
            (Problem, self._render),
            (
                RequestValidationError,
                lambda error: self._render(validation_problem(error)),
            ),
            (
                RequestUnsupportedContentType,
                lambda _: self._render(_wrong_content_type()),
            ),
            (ResponseValidationError, self._unexpected),
            (NotFoundError, lambda _: self._render(self._no_route())),
            (ServiceError, lambda error: self._render(_service_problem(error))),
            (DatabaseUnavailable, lambda _: self._render(_database_down())),
            (
                EngineBusy,
                lambda _: self._render(unavailable("engine_busy", "Try again.")),
            ),
            (EngineError, lambda _: self._render(_engine_down())),
            (InfrastructureUnavailable, lambda _: self._render(_part_down())),
            (Exception, self._unexpected),
        ]
        for kind, render in handlers:
            self.exception_handler(kind)(render)

    def _render(self, problem: Problem) -> Response[str]:
        self._refusal_code = problem.code
        return problem.response()

    def _no_route(self) -> Problem:
        method, path = self.current_event.http_method.upper(), self.current_event.path
        routes = [*self._static_routes, *self._dynamic_routes]
        allowed = sorted({route.method for route in routes if route.rule.match(path)} - {method})
        if not allowed:
            return Problem(404, "not_found", "There is nothing here.")
        return Problem(405, "method_not_allowed", headers={"Allow": ", ".join(allowed)})

    def _unexpected(self, error: Exception) -> Response[str]:
        """Log where an exception came from, without its message: that may hold a client's data."""
        frames = traceback.extract_tb(error.__traceback__)[-12:]
        self.logger.error(
            "unexpected exception",
            extra={
                "error_type": f"{type(error).__module__}.{type(error).__qualname__}",
                "frames": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames],
                "trace_id": trace_id(),
            },
        )
        return self._render(Problem(500, "internal_error", "Something broke on our side."))


def validation_problem(error: RequestValidationError) -> Problem:
    """Return the 400 that lists what a request's parts have wrong, without echoing values."""
    faults = [
        {
            "pointer": _pointer(fault["loc"]),
            "code": str(fault["type"]),
            "message": str(fault["msg"]).removeprefix("Value error, "),
        }
        for fault in error.errors()[:20]
    ]
    codes = {fault["code"] for fault in faults}
    code = "unknown_field" if codes == {"extra_forbidden"} else "invalid_request"
    return Problem(400, code, "The request is not valid.", errors=faults)


def _pointer(location: tuple[str | int, ...]) -> str:
    """Return a location as a JSON pointer; parts outside the body are named by where they are."""
    place, *rest = [str(step).replace("~", "~0").replace("/", "~1")[:64] for step in location]
    return "/" + "/".join(rest if place == "body" else [place, *rest])


def _wrong_content_type() -> Problem:
    return Problem(415, "unsupported_media_type", "Send application/json.")


def _service_problem(error: ServiceError) -> Problem:
    return Problem(error.status_code, "refused", str(error.msg))


def _database_down() -> Problem:
    return unavailable("database_unavailable", "The database is not available.")


def _engine_down() -> Problem:
    return unavailable("engine_unavailable", "The engine is not available.")


def _part_down() -> Problem:
    return unavailable("temporarily_unavailable", "A part of the platform is not available.")


def _raw(response: Response[str]) -> dict[str, Any]:
    return {
        "statusCode": response.status_code,
        "headers": {**response.headers, "Content-Type": response.content_type or ""},
        "body": response.body or "",
        "isBase64Encoded": False,
    }
