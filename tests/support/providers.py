"""The provider stand-ins on free ports in a thread, delivering webhooks to a handler."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests
from aiohttp import web

from infra.local.providers import onfido, stripe
from infra.local.providers.behaviour import Behaviour
from infra.local.providers.webhooks import Webhooks
from tests.support.lambda_events import Handler, call, http_event

API_KEY = "sk_test_0123456789"
API_TOKEN = "api_sandbox.0123456789"
STRIPE_WEBHOOK_SECRET = "whsec_0123456789"
ONFIDO_WEBHOOK_TOKEN = "webhook-token-0123456789"


@dataclass
class Providers:
    """Where the stand-ins are, and who gets their webhooks (path to handler)."""

    stripe_url: str = ""
    onfido_url: str = ""
    handlers: dict[str, Handler] = field(default_factory=dict)

    def behave(self, provider_url: str, **values: Any) -> None:
        """Change how a stand-in behaves; see infra/local/providers/behaviour.py."""
        root = provider_url.removesuffix("/v3.6")
        requests.put(f"{root}/_config/behaviour", json=values, timeout=5).raise_for_status()

    def be_good(self) -> None:
        """Let both stand-ins behave as in tests that expect no fault."""
        good = {
            "answer_delay_ms": 0,
            "refuse_next": 0,
            "lose_next": 0,
            "lose_path": "",
            "webhook_delay_ms": 1,
            "webhook_copies": 1,
            "webhooks": True,
            "decision_delay_ms": 1,
            "payouts_fail": False,
        }
        for url in (self.stripe_url, self.onfido_url):
            self.behave(url, **good)


async def _deliver(providers: Providers, request: web.Request) -> web.Response:
    """Turn a webhook into an HTTP API event for whoever takes it."""
    handler = providers.handlers.get(request.path)
    if handler is None:
        return web.Response(status=503)
    event = http_event("POST", request.path, await request.text(), headers=dict(request.headers))
    answer = await asyncio.get_running_loop().run_in_executor(None, call, handler, event)
    return web.Response(status=answer.status, text=answer.text)


async def _serve(folder: Path, providers: Providers, ready: Callable[[], None]) -> None:
    sink = web.Application()

    async def deliver(request: web.Request) -> web.Response:
        return await _deliver(providers, request)

    sink.add_routes([web.post("/{path:.*}", deliver)])
    sink_url = await _start(sink)
    behaviours = Behaviour(), Behaviour()
    to_stripe_sink = Webhooks(
        folder / "stripe-webhooks.json",
        lambda: f"{sink_url}/api/v1/webhooks/stripe",
        lambda body: stripe.signature_header(body, STRIPE_WEBHOOK_SECRET),
        behaviours[0],
    )
    to_onfido_sink = Webhooks(
        folder / "onfido-webhooks.json",
        lambda: f"{sink_url}/api/v1/webhooks/onfido",
        lambda body: onfido.signature_header(body, ONFIDO_WEBHOOK_TOKEN),
        behaviours[1],
    )
    payment = stripe.StripeStandIn(API_KEY, folder / "stripe", behaviours[0], to_stripe_sink)
    identity = onfido.OnfidoStandIn(API_TOKEN, folder / "onfido", behaviours[1], to_onfido_sink)
    providers.stripe_url = await _start(payment.application())
    providers.onfido_url = f"{await _start(identity.application())}/v3.6"
    ready()


async def _start(application: web.Application) -> str:
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    _runners.append(runner)
    return f"http://127.0.0.1:{runner.addresses[0][1]}"


_runners: list[web.AppRunner] = []


@pytest.fixture(scope="session")
def provider_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Providers]:
    """Both stand-ins; localstripe keeps its state in module globals, so there is one a session."""
    providers, started = Providers(), threading.Event()
    loop = asyncio.new_event_loop()
    folder = tmp_path_factory.mktemp("providers")

    def run() -> None:
        loop.run_until_complete(_serve(folder, providers, started.set))
        loop.run_forever()

    thread = threading.Thread(target=run, name="providers")
    thread.start()
    try:
        assert started.wait(20)
        yield providers
    finally:
        asyncio.run_coroutine_threadsafe(_stop(), loop).result(20)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(20)
        loop.close()


async def _stop() -> None:
    while _runners:
        await _runners.pop().cleanup()
