"""A real standby process beside an engine's, for tests and the campaign."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from infra.local.settings import reserve_ports
from tests.support.engine import ROOT, EngineProcess, wait_for


class StandbyProcess:
    """One `python -m hotpath.runtime.standby` on an engine's journal and address."""

    def __init__(self, engine: EngineProcess, name: str = "standby") -> None:
        self._engine = engine
        self.log_file = engine.folder / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, **environment: str) -> "StandbyProcess":
        """Start and return when it follows."""
        with self.log_file.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "hotpath.runtime.standby"],
                cwd=ROOT,
                env=os.environ
                | self._engine.environment
                | {"ENGINE_LISTEN": self._engine.address}
                | environment,
                stdout=log,
                stderr=log,
            )
        wait_for(lambda: self.says("following process") or not self.is_running, "it follows")
        assert self.is_running, self.log()
        return self

    def log(self) -> str:
        return self.log_file.read_text(encoding="utf-8")

    def says(self, text: str) -> bool:
        return text in self.log()

    def wait_open(self) -> None:
        """Return when it has become the engine."""
        wait_for(lambda: self.says(" open on ") or not self.is_running, "the standby opens")
        assert self.is_running, self.log()

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

    def close(self) -> None:
        if self.is_running:
            self.signal(signal.SIGKILL)
            self.wait()


@contextmanager
def engine_address() -> Iterator[str]:
    """Yield an address that two processes may listen on, one after the other."""
    ports = reserve_ports()
    try:
        yield f"127.0.0.1:{ports.base_port}"
    finally:
        ports.release()
