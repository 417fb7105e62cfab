"""Detached processes that outlive their command, found again by pid and start time."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import psutil

_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class ProcessRecord:
    """A started process. Its start, in ticks since that boot, tells it from a later one's pid.

    Times of day would not do: the kernel's idea of when it booted moves by up to a second.
    """

    pid: int
    boot: str
    started_ticks: int

    @classmethod
    def of(cls, pid: int) -> "ProcessRecord":
        """Return the record of a running process; raise psutil.NoSuchProcess when there is none."""
        return cls(pid, _boot(), _started_ticks(pid))

    @classmethod
    def read(cls, file: Path) -> "ProcessRecord | None":
        """Return the record in a file, or None when there is none or it is damaged."""
        try:
            values = json.loads(file.read_text(encoding="utf-8"))
            return cls(int(values["pid"]), str(values["boot"]), int(values["started_ticks"]))
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None

    def write(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        replacement = file.with_suffix(".new")
        replacement.write_text(json.dumps(asdict(self)) + "\n", encoding="utf-8")
        replacement.replace(file)

    def process(self) -> psutil.Process | None:
        """Return the running process, or None when it ended or its pid means another one now."""
        try:
            if ProcessRecord.of(self.pid) != self:
                return None
            process = psutil.Process(self.pid)
            return None if process.status() == psutil.STATUS_ZOMBIE else process
        except psutil.NoSuchProcess:
            return None


def _boot() -> str:
    return _BOOT_ID.read_text(encoding="ascii").strip() if _BOOT_ID.exists() else ""


def _started_ticks(pid: int) -> int:
    """Return when a process started; clock ticks since boot on Linux, else microseconds."""
    if not _BOOT_ID.exists():
        return round(psutil.Process(pid).create_time() * 1e6)
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError) as error:
        raise psutil.NoSuchProcess(pid) from error
    # The program's name, in parentheses, may hold spaces; the start is the 20th field after it.
    return int(stat.rpartition(")")[2].split()[19])


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
    return child, ProcessRecord.of(child.pid)


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
            if os.getsid(process.pid) != record.pid or _boot() != record.boot:
                continue
            if _started_ticks(process.pid) >= record.started_ticks:
                found.append(process)
        except (ProcessLookupError, PermissionError, psutil.Error):
            continue
    return found


def _merge(*groups: Iterable[psutil.Process]) -> list[psutil.Process]:
    return list({process.pid: process for group in groups for process in group}.values())


def _running(process: psutil.Process) -> bool:
    """Return whether a process has not ended; collect it if it is a child of ours.

    A child that ended but is not collected still counts as running: to others, such as a server
    that looks at its predecessor's pid file, it does.
    """
    try:
        collected, _ = os.waitpid(process.pid, os.WNOHANG)
        return collected == 0
    except ChildProcessError:
        pass  # detached ones of an earlier command are init's
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
        time.sleep(0.02)
