"""The Idempotency-Key header: one execution per key, the first answer again for every repeat."""

import contextlib
import hashlib
import json
import time
import uuid
from collections.abc import Callable
from typing import Any, Final

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.middlewares import (
    BaseMiddlewareHandler,
    NextMiddleware,
)
from pydantic import TypeAdapter, ValidationError

from shared.edge.auth import principal
from shared.edge.models import IdempotencyKey
from shared.edge.problems import Problem
from shared.edge.requests import body_bytes
from shared.postgres.idempotency import (
    Execute,
    IdempotencyStore,
    OtherRequest,
    SavedAnswer,
)
from shared.postgres.pool import DatabaseUnavailable, PoolSource

WAIT_S: Final = 5.0
_POLL_S: Final = 0.02
_KEY: Final = TypeAdapter(IdempotencyKey)
_CONTEXT_KEY: Final = "idempotent_request_id"
REPLAYED_HEADER: Final = "idempotency-replayed"


class OnceRunner:
    """Runs a request once per key, however many processes and threads ask at the same time."""

    def __init__(self, store: IdempotencyStore, *, wait_s: float = WAIT_S) -> None:
        self._store = store
        self._wait_s = wait_s

    def run(
        self, scope: str, key: str, request_hash: bytes, execute: Callable[[], SavedAnswer]
    ) -> tuple[SavedAnswer, bool]:
        """Return the key's answer, and whether it is an earlier execution's.

        Answers below 500 are kept, refusals too; after a 429, a 5xx or an exception the key is free
        again. Raises Problem: 422 for a key of another request, 409 when the first execution is
        still under way after `wait_s`.
        """
        claim = self._claim(scope, key, request_hash)
        if isinstance(claim, SavedAnswer):
            return claim, True
        try:
            answer = execute()
        except BaseException:
            self._release(scope, key, claim.owner)
            raise
        if answer.status >= 500 or answer.status == 429:
            self._release(scope, key, claim.owner)
        else:
            self._store.save(scope, key, claim.owner, answer)
        return answer, False

    def _claim(self, scope: str, key: str, request_hash: bytes) -> SavedAnswer | Execute:
        deadline = time.monotonic() + self._wait_s
        while True:
            claim = self._store.claim(scope, key, request_hash)
            if isinstance(claim, SavedAnswer | Execute):
                return claim
            if isinstance(claim, OtherRequest):
                raise Problem(
                    422, "idempotency_key_reused", "This key was used for a different request."
                )
            if time.monotonic() >= deadline:
                raise Problem(
                    409,
                    "request_in_progress",
                    "The first request with this key is still being handled.",
                    headers={"Retry-After": "1"},
                )
            time.sleep(_POLL_S)

    def _release(self, scope: str, key: str, owner: uuid.UUID) -> None:
        with contextlib.suppress(DatabaseUnavailable):  # the key frees itself when its hold ends
            self._store.release(scope, key, owner)


class Idempotency(BaseMiddlewareHandler[APIGatewayHttpResolver]):
    """A route middleware, put after validation by Powertools: what is malformed takes no key.

    Examples
    --------
    >>> idempotent = Idempotency("orders", lambda: dsn("orders"))     # doctest: +SKIP
    """

    def __init__(self, schema: str, source: PoolSource, *, wait_s: float = WAIT_S) -> None:
        super().__init__()
        self._runner = OnceRunner(IdempotencyStore(schema, source), wait_s=wait_s)

    def handler(
        self, app: APIGatewayHttpResolver, next_middleware: NextMiddleware
    ) -> Response[Any]:
        scope, key = f"{principal(app).user_id} {_route(app)}", _key(app)
        app.context[_CONTEXT_KEY] = uuid.uuid5(uuid.NAMESPACE_URL, f"{scope} {key}")
        answer, is_replayed = self._runner.run(
            scope, key, _request_hash(app), lambda: _saved(_run(app, next_middleware))
        )
        return _response(answer, replayed=is_replayed)


def request_id(app: APIGatewayHttpResolver) -> uuid.UUID:
    """Return the id that all tries of one idempotent request share.

    A service stores it with what it creates: if the function dies between its commit and the saved
    answer, the next try finds what exists.
    """
    found = app.context[_CONTEXT_KEY]
    assert isinstance(found, uuid.UUID)
    return found


def _run(app: APIGatewayHttpResolver, next_middleware: NextMiddleware) -> Response[Any]:
    try:
        return next_middleware(app)
    except Problem as problem:
        if problem.status >= 500 or problem.status == 429:
            raise
        return problem.response()


def _key(app: APIGatewayHttpResolver) -> str:
    given = app.current_event.headers.get("idempotency-key")
    if given is None:
        raise Problem(400, "idempotency_key_required", "Send an Idempotency-Key header.")
    try:
        return _KEY.validate_python(given)
    except ValidationError as error:
        raise Problem(
            400, "invalid_idempotency_key", "Use 8 to 128 letters, digits, - and _."
        ) from error


def _route(app: APIGatewayHttpResolver) -> str:
    return f"{app.current_event.http_method.upper()} {app.current_event.path}"


def _request_hash(app: APIGatewayHttpResolver) -> bytes:
    return hashlib.sha256(body_bytes(app.current_event.raw_event)).digest()


def _saved(response: Response[Any]) -> SavedAnswer:
    body = response.body
    if not isinstance(body, str):
        body = json.dumps(body, separators=(",", ":"))
    return SavedAnswer(response.status_code, response.content_type or "", body.encode())


def _response(answer: SavedAnswer, *, replayed: bool) -> Response[str]:
    return Response(
        status_code=answer.status,
        content_type=answer.content_type,
        headers={REPLAYED_HEADER: "true"} if replayed else {},
        body=answer.body.decode(),
    )
