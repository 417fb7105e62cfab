"""A real publisher process beside an engine's, for tests: start, kill, start again."""

import signal

from tests.support.child import ChildProcess
from tests.support.engine import EngineProcess, wait_for


class PublisherProcess(ChildProcess):
    """One `python -m hotpath.runtime.publisher`."""

    def __init__(self, engine: EngineProcess, stream_url: str) -> None:
        super().__init__("hotpath.runtime.publisher", engine.folder / "publisher.log")
        self._engine = engine
        self._stream_url = stream_url
        self._opened_before = 0

    def start(self, fault: str = "", **environment: str) -> "PublisherProcess":
        given = {
            "TRADING_JOURNAL": str(self._engine.journal),
            "STREAM_URL": self._stream_url,
            "TRADING_FAULT": fault,
            "TRADING_HEALTH_FILE": str(self._engine.folder / "publisher.health"),
        }
        self._opened_before = self._openings()
        self.launch(given | environment)
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
        return not self.is_running and self.says("that this journal does not tell")

    def end(self, number: signal.Signals = signal.SIGKILL) -> int:
        """End it; return its exit code."""
        self.signal(number)
        return self.wait()

    def _openings(self) -> int:
        return self.log().count("publishing with epoch")
