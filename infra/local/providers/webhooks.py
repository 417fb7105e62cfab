"""Delivery of webhooks: signed at each try, repeated with backoff until taken, kept on disk."""

import asyncio
import json
import logging
import random
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import aiohttp

from infra.local.providers.behaviour import Behaviour
from infra.local.providers.files import replace_file

_FIRST_WAIT_S: Final = 0.2
_LONGEST_WAIT_S: Final = 15.0
_MAX_TRIES: Final = 200
_TIMEOUT: Final = aiohttp.ClientTimeout(total=20)
_log = logging.getLogger(__name__)


class Webhooks:
    """What is still to be delivered to one address.

    `address` may return None while the API is not deployed yet. `headers` signs a body.
    """

    def __init__(
        self,
        file: Path,
        address: Callable[[], str | None],
        headers: Callable[[bytes], dict[str, str]],
        behaviour: Behaviour,
    ) -> None:
        self._file = file
        self._address = address
        self._headers = headers
        self._behaviour = behaviour
        self._waiting: dict[str, str] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._session: aiohttp.ClientSession | None = None

    def start(self) -> None:
        """Go on with what an earlier run left."""
        self._session = aiohttp.ClientSession(timeout=_TIMEOUT)
        if self._file.exists():
            self._waiting = json.loads(self._file.read_text(encoding="utf-8"))
        for delivery_id in list(self._waiting):
            self._begin(delivery_id)

    def send(self, body: str) -> None:
        """Deliver a body, later and as often as it takes."""
        for _ in range(self._behaviour.webhook_copies):
            delivery_id = uuid.uuid4().hex
            self._waiting[delivery_id] = body
            self._begin(delivery_id)
        self._save()

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        for task in list(self._tasks):
            with suppress(asyncio.CancelledError):
                await task
        self._save()
        if self._session is not None:
            await self._session.close()

    def _begin(self, delivery_id: str) -> None:
        task = asyncio.get_running_loop().create_task(self._deliver(delivery_id))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deliver(self, delivery_id: str) -> None:
        await asyncio.sleep(self._behaviour.webhook_delay_ms / 1_000)
        wait_s = _FIRST_WAIT_S
        for _ in range(_MAX_TRIES):
            if self._behaviour.webhooks and await self._try(self._waiting[delivery_id]):
                break
            await asyncio.sleep(wait_s * random.uniform(0.5, 1.0))
            wait_s = min(wait_s * 2, _LONGEST_WAIT_S) if self._behaviour.webhooks else _FIRST_WAIT_S
        else:
            _log.error("a webhook was given up after %d tries", _MAX_TRIES)
        del self._waiting[delivery_id]
        self._save()

    async def _try(self, body: str) -> bool:
        address = self._address()
        if address is None or self._session is None:
            return False
        data = body.encode()
        headers = {"Content-Type": "application/json", **self._headers(data)}
        try:
            async with self._session.post(address, data=data, headers=headers) as answer:
                _log.info("webhook answered %d", answer.status)
                return 200 <= answer.status < 300
        except (aiohttp.ClientError, TimeoutError) as error:
            _log.info("webhook not delivered: %s", type(error).__name__)
            return False

    def _save(self) -> None:
        replace_file(self._file, json.dumps(self._waiting).encode())
