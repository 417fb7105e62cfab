"""The rules of the core once more, with lists and dictionaries, written to be read, not to be fast.

Same commands, same events, same canonical state as `hotpath/core`, and no line in common with it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from operator import attrgetter

from shared.domain import ids
from shared.domain import records as r
from shared.domain.reject_codes import CancelReason, RejectCode

Event = tuple[int, ...]

MONEY = (
    r.DEPOSIT_CASH,
    r.HOLD_WITHDRAWAL,
    r.CONFIRM_WITHDRAWAL,
    r.RELEASE_WITHDRAWAL,
    r.DEPOSIT_SHARES,
    r.SETTLE,
)
REFERENCE = (
    r.SET_ACCOUNT_STATE,
    r.SET_INSTRUMENT_STATE,
    r.ADD_ACCOUNT,
    r.ADD_INSTRUMENT,
    r.SET_LIMITS,
)
ORDER_KINDS = (r.PLACE_ORDER, r.CANCEL_ORDER, r.REPLACE_ORDER, r.MASS_CANCEL)


@dataclass
class Position:
    total: int = 0
    settled: int = 0


@dataclass
class Account:
    account_id: int
    currency: int
    added_by: int
    state: int = r.ACCOUNT_ACTIVE
    total: int = 0
    settled: int = 0
    limits: tuple[int, int, int, int] = (r.NO_LIMIT, r.NO_LIMIT, r.NO_LIMIT, r.NO_LIMIT)
    positions: dict[int, Position] = field(default_factory=dict)

    def position(self, instrument_id: int) -> Position:
        return self.positions.setdefault(instrument_id, Position())


@dataclass
class Instrument:
    instrument_id: int
    currency: int
    tick_value: int
    lowest: int
    highest: int
    added_by: int
    state: int = r.INSTRUMENT_CONTINUOUS
    max_order_lots: int = 0
    collar_bps: int = 0
    reference: int = 0
    issued: int = 0


@dataclass
class Order:
    order_id: int
    instrument_id: int
    side: int
    price: int  # the worst it may trade at
    leaves: int
    accepted_by: int  # sequence of the command

    @property
    def account_id(self) -> int:
        return self.order_id >> 32


@dataclass(frozen=True)
class Hold:
    hold_id: int
    account_id: int
    amount: int


class Refused(Exception):
    def __init__(self, code: RejectCode, first_sequence: int = 0) -> None:
        super().__init__(code)
        self.code = code
        self.first_sequence = first_sequence


@dataclass(frozen=True)
class Command:
    """A command's words by name; a name that a kind does not use is not looked at."""

    words: tuple[int, ...]

    @property
    def kind(self) -> int:
        return self.words[0] & 0xFF

    @property
    def side(self) -> int:
        return self.words[0] >> 8 & 0xFF

    @property
    def order_type(self) -> int:
        return self.words[0] >> 16 & 0xFF

    @property
    def time_in_force(self) -> int:
        return self.words[0] >> 24 & 0xFF

    @property
    def flags(self) -> int:
        return self.words[0] >> 32 & 0xFFFF

    @property
    def instrument_id(self) -> int:
        return self.words[0] >> 48 & 0x7FFF

    @property
    def account_id(self) -> int:
        return self.words[r.C_ACCOUNT]

    @property
    def id(self) -> int:
        return self.words[r.C_ID]

    @property
    def price(self) -> int:
        return self.words[r.C_PRICE]

    @property
    def lots(self) -> int:
        return self.words[r.C_QUANTITY]

    @property
    def amount(self) -> int:
        return self.words[r.C_AMOUNT_MINOR]

    @property
    def state(self) -> int:
        return self.words[r.C_STATE]


class NaiveEngine:
    """Orders of an instrument and side lie in one list, best first; all sums are made anew."""

    def __init__(
        self,
        max_orders: int = 1 << 20,
        max_ids: int = 1 << 24,
        max_accounts: int = 1 << 16,
        max_instruments: int = 16,
        max_levels: int = 1 << 21,
        max_holds: int = 1 << 16,
        max_trades: int = 8192,
    ) -> None:
        self.max_orders = max_orders
        self.max_ids = max_ids
        self.max_accounts = max_accounts
        self.max_instruments = max_instruments
        self.max_levels = max_levels
        self.max_holds = max_holds
        self.max_trades = max_trades
        self.sequence = 0
        self.time_ns = 0
        self.accounts: dict[int, Account] = {}
        self.instruments: dict[int, Instrument] = {}
        self.books: dict[tuple[int, int], list[Order]] = {}
        self.holds: dict[int, Hold] = {}
        self.ids: dict[int, int] = {}  # id -> sequence of the command that used it first
        self.events: list[Event] = []

    # --- dispatch ----------------------------------------------------------------------------

    def apply_words(self, words: Sequence[int]) -> list[Event]:
        """Apply one command; return its events."""
        self.events = []
        command = Command(tuple(words))
        try:
            self._apply(command)
        except Refused as refusal:
            self._emit(
                r.REJECTED,
                command.id,
                command.account_id,
                [command.price, command.lots, 0, refusal.first_sequence, 0],
                side=command.side,
                code=refusal.code,
                instrument=command.instrument_id,
            )
        return self.events

    def _apply(self, command: Command) -> None:
        stamp, time_ns = command.words[r.C_SEQUENCE], command.words[r.C_TIME_NS]
        stamped = 0 < stamp <= ids.MAX_SEQUENCE and time_ns >= 0
        if stamped:
            self.sequence, self.time_ns = stamp, time_ns
        if command.kind in (r.PLACE_ORDER, *MONEY, *REFERENCE):
            self._refuse_if(command.id in self.ids, RejectCode.DUPLICATE_ID, command.id)
        self._refuse_added_again(command)
        known = command.kind in (*ORDER_KINDS, *MONEY, *REFERENCE)
        self._refuse_if(not known, RejectCode.UNKNOWN_KIND)
        self._refuse_if(not stamped or command.words[0] < 0, RejectCode.MALFORMED)
        if command.kind in (*MONEY, *REFERENCE):
            self._refuse_if(not ids.is_administrative(command.id), RejectCode.MALFORMED)
            self._refuse_if(command.id < 0, RejectCode.MALFORMED)
        handlers = {
            r.PLACE_ORDER: self._place,
            r.CANCEL_ORDER: self._cancel,
            r.REPLACE_ORDER: self._replace,
            r.MASS_CANCEL: self._mass_cancel,
            r.DEPOSIT_CASH: self._deposit_cash,
            r.HOLD_WITHDRAWAL: self._hold_withdrawal,
            r.CONFIRM_WITHDRAWAL: self._end_hold,
            r.RELEASE_WITHDRAWAL: self._end_hold,
            r.DEPOSIT_SHARES: self._deposit_shares,
            r.SETTLE: self._settle,
            r.SET_ACCOUNT_STATE: self._set_account_state,
            r.SET_INSTRUMENT_STATE: self._set_instrument_state,
            r.ADD_ACCOUNT: self._add_account,
            r.ADD_INSTRUMENT: self._add_instrument,
            r.SET_LIMITS: self._set_limits,
        }
        handlers[command.kind](command)

    def _refuse_if(self, wrong: bool, code: RejectCode, duplicate_of: int = 0) -> None:
        if wrong:
            raise Refused(code, self.ids.get(duplicate_of, 0))

    def _refuse_added_again(self, command: Command) -> None:
        """An account is added once; an instrument's band, currency and tick value stay."""
        if command.kind == r.ADD_ACCOUNT and command.account_id in self.accounts:
            added_by = self.accounts[command.account_id].added_by
            raise Refused(RejectCode.DUPLICATE_ID, added_by)
        if command.kind == r.ADD_INSTRUMENT and command.words[0] >= 0:
            known = self.instruments.get(command.instrument_id)
            w = command.words
            asked = (
                w[r.C_INSTRUMENT_CURRENCY],
                w[r.C_TICK_VALUE_MINOR],
                w[r.C_MIN_PRICE_TICKS],
                w[r.C_MAX_PRICE_TICKS],
            )
            if known and asked != (
                known.currency,
                known.tick_value,
                known.lowest,
                known.highest,
            ):
                raise Refused(RejectCode.DUPLICATE_ID, known.added_by)

    def _remember(self, command: Command) -> None:
        self.ids[command.id] = self.sequence

    def _refuse_if_ids_are_full(self) -> None:
        self._refuse_if(len(self.ids) >= self.max_ids, RejectCode.CAPACITY)

    def _account(self, command: Command) -> Account:
        in_range = 0 < command.account_id <= ids.MAX_ACCOUNT_ID
        self._refuse_if(not in_range, RejectCode.MALFORMED)
        self._refuse_if(command.account_id not in self.accounts, RejectCode.UNKNOWN_ACCOUNT)
        return self.accounts[command.account_id]

    def _instrument(self, command: Command) -> Instrument:
        unknown = command.instrument_id not in self.instruments
        self._refuse_if(unknown, RejectCode.UNKNOWN_INSTRUMENT)
        return self.instruments[command.instrument_id]

    def _emit(
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
        self.events.append((header, id_, account, *rest))

    # --- sums over the book --------------------------------------------------------------------

    def book(self, instrument_id: int, side: int) -> list[Order]:
        return self.books.setdefault((instrument_id, side), [])

    def open_orders(self, account_id: int, instrument_id: int | None = None) -> list[Order]:
        """Return an account's open orders, newest first."""
        found = [
            order
            for orders in self.books.values()
            for order in orders
            if order.account_id == account_id and instrument_id in (None, order.instrument_id)
        ]
        return sorted(found, key=attrgetter("accepted_by"), reverse=True)

    def open_lots(self, account_id: int, instrument_id: int, side: int) -> int:
        orders = self.open_orders(account_id, instrument_id)
        return sum(order.leaves for order in orders if order.side == side)

    def value(self, order: Order) -> int:
        return order.price * order.leaves * self.instruments[order.instrument_id].tick_value

    def reserved(self, account_id: int) -> int:
        orders = self.open_orders(account_id)
        return sum(self.value(order) for order in orders if order.side == r.BUY)

    def held(self, account_id: int) -> int:
        return sum(hold.amount for hold in self.holds.values() if hold.account_id == account_id)

    def available(self, account_id: int) -> int:
        total = self.accounts[account_id].total
        return total - self.reserved(account_id) - self.held(account_id)

    def level_lots(self, order: Order) -> int:
        """Return the lots at the price and side of an order."""
        book = self.book(order.instrument_id, order.side)
        return sum(other.leaves for other in book if other.price == order.price)

    def find_order(self, order_id: int) -> Order | None:
        for orders in self.books.values():
            for order in orders:
                if order.order_id == order_id:
                    return order
        return None

    def levels(self, instrument_id: int, side: int) -> list[tuple[int, int, int]]:
        """Return (price, lots, orders) of each level, best first."""
        found = []
        for price, orders in groupby(self.book(instrument_id, side), key=attrgetter("price")):
            lots = [order.leaves for order in orders]
            found.append((price, sum(lots), len(lots)))
        return found

    # --- orders --------------------------------------------------------------------------------

    def _place(self, command: Command) -> None:
        is_limit = command.order_type == r.LIMIT
        price_fits = (
            1 <= command.price <= r.MAX_PRICE_TICKS
            if is_limit
            else command.order_type == r.MARKET and command.price == 0
        )
        well_formed = (
            command.side in (r.BUY, r.SELL)
            and command.flags == 0
            and command.time_in_force in (r.GTC, r.IOC)
            and price_fits
            and 1 <= command.lots <= r.MAX_QUANTITY_LOTS
            and command.id >= 0
        )
        self._refuse_if(not well_formed, RejectCode.MALFORMED)
        account, instrument = self._account(command), self._instrument(command)
        self._refuse_if(command.id >> 32 != command.account_id, RejectCode.NOT_OWNER)
        may_rest = is_limit and command.time_in_force == r.GTC
        price = command.price if is_limit else self._collar(instrument, command.side)
        order = Order(
            command.id,
            instrument.instrument_id,
            command.side,
            price,
            command.lots,
            self.sequence,
        )
        self._check_risk(account, instrument, order, None, may_rest)
        self._refuse_if_ids_are_full()
        if may_rest:
            full = sum(map(len, self.books.values())) >= self.max_orders
            self._refuse_if(full, RejectCode.CAPACITY)
        self._remember(command)
        if may_rest and not self._counterparty(order):
            self._rest(order)
            rest = [price, order.leaves, order.leaves, 0, self.level_lots(order)]
            self._report(r.ORDER_ACCEPTED, order, rest, flags=r.FLAG_RESTING)
            return
        lots = command.lots
        self._report(r.ORDER_ACCEPTED, order, [command.price, lots, lots, 0, 0])
        self._match(order)
        if order.leaves == 0:
            return
        if may_rest and not self._counterparty(order):
            self._rest(order)
            rest = [price, order.leaves, order.leaves, 0, self.level_lots(order)]
            self._report(r.ORDER_RESTED, order, rest)
            return
        reason = CancelReason.IOC_REMAINDER if is_limit else CancelReason.NO_LIQUIDITY
        if self._counterparty(order):
            reason = CancelReason.TOO_MANY_TRADES
        rest = [command.price, order.leaves, 0, 0, 0]
        self._report(r.ORDER_CANCELLED, order, rest, code=reason)

    def _report(
        self, kind: int, order: Order, rest: Sequence[int], code: int = 0, flags: int = 0
    ) -> None:
        self._emit(
            kind,
            order.order_id,
            order.account_id,
            rest,
            order.side,
            code,
            flags,
            order.instrument_id,
        )

    def _collar(self, instrument: Instrument, side: int) -> int:
        reach = instrument.reference * instrument.collar_bps // 10_000
        if instrument.reference == 0:
            return 0
        if side == r.BUY:
            return min(instrument.reference + reach, instrument.highest)
        return max(instrument.reference - reach, instrument.lowest)

    def _check_risk(
        self,
        account: Account,
        instrument: Instrument,
        order: Order,
        replaced: Order | None,
        may_rest: bool,
    ) -> None:
        account_id, instrument_id = account.account_id, instrument.instrument_id
        buys = order.side == r.BUY
        more_lots = order.leaves - (replaced.leaves if replaced else 0)
        more_value = self.value(order) - (self.value(replaced) if replaced else 0)
        total = account.position(instrument_id).total
        open_after = self.open_lots(account_id, instrument_id, order.side) + more_lots
        exposure_after = open_after + (total if buys else -total)
        order_lots, order_value, position, open_orders = account.limits
        halted, reducing = (
            account.state == r.ACCOUNT_HALTED,
            account.state == r.ACCOUNT_REDUCING,
        )
        outside = not instrument.lowest <= order.price <= instrument.highest
        is_new = replaced is None and may_rest
        refusals = [
            (halted, RejectCode.ACCOUNT_HALTED),
            (reducing and buys and more_lots > 0, RejectCode.ACCOUNT_REDUCING),
            (instrument.state == r.INSTRUMENT_HALTED, RejectCode.INSTRUMENT_HALTED),
            (account.currency != instrument.currency, RejectCode.CURRENCY_MISMATCH),
            (order.price != 0 and outside, RejectCode.PRICE_OUT_OF_BAND),
            (order.leaves > instrument.max_order_lots, RejectCode.QUANTITY_TOO_LARGE),
            (self.value(order) > r.MAX_AMOUNT_MINOR, RejectCode.VALUE_OVERFLOW),
            (order.price == 0, RejectCode.NO_REFERENCE_PRICE),
            (order.leaves > order_lots, RejectCode.ORDER_SIZE_LIMIT),
            (self.value(order) > order_value, RejectCode.ORDER_VALUE_LIMIT),
            (more_lots > 0 and exposure_after > position, RejectCode.POSITION_LIMIT),
            (
                is_new and len(self.open_orders(account_id)) >= open_orders,
                RejectCode.OPEN_ORDER_LIMIT,
            ),
            (
                buys and more_value > 0 and more_value > self.available(account_id),
                RejectCode.INSUFFICIENT_FUNDS,
            ),
            (
                not buys and more_lots > 0 and open_after > total,
                RejectCode.INSUFFICIENT_POSITION,
            ),
        ]
        for wrong, code in refusals:
            self._refuse_if(wrong, code)

    def _counterparty(self, order: Order) -> Order | None:
        """Return the resting order that trades next with this one."""
        book = self.book(order.instrument_id, 1 - order.side)
        if not book:
            return None
        best = book[0]
        fits = best.price <= order.price if order.side == r.BUY else best.price >= order.price
        return best if fits else None

    def _match(self, order: Order) -> None:
        instrument = self.instruments[order.instrument_id]
        for _ in range(self.max_trades):
            resting = self._counterparty(order)
            if resting is None or order.leaves == 0:
                return
            lots = min(order.leaves, resting.leaves)
            order.leaves -= lots
            resting.leaves -= lots
            buyer, seller = (order, resting) if order.side == r.BUY else (resting, order)
            self._exchange(buyer.account_id, seller.account_id, instrument, resting.price, lots)
            self._emit(
                r.TRADE_EXECUTED,
                order.order_id,
                resting.account_id << 32 | order.account_id,
                [
                    resting.price,
                    lots,
                    resting.leaves << 32 | order.leaves,
                    resting.order_id,
                    self.level_lots(resting),
                ],
                side=order.side,
                instrument=instrument.instrument_id,
            )
            if resting.leaves == 0:
                self.book(resting.instrument_id, resting.side).remove(resting)
            instrument.reference = resting.price

    def _exchange(
        self, buyer: int, seller: int, instrument: Instrument, price: int, lots: int
    ) -> None:
        value = price * lots * instrument.tick_value
        self.accounts[buyer].total -= value
        self.accounts[seller].total += value
        self.accounts[buyer].position(instrument.instrument_id).total += lots
        self.accounts[seller].position(instrument.instrument_id).total -= lots

    def _rest(self, order: Order) -> None:
        """Put an order behind all that are as good or better."""
        book = self.book(order.instrument_id, order.side)
        sign = -1 if order.side == r.BUY else 1
        ahead = [other for other in book if sign * other.price <= sign * order.price]
        book.insert(len(ahead), order)

    def _open_order(self, command: Command) -> Order:
        """Return the open order that a cancel or replace names."""
        self._refuse_if(command.id <= 0, RejectCode.MALFORMED)
        self._account(command)
        self._instrument(command)
        order = self.find_order(command.id)
        if order is None:
            raise Refused(RejectCode.UNKNOWN_ORDER)
        self._refuse_if(order.account_id != command.account_id, RejectCode.NOT_OWNER)
        elsewhere = order.instrument_id != command.instrument_id
        self._refuse_if(elsewhere, RejectCode.UNKNOWN_ORDER)
        return order

    def _cancel(self, command: Command) -> None:
        self._cancel_open(self._open_order(command), CancelReason.REQUESTED)

    def _cancel_open(self, order: Order, reason: CancelReason) -> None:
        self.book(order.instrument_id, order.side).remove(order)
        rest = [order.price, order.leaves, 0, 0, self.level_lots(order)]
        self._report(r.ORDER_CANCELLED, order, rest, code=reason)

    def _replace(self, command: Command) -> None:
        well_formed = (
            1 <= command.price <= r.MAX_PRICE_TICKS and 1 <= command.lots <= r.MAX_QUANTITY_LOTS
        )
        self._refuse_if(not well_formed, RejectCode.MALFORMED)
        order = self._open_order(command)
        old = replace(order)
        new = replace(order, price=command.price, leaves=command.lots)
        account, instrument = self._account(command), self._instrument(command)
        self._check_risk(account, instrument, new, old, may_rest=False)
        order.price, order.leaves = new.price, new.leaves
        if new.price == old.price and new.leaves <= old.leaves:
            total = self.level_lots(order)
            rest = [order.price, order.leaves, total, old.price, total]
            flags = r.FLAG_RESTING | r.FLAG_PRIORITY_KEPT
            self._report(r.ORDER_REPLACED, order, rest, flags=flags)
            return
        self.book(order.instrument_id, order.side).remove(order)
        rests = not self._counterparty(order)
        if rests:
            self._rest(order)
        new_total = self.level_lots(order) if rests else 0
        rest = [order.price, order.leaves, self.level_lots(old), old.price, new_total]
        flags = r.FLAG_RESTING if rests else 0
        self._report(r.ORDER_REPLACED, order, rest, flags=flags)
        if rests:
            return
        self._match(order)
        if order.leaves and not self._counterparty(order):
            self._rest(order)
            rest = [order.price, order.leaves, order.leaves, 0, self.level_lots(order)]
            self._report(r.ORDER_RESTED, order, rest)
        elif order.leaves:
            rest = [order.price, order.leaves, 0, 0, 0]
            self._report(r.ORDER_CANCELLED, order, rest, code=CancelReason.TOO_MANY_TRADES)

    def _mass_cancel(self, command: Command) -> None:
        self._refuse_if(command.id < 0, RejectCode.MALFORMED)
        account, instrument = self._account(command), self._instrument(command)
        orders = self.open_orders(account.account_id, instrument.instrument_id)
        cancelled = orders[: r.MASS_CANCEL_BATCH]
        for order in cancelled:
            self._cancel_open(order, CancelReason.MASS_CANCEL)
        self._emit(
            r.MASS_CANCELLED,
            command.id,
            account.account_id,
            [0, len(cancelled), len(orders) - len(cancelled), 0, 0],
            instrument=instrument.instrument_id,
        )

    # --- money ---------------------------------------------------------------------------------

    def _deposit_cash(self, command: Command) -> None:
        well_formed = 1 <= command.amount <= r.MAX_AMOUNT_MINOR
        self._refuse_if(not well_formed, RejectCode.MALFORMED)
        account = self._account(command)
        issued = sum(other.total for other in self.accounts.values())
        overflows = max(issued, account.settled) + command.amount > r.MAX_AMOUNT_MINOR
        self._refuse_if(overflows, RejectCode.VALUE_OVERFLOW)
        self._refuse_if_ids_are_full()
        self._remember(command)
        account.total += command.amount
        account.settled += command.amount
        self._report_cash(command, account, command.amount)

    def _hold_withdrawal(self, command: Command) -> None:
        well_formed = 1 <= command.amount <= r.MAX_AMOUNT_MINOR
        self._refuse_if(not well_formed, RejectCode.MALFORMED)
        account = self._account(command)
        halted = account.state == r.ACCOUNT_HALTED
        self._refuse_if(halted, RejectCode.ACCOUNT_HALTED)
        settled = account.settled - self.held(account.account_id)
        free = min(settled, self.available(account.account_id))
        self._refuse_if(command.amount > free, RejectCode.INSUFFICIENT_FUNDS)
        self._refuse_if(len(self.holds) >= self.max_holds, RejectCode.CAPACITY)
        self._refuse_if_ids_are_full()
        self._remember(command)
        self.holds[command.id] = Hold(command.id, account.account_id, command.amount)
        self._report_cash(command, account, command.amount)

    def _end_hold(self, command: Command) -> None:
        target = command.words[r.C_TARGET_ID]
        well_formed = target >= 1 and 0 <= command.amount <= r.MAX_AMOUNT_MINOR
        self._refuse_if(not well_formed, RejectCode.MALFORMED)
        account = self._account(command)
        hold = self.holds.get(target)
        if (
            hold is None
            or hold.account_id != account.account_id
            or command.amount not in (0, hold.amount)
        ):
            raise Refused(RejectCode.UNKNOWN_HOLD)
        confirmed = command.kind == r.CONFIRM_WITHDRAWAL
        overflows = confirmed and account.settled - hold.amount < -r.MAX_AMOUNT_MINOR
        self._refuse_if(overflows, RejectCode.VALUE_OVERFLOW)
        self._refuse_if_ids_are_full()
        self._remember(command)
        del self.holds[target]
        if confirmed:
            account.total -= hold.amount
            account.settled -= hold.amount
        self._report_cash(command, account, -hold.amount)

    def _deposit_shares(self, command: Command) -> None:
        well_formed = 1 <= command.lots <= r.MAX_QUANTITY_LOTS
        self._refuse_if(not well_formed, RejectCode.MALFORMED)
        account, instrument = self._account(command), self._instrument(command)
        position = account.position(instrument.instrument_id)
        mismatch = account.currency != instrument.currency
        self._refuse_if(mismatch, RejectCode.CURRENCY_MISMATCH)
        overflows = max(position.settled, instrument.issued) + command.lots > r.MAX_AMOUNT_MINOR
        self._refuse_if(overflows, RejectCode.VALUE_OVERFLOW)
        self._refuse_if_ids_are_full()
        self._remember(command)
        position.total += command.lots
        position.settled += command.lots
        instrument.issued += command.lots
        self._report_position(command, account, instrument)

    def _settle(self, command: Command) -> None:
        cash = command.words[r.C_CASH_MINOR]
        well_formed = max(abs(cash), abs(command.lots)) <= r.MAX_AMOUNT_MINOR
        self._refuse_if(not well_formed, RejectCode.MALFORMED)
        account, instrument = self._account(command), self._instrument(command)
        position = account.position(instrument.instrument_id)
        mismatch = account.currency != instrument.currency
        self._refuse_if(mismatch, RejectCode.CURRENCY_MISMATCH)
        settled = (account.settled + cash, position.settled + command.lots)
        overflows = max(map(abs, settled)) > r.MAX_AMOUNT_MINOR
        self._refuse_if(overflows, RejectCode.VALUE_OVERFLOW)
        self._refuse_if_ids_are_full()
        self._remember(command)
        account.settled, position.settled = settled
        self._report_cash(command, account, cash, instrument.instrument_id)
        self._report_position(command, account, instrument)

    def _report_cash(
        self, command: Command, account: Account, delta: int, instrument: int = 0
    ) -> None:
        reserved, held = (
            self.reserved(account.account_id),
            self.held(account.account_id),
        )
        rest = [delta, account.total, account.settled, reserved, held]
        self._emit(r.CASH_CHANGED, command.id, account.account_id, rest, instrument=instrument)

    def _report_position(self, command: Command, account: Account, instrument: Instrument) -> None:
        position = account.position(instrument.instrument_id)
        selling = self.open_lots(account.account_id, instrument.instrument_id, r.SELL)
        rest = [command.lots, position.total, position.settled, selling, 0]
        self._emit(
            r.POSITION_CHANGED,
            command.id,
            account.account_id,
            rest,
            instrument=instrument.instrument_id,
        )

    # --- reference data ------------------------------------------------------------------------

    def _add_account(self, command: Command) -> None:
        currency = command.words[r.C_CURRENCY]
        well_formed = 1 <= command.account_id <= ids.MAX_ACCOUNT_ID and 1 <= currency <= 999
        self._refuse_if(not well_formed, RejectCode.MALFORMED)
        self._refuse_if(len(self.accounts) >= self.max_accounts, RejectCode.CAPACITY)
        self._refuse_if_ids_are_full()
        self._remember(command)
        self.accounts[command.account_id] = Account(command.account_id, currency, self.sequence)
        self._emit(r.ACCOUNT_ADDED, command.id, command.account_id, [currency, 0, 0, 0, 0])

    def _set_account_state(self, command: Command) -> None:
        states = (r.ACCOUNT_ACTIVE, r.ACCOUNT_REDUCING, r.ACCOUNT_HALTED)
        self._refuse_if(command.state not in states, RejectCode.MALFORMED)
        account = self._account(command)
        self._refuse_if_ids_are_full()
        self._remember(command)
        account.state = command.state
        rest = [0, command.state, 0, 0, 0]
        self._emit(r.ACCOUNT_STATE_CHANGED, command.id, account.account_id, rest)

    def _set_limits(self, command: Command) -> None:
        lots, value, position, orders = command.words[
            r.C_LIMIT_ORDER_LOTS : r.C_LIMIT_OPEN_ORDERS + 1
        ]
        limits = (lots, value, position, orders)
        well_formed = all(0 <= limit <= r.NO_LIMIT for limit in limits)
        self._refuse_if(not well_formed, RejectCode.MALFORMED)
        account = self._account(command)
        self._refuse_if_ids_are_full()
        self._remember(command)
        account.limits = limits
        self._emit(r.LIMITS_CHANGED, command.id, account.account_id, [*limits, 0])

    def _set_instrument_state(self, command: Command) -> None:
        states = (r.INSTRUMENT_CONTINUOUS, r.INSTRUMENT_HALTED)
        self._refuse_if(command.state not in states, RejectCode.MALFORMED)
        instrument = self._instrument(command)
        self._refuse_if_ids_are_full()
        self._remember(command)
        instrument.state = command.state
        rest = [0, command.state, 0, 0, 0]
        self._emit(
            r.INSTRUMENT_STATE_CHANGED,
            command.id,
            0,
            rest,
            instrument=instrument.instrument_id,
        )

    def _add_instrument(self, command: Command) -> None:
        w = command.words
        reference, tick_value = command.price, w[r.C_TICK_VALUE_MINOR]
        lowest, highest = w[r.C_MIN_PRICE_TICKS], w[r.C_MAX_PRICE_TICKS]
        currency, collar = w[r.C_INSTRUMENT_CURRENCY], w[r.C_COLLAR_BPS]
        max_order_lots = w[r.C_MAX_ORDER_LOTS]
        well_formed = (
            command.instrument_id > 0
            and 0 <= reference <= r.MAX_PRICE_TICKS
            and 1 <= lowest <= highest <= r.MAX_PRICE_TICKS
            and 1 <= tick_value <= r.MAX_AMOUNT_MINOR
            and 1 <= max_order_lots <= r.MAX_QUANTITY_LOTS
            and 1 <= currency <= 999
            and 0 <= collar <= 10_000
        )
        self._refuse_if(not well_formed, RejectCode.MALFORMED)
        outside = reference != 0 and not lowest <= reference <= highest
        self._refuse_if(outside, RejectCode.PRICE_OUT_OF_BAND)
        overflows = highest * tick_value > r.MAX_AMOUNT_MINOR
        self._refuse_if(overflows, RejectCode.VALUE_OVERFLOW)
        if command.instrument_id not in self.instruments:
            self._refuse_if(not self._fits(lowest, highest), RejectCode.CAPACITY)
        self._refuse_if_ids_are_full()
        self._remember(command)
        instrument = self.instruments.setdefault(
            command.instrument_id,
            Instrument(
                command.instrument_id,
                currency,
                tick_value,
                lowest,
                highest,
                self.sequence,
            ),
        )
        instrument.reference = reference
        instrument.max_order_lots = max_order_lots
        instrument.collar_bps = collar
        rest = [reference, 0, 0, 0, 0]
        self._emit(
            r.INSTRUMENT_ADDED,
            command.id,
            0,
            rest,
            instrument=instrument.instrument_id,
        )

    def _fits(self, lowest: int, highest: int) -> bool:
        """A ladder side takes room in units of 1,024 prices; an instrument has two."""
        bands = [(i.lowest, i.highest) for i in self.instruments.values()] + [(lowest, highest)]
        levels = sum(-(-(high - low + 1) // 1024) * 1024 * 2 for low, high in bands)
        return len(bands) <= self.max_instruments and levels <= self.max_levels
