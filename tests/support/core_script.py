"""A small language for tables of orders in, trades and book out, spoken by both engines.

An order is named by its account's letter and a number: `A1`. Lines:

    A1 buy 10 @100        a limit order, good till cancelled; `ioc` at the end makes it so
    A1 sell 10 market
    A1 replace 5 @101     new open quantity and price
    A1 cancel
    A mass-cancel

Accounts A, B, C have 1,000,000 of cash and 1,000 lots; prices run from 50 to 150; the reference
price is 100 and the collar 10 %; one tick on one lot is worth 1.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from shared.domain import ids
from shared.domain import records as r
from shared.domain.commands import (
    AddAccount,
    AddInstrument,
    CancelOrder,
    Command,
    DepositShares,
    MassCancel,
    MoveCash,
    PlaceOrder,
    ReplaceOrder,
)
from shared.domain.reject_codes import CancelReason, RejectCode

INSTRUMENT = 1
USD = 840
ACCOUNTS = {"A": 1, "B": 2, "C": 3}
CASH_MINOR = 1_000_000
LOTS = 1_000
Event = tuple[int, ...]


class AppliesWords(Protocol):
    def apply_words(self, words: list[int]) -> Sequence[Event]: ...


class Desk:
    """Numbers and stamps commands for one engine, and tells its events in words."""

    def __init__(self, engine: AppliesWords) -> None:
        self.engine = engine
        self.sequence = 0
        self._number = 0

    def open_market(self) -> "Desk":
        """Add the instrument and the three members with what they own."""
        self.send(self.add_instrument())
        for account in ACCOUNTS.values():
            self.send(AddAccount(self.new_id(), account, USD))
            self.send(MoveCash(r.DEPOSIT_CASH, self.new_id(), account, CASH_MINOR))
            self.send(DepositShares(self.new_id(), account, INSTRUMENT, LOTS))
        return self

    def add_instrument(self, **terms: int) -> AddInstrument:
        """Return the command that adds the instrument, with other terms where given."""
        usual = {
            "command_id": self.new_id(),
            "instrument_id": INSTRUMENT,
            "currency_number": USD,
            "tick_value_minor": 1,
            "reference_price_ticks": 100,
            "min_price_ticks": 50,
            "max_price_ticks": 150,
            "max_order_lots": 500,
            "collar_bps": 1_000,
        }
        return AddInstrument(**{**usual, **terms})

    def new_id(self) -> int:
        self._number += 1
        return ids.administrative_id(ids.SOURCE_REFERENCE_DATA, self._number)

    def send(self, command: Command) -> list[Event]:
        return self.send_words(command.words())

    def send_words(self, words: list[int]) -> list[Event]:
        """Apply words under the next sequence number."""
        self.sequence += 1
        stamped = list(words)
        stamped[r.C_SEQUENCE] = self.sequence
        stamped[r.C_TIME_NS] = self.sequence * 1_000
        return list(self.engine.apply_words(stamped))

    def say(self, line: str) -> list[str]:
        """Send the command that a line stands for; return its events in words."""
        return [told(event) for event in self.send(parse(line))]


def order_id(name: str) -> int:
    return ids.member_order_id(ACCOUNTS[name[0]], int(name[1:]))


def order_name(id_: int) -> str:
    letters = {number: letter for letter, number in ACCOUNTS.items()}
    return f"{letters[id_ >> 32]}{id_ & 0xFFFF_FFFF}"


def parse(line: str) -> Command:
    """Return the command that a line stands for."""
    name, verb, *rest = line.split()
    account = ACCOUNTS[name[0]]
    if verb == "mass-cancel":
        return MassCancel(account, INSTRUMENT)
    if verb == "cancel":
        return CancelOrder(account, order_id(name), INSTRUMENT)
    lots = int(rest[0])
    price = 0 if rest[1] == "market" else int(rest[1].removeprefix("@"))
    if verb == "replace":
        return ReplaceOrder(account, order_id(name), INSTRUMENT, price, lots)
    side = {"buy": r.BUY, "sell": r.SELL}[verb]
    order_type = r.LIMIT if price else r.MARKET
    time_in_force = r.IOC if price == 0 or rest[-1] == "ioc" else r.GTC
    return PlaceOrder(
        account, order_id(name), INSTRUMENT, side, order_type, time_in_force, lots, price
    )


def told(event: Event) -> str:
    """Return an order event in words."""
    kind, code, flags = event[0] & 0xFF, event[0] >> 16 & 0xFFFF, event[0] >> 32 & 0xFFFF
    tell: dict[int, Callable[[], str]] = {
        r.ORDER_ACCEPTED: lambda: _resting(event, "accepted", flags),
        r.ORDER_RESTED: lambda: _resting(event, "rested", r.FLAG_RESTING),
        r.ORDER_REPLACED: lambda: _replaced(event, flags),
        r.TRADE_EXECUTED: lambda: (
            f"{order_name(event[r.E_ID])} x {order_name(event[r.E_CONTRA_ID])}"
            f" {event[r.E_QUANTITY]}@{event[r.E_PRICE]} level {event[r.E_LEVEL_LOTS]}"
        ),
        r.ORDER_CANCELLED: lambda: (
            f"{order_name(event[r.E_ID])} cancelled {event[r.E_QUANTITY]} {CancelReason(code).name}"
        ),
        r.MASS_CANCELLED: lambda: (
            f"{event[r.E_QUANTITY]} cancelled, {event[r.E_LEAVES]} still open"
        ),
        r.REJECTED: lambda: f"refused {RejectCode(code).name}",
    }
    return tell[kind]()


def _resting(event: Event, word: str, flags: int) -> str:
    text = f"{order_name(event[r.E_ID])} {word} {event[r.E_QUANTITY]}@{event[r.E_PRICE]}"
    return f"{text} level {event[r.E_LEVEL_LOTS]}" if flags & r.FLAG_RESTING else text


def _replaced(event: Event, flags: int) -> str:
    text = _resting(event, "replaced", flags) + f" left {event[r.E_OLD_LEVEL_LOTS]}"
    text += f"@{event[r.E_OLD_PRICE]}"
    return f"{text} in place" if flags & r.FLAG_PRIORITY_KEPT else text
