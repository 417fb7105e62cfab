"""All that the core knows, table by table; commands read and change it, queries only read it."""

from typing import Final, final

from librt.vecs import vec
from mypy_extensions import i64

from hotpath.core.accounts import CREDIT, H_ID, H_KIND, HOLD_SHIFT, Accounts, Holds
from hotpath.core.events import EventWriter
from hotpath.core.house import House
from hotpath.core.ids import FIRST_ADMINISTRATIVE_ID, MAX_SLOT, NOT_FOUND, IdTable
from hotpath.core.instruments import Instruments
from hotpath.core.ladder import Ladder
from hotpath.core.layout import O_ID, ORDER_SHIFT
from hotpath.core.orders import Orders
from hotpath.core.positions import Positions
from hotpath.core.sessions import SessionTable
from hotpath.core.sweeps import Sweep
from shared.domain.records import (
    C_ACCOUNT,
    C_HEADER,
    C_ID,
    C_PRICE,
    C_QUANTITY,
    EVENT_WORDS,
    REJECTED,
    WORK_REMAINS,
)

_FIRST_EVENTS: Final = 1 << 11
_MAX_INSTRUMENTS: Final = 1 << 14
_MAX_ACCOUNTS: Final = 1 << 20
_MAX_WINDOW: Final = 1 << 20

# Side and instrument stand in the same place in the headers of commands and events.
_ASKED: Final = 0xFF00 | 0x7FFF << 48


@final
class State:
    def __init__(
        self,
        max_orders: i64,
        max_ids: i64,
        max_accounts: i64,
        max_instruments: i64,
        ladder_ticks: i64,
        max_holds: i64,
        expected_ids: i64,
        max_trades: i64,
        max_work: i64,
        max_followers: i64,
        events_of_number: i64,
        throttle_window_ns: i64,
        risk: bool,
    ) -> None:
        for size in (max_orders, max_accounts, 2 * max_holds):
            if not 1 <= size <= MAX_SLOT:
                raise ValueError(f"a table of {size} rows is outside 1..{MAX_SLOT}")
        if not 1 <= max_instruments <= _MAX_INSTRUMENTS or max_accounts > _MAX_ACCOUNTS:
            raise ValueError("too many instruments or accounts")
        if not 1 <= max_ids <= 1 << 32 or not 1 <= ladder_ticks <= _MAX_WINDOW:
            raise ValueError("too many ids or levels")
        if min(max_work, max_followers, events_of_number, throttle_window_ns) < 1:
            raise ValueError("bounds of work, followers, events and throttles are positive")
        self.ladder: Final = Ladder(max_instruments, ladder_ticks)
        self.instruments: Final = Instruments(self.ladder, max_instruments)
        self.accounts: Final = Accounts(max_accounts)
        self.positions: Final = Positions(max_accounts, max_instruments)
        self.orders: Final = Orders(self.accounts, self.positions, max_orders)
        self.ids: Final = IdTable(min(max_ids, expected_ids), max_ids)
        self.holds: Final = Holds(max_holds)
        self.sessions: Final = SessionTable(max_accounts)
        self.house: Final = House()
        self.events: Final = EventWriter(_FIRST_EVENTS)
        self.sequence: i64 = 0  # of the command applied last
        self.time_ns: i64 = 0
        self.day: i64 = 1
        self.day_ended_at: i64 = 0  # sequence of the END_OF_DAY before this day; 0: the first day
        self.numbers_used: i64 = 0  # sequence up to which trades have taken the numbers
        self.events_of_number: i64 = events_of_number
        self.max_trades: i64 = max_trades
        self.max_work: i64 = max_work
        self.max_followers: i64 = max_followers
        self.max_amended: i64 = max_holds
        self.throttle_window_ns: i64 = throttle_window_ns
        self.risk: bool = risk
        self.work_due: bool = False  # something may follow from what was done
        self.careful: bool = False  # work was left over, or a batch is under way: see matching.py
        self.sweeps: list[Sweep] = []
        self.trial: i64 = 0  # number of the last trial, see trial.py

    def open_order(self, order_id: i64) -> i64:
        """Return the offset of an open order, or 0."""
        if not 0 < order_id < FIRST_ADMINISTRATIVE_ID:
            return 0
        row: i64 = self.ids.find(order_id)
        return 0 if row == NOT_FOUND else self.ids.slot(row) << ORDER_SHIFT

    def refuse(self, c: vec[i64], at: i64, code: i64, first_sequence: i64) -> None:
        """Answer the command at word `at` of `c` with REJECTED: what it asked, and why not."""
        header: i64 = REJECTED | (c[at + C_HEADER] & _ASKED) | code << 16
        account: i64 = c[at + C_ACCOUNT]
        self.events.emit(
            header, c[at + C_ID], account, c[at + C_PRICE], c[at + C_QUANTITY], 0, first_sequence, 0
        )

    def use_numbers(self, first: i64) -> None:
        """Take as many numbers behind the command's own as its events, from word `first`, need."""
        if not self.careful:
            self.events.emit(WORK_REMAINS, 0, 0, 0, 0, 0, 0, 0)
        events: i64 = (self.events.used - first) // EVENT_WORDS
        self.numbers_used = self.sequence + (events - 1) // self.events_of_number

    def close(self, order: i64) -> None:
        """Forget an order that has left its queue; its id stays remembered."""
        self.ids.release(self.orders.words[order + O_ID])
        self.orders.remove(order)

    def forget_ids(self, until: i64) -> None:
        """Forget ids of commands up to a sequence, but for those of open orders and of holds; a
        credit move goes with its id."""
        self.ids.finish_forgetting()
        holds = self.holds
        slot: i64 = 1
        while slot < holds.fresh:
            at: i64 = slot << HOLD_SHIFT
            id_: i64 = holds.words[at + H_ID]
            moved: bool = id_ != 0 and holds.words[at + H_KIND] == CREDIT
            if moved and self.ids.first_sequence(id_) <= until:
                self.ids.release(id_)
                holds.remove(slot)
            slot += 1
        self.ids.forget(until)
