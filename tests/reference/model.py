"""What the naive market remembers: accounts, instruments, orders, all in one Market."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from shared.domain import records as r
from shared.domain.ids import EVENTS_OF_NUMBER
from shared.domain.reject_codes import RejectCode

Event = tuple[int, ...]
Rates = tuple[int, int, int]  # maker, taker, auction

# Where an open order is.
BOOK = "book"
STOPS = "stops"
AUCTION = "auction"  # at-open and at-close orders
LINKED = "linked"  # waits for another order to be filled
UNPEGGED = "unpegged"  # pegged, and there is no price to follow
INCOMING = "incoming"  # being worked on by the command at hand


class Refused(Exception):
    """A command is refused; nothing has changed."""

    def __init__(self, code: RejectCode, first_sequence: int = 0) -> None:
        super().__init__(code)
        self.code = code
        self.first_sequence = first_sequence


def refuse_if(wrong: bool, code: RejectCode, first_sequence: int = 0) -> None:
    if wrong:
        raise Refused(code, first_sequence)


@dataclass
class Position:
    total: int = 0
    settled: int = 0


@dataclass
class Throttle:
    """At most `limit` orders in each window of time; 0: no limit."""

    limit: int = 0
    window: int = -1
    used: int = 0

    def set(self, limit: int) -> None:
        """Set the limit and count anew."""
        self.limit, self.window, self.used = limit, -1, 0

    def full(self, window: int) -> bool:
        return self.limit > 0 and self.window == window and self.used >= self.limit

    def count(self, window: int) -> None:
        if self.limit == 0:
            return
        self.used = self.used + 1 if self.window == window else 1
        self.window = window


@dataclass
class Account:
    account_id: int
    currency: int
    added_by: int
    state: int = r.ACCOUNT_ACTIVE
    total: int = 0
    settled: int = 0
    group: int = 0
    tier: int = 0
    leverage: int = 100  # hundredths; 100 is a cash account
    limits: tuple[int, int, int, int] = (r.NO_LIMIT, r.NO_LIMIT, r.NO_LIMIT, r.NO_LIMIT)
    positions: dict[int, Position] = field(default_factory=dict)
    throttle: Throttle = field(default_factory=Throttle)

    def position(self, instrument_id: int) -> Position:
        return self.positions.setdefault(instrument_id, Position())


@dataclass
class Instrument:
    instrument_id: int
    currency: int
    tick_value: int
    added_by: int
    max_order_lots: int
    market_collar_bps: int
    reference: int  # of the day; 0: none yet
    session: int = r.SESSION_CONTINUOUS
    last: int = 0  # price of the last trade, before the first one the reference
    high: int = 0  # of the trades since no stop was due
    low: int = 0
    issued: int = 0
    tick_table: int = 0
    lot_size: int = 1
    min_notional: int = 0
    static_collar_bps: int = 0
    dynamic_collar_bps: int = 0
    collar_action: int = r.COLLAR_CANCELS
    limit_band_bps: int = 0
    breaker_bps: int = 0
    uncross_order: int = r.USUAL_UNCROSS_ORDER

    def in_call(self) -> bool:
        return self.session in CALLS


CALLS = (
    r.SESSION_PRE_OPEN,
    r.SESSION_OPENING_UNCROSS,
    r.SESSION_VOLATILITY_AUCTION,
    r.SESSION_CLOSING_AUCTION,
)


@dataclass
class Order:
    order_id: int
    instrument_id: int
    side: int
    order_type: int
    time_in_force: int
    flags: int
    limit: int  # the worst price that it may trade at
    leaves: int
    entered: int  # sequence of the command
    accepted: int  # grows with each accepted order
    priority: int  # grows with each arrival in the book
    rates: Rates
    leverage: int
    place: str = INCOMING
    price: int = 0  # where it is in the book
    display_lots: int = 0
    shown: int = 0  # what an iceberg displays now
    minimum: int = 0
    stop_price: int = 0
    offset: int = 0
    peg: int = 0
    self_trade: int = 0
    link: int = 0
    linked_id: int = 0
    ready: bool = False  # LINKED: the other order is filled
    session: int = 0
    expiry_ns: int = 0
    locate: int = 0
    fee_units: int = 0  # millionths of a minor unit that its trades have cost
    fee_paid: int = 0

    @property
    def account_id(self) -> int:
        return self.order_id >> 32

    def has(self, flag: int) -> bool:
        return self.flags & flag != 0

    def priority_class(self) -> int:
        """See the [[priority]] entries of order_rules.toml."""
        if self.has(r.ORDER_HIDDEN):
            return 3
        return 2 if self.order_type == r.PEGGED else 1

    def displayed(self) -> int:
        """Return the lots that others see."""
        if self.priority_class() != 1:
            return 0
        return self.shown if self.has(r.ORDER_ICEBERG) else self.leaves

    def may_rest(self) -> bool:
        return self.time_in_force in (r.GTC, r.DAY, r.GTD)


@dataclass(frozen=True)
class Hold:
    hold_id: int
    account_id: int
    amount: int


@dataclass(frozen=True)
class Sweep:
    """Orders that leave as work allows. None means any."""

    accepted_until: int
    reason: int
    account_id: int | None = None
    group: int | None = None
    instrument_id: int | None = None
    side: int | None = None
    session: int | None = None
    times_in_force: tuple[int, ...] = ()  # empty: any
    expired_at: int | None = None  # GTD orders until then
    expires: bool = False  # reason is an ExpiryReason


@dataclass
class Settings:
    max_orders: int = 1 << 20
    max_ids: int = 1 << 24
    max_accounts: int = 1 << 16
    max_instruments: int = 16
    max_holds: int = 1 << 16
    max_trades: int = 8192
    max_work: int = 256
    max_followers: int = 256  # pegged and trailing orders of an instrument
    events_of_number: int = EVENTS_OF_NUMBER
    throttle_window_ns: int = 1_000_000_000


@dataclass
class Market:
    """Everything; sums are made anew whenever they are needed."""

    settings: Settings = field(default_factory=Settings)
    sequence: int = 0
    time_ns: int = 0
    day: int = 1
    day_ended_at: int = 0  # sequence that ended the day before
    numbers_used: int = 0  # sequence up to which trades have taken the numbers
    work_remains: bool = False
    next_priority: int = 0
    accounts: dict[int, Account] = field(default_factory=dict)
    instruments: dict[int, Instrument] = field(default_factory=dict)
    orders: dict[int, Order] = field(default_factory=dict)  # all open orders
    holds: dict[int, Hold] = field(default_factory=dict)
    ids: dict[int, tuple[int, int]] = field(default_factory=dict)  # id -> first sequence, day
    tiers: dict[int, Rates] = field(default_factory=lambda: {0: (0, 0, 0)})
    tick_tables: dict[int, list[tuple[int, int]]] = field(default_factory=lambda: {0: [(1, 1)]})
    kills: set[tuple[int, int]] = field(default_factory=set)  # scope, target
    session_throttles: dict[int, Throttle] = field(default_factory=dict)
    credit_moves: dict[int, Hold] = field(default_factory=dict)  # CREDIT_OUTs that may be undone
    amended: dict[tuple[int, int], tuple[int, ...] | None] = field(default_factory=dict)
    fees_collected: int = 0
    issued_cash: int = 0
    sweeps: list[Sweep] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    def emit(
        self,
        kind: int,
        id_: int,
        account: int,
        rest: Sequence[int],
        side: int = 0,
        code: int = 0,
        flags: int = 0,
        instrument: int = 0,
    ) -> None:
        header = r.pack_event_header(kind, side, code, flags, instrument)
        self.events.append((header, id_, account, *rest, *[0] * (5 - len(rest))))

    def report(
        self, kind: int, order: Order, rest: Sequence[int], code: int = 0, flags: int = 0
    ) -> None:
        """Emit an event of an order."""
        account, instrument = order.account_id, order.instrument_id
        self.emit(kind, order.order_id, account, rest, order.side, code, flags, instrument)

    def instrument_of(self, order: Order) -> Instrument:
        return self.instruments[order.instrument_id]

    def arrive(self) -> int:
        """Return the next place in the queue."""
        self.next_priority += 1
        return self.next_priority
