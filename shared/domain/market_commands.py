"""What operators and reference data do to the market: sessions, terms, amendments."""

from dataclasses import dataclass

from shared.domain import records as r


def _words(
    kind: int,
    command_id: int,
    *,
    account: int = 0,
    instrument: int = 0,
    third: int = 0,
    fourth: int = 0,
    more: tuple[int, ...] | None = None,
) -> list[int]:
    """Return a record; `more` are the words from the eighth on of an extended one."""
    header = r.pack_command_header(kind, instrument=instrument)
    base = [header, account, command_id, third, fourth, 0, 0, 0]
    return base if more is None else [*base, *more, *[0] * (8 - len(more))]


@dataclass(frozen=True, slots=True)
class Uncross:
    """End an auction call: trade at one price, then go on with another session."""

    command_id: int
    instrument_id: int
    following: int  # SESSION_CONTINUOUS, SESSION_HALTED or SESSION_CLOSED

    def words(self) -> list[int]:
        number = self.instrument_id
        return _words(r.UNCROSS, self.command_id, instrument=number, fourth=self.following)


@dataclass(frozen=True, slots=True)
class PublishIndicative:
    """Have the outcome published that an uncross would have now."""

    instrument_id: int

    def words(self) -> list[int]:
        return _words(r.PUBLISH_INDICATIVE, 0, instrument=self.instrument_id)


@dataclass(frozen=True, slots=True)
class EndOfDay:
    """End a closed instrument's day; without an instrument, the engine's."""

    command_id: int
    instrument_id: int = 0

    def words(self) -> list[int]:
        return _words(r.END_OF_DAY, self.command_id, instrument=self.instrument_id)


@dataclass(frozen=True, slots=True)
class ExpireOrders:
    """Let orders expire whose time has come, in one instrument or in all (0)."""

    command_id: int
    instrument_id: int = 0

    def words(self) -> list[int]:
        return _words(r.EXPIRE_ORDERS, self.command_id, instrument=self.instrument_id)


@dataclass(frozen=True, slots=True)
class DelistInstrument:
    """Take a closed instrument that nobody owns off the market, for good."""

    command_id: int
    instrument_id: int

    def words(self) -> list[int]:
        return _words(r.DELIST_INSTRUMENT, self.command_id, instrument=self.instrument_id)


@dataclass(frozen=True, slots=True)
class SetAccountTerm:
    """Set an account's fee tier, group or leverage: `kind` is the record's kind."""

    kind: int
    command_id: int
    account_id: int
    value: int

    def words(self) -> list[int]:
        return _words(self.kind, self.command_id, account=self.account_id, fourth=self.value)


@dataclass(frozen=True, slots=True)
class SetKillSwitch:
    """Refuse all orders of an account, a group or the firm (target 0), and cancel what is open."""

    command_id: int
    scope: int  # KILL_ACCOUNT, KILL_GROUP or KILL_FIRM
    target: int
    is_on: bool

    def words(self) -> list[int]:
        on = int(self.is_on)
        return _words(
            r.SET_KILL_SWITCH, self.command_id, account=self.target, third=self.scope, fourth=on
        )


@dataclass(frozen=True, slots=True)
class SetThrottle:
    """Bound the orders of an account, or of a session, in one window of time; 0 is no bound."""

    command_id: int
    limit: int
    account_id: int = 0
    session: int = 0

    def words(self) -> list[int]:
        third, fourth = self.session, self.limit
        number = self.account_id
        return _words(r.SET_THROTTLE, self.command_id, account=number, third=third, fourth=fourth)


@dataclass(frozen=True, slots=True)
class TradeTerms:
    """A trade as the journal has it, or as it was last corrected; a negative fee is a rebate."""

    sequence: int
    index: int
    buyer_id: int
    seller_id: int
    price_ticks: int
    quantity_lots: int
    buyer_fee_minor: int = 0
    seller_fee_minor: int = 0

    def words(self) -> tuple[int, ...]:
        """Return the words C_TRADE_BUYER to C_TRADE_SELLER_FEE_MINOR."""
        parties = (self.buyer_id, self.seller_id)
        deal = (self.price_ticks, self.quantity_lots)
        return (*parties, *deal, self.buyer_fee_minor, self.seller_fee_minor)


@dataclass(frozen=True, slots=True)
class BustTrade:
    """Undo a trade: cash, lots and fees go back."""

    command_id: int
    instrument_id: int
    trade: TradeTerms

    def words(self) -> list[int]:
        return _words(
            r.BUST_TRADE,
            self.command_id,
            instrument=self.instrument_id,
            third=self.trade.sequence,
            fourth=self.trade.index,
            more=self.trade.words(),
        )


@dataclass(frozen=True, slots=True)
class CorrectTrade:
    """Give a trade another price and quantity; its fees stay."""

    command_id: int
    instrument_id: int
    trade: TradeTerms
    price_ticks: int
    quantity_lots: int

    def words(self) -> list[int]:
        return _words(
            r.CORRECT_TRADE,
            self.command_id,
            instrument=self.instrument_id,
            third=self.trade.sequence,
            fourth=self.trade.index,
            more=(*self.trade.words(), self.price_ticks, self.quantity_lots),
        )


@dataclass(frozen=True, slots=True)
class SetInstrumentTerms:
    """Set what bounds an instrument's prices and orders; 0 switches a rule off."""

    command_id: int
    instrument_id: int
    reference_ticks: int = 0  # 0: as it is
    tick_table: int = 0
    lot_size: int = 1
    min_notional_minor: int = 0
    static_collar_bps: int = 0
    dynamic_collar_bps: int = 0
    collar_action: int = r.COLLAR_CANCELS
    limit_band_bps: int = 0
    breaker_bps: int = 0
    uncross_order: int = 0  # 0: the usual one

    def words(self) -> list[int]:
        collars = (self.static_collar_bps, self.dynamic_collar_bps, self.collar_action)
        return _words(
            r.SET_INSTRUMENT_TERMS,
            self.command_id,
            instrument=self.instrument_id,
            third=self.reference_ticks,
            fourth=self.tick_table,
            more=(
                *(self.lot_size, self.min_notional_minor),
                *collars,
                *(self.limit_band_bps, self.breaker_bps, self.uncross_order),
            ),
        )


@dataclass(frozen=True, slots=True)
class SetFeeTier:
    """Set a tier's rates in millionths of the traded value; negative is a rebate."""

    command_id: int
    tier: int
    maker_rate: int
    taker_rate: int
    auction_rate: int

    def words(self) -> list[int]:
        rates = (self.maker_rate, self.taker_rate, self.auction_rate)
        return _words(r.SET_FEE_TIER, self.command_id, fourth=self.tier, more=rates)


@dataclass(frozen=True, slots=True)
class SetTickTable:
    """Set the steps of prices: up to TICK_ROWS rows of (first price, step), lowest price first."""

    command_id: int
    table: int
    rows: tuple[tuple[int, int], ...]

    def words(self) -> list[int]:
        numbers = tuple(number for row in self.rows for number in row)
        return _words(r.SET_TICK_TABLE, self.command_id, fourth=self.table, more=numbers)


MarketCommand = (
    Uncross
    | PublishIndicative
    | EndOfDay
    | ExpireOrders
    | DelistInstrument
    | SetAccountTerm
    | SetKillSwitch
    | SetThrottle
    | BustTrade
    | CorrectTrade
    | SetInstrumentTerms
    | SetFeeTier
    | SetTickTable
)
