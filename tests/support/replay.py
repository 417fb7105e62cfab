"""Funds a replay's accounts straight in the engine, where a test has no ledger."""

from itertools import count

from shared.domain import records as r
from shared.domain.commands import Command, DepositShares, MoveCash
from shared.domain.ids import SOURCE_LEDGER, administrative_id
from shared.domain.instruments import Instrument
from shared.hotpath_client import SyncEngineClient


class EngineFunding:
    """Stands in for OpeningBalances: the engine's half of a grant."""

    def __init__(self, engine: SyncEngineClient) -> None:
        self._engine = engine
        self._numbers = count(engine.status().sequence + 1_000)

    def grant_cash(self, account_id: int, currency: str, amount_minor: int, reference: str) -> None:
        self._submit(MoveCash(r.DEPOSIT_CASH, self._next_id(), account_id, amount_minor))

    def grant_shares(
        self, account_id: int, instrument: Instrument, quantity_lots: int, reference: str
    ) -> None:
        command_id, instrument_id = self._next_id(), instrument.instrument_id
        self._submit(DepositShares(command_id, account_id, instrument_id, quantity_lots))

    def bring_cash(self, account_id: int, instrument: Instrument, amount_minor: int) -> None:
        """With one engine it is where it is needed."""

    def _next_id(self) -> int:
        return administrative_id(SOURCE_LEDGER, next(self._numbers))

    def _submit(self, command: Command) -> None:
        result = self._engine.submit(command)
        assert all(event.kind != r.REJECTED for event in result.events), result
