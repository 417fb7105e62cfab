"""The ledger's rules without a database: what balances, and how steps are chained by hash."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

MAX_ENTRY_AMOUNT: Final = (1 << 62) - 1
MAX_ENTRIES: Final = 32_767
CHAIN_START: Final = hashlib.sha256(b"").digest()


def imbalances(amounts: Iterable[tuple[str, int]]) -> dict[str, int]:
    """Return the sums per asset of (asset, signed amount) pairs, those that are zero left out."""
    sums: dict[str, int] = {}
    for asset, amount in amounts:
        sums[asset] = sums.get(asset, 0) + amount
    return {asset: total for asset, total in sums.items() if total != 0}


@dataclass(frozen=True, slots=True)
class ChainedEntry:
    owner: str
    asset: str
    purpose: str
    amount: int


@dataclass(frozen=True, slots=True)
class ChainedStep:
    """A step as it is stored, with everything that its hash covers."""

    transfer_id: int
    state: str
    recorded_us: int
    kind: str
    reference: str
    trace_id: str
    entries: Sequence[ChainedEntry]

    def text(self) -> str:
        """Return the canonical text. SQL's `ledger.step_text` writes the same, on its own."""
        lines = ";".join(
            f"{len(entry.owner)},{entry.owner},{entry.asset},{entry.purpose},{entry.amount}"
            for entry in self.entries
        )
        head = f"{self.transfer_id}|{self.state}|{self.recorded_us}|{self.kind}"
        reference = f"{len(self.reference)}|{self.reference}"
        return f"{head}|{reference}|{len(self.trace_id)}|{self.trace_id}|{lines}"


def chain_hash(previous_hash: bytes, step: ChainedStep) -> bytes:
    """Return the SHA-256 that links a step to all before it."""
    return hashlib.sha256(previous_hash + step.text().encode()).digest()
