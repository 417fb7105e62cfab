"""Watches for the engine's return, and then has sent what waited for it."""

import json
import logging
import threading
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError

from infra.local.consumers.routes import Resend

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

log = logging.getLogger("consumers")

_EVERY_S: Final = 1.0
_TIMEOUT_S: Final = 1.0
# The resend functions leave to their own requests what is younger than a second, and a request that
# was under way may still find the engine away; a later round sends what the first passed over.
_ROUNDS: Final = 3


class EngineWatch:
    """Calls `on_return` a few times, a second apart, each time the engine is back after an absence.

    The resend functions also run every minute, by their schedule. This makes an outage end when the
    engine is back, and not up to a minute later. Every start raises the engine's epoch, which tells
    of an absence too short to be seen.
    """

    def __init__(
        self, health_url: str, on_return: Callable[[], None], stop: threading.Event
    ) -> None:
        self._health_url = health_url
        self._on_return = on_return
        self._stop = stop
        self._epoch: int | None = None
        self._rounds = 0
        self.thread = threading.Thread(target=self._run, name="engine-watch", daemon=True)

    def look(self) -> None:
        """Ask the engine once, and have sent what waits if it has returned lately."""
        before, self._epoch = self._epoch, _epoch_of(self._health_url)
        if self._epoch is None:
            return
        if self._epoch != before:
            log.info("the engine answers: sending what waits for it")
            self._rounds = _ROUNDS
        if self._rounds > 0:
            self._rounds -= 1
            self._on_return()

    def _run(self) -> None:
        while not self._stop.wait(_EVERY_S):
            self.look()


def resend_all(
    functions: "LambdaClient", resends: Sequence[Resend], names: Mapping[str, str]
) -> None:
    """Invoke the resend functions; one that fails runs again by its schedule."""
    for resend in resends:
        name = names.get(resend.function, resend.function)
        try:
            answer = functions.invoke(FunctionName=name, Payload=resend.payload)
            if answer.get("FunctionError"):
                log.warning(
                    "%s failed: %s", name, answer["Payload"].read().decode(errors="replace")
                )
        except (BotoCoreError, ClientError, OSError) as error:
            log.warning("%s cannot be invoked: %s", name, error)


def _epoch_of(url: str) -> int | None:
    """Return the epoch of an engine that is open, else None."""
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as answer:
            return int(json.loads(answer.read())["epoch"])
    except (OSError, ValueError, KeyError):
        return None
