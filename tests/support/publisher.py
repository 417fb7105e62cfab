"""A real publisher process beside an engine's, for tests: start, kill, start again."""

import os
import signal
import subprocess
import sys

from tests.support.engine import ROOT, EngineProcess, wait_for


class PublisherProcess:
    """One `python -m hotpath.runtime.publisher`."""

    def __init__(self, engine: EngineProcess, stream_url: str) -> None:
        self._engine = engine
        self._stream_url = stream_url
        self._process: subprocess.Popen[bytes] | None = None
        self.log_file = engine.folder / "publisher.log"
        self._opened_before = 0

    def start(self, fault: str = "", **environment: str) -> "PublisherProcess":
        given = {
            "TRADING_JOURNAL": str(self._engine.journal),
            "STREAM_URL": self._stream_url,
            "TRADING_FAULT": fault,
            "TRADING_HEALTH_FILE": str(self._engine.folder / "publisher.health"),
        }
        self._opened_before = self._openings()
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "hotpath.runtime.publisher"],
                cwd=ROOT,
                env=os.environ | given | environment,
                stdout=log,
                stderr=log,
            )
        return self

    def wait_open(self) -> None:
        """Return when this process, the last one started, publishes or has given up."""
        wait_for(
            lambda: self._openings() > self._opened_before or not self.is_running,
            "the publisher is open",
            30.0,
        )

    @property
    def has_diverged(self) -> bool:
        """Whether it gave up because the stream holds what the journal does not tell."""
        said = self.log_file.read_text(encoding="utf-8") if self.log_file.exists() else ""
        return not self.is_running and "that this journal does not tell" in said

    def _openings(self) -> int:
        if not self.log_file.exists():
            return 0
        return self.log_file.read_text(encoding="utf-8").count("publishing with epoch")

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
