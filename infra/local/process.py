"""Detached processes that outlive their command, found again by pid and start time."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

# psutil reads start times from the boot clock; two readings may differ by a clock tick.
_START_TIME_TOLERANCE_S = 0.05


@dataclass(frozen=True, slots=True)
class ProcessRecord:
    """A started process. The start time tells it from a later one with the same pid."""

    pid: int
    started_at_s: float

    def write(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        replacement = file.with_suffix(".new")
        replacement.write_text(json.dumps(asdict(self)) + "\n", encoding="utf-8")
        replacement.replace(file)

    @classmethod
    def read(cls, file: Path) -> "ProcessRecord | None":
        """Return the record in a file, or None when there is none or it is damaged."""
        try:
            values = json.loads(file.read_text(encoding="utf-8"))
            return cls(int(values["pid"]), float(values["started_at_s"]))
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None

    def process(self) -> psutil.Process | None:
        """Return the running process, or None when it ended or its pid means another one now."""
        try:
            process = psutil.Process(self.pid)
            if abs(process.create_time() - self.started_at_s) > _START_TIME_TOLERANCE_S:
                return None
            return None if process.status() == psutil.STATUS_ZOMBIE else process
        except psutil.NoSuchProcess:
            return None


def start_detached(
    command: Sequence[str],
    *,
    environment: Mapping[str, str],
    log_file: Path,
    folder: Path,
    user: int | None = None,
    group: int | None = None,
) -> tuple[subprocess.Popen[bytes], ProcessRecord]:
    """Start a process in a session of its own, its output appended to the log file.

    `environment` is the whole environment: nothing leaks in from the caller's.
    """
    log_file.parent.mkdir(parents=True, exist_ok=True)
    with log_file.open("ab") as log:
        child = subprocess.Popen(
            list(command),
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            user=user,
            group=group,
            extra_groups=None if user is None else [],
        )
    return child, ProcessRecord(child.pid, psutil.Process(child.pid).create_time())


def stop(
    record: ProcessRecord, *, stop_signal: signal.Signals = signal.SIGTERM, grace_s: float
) -> bool:
    """End a process and its whole session: the signal, up to `grace_s`, then SIGKILL.

    Returns whether it went without SIGKILL. Nothing is sent to a process that merely has the pid.
    """
    leader = record.process()
    members = _session(record)
    if leader is not None:
        _signal([leader], stop_signal)
        _wait([leader], grace_s)
        members = _merge(members, _session(record))
    graceful = leader is None or not _running(leader)
    left = [process for process in members if _running(process)]
    if graceful and left:
        _signal(left, signal.SIGTERM)
        _wait(left, min(grace_s, 2.0))
    left = [process for process in _merge(members, [leader] if leader else []) if _running(process)]
    _signal(left, signal.SIGKILL)
    _wait(left, 5.0)
    return graceful


def kill(record: ProcessRecord) -> None:
    """End a process at once, as a crash would; its children are left to notice by themselves."""
    process = record.process()
    if process is not None:
        _signal([process], signal.SIGKILL)
        _wait([process], 5.0)


def _session(record: ProcessRecord) -> list[psutil.Process]:
    """Return the running processes of the session, none of which can be older than its leader."""
    found = []
    for process in psutil.process_iter():
        try:
            if (
                os.getsid(process.pid) == record.pid
                and process.create_time() >= record.started_at_s - _START_TIME_TOLERANCE_S
            ):
                found.append(process)
        except (ProcessLookupError, PermissionError, psutil.Error):
            continue
    return found


def _merge(*groups: Iterable[psutil.Process]) -> list[psutil.Process]:
    return list({process.pid: process for group in groups for process in group}.values())


def _running(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _signal(processes: Iterable[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        try:
            process.send_signal(number)  # psutil checks the start time again
        except psutil.NoSuchProcess:
            continue


def _wait(processes: Sequence[psutil.Process], timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while any(_running(process) for process in processes) and time.monotonic() < deadline:
        for process in processes:
            _reap(process.pid)
        time.sleep(0.02)


def _reap(pid: int) -> None:
    """Collect the exit status if the process is a child of ours; detached ones are init's."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except (ChildProcessError, ProcessLookupError):
        return
