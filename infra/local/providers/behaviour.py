"""How a stand-in behaves: what tests may change while it runs, at /_config/behaviour."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, fields
from typing import Final

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Behaviour:
    """Faults and delays; the defaults are a provider on a good day."""

    answer_delay_ms: int = 0
    refuse_next: int = 0  # so many changing requests get a 503 and change nothing
    lose_next: int = 0  # so many changing requests are carried out, and their answer is lost
    lose_path: str = ""  # only where the path ends with this
    webhook_delay_ms: int = 50
    webhook_copies: int = 1  # how often each webhook is delivered
    webhooks: bool = True  # False: they wait until it is True again
    decision_delay_ms: int = 50  # until a check is complete, or a payout has arrived
    payouts_fail: bool = False

    def change(self, values: dict[str, object]) -> None:
        """Set some fields; raise ValueError for unknown names and other types."""
        types = {field.name: type(field.default) for field in fields(self)}
        for name, value in values.items():
            if types.get(name) is not type(value):
                raise ValueError(f"{name} cannot be {value!r}")
        for name, value in values.items():
            setattr(self, name, value)


BEHAVIOUR: Final = web.AppKey("behaviour", Behaviour)


@web.middleware
async def behave(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer health and configuration requests; delay, refuse or lose the others as told."""
    behaviour = request.app[BEHAVIOUR]
    if request.path == "/health":
        return web.json_response({"status": "ok"})
    if request.path == "/_config/behaviour":
        return await _configure(request, behaviour)
    if behaviour.answer_delay_ms:
        await asyncio.sleep(behaviour.answer_delay_ms / 1_000)
    if request.method != "POST":
        return await handler(request)
    if behaviour.refuse_next > 0:
        behaviour.refuse_next -= 1
        return web.json_response({"error": {"type": "api_error"}}, status=503)
    answer = await handler(request)
    is_hit = request.path.endswith(behaviour.lose_path) and answer.status < 300
    if is_hit and behaviour.lose_next > 0:
        behaviour.lose_next -= 1
        if request.transport is not None:
            request.transport.close()
    return answer


async def _configure(request: web.Request, behaviour: Behaviour) -> web.Response:
    if request.method == "PUT":
        try:
            values = await request.json()
            behaviour.change(values)
        except (json.JSONDecodeError, AttributeError, ValueError) as error:
            return web.json_response({"error": str(error)}, status=400)
    return web.json_response(asdict(behaviour))
