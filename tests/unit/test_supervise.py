"""A supervised command, such as a run of tests, leaves no process behind, however it ends."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from hotpath.build import ROOT
from tests.support.waiting import wait_for

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux tells who ended")

# A server in a session of its own, as the stack's parts are; its starter says how it ends itself.
COMMAND = """
import subprocess, sys, time
server = subprocess.Popen(["sleep", "600"], start_new_session=True)
print(server.pid, flush=True)
try:
    time.sleep(float(sys.argv[1]))
except KeyboardInterrupt:
    print("interrupted", flush=True)
    sys.exit(2)
sys.exit(7)
"""
SUPERVISED = [sys.executable, "-m", "infra.supervise", sys.executable, "-c", COMMAND]


class Run:
    """A supervised command that says in a file what its server is."""

    def __init__(self, folder: Path) -> None:
        self._said = folder / "said"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *command: str) -> "Run":
        with self._said.open("wb") as said:
            self._process = subprocess.Popen(command, cwd=ROOT, stdout=said)
        wait_for(lambda: self.says().splitlines(), what="the server")
        return self

    def says(self) -> str:
        return self._said.read_text(encoding="utf-8")

    @property
    def process(self) -> "subprocess.Popen[bytes]":
        assert self._process is not None
        return self._process

    @property
    def server(self) -> int:
        return int(self.says().splitlines()[0])

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        with suppress(ProcessLookupError):
            os.kill(self.server, signal.SIGKILL)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    found = Run(tmp_path)
    yield found
    found.close()


def is_running(process_id: int) -> bool:
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(process_id).status() != psutil.STATUS_ZOMBIE
    return False


def test_a_command_that_ends_keeps_its_exit_code_and_its_servers_end_with_it(run: Run) -> None:
    assert run.start(*SUPERVISED, "0").process.wait(20) == 7
    assert not is_running(run.server)
    assert "left running by" in run.says()
    assert "sleep 600" in run.says()


def test_the_servers_of_a_killed_command_end(run: Run) -> None:
    run.start(*SUPERVISED, "600")
    (command,) = [
        child for child in psutil.Process(run.process.pid).children() if child.pid != run.server
    ]
    command.kill()
    assert run.process.wait(20) == 128 + signal.SIGKILL
    assert not is_running(run.server)


def test_a_supervisor_that_is_told_to_end_interrupts_its_command(run: Run) -> None:
    run.start(*SUPERVISED, "600").process.terminate()
    assert run.process.wait(20) == 2
    assert run.says().splitlines()[1] == "interrupted"
    assert not is_running(run.server)


@pytest.mark.parametrize("whom", ["the supervisor", "who started it"])
def test_a_command_is_interrupted_when_those_above_it_are_killed(run: Run, whom: str) -> None:
    start = f"import subprocess; subprocess.run({[*SUPERVISED, '600']!r})"
    above = run.start(sys.executable, "-c", start).process
    children: Callable[[], list[psutil.Process]] = psutil.Process(above.pid).children
    victim = children()[0] if whom == "the supervisor" else psutil.Process(above.pid)
    victim.kill()
    wait_for(lambda: "interrupted" in run.says(), what="the interruption")
    if whom == "who started it":
        wait_for(lambda: not is_running(run.server), what="the end of the server")
