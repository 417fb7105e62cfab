"""The payment provider: localstripe, with what it lacks of Stripe's behaviour.

Added here: Idempotency-Key, one fixed API key, payouts in every currency that arrive after a while,
newest-first lists, webhooks signed at each try and repeated, and state in a folder of our own.
"""

import asyncio
import hashlib
import hmac
import json
import pickle
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from aiohttp import web
from localstripe import resources, server
from localstripe.errors import UserError

from infra.local.providers.behaviour import BEHAVIOUR, Behaviour, Handler, behave
from infra.local.providers.files import replace_file
from infra.local.providers.webhooks import Webhooks

_SAVE_EVERY_S: Final = 0.5


def signature_header(body: bytes, secret: str, *, now_s: float | None = None) -> dict[str, str]:
    """Sign a body in Stripe's way: HMAC-SHA256 over "<time>.<body>"."""
    signed_at_s = int(time.time() if now_s is None else now_s)
    signed = b"%d.%s" % (signed_at_s, body)
    digest = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
    return {"Stripe-Signature": f"t={signed_at_s},v1={digest}"}


@dataclass
class SavedAnswer:
    """The answer to the first request with an idempotency key."""

    request_hash: str
    status: int
    body: str


@dataclass
class StripeStandIn:
    """localstripe in this process. It keeps its state in module globals, so there is one."""

    api_key: str
    state_file: Path
    behaviour: Behaviour
    webhooks: Webhooks
    answers: dict[str, SavedAnswer] = field(default_factory=dict)
    _locks: dict[str, asyncio.Lock] = field(default_factory=dict)
    _unsaved: bool = False
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def application(self) -> web.Application:
        """Return localstripe's application with ours wrapped around it."""
        self._load()
        resources.Store.dump_to_disk = lambda _: self._mark_unsaved()
        resources.schedule_webhook = self._schedule_webhook
        resources.Payout.__init__ = self._payout_init()
        resources.Payout._api_list_all = classmethod(_list_payouts)
        app: web.Application = server.app
        app[BEHAVIOUR] = self.behaviour
        app.middlewares[:0] = [behave, self._authenticate(), self._idempotent()]
        app.on_startup.append(self._start)
        app.on_cleanup.append(self._stop)
        return app

    # --- life ------------------------------------------------------------------------------------

    async def _start(self, _: web.Application) -> None:
        self.webhooks.start()
        self._begin(self._save_for_ever())
        for thing in list(resources.store.values()):
            if isinstance(thing, resources.Payout) and thing.status == "pending":
                self._begin(self._arrive(thing))

    async def _stop(self, _: web.Application) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.webhooks.stop()
        self._save()

    def _begin(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _mark_unsaved(self) -> None:
        self._unsaved = True

    async def _save_for_ever(self) -> None:
        while True:
            await asyncio.sleep(_SAVE_EVERY_S)
            self._save()

    def _save(self) -> None:
        if self._unsaved:
            self._unsaved = False
            state = {"objects": dict(resources.store), "answers": self.answers}
            replace_file(self.state_file, pickle.dumps(state))

    def _load(self) -> None:
        if self.state_file.exists():
            # Our own file, in a folder that only we may write: localstripe's objects know no other
            # form than pickle.
            state = pickle.loads(self.state_file.read_bytes())  # noqa: S301
            dict.update(resources.store, state["objects"])
            self.answers.update(state["answers"])

    # --- requests --------------------------------------------------------------------------------

    def _authenticate(self) -> Any:
        @web.middleware
        async def authenticate(request: web.Request, handler: Handler) -> web.StreamResponse:
            given = request.headers.get("Authorization", "")
            if not hmac.compare_digest(given.encode(), f"Bearer {self.api_key}".encode()):
                error = {"type": "invalid_request_error", "message": "Invalid API Key provided"}
                return web.json_response({"error": error}, status=401)
            return await handler(request)

        return authenticate

    def _idempotent(self) -> Any:
        """Return the middleware for https://docs.stripe.com/api/idempotent_requests."""

        @web.middleware
        async def idempotent(request: web.Request, handler: Handler) -> web.StreamResponse:
            key = request.headers.get("Idempotency-Key")
            if request.method != "POST" or key is None:
                return await handler(request)
            request_hash = hashlib.sha256(request.path.encode() + await request.read()).hexdigest()
            async with self._locks.setdefault(key, asyncio.Lock()):
                saved = self.answers.get(key)
                if saved is None:
                    answer = await handler(request)
                    assert isinstance(answer, web.Response)
                    saved = SavedAnswer(request_hash, answer.status, answer.text or "")
                    if answer.status < 500:
                        self.answers[key] = saved
                        self._mark_unsaved()
                    return answer
            if saved.request_hash != request_hash:
                error = {"type": "idempotency_error", "message": "Keys are for one request only."}
                return web.json_response({"error": error}, status=400)
            headers = {"Idempotent-Replayed": "true"}
            return web.Response(
                text=saved.body,
                status=saved.status,
                headers=headers,
                content_type="application/json",
            )

        return idempotent

    def _schedule_webhook(self, event: Any) -> None:
        self.webhooks.send(json.dumps(event._export(), indent=2, sort_keys=True))

    # --- payouts ---------------------------------------------------------------------------------

    def _payout_init(self) -> Any:
        """Return an initialiser for every currency; localstripe's own takes euros only."""

        def init(
            payout: Any,
            amount: Any = None,
            currency: Any = None,
            metadata: Any = None,
            **others: Any,
        ) -> None:
            amount_minor = resources.try_convert_to_int(amount)
            if others or type(amount_minor) is not int or amount_minor <= 0:
                raise UserError(400, "Bad request")
            if not (isinstance(currency, str) and len(currency) == 3 and currency.islower()):
                raise UserError(400, "Bad request")
            resources.StripeObject.__init__(payout)
            payout.amount, payout.currency = amount_minor, currency
            payout.metadata = metadata or {}
            payout.method, payout.type, payout.automatic = "standard", "bank_account", False
            payout.destination = f"ba_{resources.random_id(24)}"
            payout.arrival_date = int(time.time())
            payout.failure_code = payout.failure_message = None
            payout.status = "pending"
            self._schedule_webhook(resources.Event("payout.created", payout))
            self._begin(self._arrive(payout))

        return init

    async def _arrive(self, payout: Any) -> None:
        await asyncio.sleep(self.behaviour.decision_delay_ms / 1_000)
        if payout.status != "pending":
            return
        payout.status = "failed" if self.behaviour.payouts_fail else "paid"
        if payout.status == "failed":
            payout.failure_code = "account_closed"
        self._mark_unsaved()
        self._schedule_webhook(resources.Event(f"payout.{payout.status}", payout))


def _list_payouts(cls: Any, url: str, limit: Any = None, starting_after: Any = None) -> Any:
    """List newest first, as Stripe does."""
    listed = resources.List(url, limit=limit, starting_after=starting_after)
    payouts = [thing for thing in resources.store.values() if isinstance(thing, cls)]
    listed._list = list(reversed(payouts))
    return listed
