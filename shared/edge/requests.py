"""What a request must be before any handler sees it: size, encoding, content type, strict JSON."""

import base64
import binascii
import json
import math
from collections.abc import Mapping
from typing import Any, Final

from shared.edge.problems import Problem

MAX_BODY_BYTES: Final = 16 * 1024
MAX_DEPTH: Final = 16
_MAX_INTEGER: Final = (1 << 63) - 1
_BODY_METHODS: Final = frozenset({"POST", "PUT", "PATCH"})


def body_bytes(event: Mapping[str, Any]) -> bytes:
    """Return the body as it was sent: what signatures are computed over."""
    body = event.get("body") or ""
    if not event.get("isBase64Encoded"):
        return str(body).encode("utf-8", "surrogatepass")
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Problem(400, "malformed_body", "The body is not valid base64.") from error


def check_request(event: Mapping[str, Any], max_body_bytes: int = MAX_BODY_BYTES) -> None:
    """Refuse a request whose body is too large, of another type, or not strict JSON.

    Raises
    ------
    Problem
        413, 415 or 400.
    """
    body = body_bytes(event)
    if len(body) > max_body_bytes:
        raise Problem(413, "body_too_large", f"The body may have {max_body_bytes} bytes.")
    method = event.get("requestContext", {}).get("http", {}).get("method", "")
    if method not in _BODY_METHODS or not body:
        return
    headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
    media_type = headers.get("content-type", "").split(";")[0].strip().lower()
    if media_type != "application/json":
        raise Problem(415, "unsupported_media_type", "Send application/json.")
    try:
        loads(body.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise Problem(400, "malformed_body", "The body is not UTF-8.") from error


def loads(text: str) -> Any:
    """Parse strict JSON: no NaN, no infinity, bounded numbers and depth, no repeated names.

    Raises
    ------
    Problem
        400 with code malformed_json, number_out_of_range or json_too_deep.
    """
    try:
        value = json.loads(
            text,
            parse_constant=_refuse_constant,
            parse_float=_parse_float,
            parse_int=_parse_int,
            object_pairs_hook=_unique_names,
        )
    except RecursionError as error:
        raise _too_deep() from error
    except ValueError as error:
        raise Problem(400, "malformed_json", "The body is not valid JSON.") from error
    _check_depth(value)
    return value


def _refuse_constant(_: str) -> float:
    raise Problem(400, "malformed_json", "NaN and Infinity are not JSON.")


def _parse_float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise Problem(400, "number_out_of_range", "A number is out of range.")
    return value


def _parse_int(text: str) -> int:
    if len(text) > 20 or abs(value := int(text)) > _MAX_INTEGER:
        raise Problem(400, "number_out_of_range", "A number is out of range.")
    return value


def _unique_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise Problem(400, "malformed_json", "A name is repeated.")
    return members


def _check_depth(value: Any) -> None:
    level, depth = [value], 0
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            raise _too_deep()
        level = [
            child
            for node in level
            if isinstance(node, dict | list)
            for child in (node.values() if isinstance(node, dict) else node)
        ]


def _too_deep() -> Problem:
    return Problem(400, "json_too_deep", f"The body is nested more than {MAX_DEPTH} deep.")
