"""A real standby process beside an engine's, for tests and the campaign."""

from collections.abc import Iterator
from contextlib import contextmanager

from infra.local.settings import reserve_ports
from tests.support.child import ChildProcess
from tests.support.engine import EngineProcess, wait_for


class StandbyProcess(ChildProcess):
    """One `python -m hotpath.runtime.standby` on an engine's journal and address."""

    def __init__(self, engine: EngineProcess, name: str = "standby") -> None:
        super().__init__("hotpath.runtime.standby", engine.folder / f"{name}.log")
        self._engine = engine

    def start(self, **environment: str) -> "StandbyProcess":
        """Start and return when it follows."""
        self.log_file.unlink(missing_ok=True)
        address = {"ENGINE_LISTEN": self._engine.address}
        self.launch(self._engine.environment | address | environment)
        wait_for(lambda: self.says("following process") or not self.is_running, "it follows")
        assert self.is_running, self.log()
        return self

    def wait_open(self) -> None:
        """Return when it has become the engine."""
        wait_for(lambda: bool(self.opened_at()) or not self.is_running, "the standby opens")
        assert self.is_running, self.log()


@contextmanager
def engine_address() -> Iterator[str]:
    """Yield an address that two processes may listen on, one after the other."""
    ports = reserve_ports()
    try:
        yield f"127.0.0.1:{ports.base_port}"
    finally:
        ports.release()
