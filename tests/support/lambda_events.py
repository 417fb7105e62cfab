"""HTTP API events (payload 2.0) for handlers, and the parsed answer."""

import json
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

Handler = Callable[[dict[str, Any], Any], dict[str, Any]]


@dataclass(frozen=True)
class HttpAnswer:
    status: int
    headers: dict[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def code(self) -> str:
        assert self.headers["content-type"] == "application/problem+json", self
        return str(self.json["code"])


class Context(LambdaContext):
    """What Powertools reads of a Lambda context."""

    _function_name = "test"
    _memory_limit_in_mb = 128
    _invoked_function_arn = "arn:aws:lambda:us-east-1:000000000000:function:test"
    _aws_request_id = "00000000-0000-4000-8000-000000000000"


def access_claims(
    subject: str | None = None, account_id: int | None = 1001, currency: str = "USD"
) -> dict[str, str]:
    """Return what the JWT authorizer hands over for an access token."""
    claims = {"sub": subject or str(uuid.uuid4()), "token_use": "access", "client_id": "client"}
    if account_id is not None:
        claims |= {"account_id": str(account_id), "account_currency": currency}
    return claims


def http_event(
    method: str,
    path: str,
    body: Any = None,
    *,
    headers: dict[str, str] | None = None,
    claims: dict[str, str] | None = None,
) -> dict[str, Any]:
    """Return an event; a `body` that is no str is sent as JSON."""
    sent = {"content-type": "application/json", **(headers or {})}
    context: dict[str, Any] = {
        "http": {"method": method, "path": path, "sourceIp": "192.0.2.1"},
        "requestId": "request-1",
        "stage": "$default",
    }
    if claims is not None:
        context["authorizer"] = {"jwt": {"claims": claims, "scopes": None}}
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": f"{method} {path}",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {name.lower(): value for name, value in sent.items()},
        "requestContext": context,
        "isBase64Encoded": False,
    }
    if body is not None:
        event["body"] = body if isinstance(body, str) else json.dumps(body)
    return event


# A function's process handles one request at a time, and Powertools keeps the request in a global.
_one_request = threading.Lock()


def call(handler: Handler, event: dict[str, Any]) -> HttpAnswer:
    """Invoke a handler; return its answer with lower-case header names."""
    with _one_request:
        answer = handler(event, Context())
    headers = {name.lower(): value for name, value in answer["headers"].items()}
    return HttpAnswer(int(answer["statusCode"]), headers, answer["body"])
