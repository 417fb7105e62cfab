"""The double-entry ledger: transfers of balanced entries, posted once by their reference."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Purpose(StrEnum):
    """What an account of the ledger is for. Assets are ISO 4217 codes and ISINs."""

    SETTLED = "SETTLED"  # a member's settled cash or securities
    WITHDRAWAL = "WITHDRAWAL"  # a member's cash on its way out
    CLEARING = "CLEARING"  # the clearing house, between the legs of a settlement
    PROVIDER = "PROVIDER"  # cash at the payment provider
    DEPOSITORY = "DEPOSITORY"  # securities at the central depository
    OPENING = "OPENING"  # opening balances


class TransferState(StrEnum):
    PENDING = "PENDING"
    POSTED = "POSTED"
    VOIDED = "VOIDED"


HOUSE = "HOUSE"  # owner of accounts that no member owns


def member(account_id: int) -> str:
    """Return the ledger's owner name of a trading account."""
    return f"M:{account_id}"


@dataclass(frozen=True, slots=True)
class LedgerAccount:
    owner: str
    asset: str
    purpose: Purpose


@dataclass(frozen=True, slots=True)
class Entry:
    """A signed change of one account: cash in minor units, securities in lots."""

    account: LedgerAccount
    amount: int


@dataclass(frozen=True, slots=True)
class Transfer:
    """Entries that sum to zero per asset. (kind, reference) names it once and for all."""

    kind: str  # DEPOSIT, WITHDRAWAL, SETTLEMENT, OPENING_BALANCE, REVERSAL …
    reference: str
    entries: Sequence[Entry]
    trace_id: str = ""


@dataclass(frozen=True, slots=True)
class TransferRecord:
    transfer_id: int
    kind: str
    reference: str
    state: TransferState
    created: bool  # False: an earlier call had made it


class LedgerError(Exception):
    """The transfer was refused; nothing changed."""


class UnbalancedTransfer(LedgerError):
    """Entries do not sum to zero per asset, or one is zero."""


class InsufficientBalance(LedgerError):
    """A member's account would fall below zero."""


class ReferenceConflict(LedgerError):
    """The reference was used for another transfer, or the transfer has ended the other way."""


class UnknownTransfer(LedgerError):
    """No transfer has this id."""


class Ledger(Protocol):
    """Works inside the caller's unit of work; nothing is stored until that commits."""

    def post(self, transfer: Transfer) -> TransferRecord:
        """Post at once; a repeat with the same entries returns the first one's record."""
        ...

    def prepare(self, transfer: Transfer) -> TransferRecord:
        """Reserve: amounts leave `balance` of the accounts they debit, and credit nobody yet."""
        ...

    def complete(self, transfer_id: int) -> TransferRecord:
        """Post a pending transfer; a repeat is harmless."""
        ...

    def void(self, transfer_id: int) -> TransferRecord:
        """Give a pending transfer's reservations back; a repeat is harmless."""
        ...

    def balance(self, account: LedgerAccount) -> int:
        """Return the posted balance less pending debits."""
        ...
