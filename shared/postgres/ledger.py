"""The double-entry ledger in PostgreSQL; its tables' own triggers hold its rules for raw SQL."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import psycopg

from shared.domain.ledger import MAX_ENTRIES, MAX_ENTRY_AMOUNT, imbalances
from shared.ports.ledger import (
    Entry,
    InsufficientBalance,
    LedgerAccount,
    Purpose,
    ReferenceConflict,
    Transfer,
    TransferRecord,
    TransferState,
    UnbalancedTransfer,
    UnknownTransfer,
)
from shared.postgres.pool import Connection

_STATE: Final = (
    "(select s.state from ledger.steps s where s.transfer_id = t.transfer_id "
    "order by s.state = 'PENDING' limit 1)"
)
_Key = tuple[str, str]


class PostgresLedger:
    """The ledger on one connection: stored when the caller's unit of work commits.

    Each call takes the ledger's lock until that commit, so call nothing slow in between.
    A refused call leaves the unit of work usable.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def post(self, transfer: Transfer) -> TransferRecord:
        """Post at once; a repeat with the same entries returns the first one's record."""
        return self.post_many([transfer])[0]

    def prepare(self, transfer: Transfer) -> TransferRecord:
        """Set the debited amounts aside; credit nobody yet."""
        return self.prepare_many([transfer])[0]

    def post_many(self, transfers: Sequence[Transfer]) -> list[TransferRecord]:
        """Post all or none, in few statements; records come in the order of the transfers."""
        return self._record(transfers, TransferState.POSTED)

    def prepare_many(self, transfers: Sequence[Transfer]) -> list[TransferRecord]:
        """Prepare all or none; records come in the order of the transfers."""
        return self._record(transfers, TransferState.PENDING)

    def complete(self, transfer_id: int) -> TransferRecord:
        """Post a pending transfer; a repeat is harmless.

        Raises
        ------
        UnknownTransfer
            There is none with this id.
        ReferenceConflict
            It was voided.
        """
        return self._end(transfer_id, TransferState.POSTED)

    def void(self, transfer_id: int) -> TransferRecord:
        """Give a pending transfer's reservations back; a repeat is harmless.

        Raises as `complete` does; ReferenceConflict when the transfer was posted.
        """
        return self._end(transfer_id, TransferState.VOIDED)

    def balance(self, account: LedgerAccount) -> int:
        """Return the posted balance less pending debits; 0 for an account that does not exist."""
        row = self._connection.execute(
            "select b.posted - b.pending_debits from ledger.balances b "
            "join ledger.accounts a using (account_id) "
            "where a.owner = %s and a.asset = %s and a.purpose = %s",
            (account.owner, account.asset, account.purpose),
        ).fetchone()
        return 0 if row is None else int(row[0])

    def posted_balances(self) -> dict[LedgerAccount, int]:
        """Return every account's posted balance, pending debits not taken off."""
        rows = self._connection.execute(
            "select a.owner, a.asset, a.purpose, b.posted from ledger.balances b "
            "join ledger.accounts a using (account_id)"
        )
        return {LedgerAccount(row[0], row[1], Purpose(row[2])): int(row[3]) for row in rows}

    def balances_of(self, owner: str) -> dict[LedgerAccount, int]:
        """Return the posted balances of one owner's accounts."""
        rows = self._connection.execute(
            "select a.asset, a.purpose, b.posted from ledger.balances b "
            "join ledger.accounts a using (account_id) where a.owner = %s",
            (owner,),
        )
        return {LedgerAccount(owner, row[0], Purpose(row[1])): int(row[2]) for row in rows}

    def find(self, kind: str, reference: str) -> TransferRecord | None:
        """Return the transfer of this name, if there is one."""
        row = self._connection.execute(
            f"select t.transfer_id, {_STATE} from ledger.transfers t "
            "where t.kind = %s and t.reference = %s",
            (kind, reference),
        ).fetchone()
        if row is None:
            return None
        return TransferRecord(row[0], kind, reference, TransferState(row[1]), created=False)

    def _record(self, transfers: Sequence[Transfer], state: TransferState) -> list[TransferRecord]:
        for transfer in transfers:
            _check(transfer)
        wanted = _by_key(transfers)
        self._lock()
        with self._refusals(), self._connection.transaction():
            found = self._existing(list(wanted))
            new = [transfer for key, transfer in wanted.items() if key not in found]
            self._check_repeats([wanted[key] for key in found], found)
            created = self._insert(new, state)
        return [
            created.get((transfer.kind, transfer.reference))
            or found[(transfer.kind, transfer.reference)]
            for transfer in transfers
        ]

    def _existing(self, keys: Sequence[_Key]) -> dict[_Key, TransferRecord]:
        rows = self._connection.execute(
            f"select t.transfer_id, t.kind, t.reference, {_STATE} from ledger.transfers t "
            "join unnest(%s::text[], %s::text[]) as k (kind, reference) using (kind, reference)",
            ([kind for kind, _ in keys], [reference for _, reference in keys]),
        )
        return {
            (row[1], row[2]): TransferRecord(
                row[0], row[1], row[2], TransferState(row[3]), created=False
            )
            for row in rows
        }

    def _check_repeats(
        self, transfers: Sequence[Transfer], found: dict[_Key, TransferRecord]
    ) -> None:
        """Raise ReferenceConflict unless each repeated transfer has the entries stored for it."""
        if not transfers:
            return
        rows = self._connection.execute(
            "select e.transfer_id, a.owner, a.asset, a.purpose, e.amount from ledger.entries e "
            "join ledger.accounts a using (account_id) where e.transfer_id = any(%s)",
            ([record.transfer_id for record in found.values()],),
        )
        stored: dict[int, list[tuple[str, str, str, int]]] = {}
        for transfer_id, owner, asset, purpose, amount in rows:
            stored.setdefault(transfer_id, []).append((owner, asset, purpose, amount))
        for transfer in transfers:
            record = found[(transfer.kind, transfer.reference)]
            if sorted(stored[record.transfer_id]) != _comparable(transfer):
                raise ReferenceConflict(
                    f"{transfer.kind} {transfer.reference} was made with other entries"
                )

    def _insert(
        self, transfers: Sequence[Transfer], state: TransferState
    ) -> dict[_Key, TransferRecord]:
        if not transfers:
            return {}
        rows = self._connection.execute(
            "insert into ledger.transfers (kind, reference, trace_id) "
            "select * from unnest(%s::text[], %s::text[], %s::text[]) "
            "returning transfer_id, kind, reference",
            (
                [transfer.kind for transfer in transfers],
                [transfer.reference for transfer in transfers],
                [transfer.trace_id for transfer in transfers],
            ),
        ).fetchall()
        ids: dict[_Key, int] = {(row[1], row[2]): row[0] for row in rows}
        self._insert_entries(
            [
                (ids[(transfer.kind, transfer.reference)], line, entry)
                for transfer in transfers
                for line, entry in enumerate(transfer.entries, start=1)
            ]
        )
        self._connection.execute(
            "insert into ledger.steps (transfer_id, state) select unnest(%s::bigint[]), %s",
            (list(ids.values()), state),
        )
        return {
            key: TransferRecord(transfer_id, *key, state, created=True)
            for key, transfer_id in ids.items()
        }

    def _insert_entries(self, lines: Sequence[tuple[int, int, Entry]]) -> None:
        accounts = self._account_ids({entry.account for _, _, entry in lines})
        self._connection.execute(
            "insert into ledger.entries (transfer_id, line, account_id, amount) "
            "select * from unnest(%s::bigint[], %s::smallint[], %s::bigint[], %s::bigint[])",
            (
                [transfer_id for transfer_id, _, _ in lines],
                [line for _, line, _ in lines],
                [accounts[entry.account] for _, _, entry in lines],
                [entry.amount for _, _, entry in lines],
            ),
        )

    def _account_ids(self, accounts: set[LedgerAccount]) -> dict[LedgerAccount, int]:
        """Return the ids of accounts, opening those that are missing. The lock is held."""
        ordered = sorted(accounts, key=lambda item: (item.owner, item.asset, item.purpose))
        columns = (
            [account.owner for account in ordered],
            [account.asset for account in ordered],
            [str(account.purpose) for account in ordered],
        )
        arrays = "unnest(%s::text[], %s::text[], %s::text[]) as k (owner, asset, purpose)"
        self._connection.execute(
            "insert into ledger.accounts (owner, asset, purpose) "
            f"select k.* from {arrays} where not exists (select from ledger.accounts a "
            "where (a.owner, a.asset, a.purpose) = (k.owner, k.asset, k.purpose))",
            columns,
        )
        rows = self._connection.execute(
            "select a.owner, a.asset, a.purpose, a.account_id from ledger.accounts a "
            f"join {arrays} using (owner, asset, purpose)",
            columns,
        )
        return {LedgerAccount(row[0], row[1], Purpose(row[2])): row[3] for row in rows}

    def _end(self, transfer_id: int, state: TransferState) -> TransferRecord:
        self._lock()
        with self._refusals(), self._connection.transaction():
            row = self._connection.execute(
                f"select t.kind, t.reference, {_STATE} from ledger.transfers t "
                "where t.transfer_id = %s",
                (transfer_id,),
            ).fetchone()
            if row is None:
                raise UnknownTransfer(f"there is no transfer {transfer_id}")
            kind, reference, found = row[0], row[1], TransferState(row[2])
            if found not in (TransferState.PENDING, state):
                raise ReferenceConflict(f"transfer {transfer_id} is {found}, not pending")
            if found is TransferState.PENDING:
                self._connection.execute(
                    "insert into ledger.steps (transfer_id, state) values (%s, %s)",
                    (transfer_id, state),
                )
        created = found is TransferState.PENDING
        return TransferRecord(transfer_id, kind, reference, state, created=created)

    def _lock(self) -> None:
        """Take the ledger's lock; also opens the transaction, so that savepoints lie inside it."""
        self._connection.execute("select ledger.lock()")

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        """Turn the database's refusal of a balance below zero into the port's error."""
        try:
            yield
        except psycopg.errors.CheckViolation as error:
            if error.diag.constraint_name != "balance_not_negative":
                raise
            raise InsufficientBalance("a member's balance would fall below zero") from error


def _check(transfer: Transfer) -> None:
    """Raise UnbalancedTransfer for entries that are missing, zero, too large or unbalanced."""
    if not 2 <= len(transfer.entries) <= MAX_ENTRIES:
        raise UnbalancedTransfer(f"{transfer.reference}: too few or too many entries")
    if any(not 0 < abs(entry.amount) <= MAX_ENTRY_AMOUNT for entry in transfer.entries):
        raise UnbalancedTransfer(f"{transfer.reference}: an entry is zero or too large")
    left = imbalances((entry.account.asset, entry.amount) for entry in transfer.entries)
    if left:
        raise UnbalancedTransfer(f"{transfer.reference}: {left} left over")


def _by_key(transfers: Sequence[Transfer]) -> dict[_Key, Transfer]:
    """Return the transfers by name; raise ReferenceConflict when one name has two contents."""
    found: dict[_Key, Transfer] = {}
    for transfer in transfers:
        first = found.setdefault((transfer.kind, transfer.reference), transfer)
        if _comparable(first) != _comparable(transfer):
            raise ReferenceConflict(f"{transfer.kind} {transfer.reference} comes twice, differing")
    return found


def _comparable(transfer: Transfer) -> list[tuple[str, str, str, int]]:
    return sorted(
        (entry.account.owner, entry.account.asset, str(entry.account.purpose), entry.amount)
        for entry in transfer.entries
    )
