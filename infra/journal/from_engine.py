"""Has a running engine write a snapshot of its own state: its journal cannot be read any more."""

import os
import signal
import time
from pathlib import Path
from typing import Any, Final

from hotpath.runtime.journal.snapshot_names import newest_first, sequence_in_name
from hotpath.runtime.journal.status_file import OPEN, StatusFile, start_ticks
from infra.local.errors import StackError

_WITHIN_S: Final = 120.0
_LOOK_S: Final = 0.05


def snapshot_from_engine(folder: Path) -> dict[str, Any]:
    """Ask the engine that writes this journal, and return what it wrote; raise StackError."""
    process_id, durable = _engine(folder)
    asked_ns = time.time_ns()
    os.kill(process_id, signal.SIGUSR2)
    deadline_s = time.monotonic() + _WITHIN_S
    while time.monotonic() < deadline_s:
        for path in newest_first(folder):
            if sequence_in_name(path) >= durable and path.stat().st_mtime_ns >= asked_ns:
                return {"snapshot": str(path), "bytes": path.stat().st_size}
        time.sleep(_LOOK_S)
    raise StackError(f"process {process_id} has written none within {_WITHIN_S:.0f} s: see its log")


def _engine(folder: Path) -> tuple[int, int]:
    """Return the process that writes a journal, and how far it has come."""
    try:
        with StatusFile(folder, create=False) as status:
            process_id, ticks = status.process_id, status.start_ticks
            is_open = status.valid and status.state == OPEN
            durable = status.durable_sequence
    except FileNotFoundError:
        is_open = False
    if not is_open or not ticks or start_ticks(process_id) != ticks:
        raise StackError(f"no engine is open on {folder}")
    return process_id, durable
