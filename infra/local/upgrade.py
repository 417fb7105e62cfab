"""Replaces a running engine by its standby: the standby is made new first, and proves itself."""

import os
import signal
import time
from collections.abc import Callable
from typing import Any, Final

from infra.local.errors import StackError
from infra.local.process import ProcessRecord
from infra.local.settings import shard_part
from infra.local.stack import LocalStack, get_json

_WITHIN_S: Final = 60.0
_LOOK_S: Final = 0.02


def upgrade(stack: LocalStack) -> str:
    """Switch to standbys of this code, one shard after the other; return what to print.

    Raises StackError when there is no standby, or when one does not come to its engine's own state;
    that engine then goes on as it was, and those of later shards as well.
    """
    settings = stack.settings
    if not settings.standby:
        raise StackError("there is no standby: `TRADING_STANDBY=1 trading up` first")
    stack.adopt_standby()
    stack.build_core()
    return "\n".join(_upgrade(stack, shard) for shard in range(settings.shards))


def _upgrade(stack: LocalStack, shard: int) -> str:
    """Start a standby, let it follow the live journal, switch; return what to print."""
    settings, name = stack.settings, shard_part("standby", shard)
    before = get_json(settings.engine_health(shard))
    if not before:
        raise StackError(f"the engine of shard {shard} does not answer: `trading up` first")
    stack.restart(name)
    _wait(
        lambda: _is_equal(get_json(settings.standby_health(shard))), "the standby does not keep up"
    )
    record = ProcessRecord.read(settings.run_file(name))
    if record is None or record.process() is None:
        raise StackError("the standby ended: see its log")
    started_s = time.monotonic()
    os.kill(record.pid, signal.SIGUSR1)
    _wait(
        lambda: get_json(settings.engine_health(shard)).get("process_id") == record.pid,
        "the standby did not take over: see its log",
    )
    gap_ms = (time.monotonic() - started_s) * 1000
    stack.adopt_standby()
    stack.start(name)
    after = get_json(settings.engine_health(shard))
    epochs = f"epoch {before['epoch']} → {after['epoch']}"
    return f"shard {shard}: {epochs}, switched within {gap_ms:.0f} ms"


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
