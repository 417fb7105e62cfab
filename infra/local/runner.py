"""Starts, checks and stops parts; parts and steps run as soon as what they need is done."""

import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

from infra.local import ports
from infra.local.errors import PartFailed, StackError
from infra.local.health import Unhealthy
from infra.local.part import Part, Step
from infra.local.process import ProcessRecord, kill, start_detached, stop
from infra.local.progress import Progress

_POLL_S = 0.05
_LOG_LINES = 15
_NO_SPACE = ("no space left on device", "could not extend file", "errno 28")


class _NotAwaited(StackError):
    """A part was started, but another one failed before it became healthy."""


@dataclass(frozen=True, slots=True)
class PartStatus:
    """What `trading status` says of a part: healthy, unhealthy or stopped."""

    name: str
    state: str
    detail: str


def run_graph(tasks: Sequence[Part | Step], progress: Progress) -> None:
    """Start parts and run steps, each as soon as all that it comes after is done.

    Raises the first failure after what was under way has ended; nothing new begins after it.
    """
    waiting: dict[str, Part | Step] = {task.name: task for task in tasks}
    done: set[str] = set()
    running: dict[Future[None], str] = {}
    failure: BaseException | None = None
    cancelled = threading.Event()
    with ThreadPoolExecutor(max_workers=8, thread_name_prefix="up") as pool:
        while waiting or running:
            if failure is None:
                for name in _ready(waiting, done, set(running.values())):
                    running[pool.submit(_run, waiting.pop(name), progress, cancelled)] = name
            if not running:
                break
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                name = running.pop(future)
                error = future.exception()
                if error is None:
                    done.add(name)
                elif failure is None:
                    failure = error
                    cancelled.set()
    if failure is not None:
        raise failure
    assert not waiting, f"never ready: {sorted(waiting)}"


def _ready(waiting: Mapping[str, Part | Step], done: set[str], running: set[str]) -> list[str]:
    """Return the tasks whose needs are met; a need that is no task of this run counts as met."""
    unmet = set(waiting) | running
    return [name for name, task in waiting.items() if not (set(task.after) - done) & unmet]


def _run(task: Part | Step, progress: Progress, cancelled: threading.Event) -> None:
    began = time.monotonic()
    try:
        if isinstance(task, Part):
            started = start(task, cancelled)
            outcome = "started" if started else "already running"
        else:
            outcome = task.run()
    except _NotAwaited:
        progress.note(
            f"{task.name:<12} left running: `trading up` goes on, `trading down` stops it"
        )
        raise
    except BaseException:
        progress.failed(task.name)
        raise
    progress.done(task.name, outcome, time.monotonic() - began)


def start(part: Part, cancelled: threading.Event | None = None) -> bool:
    """Start a part unless it runs already, and wait until it is healthy.

    Returns whether it was started. Raises PortTaken or PartFailed.
    """
    record = ProcessRecord.read(part.run_file)
    if record is not None and record.process() is not None:
        _wait_healthy(part, record, None, cancelled)
        return False
    if record is not None:
        stop(record, grace_s=2.0)  # what a killed leader left behind in its session
    ports.require_free(part.name, part.ports)
    if part.prepare is not None:
        part.prepare()
    uid, gid = part.user if part.user is not None else (None, None)
    arguments = part.late_arguments() if part.late_arguments is not None else ()
    child, record = start_detached(
        (*part.command, *arguments),
        environment=part.environment,
        log_file=part.log_file,
        folder=part.folder,
        user=uid,
        group=gid,
    )
    record.write(part.run_file)
    _wait_healthy(part, record, child, cancelled)
    return True


def _wait_healthy(
    part: Part,
    record: ProcessRecord,
    child: subprocess.Popen[bytes] | None,
    cancelled: threading.Event | None,
) -> None:
    deadline = time.monotonic() + part.start_timeout_s
    reason = ""
    while time.monotonic() < deadline:
        if (child is not None and child.poll() is not None) or record.process() is None:
            code = "" if child is None else f" with exit code {child.returncode}"
            raise PartFailed(_failure(part, f"ended at once{code}"))
        if cancelled is not None and cancelled.is_set():
            raise _NotAwaited(part.name)
        try:
            part.health()
        except Unhealthy as error:
            reason = str(error)
            time.sleep(_POLL_S)
        else:
            return
    raise PartFailed(_failure(part, f"is not healthy after {part.start_timeout_s:.0f} s: {reason}"))


def _failure(part: Part, what: str) -> str:
    lines = log_tail(part)
    text = "\n".join(f"    {line}" for line in lines) or "    (empty)"
    hint = ""
    if any(sign in line.lower() for line in lines for sign in _NO_SPACE):
        hint = f"\nThe disk is full: make room on the one that holds {part.log_file.parent.parent}."
    return f"{part.name} {what}.{hint}\nThe end of {part.log_file}:\n{text}"


def log_tail(part: Part) -> list[str]:
    """Return the last lines of a part's log."""
    try:
        with part.log_file.open("rb") as log:
            log.seek(0, 2)
            log.seek(max(0, log.tell() - 16_384))
            return log.read().decode("utf-8", "replace").splitlines()[-_LOG_LINES:]
    except FileNotFoundError:
        return []


def stop_part(part: Part) -> bool | None:
    """Stop a part and all it started; return whether SIGKILL was spared, None if not running."""
    record = ProcessRecord.read(part.run_file)
    if record is None:
        return None
    was_running = record.process() is not None
    graceful = stop(record, stop_signal=part.stop_signal, grace_s=part.stop_grace_s)
    part.run_file.unlink(missing_ok=True)
    return graceful if was_running else None


def stop_all(parts: Sequence[Part], progress: Progress) -> None:
    """Stop all parts, those that depend on others before these."""
    left = {part.name: part for part in parts}
    while left:
        needed = {need for part in left.values() for need in part.after}
        layer = [part for part in left.values() if part.name not in needed]
        assert layer, f"parts depend on each other: {sorted(left)}"
        with ThreadPoolExecutor(max_workers=len(layer)) as pool:
            list(pool.map(lambda part: _stop_and_tell(part, progress), layer))
        for part in layer:
            del left[part.name]


def _stop_and_tell(part: Part, progress: Progress) -> None:
    began = time.monotonic()
    graceful = stop_part(part)
    if graceful is not None:
        how = "stopped" if graceful else "killed: it did not stop in time"
        progress.done(part.name, how, time.monotonic() - began)


def kill_part(part: Part) -> None:
    """End a part as a crash would: SIGKILL, its record left for the next start to find."""
    record = ProcessRecord.read(part.run_file)
    if record is not None:
        kill(record)


def status(parts: Sequence[Part]) -> list[PartStatus]:
    """Return the state of each part, asked for all at once."""
    if not parts:
        return []
    with ThreadPoolExecutor(max_workers=len(parts)) as pool:
        return list(pool.map(_status, parts))


def _status(part: Part) -> PartStatus:
    record = ProcessRecord.read(part.run_file)
    if record is None or record.process() is None:
        return PartStatus(part.name, "stopped", "" if record is None else "ended without `down`")
    try:
        detail = part.health()
    except Unhealthy as error:
        return PartStatus(part.name, "unhealthy", str(error))
    return PartStatus(part.name, "healthy", f"pid {record.pid}" + (f", {detail}" if detail else ""))
