"""Reconciliation: ledger + unsettled trades + reservations = the engine's balances, exactly."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from shared.domain.money import CURRENCY_BY_NUMBER
from shared.domain.records import BUY
from shared.ports.engine import AccountView, OpenOrder
from shared.reference import Instruments


@dataclass(frozen=True, slots=True, order=True)
class Break:
    """Two sides that should be equal and are not."""

    kind: str
    account_id: int
    subject: str
    expected: str
    found: str


@dataclass(frozen=True, slots=True)
class Books:
    """What the clearing side knows of one account, per asset (ISO 4217 code or ISIN)."""

    account_id: int
    settled: Mapping[str, int] = field(default_factory=dict)  # ledger: minor units or lots
    unsettled: Mapping[str, int] = field(default_factory=dict)  # captured trades not settled yet

    def total(self, asset: str) -> int:
        return self.settled.get(asset, 0) + self.unsettled.get(asset, 0)


def compare_account(
    books: Books,
    view: AccountView | None,
    open_orders: Sequence[OpenOrder],
    instruments: Instruments,
    in_transit_minor: int = 0,
) -> list[Break]:
    """Return the differences between an account's books and the engines' view of it.

    `in_transit_minor` is cash that has left one engine and not arrived at another.
    """
    if view is None:
        held = {asset: books.total(asset) for asset in {*books.settled, *books.unsettled}}
        return [
            Break("account_unknown_to_engine", books.account_id, asset, str(amount), "0")
            for asset, amount in sorted(held.items())
            if amount != 0
        ]
    return [
        Break(kind, books.account_id, subject, str(expected), str(found))
        for kind, subject, expected, found in (
            *_cash(books, view, in_transit_minor),
            *_positions(books, view, instruments),
            *_reservations(view, open_orders, instruments),
        )
        if expected != found
    ]


_Comparison = tuple[str, str, int, int]


def _cash(books: Books, view: AccountView, in_transit_minor: int) -> Iterable[_Comparison]:
    currency = CURRENCY_BY_NUMBER[view.currency_number]
    settled_minor = view.settled_minor + in_transit_minor
    yield "settled_cash", currency, books.settled.get(currency, 0), settled_minor
    yield "total_cash", currency, books.total(currency), view.total_minor + in_transit_minor
    for asset in {*books.settled, *books.unsettled} & set(CURRENCY_BY_NUMBER.values()):
        if asset != currency:
            yield "foreign_cash", asset, books.total(asset), 0


def _positions(books: Books, view: AccountView, instruments: Instruments) -> Iterable[_Comparison]:
    positions = {item.instrument_id: item for item in view.positions}
    for instrument in instruments:
        found = positions.get(instrument.instrument_id)
        settled, total = (0, 0) if found is None else (found.settled_lots, found.total_lots)
        isin = instrument.isin
        yield "settled_securities", isin, books.settled.get(isin, 0), settled
        yield "total_securities", isin, books.total(isin), total


def _reservations(
    view: AccountView, open_orders: Sequence[OpenOrder], instruments: Instruments
) -> Iterable[_Comparison]:
    """What open orders need must be what is reserved, so that buying power follows as well."""
    cash, lots = 0, dict[tuple[int, bool], int]()
    for order in open_orders:
        instrument = instruments.by_id[order.instrument_id]
        key = (order.instrument_id, order.side == BUY)
        lots[key] = lots.get(key, 0) + order.leaves_lots
        if order.side == BUY:
            cash += instrument.notional_minor(order.price_ticks, order.leaves_lots)
    yield "reserved_cash", CURRENCY_BY_NUMBER[view.currency_number], cash, view.reserved_minor
    for position in view.positions:
        isin = instruments.by_id[position.instrument_id].isin
        for is_buy, found in (
            (True, position.reserved_buy_lots),
            (False, position.reserved_sell_lots),
        ):
            kind = "reserved_buys" if is_buy else "reserved_sells"
            yield kind, isin, lots.get((position.instrument_id, is_buy), 0), found


def compare_house(
    conservation: Mapping[str, int], clearing: Mapping[str, int], settled: Mapping[str, int]
) -> list[Break]:
    """Check the ledger against itself: nothing made or lost, and the clearing house square.

    `clearing` are the clearing house's balances, `settled` the sums of all settled obligations: the
    house holds exactly the other side of what members have settled.
    """
    lost = [
        Break("conservation", 0, asset, "0", str(total))
        for asset, total in sorted(conservation.items())
        if total != 0
    ]
    owed = [
        Break("clearing_house", 0, asset, str(-settled.get(asset, 0)), str(clearing.get(asset, 0)))
        for asset in sorted({*clearing, *settled})
        if clearing.get(asset, 0) != -settled.get(asset, 0)
    ]
    return lost + owed
