"""Runs a command; when it ends, however it ends, ends all that it started and left running.

    python -m infra.supervise python -m pytest tests/e2e

A run of tests that is killed cannot stop its servers, and they are sessions of their own, so no
signal to a group reaches them. Linux gives the orphans to this process instead of the first one.
SIGTERM, and the end of whoever started this, interrupt the command: pytest then cleans up itself.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from types import FrameType
from typing import Final

import psutil

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_CHILD_SUBREAPER: Final = 36
_LIBC: Final = ctypes.CDLL(None)


def main() -> int:
    """Run the command that the arguments are; return its exit code."""
    if sys.platform != "linux":
        return subprocess.run(sys.argv[1:], check=False).returncode
    return run(sys.argv[1:])


def run(command: Sequence[str]) -> int:
    """Run a command and end what it leaves; return its exit code, a shell's for a signal."""
    _LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 1)
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    child = subprocess.Popen(command, preexec_fn=_end_with_parent)

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child.pid, signal.SIGINT)

    signal.signal(signal.SIGTERM, interrupt)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to the command as well
    code = _wait_for(child.pid)
    if left := _end_orphans():
        print(f"left running by {' '.join(command[:6])}, now ended:", *left, sep="\n  ", flush=True)
    return code if code >= 0 else 128 - code


def _end_with_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell's background jobs ignore it
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGINT)


def _wait_for(process_id: int) -> int:
    """Collect orphans as they end, until this child ends; return its exit code."""
    while True:
        ended, status = os.wait()
        if ended == process_id:
            return os.waitstatus_to_exitcode(status)


def _end_orphans() -> list[str]:
    """Kill all descendants, those too that become ours meanwhile; return what they were."""
    found: dict[int, str] = {}
    while orphans := psutil.Process().children(recursive=True):
        for orphan in orphans:
            try:
                if orphan.status() != psutil.STATUS_ZOMBIE:
                    found.setdefault(orphan.pid, " ".join(orphan.cmdline())[:150])
                orphan.kill()
            except psutil.NoSuchProcess:
                continue
        _collect()
    return list(found.values())


def _collect() -> None:
    """Collect one child that has ended or is about to."""
    try:
        os.wait()
    except ChildProcessError:
        return


if __name__ == "__main__":
    sys.exit(main())
