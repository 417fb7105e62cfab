"""Watches for the engine's return, and then has sent what waited for it."""

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


class EngineWatch:
    """Calls `on_return` once each time the engine answers after it did not.

    The resend functions also run every minute, by their schedule. This makes an outage end when the
    engine is back, and not up to a minute later.
    """

    def __init__(
        self, health_url: str, on_return: Callable[[], None], stop: threading.Event
    ) -> None:
        self._health_url = health_url
        self._on_return = on_return
        self._stop = stop
        self.reachable = False
        self.thread = threading.Thread(target=self._run, name="engine-watch", daemon=True)

    def _run(self) -> None:
        while not self._stop.wait(_EVERY_S):
            was_reachable, self.reachable = self.reachable, _answers(self._health_url)
            if self.reachable and not was_reachable:
                log.info("the engine answers: sending what waits for it")
                self._on_return()


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


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as answer:
            return bool(answer.status == 200)
    except (OSError, ValueError):
        return False
