"""Waits until what the engine has made durable has reached every store."""

import json
import time
import urllib.request
from contextlib import closing
from typing import Final

from hotpath.runtime.journal.status_file import StatusFile
from infra.local.errors import StackError
from infra.local.settings import Settings

TIMEOUT_S: Final = 90.0
_POLL_S: Final = 0.1


def wait_until_caught_up(settings: Settings, timeout_s: float = TIMEOUT_S) -> float:
    """Wait for publisher and consumers to handle all that is durable now; return the seconds.

    Raises StackError when they have not by then.
    """
    began = time.monotonic()
    with closing(StatusFile(settings.journal, create=False)) as status:
        durable = status.durable_sequence
        while status.published_sequence < durable or _lag(settings) != 0:
            if time.monotonic() - began > timeout_s:
                raise StackError(
                    f"not caught up after {timeout_s:.0f} s: {status.published_sequence} of"
                    f" {durable} commands published, {_lag(settings)} messages to be handled"
                )
            time.sleep(_POLL_S)
    return time.monotonic() - began


def _lag(settings: Settings) -> int | None:
    """Return how many messages consumers still have to handle, or None when that is not known."""
    try:
        with urllib.request.urlopen(
            f"http://{settings.address('consumers')}/health", timeout=3
        ) as answer:
            lag = json.loads(answer.read())["lag_total"]
    except (OSError, ValueError, KeyError):
        return None
    return None if lag is None else int(lag)
