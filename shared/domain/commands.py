"""What may be asked of the engine, as values; `words()` gives the record of `records.py`."""

from dataclasses import dataclass

from shared.domain import records as r
from shared.domain.extended_orders import Disconnect, PlaceExtendedOrder
from shared.domain.market_commands import MarketCommand


@dataclass(frozen=True, slots=True)
class PlaceOrder:
    account_id: int
    order_id: int
    instrument_id: int
    side: int
    order_type: int
    time_in_force: int
    quantity_lots: int
    price_ticks: int = 0

    def words(self) -> list[int]:
        header = r.pack_command_header(
            r.PLACE_ORDER, self.side, self.order_type, self.time_in_force, 0, self.instrument_id
        )
        return [
            header,
            self.account_id,
            self.order_id,
            self.price_ticks,
            self.quantity_lots,
            0,
            0,
            0,
        ]


@dataclass(frozen=True, slots=True)
class CancelOrder:
    account_id: int
    order_id: int
    instrument_id: int

    def words(self) -> list[int]:
        header = r.pack_command_header(r.CANCEL_ORDER, instrument=self.instrument_id)
        return [header, self.account_id, self.order_id, 0, 0, 0, 0, 0]


@dataclass(frozen=True, slots=True)
class ReplaceOrder:
    """Give an open order a new price and a new open quantity."""

    account_id: int
    order_id: int
    instrument_id: int
    price_ticks: int
    quantity_lots: int

    def words(self) -> list[int]:
        header = r.pack_command_header(r.REPLACE_ORDER, instrument=self.instrument_id)
        return [
            header,
            self.account_id,
            self.order_id,
            self.price_ticks,
            self.quantity_lots,
            0,
            0,
            0,
        ]


@dataclass(frozen=True, slots=True)
class MassCancel:
    """Cancel an account's open orders in an instrument, or (0) in all; of one side, if wanted."""

    account_id: int
    instrument_id: int
    side: int | None = None

    def words(self) -> list[int]:
        flags = 0 if self.instrument_id else r.SCOPE_ALL_INSTRUMENTS
        if self.side is not None:
            flags |= r.SCOPE_ONE_SIDE
        header = r.pack_command_header(
            r.MASS_CANCEL, self.side or 0, flags=flags, instrument=self.instrument_id
        )
        return [header, self.account_id, 0, 0, 0, 0, 0, 0]


@dataclass(frozen=True, slots=True)
class AddAccount:
    command_id: int
    account_id: int
    currency_number: int  # ISO 4217 numeric

    def words(self) -> list[int]:
        header = r.pack_command_header(r.ADD_ACCOUNT)
        return [header, self.account_id, self.command_id, self.currency_number, 0, 0, 0, 0]


@dataclass(frozen=True, slots=True)
class MoveCash:
    """Deposit cash, or hold, confirm or release a withdrawal: `kind` is the record's kind."""

    kind: int
    command_id: int
    account_id: int
    amount_minor: int = 0
    hold_id: int = 0

    def words(self) -> list[int]:
        header = r.pack_command_header(self.kind)
        return [header, self.account_id, self.command_id, self.hold_id, self.amount_minor, 0, 0, 0]


@dataclass(frozen=True, slots=True)
class DepositShares:
    command_id: int
    account_id: int
    instrument_id: int
    quantity_lots: int

    def words(self) -> list[int]:
        header = r.pack_command_header(r.DEPOSIT_SHARES, instrument=self.instrument_id)
        return [header, self.account_id, self.command_id, 0, self.quantity_lots, 0, 0, 0]


@dataclass(frozen=True, slots=True)
class Settle:
    """Turn unsettled cash and lots (both signed) of an account and instrument into settled."""

    command_id: int
    account_id: int
    instrument_id: int
    cash_minor: int
    quantity_lots: int

    def words(self) -> list[int]:
        header = r.pack_command_header(r.SETTLE, instrument=self.instrument_id)
        return [
            header,
            self.account_id,
            self.command_id,
            self.cash_minor,
            self.quantity_lots,
            0,
            0,
            0,
        ]


@dataclass(frozen=True, slots=True)
class SetAccountState:
    command_id: int
    account_id: int
    state: int

    def words(self) -> list[int]:
        header = r.pack_command_header(r.SET_ACCOUNT_STATE)
        return [header, self.account_id, self.command_id, 0, self.state, 0, 0, 0]


@dataclass(frozen=True, slots=True)
class SetInstrumentState:
    """Change an instrument's session, or (0) that of all instruments."""

    command_id: int
    instrument_id: int
    state: int

    def words(self) -> list[int]:
        header = r.pack_command_header(
            r.SET_INSTRUMENT_STATE,
            flags=0 if self.instrument_id else r.SCOPE_ALL_INSTRUMENTS,
            instrument=self.instrument_id,
        )
        return [header, 0, self.command_id, 0, self.state, 0, 0, 0]


@dataclass(frozen=True, slots=True)
class SetLimits:
    command_id: int
    account_id: int
    max_order_lots: int
    max_order_value_minor: int
    max_position_lots: int
    max_open_orders: int

    def words(self) -> list[int]:
        header = r.pack_command_header(r.SET_LIMITS)
        limits = [
            self.max_order_lots,
            self.max_order_value_minor,
            self.max_position_lots,
            self.max_open_orders,
        ]
        return [header, self.account_id, self.command_id, 0, 0, 0, 0, 0, *limits, 0, 0, 0, 0]


@dataclass(frozen=True, slots=True)
class AddInstrument:
    command_id: int
    instrument_id: int
    currency_number: int
    tick_value_minor: int
    reference_price_ticks: int
    min_price_ticks: int
    max_price_ticks: int
    max_order_lots: int
    collar_bps: int

    def words(self) -> list[int]:
        header = r.pack_command_header(r.ADD_INSTRUMENT, instrument=self.instrument_id)
        base = [
            header,
            0,
            self.command_id,
            self.reference_price_ticks,
            self.tick_value_minor,
            0,
            0,
            0,
        ]
        band = [self.min_price_ticks, self.max_price_ticks, self.max_order_lots]
        return [*base, *band, self.currency_number, self.collar_bps, 0, 0, 0]


@dataclass(frozen=True, slots=True)
class Batch:
    """Up to MAX_BATCH orders, replaces and cancels of one account: nothing comes between them.

    Each is judged alone and answered by its own events; the last event counts them.
    """

    account_id: int
    commands: "tuple[PlaceOrder | PlaceExtendedOrder | CancelOrder | ReplaceOrder, ...]"

    def words(self) -> list[int]:
        header = r.pack_command_header(r.BATCH)
        words = [header, self.account_id, 0, 0, len(self.commands), 0, 0, 0]
        return words + [word for command in self.commands for word in command.words()]


Command = (
    PlaceOrder
    | PlaceExtendedOrder
    | CancelOrder
    | ReplaceOrder
    | MassCancel
    | AddAccount
    | MoveCash
    | DepositShares
    | Settle
    | SetAccountState
    | SetInstrumentState
    | SetLimits
    | AddInstrument
    | Batch
    | Disconnect
    | MarketCommand
)
