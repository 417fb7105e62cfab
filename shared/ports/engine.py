"""The engine as the services see it: submit a command, get its events; look, without changing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from shared.domain.commands import Command
from shared.domain.events import EngineEvent
from shared.ports.failures import InfrastructureUnavailable


class EngineError(InfrastructureUnavailable):
    """The engine did not answer; whether the command was taken is unknown. Repeat it by its id.

    With several engines, `others` is the same without those that failed, if any is left.
    """

    others: "Engine | None" = None


class EngineUnavailable(EngineError):
    """The engine cannot be reached, or the answer did not come in time."""


class EngineBusy(EngineError):
    """The engine refused to queue the command; it was not taken."""


class EngineRefused(EngineError):
    """The token does not allow this request; it was not taken, and repeating does not help."""


class ShardsUnavailable(EngineUnavailable):
    """Some of the engines that a command is for did not answer: what each said, by shard."""

    def __init__(self, failures: Mapping[int, EngineError], answers: Sequence["CommandResult"]):
        text = "; ".join(f"shard {shard}: {error}" for shard, error in sorted(failures.items()))
        super().__init__(text)
        self.failures = failures
        self.answers = answers


@dataclass(frozen=True, slots=True)
class CommandResult:
    """A durable command's place in the journal and its events, in order.

    A command that is for several engines has each one's result in `parts`; the rest is that of the
    first which refused it (DUPLICATE_ID is no refusal: it was carried out before), else of shard 0.

    For an order that was sent before, with the same terms, `is_repeat` is set: sequence and events
    are those of the first time, and `open_now` is what of the order rests now.
    """

    sequence: int
    time_ns: int
    events: Sequence[EngineEvent]
    is_repeat: bool = False
    open_now: "OpenOrder | None" = None
    shard: int = 0
    parts: Sequence["CommandResult"] = ()


@dataclass(frozen=True, slots=True)
class PositionView:
    instrument_id: int
    total_lots: int  # unsettled trades included
    settled_lots: int
    reserved_buy_lots: int  # open buy orders
    reserved_sell_lots: int  # open sell orders


@dataclass(frozen=True, slots=True)
class AccountView:
    """What an engine holds of an account; several engines' views are in `parts`, and summed."""

    account_id: int
    state: int
    currency_number: int
    total_minor: int  # unsettled trades included
    settled_minor: int
    reserved_minor: int  # open buy orders
    held_minor: int  # withdrawals under way
    open_orders: int
    positions: Sequence[PositionView]
    shard: int = 0
    parts: Sequence["AccountView"] = ()

    @property
    def available_minor(self) -> int:
        """Return the buying power."""
        return self.total_minor - self.reserved_minor - self.held_minor


@dataclass(frozen=True, slots=True)
class BookLevel:
    price_ticks: int
    quantity_lots: int
    orders: int


@dataclass(frozen=True, slots=True)
class BookView:
    """Best prices first on both sides."""

    instrument_id: int
    state: int
    sequence: int
    bids: Sequence[BookLevel]
    asks: Sequence[BookLevel]


@dataclass(frozen=True, slots=True)
class OpenOrder:
    order_id: int
    instrument_id: int
    side: int
    price_ticks: int
    leaves_lots: int


@dataclass(frozen=True, slots=True)
class EngineStatus:
    shard: int
    epoch: int
    sequence: int
    durable_sequence: int
    compiled: bool
    source_hash: str
    state_hash: int
    durability: str
    open_orders: int


class Engine(Protocol):
    """All calls raise EngineUnavailable or EngineBusy; refusals are REJECTED events, not raised."""

    def submit(self, command: Command, *, traceparent: str = "") -> CommandResult: ...

    def account(self, account_id: int) -> AccountView | None: ...

    def book(self, instrument_id: int, depth: int) -> BookView | None:
        """Return up to `depth` levels a side (0 for all)."""
        ...

    def open_orders(self, account_id: int) -> list[OpenOrder]: ...

    def status(self) -> EngineStatus: ...
