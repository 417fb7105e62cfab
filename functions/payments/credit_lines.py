"""Credit lines: an account's cash is split over the engines, and moves to where it is needed.

    REQUESTED -> OUT -> DONE
         |        |
      REFUSED   UNDOING -> UNDONE     (the other engine refused it)

A move is out at one engine, then in at the other. Each step is one command, sent while the move is
locked and stored with its answer; what was sent but not stored is sent again, and the engine knows
its id. So a move that was cut off anywhere is finished by whoever takes it up next. A refusal is
believed only when no earlier sending of the command can still arrive and be judged otherwise.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

from functions.payments import credit_store as store
from functions.payments.credit_store import (
    DONE,
    OUT,
    REFUSED,
    REQUESTED,
    UNDOING,
    UNDONE,
    CreditMove,
)
from shared.domain import records as r
from shared.domain.commands import MoveCash
from shared.domain.credit import credit_move_id, credit_undo_id
from shared.hotpath_client import ShardedEngine
from shared.ports.engine import AccountView, EngineError
from shared.postgres.outbox import outcome_of
from shared.postgres.pool import PoolSource
from shared.postgres.unit_of_work import UnitOfWork

_STEPS: Final = 3
# What follows each state: when the engine carries the next command out, and when it refuses.
_AFTER: Final = {
    REQUESTED: (OUT, REFUSED),
    OUT: (DONE, UNDOING),
    UNDOING: (UNDONE, UNDOING),
}
ORDER: Final = "ORDER"
WITHDRAWAL: Final = "WITHDRAWAL"


@dataclass(frozen=True, slots=True)
class CreditLines:
    """The use cases of credit lines with what they stand on."""

    source: PoolSource
    engines: Callable[[], ShardedEngine]

    def bring(
        self,
        account_id: int,
        to_shard: int,
        need_minor: int,
        purpose: str,
        *,
        traceparent: str = "",
        enough_minor: int | None = None,
    ) -> int:
        """Move credit to where the account needs so much buying power; return what arrived.

        With less than `enough_minor` in reach (what is needed, unless said otherwise) nothing
        moves, and neither does it while another move of the account is under way.

        Engines that do not answer are passed over; a move under way is finished later.
        """
        self.resume(account_id)
        parts = self._parts(account_id)
        usable = settled_minor if purpose == WITHDRAWAL else buying_power_minor
        plan = plan_moves(parts, to_shard, need_minor, enough_minor, usable)
        arrived_minor = 0
        for from_shard, amount_minor in plan:
            with UnitOfWork(self.source) as uow:
                move = store.add(
                    uow, account_id, from_shard, to_shard, amount_minor, purpose, traceparent
                )
                uow.commit()
            if move is None:
                break
            state = self.advance(move.number)
            if state == DONE:
                arrived_minor += amount_minor
            elif state in store.UNDER_WAY:
                break
        return arrived_minor

    def bring_home(self, account_id: int, amount_minor: int, traceparent: str) -> bool:
        """Move so much settled cash to the account's home that a withdrawal can be held there.

        Returns whether a hold can be judged now: it is there, or all engines together have less.
        False while an engine that may have it does not answer, or a move is under way.
        """
        home = self.engines().home(account_id)
        self.bring(account_id, home, amount_minor, WITHDRAWAL, traceparent=traceparent)
        with UnitOfWork(self.source) as uow:
            if store.under_way(uow, account_id):
                return False
        parts = self._parts(account_id)
        there = next((part for part in parts if part.shard == home), None)
        if there is not None and settled_minor(there) >= amount_minor:
            return True
        in_reach_minor = sum(max(0, settled_minor(part)) for part in parts)
        return in_reach_minor < amount_minor and self._all_answer(account_id)

    def _all_answer(self, account_id: int) -> bool:
        """Say whether every engine tells what it has of the account, be it nothing."""
        engines = self.engines()
        try:
            for number in range(engines.shards):
                engines.shard(number).account(account_id)
        except EngineError:
            return False
        return True

    def _parts(self, account_id: int) -> list[AccountView]:
        """Return what each engine that answers holds of an account."""
        engines, parts = self.engines(), []
        for number in range(engines.shards):
            with suppress(EngineError):
                view = engines.shard(number).account(account_id)
                if view is not None:
                    parts.append(replace(view, shard=number))
        return parts

    def advance(self, number: int, away: set[int] | None = None) -> str:
        """Take a move through every step that can be done now; return its state.

        Engines that are `away` are not asked, and those that do not answer are added to them.
        """
        state, silent = REQUESTED, set[int]() if away is None else away
        for _ in range(_STEPS):
            with UnitOfWork(self.source) as uow:
                move = store.lock(uow, number)
                state = move.state
                shard, _ = _next_command(move)
                if state not in store.UNDER_WAY or shard in silent:
                    return state
                try:
                    after, reason = self._step(move)
                except EngineError:
                    silent.add(shard)
                    store.note_unanswered(uow, number)
                    uow.commit()
                    return state
                if after == state:
                    return state
                store.set_state(uow, number, after, reason or move.reason)
                uow.commit()
                state = after
        return state

    def resume(self, account_id: int | None = None) -> int:
        """Go on with unfinished moves, of one account or of all; return how many are finished.

        An engine that hangs is waited for once, and not by every move that needs it.
        """
        with UnitOfWork(self.source) as uow:
            waiting = store.under_way(uow, account_id)
        away: set[int] = set()
        return sum(self.advance(number, away) not in store.UNDER_WAY for number in waiting)

    def _step(self, move: CreditMove) -> tuple[str, str]:
        """Send the next command of a move; return the state that its answer makes, and why."""
        shard, command = _next_command(move)
        refusal = self._send(shard, move, command)
        accepted, refused = _AFTER[move.state]
        if refusal is None:
            return accepted, ""
        return (move.state, "") if move.is_uncertain else (refused, refusal)

    def _send(self, shard: int, move: CreditMove, command: MoveCash) -> str | None:
        """Return the name of the engine's refusal; None when it carried the command out, or had."""
        engine = self.engines().shard(shard)
        code = outcome_of(engine.submit(command, traceparent=move.traceparent))[1]
        return None if code is None else code.name.lower()


def _next_command(move: CreditMove) -> tuple[int, MoveCash]:
    """Return the command that takes a move further, and the engine that it is for."""
    move_id, account_id = credit_move_id(move.number), move.account_id
    if move.state == REQUESTED:
        return move.from_shard, MoveCash(r.CREDIT_OUT, move_id, account_id, move.amount_minor)
    if move.state == OUT:
        return move.to_shard, MoveCash(r.CREDIT_IN, move_id, account_id, move.amount_minor)
    undo_id = credit_undo_id(move.number)
    return move.from_shard, MoveCash(r.CREDIT_UNDO, undo_id, account_id, hold_id=move_id)


def buying_power_minor(part: AccountView) -> int:
    """Return what an account may reserve for orders at one engine."""
    return part.available_minor


def settled_minor(part: AccountView) -> int:
    """Return what of an account's cash at one engine is settled and needed by nothing there."""
    return min(part.settled_minor - part.held_minor, part.available_minor)


def plan_moves(
    parts: Sequence[AccountView],
    to_shard: int,
    need_minor: int,
    enough_minor: int | None = None,
    usable: Callable[[AccountView], int] = buying_power_minor,
) -> list[tuple[int, int]]:
    """Return (shard, amount) of the moves after which so much is usable at the one engine.

    The richest engine gives first, so that moves are few. None when the engines together have less
    than enough, or when the one that needs it does not know the account.
    """
    there = next((part for part in parts if part.shard == to_shard), None)
    if there is None:
        return []
    missing_minor = need_minor - usable(there)
    sources = sorted(
        ((max(0, settled_minor(part)), part.shard) for part in parts if part is not there),
        key=lambda source: (-source[0], source[1]),
    )
    in_reach_minor = usable(there) + sum(amount_minor for amount_minor, _ in sources)
    if in_reach_minor < (need_minor if enough_minor is None else enough_minor):
        return []
    plan = []
    for amount_minor, shard in sources:
        taken_minor = min(amount_minor, missing_minor)
        if taken_minor <= 0:
            break
        plan.append((shard, taken_minor))
        missing_minor -= taken_minor
    return plan
