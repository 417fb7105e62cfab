"""Which engine a client has spoken to last: one of a lower epoch has been replaced since."""

from shared.ports.engine import EngineUnavailable


class Epochs:
    """The highest epoch that one client has seen. Each takeover and each restart raises it."""

    def __init__(self) -> None:
        self.highest = 0

    def check(self, epoch: int) -> None:
        """Remember the epoch of a logon; raise EngineUnavailable if a higher one was seen."""
        if epoch < self.highest:
            raise EngineUnavailable(
                f"the engine has epoch {epoch}, and one of epoch {self.highest} has replaced it"
            )
        self.highest = epoch
