"""RFC 9457 problem answers: the one shape of every error."""

import json
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Final

from aws_lambda_powertools.event_handler import Response

from shared.edge.tracing import trace_id

CONTENT_TYPE: Final = "application/problem+json"


class Problem(Exception):
    """An answer that says why not. Raised anywhere below a handler, rendered by `HttpApp`.

    Parameters
    ----------
    status
        HTTP status, 4xx or 5xx.
    code
        Stable lower_snake code that programs may rely on.
    detail
        One sentence for people, without internals.
    errors
        What is wrong where: mappings of `pointer` (a JSON pointer), `code` and `message`.
    headers
        Extra response headers, such as Retry-After.
    extra
        Further members of the problem document.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str = "",
        *,
        errors: Sequence[dict[str, str]] = (),
        headers: dict[str, str] | None = None,
        **extra: Any,
    ) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.detail = detail
        self.errors = list(errors)
        self.headers = headers or {}
        self.extra = extra

    def document(self) -> dict[str, Any]:
        """Return the problem's members."""
        document: dict[str, Any] = {
            "type": f"urn:problem:{self.code}",
            "title": self.code.replace("_", " ").capitalize(),
            "status": self.status,
            "detail": self.detail or HTTPStatus(self.status).phrase,
            "code": self.code,
            "instance": f"urn:trace:{trace_id()}",
        }
        if self.errors:
            document["errors"] = self.errors
        return document | self.extra

    def response(self) -> Response[str]:
        """Return the problem as a response."""
        return Response(
            status_code=self.status,
            content_type=CONTENT_TYPE,
            headers=dict(self.headers),
            body=json.dumps(self.document(), separators=(",", ":")),
        )


def unavailable(code: str, detail: str, *, retry_after_s: int = 2) -> Problem:
    """Return the 503 of a part that is down for now."""
    return Problem(503, code, detail, headers={"Retry-After": str(retry_after_s)})
