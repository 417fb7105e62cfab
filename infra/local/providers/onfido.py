"""The identity-check provider: the part of Onfido's API v3.6 that the platform uses.

As in Onfido's sandbox, an applicant whose last name is "Consider" gets the result `consider`; all
others are `clear`.
"""

import asyncio
import hashlib
import hmac
import json
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from infra.local.providers.behaviour import BEHAVIOUR, Behaviour, Handler, behave
from infra.local.providers.files import replace_file
from infra.local.providers.webhooks import Webhooks

_ROOT: Final = "/v3.6"


def signature_header(body: bytes, webhook_token: str) -> dict[str, str]:
    """Sign a body in Onfido's way: HMAC-SHA256 over the raw bytes."""
    digest = hmac.new(webhook_token.encode(), body, hashlib.sha256).hexdigest()
    return {"X-SHA2-Signature": digest}


@dataclass
class OnfidoStandIn:
    """Applicants and checks, kept in one file."""

    api_token: str
    state_file: Path
    behaviour: Behaviour
    webhooks: Webhooks
    applicants: dict[str, dict[str, Any]] = field(default_factory=dict)
    checks: dict[str, dict[str, Any]] = field(default_factory=dict)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def application(self) -> web.Application:
        app = web.Application(middlewares=[behave, self._authenticate()])
        app[BEHAVIOUR] = self.behaviour
        app.add_routes(
            [
                web.post(f"{_ROOT}/applicants", self._create_applicant),
                web.get(f"{_ROOT}/applicants/{{id}}", self._get_applicant),
                web.post(f"{_ROOT}/checks", self._create_check),
                web.get(f"{_ROOT}/checks", self._list_checks),
                web.get(f"{_ROOT}/checks/{{id}}", self._get_check),
            ]
        )
        app.on_startup.append(self._start)
        app.on_cleanup.append(self._stop)
        return app

    async def _start(self, _: web.Application) -> None:
        if self.state_file.exists():
            state = json.loads(self.state_file.read_text(encoding="utf-8"))
            self.applicants, self.checks = state["applicants"], state["checks"]
        self.webhooks.start()
        for check in self.checks.values():
            if check["status"] == "in_progress":
                self._decide_later(check)

    async def _stop(self, _: web.Application) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.webhooks.stop()

    def _save(self) -> None:
        state = {"applicants": self.applicants, "checks": self.checks}
        replace_file(self.state_file, json.dumps(state).encode())

    def _authenticate(self) -> Any:
        @web.middleware
        async def authenticate(request: web.Request, handler: Handler) -> web.StreamResponse:
            given = request.headers.get("Authorization", "")
            if not hmac.compare_digest(given.encode(), f"Token token={self.api_token}".encode()):
                return _error(401, "authorization_error")
            return await handler(request)

        return authenticate

    # --- requests --------------------------------------------------------------------------------

    async def _create_applicant(self, request: web.Request) -> web.Response:
        body = await _json(request)
        names = [body.get("first_name"), body.get("last_name")]
        if not all(isinstance(name, str) and name.strip() for name in names):
            return _error(422, "validation_error")
        known = ("first_name", "last_name", "email", "dob")
        applicant = _new(f"{_ROOT}/applicants") | {name: body.get(name) for name in known}
        self.applicants[applicant["id"]] = applicant
        self._save()
        return web.json_response(applicant, status=201)

    async def _get_applicant(self, request: web.Request) -> web.Response:
        found = self.applicants.get(request.match_info["id"])
        return _error(404, "resource_not_found") if found is None else web.json_response(found)

    async def _create_check(self, request: web.Request) -> web.Response:
        body = await _json(request)
        if body.get("applicant_id") not in self.applicants or not body.get("report_names"):
            return _error(422, "validation_error")
        check = {
            **_new(f"{_ROOT}/checks"),
            "status": "in_progress",
            "result": None,
            "applicant_id": body["applicant_id"],
            "report_ids": [str(uuid.uuid4()) for _ in body["report_names"]],
            "sandbox": True,
        }
        self.checks[check["id"]] = check
        self._save()
        self._decide_later(check)
        return web.json_response(check, status=201)

    async def _get_check(self, request: web.Request) -> web.Response:
        found = self.checks.get(request.match_info["id"])
        return _error(404, "resource_not_found") if found is None else web.json_response(found)

    async def _list_checks(self, request: web.Request) -> web.Response:
        applicant_id = request.query.get("applicant_id")
        found = [item for item in self.checks.values() if item["applicant_id"] == applicant_id]
        return web.json_response({"checks": found[::-1]})

    # --- decisions -------------------------------------------------------------------------------

    def _decide_later(self, check: dict[str, Any]) -> None:
        task = asyncio.get_running_loop().create_task(self._decide(check))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _decide(self, check: dict[str, Any]) -> None:
        await asyncio.sleep(self.behaviour.decision_delay_ms / 1_000)
        applicant = self.applicants[check["applicant_id"]]
        is_doubtful = applicant["last_name"].strip().casefold() == "consider"
        check["status"] = "complete"
        check["result"] = "consider" if is_doubtful else "clear"
        self._save()
        changed = {
            "id": check["id"],
            "status": "complete",
            "completed_at_iso8601": _now(),
            "href": check["href"],
        }
        payload = {"resource_type": "check", "action": "check.completed", "object": changed}
        self.webhooks.send(json.dumps({"payload": payload}))


async def _json(request: web.Request) -> dict[str, Any]:
    try:
        body = await request.json()
    except json.JSONDecodeError:
        return {}
    return body if isinstance(body, dict) else {}


def _new(folder: str) -> dict[str, Any]:
    thing_id = str(uuid.uuid4())
    return {"id": thing_id, "created_at": _now(), "href": f"{folder}/{thing_id}"}


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _error(status: int, kind: str) -> web.Response:
    error = {"type": kind, "message": kind.replace("_", " "), "fields": {}}
    return web.json_response({"error": error}, status=status)
