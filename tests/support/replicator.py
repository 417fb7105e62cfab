"""A real replicator process beside an engine's, for tests: start, kill, start again."""

import os
import signal
import subprocess
import sys

from tests.support.engine import ROOT, EngineProcess, wait_for


class ReplicatorProcess:
    """One `python -m hotpath.runtime.replication`."""

    def __init__(self, engine: EngineProcess) -> None:
        self._engine = engine
        self._process: subprocess.Popen[bytes] | None = None
        self.log_file = engine.folder / "replicator.log"

    def start(self) -> "ReplicatorProcess":
        self._engine.journal.mkdir(parents=True, exist_ok=True)
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "hotpath.runtime.replication"],
                cwd=ROOT,
                env=os.environ | self._engine.environment,
                stdout=log,
                stderr=log,
            )
        return self

    def log(self) -> str:
        return self.log_file.read_text(encoding="utf-8")

    def wait_copying(self) -> None:
        """Return when this process, or one before it, has begun to copy."""
        wait_for(lambda: "copying from sequence" in self.log(), "it copies")

    @property
    def process_id(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def wait(self, timeout_s: float = 20.0) -> int:
        assert self._process is not None
        return self._process.wait(timeout_s)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        self.wait()

    def close(self) -> None:
        if self.is_running:
            self.kill()
