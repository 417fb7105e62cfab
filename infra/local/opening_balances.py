"""Opening balances: shares and cash that members bring with them, as ordinary ledger transfers.

Each grant is one transfer from the house's OPENING account and one command to the engine, stored
together and sent through the payments service's outbox like every other movement of money.
"""

from typing import Final

from functions.payments.credit_lines import ORDER, CreditLines
from functions.payments.engine_commands import credit_id
from shared.domain.commands import DepositShares, MoveCash
from shared.domain.instruments import Instrument
from shared.domain.records import DEPOSIT_CASH
from shared.hotpath_client import ShardedEngine
from shared.ports.engine import Engine
from shared.ports.ledger import HOUSE, Entry, LedgerAccount, Purpose, Transfer, member
from shared.postgres.ledger import PostgresLedger
from shared.postgres.outbox import Outbox
from shared.postgres.unit_of_work import UnitOfWork

KIND: Final = "OPENING_BALANCE"
_OUTBOX: Final = Outbox("payments")


class GrantRefused(Exception):
    """The engine refused an opening balance that the ledger has posted: a bug, never routine."""


class OpeningBalances:
    """Grants on one stack. `payments_dsn` is the DSN of the payments service's role."""

    def __init__(self, payments_dsn: str, engine: Engine) -> None:
        self._dsn = payments_dsn
        self._engine = engine

    def grant_shares(
        self, account_id: int, instrument: Instrument, quantity_lots: int, reference: str
    ) -> None:
        """Give an account shares; the same reference a second time changes nothing.

        Raises GrantRefused, or the errors of the ledger, the database and the engine.
        """
        with UnitOfWork(self._dsn) as uow:
            transfer_id = self._post(uow, account_id, instrument.isin, quantity_lots, reference)
            command = DepositShares(
                credit_id(transfer_id),
                account_id,
                instrument.instrument_id,
                quantity_lots,
            )
            _OUTBOX.enqueue(uow, command.command_id, command.words())
            uow.commit()
        self._send(account_id)

    def grant_cash(self, account_id: int, currency: str, amount_minor: int, reference: str) -> None:
        """Give an account cash, on the terms of `grant_shares`."""
        with UnitOfWork(self._dsn) as uow:
            transfer_id = self._post(uow, account_id, currency, amount_minor, reference)
            command_id = credit_id(transfer_id)
            command = MoveCash(DEPOSIT_CASH, command_id, account_id, amount_minor)
            _OUTBOX.enqueue(uow, command_id, command.words())
            uow.commit()
        self._send(account_id)

    def bring_cash(self, account_id: int, instrument: Instrument, amount_minor: int) -> None:
        """Have so much of an account's cash at the engine that trades an instrument.

        With one engine it is there. Raises GrantRefused when the account has less.
        """
        engine = self._engine
        if not isinstance(engine, ShardedEngine) or engine.shards == 1:
            return
        shard = engine.shard_of_instrument(instrument.instrument_id)
        lines = CreditLines(self._dsn, lambda: engine)
        lines.bring(account_id, shard, amount_minor, ORDER)
        view = engine.shard(shard).account(account_id)
        if view is None or view.available_minor < amount_minor:
            raise GrantRefused(f"account {account_id}: no {amount_minor} at shard {shard}")

    def _post(
        self, uow: UnitOfWork, account_id: int, asset: str, amount: int, reference: str
    ) -> int:
        opening = LedgerAccount(HOUSE, asset, Purpose.OPENING)
        settled = LedgerAccount(member(account_id), asset, Purpose.SETTLED)
        entries = (Entry(opening, -amount), Entry(settled, amount))
        transfer = Transfer(KIND, reference, entries)
        return PostgresLedger(uow.connection).post(transfer).transfer_id

    def _send(self, account_id: int) -> None:
        report = _OUTBOX.send_pending(self._engine, self._dsn, account_id=account_id)
        refused = [answer for answer in report.answers if not answer.accepted]
        if refused or report.left:
            raise GrantRefused(f"account {account_id}: {refused or 'the engine did not answer'}")
