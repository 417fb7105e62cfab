"""What follows from commands, a bounded number of steps at a time."""

from typing import Final, final

from mypy_extensions import i64

from hotpath.core import book, leaving, pegs, sweeping
from hotpath.core.entering import Entering
from hotpath.core.layout import (
    I_FOLLOWERS,
    I_HIGH,
    I_LAST,
    I_LOW,
    I_SESSION,
    I_STOP_COUNT,
    I_WOKEN,
    IN_BOOK,
    IS_REACHED,
    O_PRICE,
    TREE_STOPS,
    X_AFTER,
    X_ORDER,
    X_PLACE,
    X_STOP,
)
from hotpath.core.state import State
from shared.domain.records import BUY, SELL, SESSION_CONTINUOUS, WORK_REMAINS

_NOTHING: Final = 0
_SWEEP: Final = 1
_WOKEN: Final = 2
_STOP: Final = 3
_PEG: Final = 4


@final
class Work:
    """Finds the next step and does it: first what leaves, then what wakes, triggers, follows."""

    def __init__(self, state: State, entering: Entering) -> None:
        self.state: Final = state
        self.entering: Final = entering
        self.kind: i64 = _NOTHING  # of the step that was found
        self.order: i64 = 0  # that it is about

    def go_on(self) -> None:
        """Do at most `max_work` steps; say so if more remain."""
        state = self.state
        steps: i64 = state.max_work
        while steps > 0:
            self._find_step()
            if self.kind == _NOTHING:
                state.work_due = False
                state.careful = False
                return
            self._do_step()
            steps -= 1
        self._find_step()
        remains: bool = self.kind != _NOTHING
        state.work_due = remains
        state.careful = remains
        if remains:
            state.events.emit(WORK_REMAINS, 0, 0, 0, 0, 0, 0, 0)

    def _find_step(self) -> None:
        state = self.state
        while len(state.sweeps) > 0:
            self.order = sweeping.next_order(state, state.sweeps[0])
            if self.order != 0:
                self.kind = _SWEEP
                return
            state.sweeps.pop(0)
        place: i64 = 0
        while place < state.instruments.count:
            instrument: i64 = state.instruments.in_order[place]
            if state.instruments.words[instrument + I_SESSION] == SESSION_CONTINUOUS:
                self._find_in(instrument)
                if self.kind != _NOTHING:
                    return
            place += 1
        self.kind = _NOTHING

    def _find_in(self, instrument: i64) -> None:
        state = self.state
        words = state.instruments.words
        self.kind = _WOKEN
        self.order = words[instrument + I_WOKEN]
        if self.order != 0:
            return
        self.kind = _STOP
        self.order = self._first_due(instrument)
        if self.order != 0:
            return
        words[instrument + I_HIGH] = words[instrument + I_LAST]  # no stop is due: a new span
        words[instrument + I_LOW] = words[instrument + I_LAST]
        self.kind = _PEG
        self.order = pegs.first_stale(state, instrument)
        if self.order == 0:
            self.kind = _NOTHING

    def _do_step(self) -> None:
        state = self.state
        order: i64 = self.order
        if self.kind == _SWEEP:
            sweep = state.sweeps[0]
            leaving.cancel(state, order, sweep.reason, sweep.expires)
        elif self.kind == _WOKEN:
            leaving.take_woken(state, order)
            self.entering.begin(order)
        elif self.kind == _STOP:
            self.entering.trigger(order)
        else:
            in_book: bool = leaving.place_of(state, order) == IN_BOOK
            self.entering.follow(order, state.orders.words[order + O_PRICE] if in_book else 0)

    # --- stops -----------------------------------------------------------------------------------

    def _first_due(self, instrument: i64) -> i64:
        """Return the stop that is triggered next: buys from the lowest price, then sells from the
        highest; at one price the older."""
        if self.state.instruments.words[instrument + I_STOP_COUNT] == 0:
            return 0
        order: i64 = self._first_due_of(instrument, BUY)
        return order if order != 0 else self._first_due_of(instrument, SELL)

    def _first_due_of(self, instrument: i64, side: i64) -> i64:
        state = self.state
        orders = state.orders
        words = state.instruments.words
        tree: i64 = state.instruments.tree(instrument, TREE_STOPS, side)
        best: i64 = book.first_waiting(state, tree)
        due: bool = False
        if best != 0:
            stop: i64 = orders.cold[orders.cold_of(best) + X_STOP]
            low: i64 = words[instrument + I_LOW]
            due = stop <= words[instrument + I_HIGH] if side == BUY else stop >= low > 0
            if not due:
                best = 0
        row: i64 = words[instrument + I_FOLLOWERS]
        while row != 0:
            order: i64 = orders.cold[row + X_ORDER]
            due = orders.cold[row + X_PLACE] == IS_REACHED and book.side_of(state, order) == side
            if due and (best == 0 or self._is_before(order, best, side)):
                best = order
            row = orders.cold[row + X_AFTER]
        return best

    def _is_before(self, one: i64, two: i64, side: i64) -> bool:
        orders = self.state.orders
        first: i64 = orders.cold[orders.cold_of(one) + X_STOP]
        second: i64 = orders.cold[orders.cold_of(two) + X_STOP]
        if first == second:
            return orders.arrived(one) < orders.arrived(two)
        return first < second if side == BUY else first > second
