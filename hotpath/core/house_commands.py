"""Commands with an administrative id: judged once, done, and remembered under their id."""

from typing import final

from librt.vecs import vec
from mypy_extensions import i64

from hotpath.core.administration import AdministrationCommands, is_administrative
from hotpath.core.amend import AmendCommands
from hotpath.core.auction import Auction
from hotpath.core.codes import ACCEPTED, CAPACITY, DUPLICATE_ID, MALFORMED
from hotpath.core.ids import FIRST_ADMINISTRATIVE_ID
from hotpath.core.money import MoneyCommands
from hotpath.core.state import State
from shared.domain.records import (
    BUST_TRADE,
    C_HEADER,
    C_ID,
    CORRECT_TRADE,
    CREDIT_OUT,
    CREDIT_UNDO,
    DEPOSIT_CASH,
    SETTLE,
)


def has_administrative_id(kind: i64) -> bool:
    return _is_money(kind) or is_administrative(kind) or _is_amend(kind)


@final
class HouseCommands:
    def __init__(self, state: State, auction: Auction) -> None:
        self.state = state
        self.money = MoneyCommands(state)
        self.administration = AdministrationCommands(state, auction)
        self.amend = AmendCommands(state)

    def first_sequence(self, kind: i64, c: vec[i64], at: i64) -> i64:
        """Return the sequence of the command that used this one's id first, or did the same; 0."""
        first: i64 = self.state.ids.first_sequence(c[at + C_ID])
        if first == 0:
            first = self.administration.first_sequence(kind, c, at)
        return first

    def apply(self, kind: i64, c: vec[i64], at: i64) -> None:
        state = self.state
        first: i64 = self.first_sequence(kind, c, at)
        if first != 0:
            state.refuse(c, at, DUPLICATE_ID, first)
            return
        code: i64 = MALFORMED
        if c[at + C_HEADER] >= 0 and c[at + C_ID] >= FIRST_ADMINISTRATIVE_ID:
            if _is_money(kind):
                code = self.money.check(kind, c, at)
            elif _is_amend(kind):
                code = self.amend.check(kind, c, at)
            else:
                code = self.administration.check(kind, c, at)
        state.ids.make_room()
        if code == ACCEPTED and state.ids.is_full():
            code = CAPACITY
        if code != ACCEPTED:
            state.refuse(c, at, code, 0)
            return
        state.work_due = True
        slot: i64 = 0
        if _is_money(kind):
            slot = self.money.do(kind, c, at)
        elif _is_amend(kind):
            self.amend.do(kind, c, at)
        else:
            self.administration.do(kind, c, at)
        state.ids.insert(c[at + C_ID], state.sequence, slot)


def _is_money(kind: i64) -> bool:
    return DEPOSIT_CASH <= kind <= SETTLE or CREDIT_OUT <= kind <= CREDIT_UNDO


def _is_amend(kind: i64) -> bool:
    return kind in (BUST_TRADE, CORRECT_TRADE)
