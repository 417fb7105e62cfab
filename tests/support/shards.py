"""Several real engines on journals of their own, and instruments that are spread over them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from shared.domain import records as r
from shared.domain.commands import AddAccount, AddInstrument, Command, MoveCash
from shared.domain.ids import SOURCE_TOOLS, administrative_id
from shared.hotpath_client import ShardedEngine, SyncEngineClient
from shared.wire.tokens import SCOPES
from tests.support.engine import USD, EngineProcess

SHARDS = 3


def shard_of(instrument_id: int) -> int:
    """Return an instrument's shard: 3 is traded by shard 0, 4 by shard 1, 5 by shard 2."""
    return instrument_id % SHARDS


class Shards:
    """Three engine processes and the client of all."""

    def __init__(self, folder: Path) -> None:
        self.engines = []
        for number in range(SHARDS):
            own = folder / str(number)
            own.mkdir()
            self.engines.append(EngineProcess(own, TRADING_SHARD=str(number)))
        self._numbers = iter(range(1, 1_000_000))

    def start(self) -> None:
        for engine in self.engines:
            engine.spawn()
        for engine in self.engines:
            engine.await_open()

    def client(
        self, timeout_ms: int = 5000, shard_of: Callable[[int], int] = shard_of
    ) -> ShardedEngine:
        """Return the client of all, made for the addresses that the engines have now."""
        clients = [
            SyncEngineClient(
                engine.address,
                lambda issuer=engine.issuer: issuer.service(SCOPES),  # type: ignore[misc]
                timeout_ms,
                shard=number,
            )
            for number, engine in enumerate(self.engines)
        ]
        return ShardedEngine(clients, shard_of)

    def next_id(self) -> int:
        return administrative_id(SOURCE_TOOLS, next(self._numbers))

    def market(self, accounts: int = 2, cash_minor: int = 1_000_000) -> list[Command]:
        """Return the commands that make instruments 3, 4 and 5, and funded accounts from 1 on."""
        commands: list[Command] = [
            AddInstrument(self.next_id(), number, USD, 1, 100, 1, 10_000, 1_000_000, 10_000)
            for number in (3, 4, 5)
        ]
        for account in range(1, accounts + 1):
            commands.append(AddAccount(self.next_id(), account, USD))
            commands.append(MoveCash(r.DEPOSIT_CASH, self.next_id(), account, cash_minor))
        return commands


@contextmanager
def three_engines(folder: Path) -> Iterator[Shards]:
    """Yield three started engines; nothing of them is left at the end."""
    shards = Shards(folder)
    try:
        shards.start()
        yield shards
    finally:
        for engine in shards.engines:
            engine.close()
