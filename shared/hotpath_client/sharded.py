"""Several engines as one: commands go to their shard or to all, views are put together."""

from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Final, Protocol, Self, TypeVar

from shared.domain import records as r
from shared.domain.commands import Command
from shared.domain.reject_codes import RejectCode
from shared.hotpath_client.answers import OrderView
from shared.hotpath_client.routing import ALL, Routing, home_shard
from shared.ports.engine import (
    AccountView,
    BookView,
    CommandResult,
    Engine,
    EngineError,
    EngineStatus,
    EngineUnavailable,
    OpenOrder,
    ShardsUnavailable,
)

_Answer = TypeVar("_Answer")


class ShardClient(Engine, Protocol):
    """The client of one engine."""

    def book(self, instrument_id: int, depth: int = 0) -> BookView | None: ...

    def order(self, order_id: int) -> OrderView | None: ...

    def close(self) -> None: ...


class ShardedEngine:
    """Implements shared.ports.engine.Engine over one client per shard, in their order.

    What is for all shards is sent to all at once, so that one that hangs delays the caller and
    not the others. Where one of them fails, ShardsUnavailable tells what the others said; sent
    again, they answer that they know it.
    """

    def __init__(
        self,
        clients: Sequence[ShardClient],
        shard_of_instrument: Callable[[int], int],
        away: Collection[int] = (),
    ) -> None:
        self._clients: Final = clients
        self._shard_of_instrument = shard_of_instrument
        self._routing = Routing(len(clients), shard_of_instrument)
        self._away = frozenset(away)

    @property
    def shards(self) -> int:
        return len(self._clients)

    def shard(self, number: int) -> ShardClient:
        """Return the client of one engine."""
        return self._clients[number]

    def home(self, account_id: int) -> int:
        """Return the shard at which an account's deposits arrive and its withdrawals are held."""
        return home_shard(account_id, self.shards)

    def shard_of_instrument(self, instrument_id: int) -> int:
        return self._shard_of_instrument(instrument_id)

    def without(self, failed: Collection[int]) -> "ShardedEngine | None":
        """Return the same with engines counted as away, which are then not asked; None for all."""
        away = self._away | set(failed)
        if len(away) == self.shards:
            return None
        return ShardedEngine(self._clients, self._shard_of_instrument, away)

    def submit(self, command: Command, *, traceparent: str = "") -> CommandResult:
        """Send a command where it belongs.

        Raises
        ------
        ShardsUnavailable
            It is for all shards, and some failed.
        EngineError
            It is for one shard, which failed.
        """
        number = self._routing.of(command)
        if number != ALL:
            result = self._ask(
                number, lambda client: client.submit(command, traceparent=traceparent)
            )
            return replace(result, shard=number)
        answers, failures = self._ask_all(
            lambda client: client.submit(command, traceparent=traceparent)
        )
        parts = [replace(result, shard=number) for number, result in answers.items()]
        if failures:
            error = ShardsUnavailable(failures, parts)
            error.others = self.without(failures)
            raise error
        return combined(parts)

    def account(self, account_id: int) -> AccountView | None:
        """Return the sum over all shards that know the account; all have to answer."""
        views = self._all_answers(lambda client: client.account(account_id))
        known = [replace(view, shard=number) for number, view in views.items() if view is not None]
        return summed(known) if known else None

    def book(self, instrument_id: int, depth: int = 0) -> BookView | None:
        number = self._shard_of_instrument(instrument_id)
        return self._ask(number, lambda client: client.book(instrument_id, depth))

    def open_orders(self, account_id: int) -> list[OpenOrder]:
        """Return the account's open orders of all shards, one after the other."""
        found = self._all_answers(lambda client: client.open_orders(account_id))
        return [order for orders in found.values() for order in orders]

    def order(self, order_id: int) -> OrderView | None:
        """Return what an engine knows of an order id, or None if none knows it."""
        found = self._all_answers(lambda client: client.order(order_id))
        return next((view for view in found.values() if view is not None), None)

    def status(self) -> EngineStatus:
        """Return the first shard's status; `statuses` has all."""
        return self._ask(0, lambda client: client.status())

    def statuses(self) -> dict[int, EngineStatus | EngineError]:
        """Return each shard's status, or why it did not tell."""
        answers, failures = self._ask_all(lambda client: client.status())
        found: dict[int, EngineStatus | EngineError] = {**answers, **failures}
        return dict(sorted(found.items()))

    def close(self) -> None:
        for client in self._clients:
            client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ask(self, number: int, call: Callable[[ShardClient], _Answer]) -> _Answer:
        try:
            if number in self._away:
                raise EngineUnavailable(f"shard {number} did not answer before")
            return call(self._clients[number])
        except EngineError as error:
            error.others = self.without({number})
            raise

    def _all_answers(self, call: Callable[[ShardClient], _Answer]) -> dict[int, _Answer]:
        """Return every shard's answer, by number; raise ShardsUnavailable when one failed."""
        answers, failures = self._ask_all(call)
        if failures:
            raise ShardsUnavailable(failures, [])
        return answers

    def _ask_all(
        self, call: Callable[[ShardClient], _Answer]
    ) -> tuple[dict[int, _Answer], Mapping[int, EngineError]]:
        """Ask all shards at once; return what each answered, and why each other one did not."""
        answers: dict[int, _Answer] = {}
        failures: dict[int, EngineError] = {}
        with ThreadPoolExecutor(self.shards, "shard") as pool:
            asked = [pool.submit(self._ask, number, call) for number in range(self.shards)]
        for number, future in enumerate(asked):
            try:
                answers[number] = future.result()
            except EngineError as error:
                failures[number] = error
        return answers, failures


def combined(parts: Sequence[CommandResult]) -> CommandResult:
    """Return the result of a command that every shard has answered."""
    refused = [part for part in parts if refusal_of(part) not in (None, RejectCode.DUPLICATE_ID)]
    return replace((refused or parts)[0], parts=tuple(parts))


def refusal_of(result: CommandResult) -> RejectCode | None:
    """Return why an engine refused a command; None when it was carried out."""
    for event in result.events:
        if event.kind == r.REJECTED:
            return event.reject_code
    return None


def summed(views: Sequence[AccountView]) -> AccountView:
    """Return one view of an account of which several engines hold a part, the strictest state."""
    return AccountView(
        account_id=views[0].account_id,
        state=max(view.state for view in views),
        currency_number=views[0].currency_number,
        total_minor=sum(view.total_minor for view in views),
        settled_minor=sum(view.settled_minor for view in views),
        reserved_minor=sum(view.reserved_minor for view in views),
        held_minor=sum(view.held_minor for view in views),
        open_orders=sum(view.open_orders for view in views),
        positions=[position for view in views for position in view.positions],
        parts=tuple(views),
    )
