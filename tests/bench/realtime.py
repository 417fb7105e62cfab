"""The kernel's real-time class for an engine and its client: nothing else takes their turns.

An engine's host gives it cores of its own (`infra/ec2/placement.conf`). A machine that both share
with everything else shows how long those other turns are, up to some milliseconds each, more than
how long a command takes. In the class FIFO a process keeps its core until it lets go, or until the
kernel takes 50 ms of each second for all others: so rounds are shorter than that.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

ROUND_S: Final = 0.5
_PAUSE_S: Final = 1.0  # others have their turns between the rounds
_PRIORITY: Final = 10


def why_not() -> str:
    """Return why this process may not enter the class; empty if it may."""
    try:
        with realtime(()):
            return ""
    except (AttributeError, PermissionError):
        return "the system permits no real-time scheduling"


@contextmanager
def realtime(process_ids: tuple[int, ...]) -> Iterator[None]:
    """Put this process and the given ones, with their threads and children, into the class."""
    time.sleep(_PAUSE_S if process_ids else 0)
    try:
        for process_id in (os.getpid(), *process_ids):
            _enter(process_id, os.SCHED_FIFO)
        yield
    finally:
        for process_id in (os.getpid(), *process_ids):
            _enter(process_id, os.SCHED_OTHER)


def _enter(process_id: int, policy: int) -> None:
    """Children come before: the engine's keeper needs a short turn beside one that spins."""
    for task in Path(f"/proc/{process_id}/task").iterdir():
        if process_id != os.getpid():
            for child in (task / "children").read_text(encoding="ascii").split():
                _set(int(child), policy, _PRIORITY + 1)
        _set(int(task.name), policy, _PRIORITY)


def _set(task_id: int, policy: int, priority: int) -> None:
    parameter = os.sched_param(priority if policy == os.SCHED_FIFO else 0)
    os.sched_setscheduler(task_id, policy, parameter)
