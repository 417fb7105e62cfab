"""The rules of settlement: what a trade obliges each side to, netting, and the outcomes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum


class InstructionState(StrEnum):
    """How far a netting instruction has come. SETTLED and ROLLED are final."""

    NETTED = "NETTED"  # to be delivered in this pass
    PREPARED = "PREPARED"  # both legs are set aside in the ledger
    WAITING = "WAITING"  # refused in this pass; tried again while others still settle
    SETTLED = "SETTLED"  # both legs are posted
    ROLLED = "ROLLED"  # given up in this batch; its trades are due in the next


class FailureReason(StrEnum):
    INSUFFICIENT_BALANCE = "insufficient_balance"
    PAYMENT_REFUSED = "payment_refused"


@dataclass(frozen=True, slots=True)
class Obligation:
    """One side of one trade: what the account receives, negative for what it gives."""

    trade_id: int
    side: str  # BUY or SELL
    account_id: int
    order_id: int
    instrument_id: int
    currency: str
    cash_minor: int
    quantity_lots: int


@dataclass(frozen=True, slots=True)
class NetPosition:
    """All due obligations of one account in one instrument and currency, as one exchange."""

    account_id: int
    instrument_id: int
    currency: str
    cash_minor: int
    quantity_lots: int
    obligations: Sequence[Obligation]


def obligations_of_trade(
    *,
    trade_id: int,
    instrument_id: int,
    currency: str,
    quantity_lots: int,
    notional_minor: int,
    buyer: tuple[int, int],
    seller: tuple[int, int],
) -> tuple[Obligation, Obligation]:
    """Return the buyer's and the seller's obligation; `buyer` is (account id, order id)."""
    if quantity_lots <= 0 or notional_minor <= 0:
        raise ValueError(f"trade {trade_id} has no quantity or no value")

    def side(name: str, party: tuple[int, int], cash: int, lots: int) -> Obligation:
        return Obligation(trade_id, name, *party, instrument_id, currency, cash, lots)

    return (
        side("BUY", buyer, -notional_minor, quantity_lots),
        side("SELL", seller, notional_minor, -quantity_lots),
    )


def net(obligations: Iterable[Obligation]) -> list[NetPosition]:
    """Net obligations per account, instrument and currency, ordered by these.

    Multilateral netting against the clearing house: the sums over all accounts stay zero.
    """
    groups: dict[tuple[int, int, str], list[Obligation]] = {}
    for item in obligations:
        groups.setdefault((item.account_id, item.instrument_id, item.currency), []).append(item)
    return [
        NetPosition(
            *key,
            cash_minor=sum(item.cash_minor for item in groups[key]),
            quantity_lots=sum(item.quantity_lots for item in groups[key]),
            obligations=tuple(groups[key]),
        )
        for key in sorted(groups)
    ]
