"""An engine in memory for services' tests: accounts, cash, holds, ids that are used once."""

import threading
from dataclasses import dataclass, field
from typing import Any

from shared.domain import records as r
from shared.domain.commands import AddAccount, Command, MoveCash, SetLimits
from shared.domain.events import EngineEvent, decode_event
from shared.domain.reject_codes import RejectCode
from shared.hotpath_client import OrderView
from shared.ports.engine import (
    AccountView,
    BookView,
    CommandResult,
    EngineStatus,
    EngineUnavailable,
    OpenOrder,
)


@dataclass
class FakeAccount:
    currency_number: int
    total_minor: int = 0
    held_minor: int = 0


@dataclass
class FakeEngine:
    """`is_down` makes every call fail; `lose_answers` makes it act and then fail, so many times."""

    accounts: dict[int, FakeAccount] = field(default_factory=dict)
    holds: dict[int, int] = field(default_factory=dict)
    first_sequences: dict[int, int] = field(default_factory=dict)
    commands: list[Command] = field(default_factory=list)
    is_down: bool = False
    lose_answers: int = 0
    _lock: Any = field(default_factory=threading.Lock)

    def submit(self, command: Command, *, traceparent: str = "") -> CommandResult:
        with self._lock:
            if self.is_down:
                raise EngineUnavailable("down")
            self.commands.append(command)
            sequence = len(self.commands)
            code = self._apply(command, sequence)
            if self.lose_answers > 0:
                self.lose_answers -= 1
                raise EngineUnavailable("the answer was lost")
            return CommandResult(sequence, 1, [_event(command, code, self, sequence)])

    def account(self, account_id: int) -> AccountView | None:
        if self.is_down:
            raise EngineUnavailable("down")
        found = self.accounts.get(account_id)
        if found is None:
            return None
        return AccountView(
            account_id=account_id,
            state=r.ACCOUNT_ACTIVE,
            currency_number=found.currency_number,
            total_minor=found.total_minor,
            settled_minor=found.total_minor,
            reserved_minor=0,
            held_minor=found.held_minor,
            open_orders=0,
            positions=[],
        )

    def book(self, instrument_id: int, depth: int = 0) -> BookView | None:
        """It knows no instruments: services that trade are tested with the real core."""
        return None

    def open_orders(self, account_id: int) -> list[OpenOrder]:
        return []

    def order(self, order_id: int) -> OrderView | None:
        first = self.first_sequences.get(order_id)
        return None if first is None else OrderView(order_id, first, None)

    def close(self) -> None:
        """It holds nothing."""

    def status(self) -> EngineStatus:
        sequence = len(self.commands)
        return EngineStatus(
            shard=0,
            epoch=1,
            sequence=sequence,
            durable_sequence=sequence,
            compiled=False,
            source_hash="",
            state_hash=0,
            durability="os",
            open_orders=0,
        )

    def _apply(self, command: Command, sequence: int) -> RejectCode | None:
        assert isinstance(command, AddAccount | SetLimits | MoveCash)
        if command.command_id in self.first_sequences:
            return RejectCode.DUPLICATE_ID
        code = self._change(command)
        if code is None:
            self.first_sequences[command.command_id] = sequence
        return code

    def _change(self, command: AddAccount | SetLimits | MoveCash) -> RejectCode | None:
        if isinstance(command, AddAccount):
            self.accounts[command.account_id] = FakeAccount(command.currency_number)
            return None
        account = self.accounts.get(command.account_id)
        if account is None:
            return RejectCode.UNKNOWN_ACCOUNT
        if isinstance(command, SetLimits):
            return None
        if command.kind in (r.DEPOSIT_CASH, r.CREDIT_IN):
            account.total_minor += command.amount_minor
        elif command.kind == r.CREDIT_OUT:
            if account.total_minor - account.held_minor < command.amount_minor:
                return RejectCode.INSUFFICIENT_FUNDS
            account.total_minor -= command.amount_minor
        elif command.kind == r.HOLD_WITHDRAWAL:
            if account.total_minor - account.held_minor < command.amount_minor:
                return RejectCode.INSUFFICIENT_FUNDS
            account.held_minor += command.amount_minor
            self.holds[command.command_id] = command.amount_minor
        else:
            if command.hold_id not in self.holds:
                return RejectCode.UNKNOWN_HOLD
            amount_minor = self.holds.pop(command.hold_id)
            account.held_minor -= amount_minor
            if command.kind == r.CONFIRM_WITHDRAWAL:
                account.total_minor -= amount_minor
        return None


def _event(
    command: Command, code: RejectCode | None, engine: FakeEngine, sequence: int
) -> EngineEvent:
    kind = r.CASH_CHANGED if code is None else r.REJECTED
    words = [0] * r.EVENT_WORDS
    words[r.E_HEADER] = r.pack_event_header(kind, code=int(code or 0))
    words[r.E_ID] = command.words()[r.C_ID]
    words[r.E_FIRST_SEQUENCE] = engine.first_sequences.get(words[r.E_ID], 0)
    return decode_event(words, sequence, 0, 1)
