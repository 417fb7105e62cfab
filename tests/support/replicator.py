"""A real replicator process beside an engine's, for tests: start, kill, start again."""

from tests.support.child import ChildProcess
from tests.support.engine import EngineProcess, wait_for


class ReplicatorProcess(ChildProcess):
    """One `python -m hotpath.runtime.replication`."""

    def __init__(self, engine: EngineProcess) -> None:
        super().__init__("hotpath.runtime.replication", engine.folder / "replicator.log")
        self._engine = engine

    def start(self) -> "ReplicatorProcess":
        self._engine.journal.mkdir(parents=True, exist_ok=True)
        self.launch(self._engine.environment)
        return self

    def wait_copying(self) -> None:
        """Return when this process, or one before it, has begun to copy."""
        wait_for(lambda: self.says("copying from sequence"), "it copies")
