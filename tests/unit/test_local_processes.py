"""Detached processes: found again, ended with all they started, never mistaken for another one."""

import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from infra.local.process import ProcessRecord, kill, start_detached, stop

Start = Callable[[str], ProcessRecord]

SLEEP = "import time; time.sleep(60)"
IGNORES_TERM = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1); {SLEEP}"
WITH_CHILD = (
    "import subprocess, sys, time\n"
    f"child = subprocess.Popen([sys.executable, '-c', {SLEEP!r}])\n"
    "print(child.pid, flush=True)\n"
    "time.sleep(60)"
)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    records: list[ProcessRecord] = []

    def start_python(code: str) -> ProcessRecord:
        _, record = start_detached(
            (sys.executable, "-u", "-c", code),
            environment={"ONLY": "this"},
            log_file=tmp_path / "logs" / "part.log",
            folder=tmp_path,
        )
        records.append(record)
        return record

    yield start_python
    for record in records:
        stop(record, grace_s=0.1)


def read_log(tmp_path: Path) -> str:
    """Return the log once something is in it."""
    log = tmp_path / "logs" / "part.log"
    deadline = time.monotonic() + 10
    while not log.read_text() and time.monotonic() < deadline:
        time.sleep(0.01)
    return log.read_text()


def test_a_record_finds_its_process_again(start: Start, tmp_path: Path) -> None:
    record = start(SLEEP)
    record.write(tmp_path / "run" / "part.json")
    found = ProcessRecord.read(tmp_path / "run" / "part.json")
    assert found == record
    assert record.process() is not None


def test_a_reused_pid_is_another_process_and_is_never_signalled(start: Start) -> None:
    running = start(SLEEP)
    stale = replace(running, started_ticks=running.started_ticks - 1)
    assert stale.process() is None
    stop(replace(running, started_ticks=running.started_ticks + 1), grace_s=0.1)
    stop(replace(running, boot="before the last reboot"), grace_s=0.1)
    kill(stale)
    assert running.process() is not None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": "x"}', '{"pid": 1}'])
def test_a_damaged_record_counts_as_none(tmp_path: Path, text: str) -> None:
    file = tmp_path / "part.json"
    file.write_text(text)
    assert ProcessRecord.read(file) is None


def test_nothing_of_the_callers_environment_leaks_in(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CANARY", "secret")
    start("import os; print(dict(os.environ))")
    log = read_log(tmp_path)
    assert "ONLY" in log
    assert "CANARY" not in log


def test_stopping_ends_children_too(start: Start, tmp_path: Path) -> None:
    record = start(WITH_CHILD)
    child_pid = int(read_log(tmp_path))
    assert stop(record, grace_s=5)
    assert record.process() is None
    assert not is_running(child_pid)


def test_children_of_a_leader_that_was_killed_are_found_and_ended(
    start: Start, tmp_path: Path
) -> None:
    record = start(WITH_CHILD)
    child_pid = int(read_log(tmp_path))
    kill(record)
    assert is_running(child_pid)
    stop(record, grace_s=1)
    assert not is_running(child_pid)


def test_a_process_that_ignores_the_signal_is_killed_after_the_grace(
    start: Start, tmp_path: Path
) -> None:
    record = start(IGNORES_TERM)
    assert read_log(tmp_path)
    began = time.monotonic()
    assert not stop(record, stop_signal=signal.SIGTERM, grace_s=0.3)
    assert 0.3 <= time.monotonic() - began < 5
    assert record.process() is None


def is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
