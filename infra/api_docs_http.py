"""The OpenAPI document: what the handlers declare, joined with the routes of template.yaml.

The functions know bodies and parameters; the template knows which routes exist and which need a
token. A route that only one of them has is an error, so the document cannot describe what is not
there.
"""

import importlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver
from samtranslator.yaml_helper import yaml_parse

from shared.edge.idempotency import Idempotency
from shared.edge.problems import CONTENT_TYPE

SERVICES: Final = ("users", "payments", "orders", "marketdata", "risk", "settlement")
TEMPLATE: Final = Path(__file__).resolve().parent.parent / "template.yaml"
_SCHEMAS: Final = "#/components/schemas/"
_POWERTOOLS_ERRORS: Final = ("HTTPValidationError", "ValidationError", "ResponseValidationError")

Json = dict[str, Any]


class RoutesDiffer(Exception):
    """The template and the functions do not have the same routes."""


_INFO: Final = {
    "title": "Trading platform",
    "version": "1",
    "description": (
        "Ids are decimal strings, prices and amounts decimal numbers in strings, times ISO 8601 in "
        "UTC. Every refusal is an RFC 9457 problem with a stable `code`. Requests may carry a W3C "
        "`traceparent`; every answer does."
    ),
}
_PROBLEM: Final = {
    "type": "object",
    "title": "Problem",
    "description": "RFC 9457. `code` is stable; `errors` says what is wrong where.",
    "required": ["type", "title", "status", "detail", "code", "instance"],
    "properties": {
        "type": {"type": "string", "examples": ["urn:problem:price_off_tick"]},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string", "pattern": "^[a-z0-9_]+$"},
        "instance": {"type": "string", "description": "urn:trace: and the request's trace id"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "code", "message"],
                "properties": {
                    "pointer": {"type": "string", "description": "A JSON pointer"},
                    "code": {"type": "string"},
                    "message": {"type": "string"},
                },
            },
        },
    },
    "additionalProperties": True,
}
_REFUSALS: Final = {
    "4XX": {"$ref": "#/components/responses/Refused"},
    "5XX": {"$ref": "#/components/responses/Unavailable"},
}
_PROBLEM_CONTENT: Final = {CONTENT_TYPE: {"schema": {"$ref": _SCHEMAS + "Problem"}}}
_RESPONSES: Final = {
    "Refused": {
        "description": "Not done, and nothing is stored",
        "headers": {"Retry-After": {"schema": {"type": "integer"}, "description": "With 429"}},
        "content": _PROBLEM_CONTENT,
    },
    "Unavailable": {
        "description": "A part is down; the same request may succeed later",
        "headers": {"Retry-After": {"schema": {"type": "integer"}, "description": "With 503"}},
        "content": _PROBLEM_CONTENT,
    },
}


def openapi_text() -> str:
    """Return the document as JSON text."""
    return json.dumps(openapi_document(), indent=2, ensure_ascii=False) + "\n"


def openapi_document() -> Json:
    """Return the document; raise RoutesDiffer."""
    needs_token = template_routes()
    paths: dict[str, Json] = {}
    schemas: dict[str, Json] = {"Problem": dict(_PROBLEM)}
    declared: set[tuple[str, str]] = set()
    for service in SERVICES:
        app: APIGatewayHttpResolver = importlib.import_module(f"functions.{service}.app").app
        document = _service_document(app, service)
        schemas |= document["components"]["schemas"]
        for path, operations in document["paths"].items():
            for method, operation in operations.items():
                route = (method.upper(), path)
                declared.add(route)
                _complete(operation, service, needs_token.get(route, True))
                paths.setdefault(path, {})[method] = operation
        for method, path, required in _idempotent_routes(app):
            parameters = paths[path][method].setdefault("parameters", [])
            parameters.append(_idempotency_header(required))
    if declared != needs_token.keys():
        differing = sorted(declared ^ needs_token.keys())
        raise RoutesDiffer(f"only in template.yaml or only in a function: {differing}")
    return {
        "openapi": "3.1.0",
        "info": _INFO,
        "servers": [{"url": "/"}],
        "paths": {path: dict(sorted(paths[path].items())) for path in sorted(paths)},
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "responses": _RESPONSES,
            "securitySchemes": {
                "accessToken": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "An access token of the user pool",
                }
            },
        },
    }


def template_routes() -> dict[tuple[str, str], bool]:
    """Return (method, path) of every route of the HTTP API and whether it needs a token."""
    resources = yaml_parse(TEMPLATE.read_text(encoding="utf-8"))["Resources"].values()
    routes: dict[tuple[str, str], bool] = {}
    for resource in resources:
        if resource["Type"] != "AWS::ApiGatewayV2::Route":
            continue
        properties = resource["Properties"]
        method, path = properties["RouteKey"].split(" ", 1)
        routes[method, path] = properties.get("AuthorizationType") == "JWT"
    return routes


def _service_document(app: APIGatewayHttpResolver, service: str) -> Json:
    """Return a function's own document, its schemas named so that no two services' collide."""
    text = app.get_openapi_json_schema(title=service, version="1")
    schemas = json.loads(text)["components"]["schemas"]
    for name in schemas:
        text = text.replace(f'"{_SCHEMAS}{name}"', f'"{_SCHEMAS}{_public(service, name)}"')
    document: Json = json.loads(text)
    document["components"]["schemas"] = {
        _public(service, name): schema
        for name, schema in document["components"]["schemas"].items()
        if name not in _POWERTOOLS_ERRORS
    }
    return document


def _public(service: str, name: str) -> str:
    plain = re.sub(r"[^A-Za-z0-9]", "", name.rpartition("__")[2] or name)
    return f"{service.capitalize()}{plain}"


def _complete(operation: Json, service: str, needs_token: bool) -> None:
    """Replace the framework's error answers by problems; add what the template says."""
    responses: Json = operation["responses"]
    for status in ("422", "500"):
        responses.pop(status, None)
    responses |= _REFUSALS
    operation["responses"] = dict(sorted(responses.items()))
    operation.setdefault("tags", [service])
    operation["security"] = [{"accessToken": []}] if needs_token else []


def _idempotent_routes(app: APIGatewayHttpResolver) -> Iterator[tuple[str, str, bool]]:
    """Yield (method, path, whether the key is required) of routes that take an Idempotency-Key."""
    for route in [*app._static_routes, *app._dynamic_routes]:
        for middleware in route.middlewares:
            required = isinstance(middleware, Idempotency)
            if required or getattr(middleware, "takes_idempotency_key", False):
                path = re.sub(r"<(\w+)>", r"{\1}", str(route.path))
                yield route.method.lower(), path, required


def _idempotency_header(required: bool) -> Json:
    return {
        "name": "Idempotency-Key",
        "in": "header",
        "required": required,
        "description": "The same key and body again get the first answer, byte for byte",
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9_-]{8,128}$"},
    }
