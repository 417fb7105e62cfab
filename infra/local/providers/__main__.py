"""Runs both stand-ins in one process: `python -m infra.local.providers`."""

import asyncio
import contextlib
import logging
import os
import signal
from pathlib import Path
from typing import Final

from aiohttp import web

from infra.local import deploy, secrets, settings
from infra.local.errors import StackError
from infra.local.providers import onfido, stripe
from infra.local.providers.behaviour import Behaviour
from infra.local.providers.webhooks import Webhooks
from infra.local.settings import Settings

HOST: Final = "127.0.0.1"
_HEARTBEAT_S: Final = 1.0


def stripe_application(stack: Settings) -> web.Application:
    """Return the payment provider, wired for a stack."""
    known, folder, behaviour = secrets.stripe(stack), stack.folder("providers"), Behaviour()
    webhooks = Webhooks(
        folder / "stripe-webhooks.json",
        lambda: _address(stack, "/api/v1/webhooks/stripe"),
        lambda body: stripe.signature_header(body, known["webhook_secret"]),
        behaviour,
    )
    state_file = folder / "stripe.pickle"
    return stripe.StripeStandIn(known["api_key"], state_file, behaviour, webhooks).application()


def onfido_application(stack: Settings) -> web.Application:
    """Return the identity-check provider, wired for a stack."""
    known, folder, behaviour = secrets.onfido(stack), stack.folder("providers"), Behaviour()
    webhooks = Webhooks(
        folder / "onfido-webhooks.json",
        lambda: _address(stack, "/api/v1/webhooks/onfido"),
        lambda body: onfido.signature_header(body, known["webhook_token"]),
        behaviour,
    )
    state_file = folder / "onfido.json"
    return onfido.OnfidoStandIn(known["api_token"], state_file, behaviour, webhooks).application()


async def serve(stack: Settings, heartbeat: Path | None) -> None:
    """Serve both until SIGTERM or SIGINT."""
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    applications = {"stripe": stripe_application(stack), "onfido": onfido_application(stack)}
    runners = []
    for name, application in applications.items():
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=2.0)
        await runner.setup()
        await web.TCPSite(runner, HOST, stack.port(name), reuse_address=True).start()
        runners.append(runner)
    logging.info("listening on %d and %d", stack.port("stripe"), stack.port("onfido"))
    while not stopping.is_set():
        if heartbeat is not None:
            heartbeat.parent.mkdir(parents=True, exist_ok=True)
            heartbeat.touch()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), _HEARTBEAT_S)
    for runner in runners:
        await runner.cleanup()


def _address(stack: Settings, path: str) -> str | None:
    """Return where the API takes webhooks; None while it is not deployed."""
    try:
        return deploy.api_url(stack).rstrip("/") + path
    except StackError:
        return None


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    heartbeat = os.environ.get("TRADING_HEALTH_FILE")
    asyncio.run(serve(settings.load(), Path(heartbeat) if heartbeat else None))


if __name__ == "__main__":
    main()
