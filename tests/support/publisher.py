"""A real publisher process beside an engine's, for tests: start, kill, start again."""

import os
import signal
import subprocess
import sys

from tests.support.engine import ROOT, EngineProcess


class PublisherProcess:
    """One `python -m hotpath.runtime.publisher`."""

    def __init__(self, engine: EngineProcess, stream_url: str) -> None:
        self._engine = engine
        self._stream_url = stream_url
        self._process: subprocess.Popen[bytes] | None = None
        self.log_file = engine.folder / "publisher.log"

    def start(self, fault: str = "") -> "PublisherProcess":
        given = {
            "TRADING_JOURNAL": str(self._engine.journal),
            "STREAM_URL": self._stream_url,
            "TRADING_FAULT": fault,
            "TRADING_HEALTH_FILE": str(self._engine.folder / "publisher.health"),
        }
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "hotpath.runtime.publisher"],
                cwd=ROOT,
                env=os.environ | given,
                stdout=log,
                stderr=log,
            )
        return self

    def wait(self) -> int:
        assert self._process is not None
        return self._process.wait(20)

    def end(self, number: int = signal.SIGKILL) -> int:
        assert self._process is not None
        self._process.send_signal(number)
        return self._process.wait(10)

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def close(self) -> None:
        if self.is_running:
            self.end()
