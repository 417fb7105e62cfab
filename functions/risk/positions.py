"""A position as a fold over its trades: average cost, what is realised, what is not. Pure.

Values are in ticks times lots, integers without rounding but for one place: a trade that closes
part of a position takes its share of the cost, rounded toward zero; the rest stays with the rest.
Shares that were deposited count in the quantity and never in the profit: their cost is not known.
"""

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Position:
    """`cost_value` belongs to `traded_lots` (bought less sold) and has its sign."""

    account_id: int
    instrument_id: int
    traded_lots: int = 0
    deposited_lots: int = 0
    cost_value: int = 0
    realised_value: int = 0
    bought_lots: int = 0
    sold_lots: int = 0
    version: int = 0

    @property
    def quantity_lots(self) -> int:
        """Return what the account holds, unsettled trades included."""
        return self.traded_lots + self.deposited_lots

    def unrealised_value(self, price_ticks: int) -> int:
        """Return what closing at a price would add to what is realised."""
        return self.traded_lots * price_ticks - self.cost_value


def traded(position: Position, signed_lots: int, price_ticks: int) -> Position:
    """Return the position after a trade: positive lots were bought, negative ones sold.

    Closing realises price less average cost. Passing through zero closes the whole position and
    opens the rest at the trade's price.
    """
    assert signed_lots != 0 and price_ticks > 0
    closing = _closing_lots(position.traded_lots, signed_lots)
    opening = signed_lots - closing
    cost_released = 0
    if closing:
        cost_released = _share(position.cost_value, -closing, position.traded_lots)
    return replace(
        position,
        traded_lots=position.traded_lots + signed_lots,
        cost_value=position.cost_value - cost_released + opening * price_ticks,
        realised_value=position.realised_value - closing * price_ticks - cost_released,
        bought_lots=position.bought_lots + max(signed_lots, 0),
        sold_lots=position.sold_lots + max(-signed_lots, 0),
        version=position.version + 1,
    )


def deposited(position: Position, signed_lots: int) -> Position:
    """Return the position after shares came in, or went out, without a trade."""
    return replace(
        position,
        deposited_lots=position.deposited_lots + signed_lots,
        version=position.version + 1,
    )


def _closing_lots(held: int, signed_lots: int) -> int:
    """Return the signed part of a trade that reduces the position."""
    if held == 0 or (held > 0) == (signed_lots > 0):
        return 0
    size = min(abs(held), abs(signed_lots))
    return size if signed_lots > 0 else -size


def _share(value: int, part: int, whole: int) -> int:
    """Return value x part / whole rounded toward zero; `part` and `whole` have one sign."""
    share = abs(value) * abs(part) // abs(whole)
    return share if value >= 0 else -share
