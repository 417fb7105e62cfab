"""The ASGI layer around the emulator: notes calls that change state, and answers to the runner."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from infra.local.emulator.checkpoint import Checkpoints, Restored

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

HEALTH_PATH: Final = "/_trading/health"
CHECKPOINT_PATH: Final = "/_trading/checkpoint"

# Calls to functions and to what they log do not change what only the emulator knows.
_NOT_STATE: Final = re.compile(r"^/(_aws/execute-api|_ministack|_trading)/|/invocations$")
_READING: Final = re.compile(r"^(Get|List|Describe|Head|BatchGet|Filter|Query|Scan|Receive)")
_UNKEPT_SERVICES: Final = frozenset({"logs", "monitoring", "xray"})
_CREDENTIAL: Final = re.compile(rb"Credential=[^/]+/\d{8}/[^/]+/([a-z0-9-]+)/")


class Gateway:
    """Wraps the emulator's app. `take_checkpoint` blocks; it runs in a thread."""

    def __init__(
        self,
        app: App,
        checkpoints: Checkpoints,
        restored: Restored,
        take_checkpoint: Callable[[], None],
    ) -> None:
        self._app = app
        self._checkpoints = checkpoints
        self._restored = restored
        self._take_checkpoint = take_checkpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            if scope["path"] == HEALTH_PATH:
                await _answer(send, 200, self._restored.as_json())
                return
            if scope["path"] == CHECKPOINT_PATH and scope["method"] == "POST":
                await self._checkpoint(send)
                return
            call = state_changing_call(scope)
            if call is not None:
                self._checkpoints.note(call)
        await self._app(scope, receive, send)

    async def _checkpoint(self, send: Send) -> None:
        try:
            await asyncio.to_thread(self._take_checkpoint)
        except (OSError, RuntimeError) as error:
            await _answer(send, 500, {"detail": str(error)})
        else:
            await _answer(send, 200, {"detail": "taken"})


def state_changing_call(scope: Scope) -> str | None:
    """Return `service Action` of a request that may change kept state, else None."""
    method, path = scope["method"], scope["path"]
    if method in ("GET", "HEAD", "OPTIONS") or _NOT_STATE.search(path):
        return None
    headers = dict(scope["headers"])
    match = _CREDENTIAL.search(headers.get(b"authorization", b""))
    service = match[1].decode() if match else "unsigned"
    if service in _UNKEPT_SERVICES:
        return None
    action = headers.get(b"x-amz-target", b"").decode("latin-1").rpartition(".")[2]
    if action and _READING.match(action):
        return None
    if not action:
        # Objects are on disk as soon as they are stored; a path may name a customer.
        action = method if service == "s3" else f"{method} /{path.strip('/').partition('/')[0]}"
        if service == "s3":
            return f"s3 {action}"
    return f"{service} {action}"


async def _answer(send: Send, status: int, document: dict[str, Any]) -> None:
    body = json.dumps(document).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
