"""A module of the project as a process of its own, for tests: start, signal, kill, start again."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]


class ChildProcess:
    """One `python -m` of a module, its output in a log file."""

    def __init__(self, module: str, log_file: Path) -> None:
        self._module = module
        self._process: subprocess.Popen[bytes] | None = None
        self.log_file = log_file

    def launch(self, environment: Mapping[str, str]) -> None:
        """Start without waiting; what it says is added to the log."""
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", self._module],
                cwd=ROOT,
                env={**os.environ, **environment},
                stdout=log,
                stderr=log,
            )

    def log(self) -> str:
        """Return what it has said, and those before it; empty before the first start."""
        return self.log_file.read_text(encoding="utf-8") if self.log_file.exists() else ""

    def says(self, text: str) -> bool:
        return text in self.log()

    def opened_at(self) -> str:
        """Return the address at which it last said that it is open; empty if it never did."""
        lines = [line for line in self.log().splitlines() if " open on " in line]
        return lines[-1].split(" open on ")[1].split(",")[0] if lines else ""

    @property
    def process_id(self) -> int:
        return self._started.pid

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def signal(self, number: signal.Signals) -> None:
        self._started.send_signal(number)

    def wait(self, timeout_s: float = 20.0) -> int:
        """Return its exit code when it has ended."""
        return self._started.wait(timeout_s)

    def kill(self) -> None:
        """End it as a crash would."""
        self.signal(signal.SIGKILL)
        self.wait()

    def close(self) -> None:
        if self.is_running:
            self.kill()

    @property
    def _started(self) -> "subprocess.Popen[bytes]":
        assert self._process is not None
        return self._process
