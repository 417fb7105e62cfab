"""Replaces a running engine by its standby: the standby is made new first, and proves itself."""

import os
import signal
import time
from collections.abc import Callable
from typing import Any, Final

from infra.local.errors import StackError
from infra.local.process import ProcessRecord
from infra.local.stack import LocalStack, get_json

_WITHIN_S: Final = 60.0
_LOOK_S: Final = 0.02


def upgrade(stack: LocalStack) -> str:
    """Start a standby of this code, let it follow the live journal, switch; return what to print.

    Raises StackError when there is no standby, or when it does not come to the engine's own state;
    the engine then goes on as it was.
    """
    settings = stack.settings
    if not settings.standby:
        raise StackError("there is no standby: `TRADING_STANDBY=1 trading up` first")
    stack.adopt_standby()
    before = get_json(settings.engine_health_url)
    if not before:
        raise StackError("the engine does not answer: `trading up` first")
    stack.build_core()
    stack.restart("standby")
    _wait(lambda: _is_equal(get_json(settings.standby_health_url)), "the standby does not keep up")
    record = ProcessRecord.read(settings.run_file("standby"))
    if record is None or record.process() is None:
        raise StackError("the standby ended: see its log")
    started_s = time.monotonic()
    os.kill(record.pid, signal.SIGUSR1)
    _wait(
        lambda: get_json(settings.engine_health_url).get("process_id") == record.pid,
        "the standby did not take over: see its log",
    )
    gap_ms = (time.monotonic() - started_s) * 1000
    stack.adopt_standby()
    stack.start("standby")
    after = get_json(settings.engine_health_url)
    return f"epoch {before['epoch']} → {after['epoch']}, switched within {gap_ms:.0f} ms"


def _is_equal(facts: dict[str, Any]) -> bool:
    """Return whether the standby has reached the engine's end, and found the same hash there."""
    if facts.get("status") == "diverged":
        raise StackError(f"the standby comes to another state: {facts['waits_for']}")
    return facts.get("status") == "following" and facts["lag_commands"] == 0


def _wait(condition: Callable[[], bool], what: str) -> None:
    deadline_s = time.monotonic() + _WITHIN_S
    while not condition():
        if time.monotonic() > deadline_s:
            raise StackError(what)
        time.sleep(_LOOK_S)
