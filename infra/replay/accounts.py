"""What a replay needs first: its two accounts, funded and free, and a book of its own."""

import time
from dataclasses import dataclass
from typing import Final, Protocol

from shared.domain import records as r
from shared.domain.commands import AddAccount, Command, MassCancel, SetLimits
from shared.domain.ids import SOURCE_TOOLS, administrative_id, member_order_id
from shared.domain.instruments import Instrument
from shared.domain.reject_codes import RejectCode
from shared.hotpath_client.sharded import ShardClient
from shared.ports.engine import EngineError

RESTING_ACCOUNT: Final = 1_000_000_001  # places what the file adds
TAKING_ACCOUNT: Final = 1_000_000_002  # sends the orders that execute it
ACCOUNTS: Final = (RESTING_ACCOUNT, TAKING_ACCOUNT)
ORDERS_PER_RUN: Final = 1 << 16
MAX_RUNS: Final = (1 << 31) // ORDERS_PER_RUN

# Resting bids of the sample reach 30.1 M USD and resting sells 55,248 shares; each run trades more.
_CASH_MINOR: Final = 10_000_000_000_00
_LOTS: Final = 10_000_000
_CANCELLED_WITHIN_S: Final = 60.0


class ReplayRefused(Exception):
    """The replay cannot run here; the message says why."""


class Funding(Protocol):
    """Brings cash and shares to an account: in the ledger first, then in the engine."""

    def grant_cash(
        self, account_id: int, currency: str, amount_minor: int, reference: str
    ) -> None: ...

    def grant_shares(
        self, account_id: int, instrument: Instrument, quantity_lots: int, reference: str
    ) -> None: ...

    def bring_cash(self, account_id: int, instrument: Instrument, amount_minor: int) -> None: ...


@dataclass(frozen=True, slots=True)
class Run:
    """One replay's own range of order numbers, never used before."""

    number: int

    def order_id(self, account_id: int, number: int) -> int:
        """Return the id of order `number` (1 … ORDERS_PER_RUN - 1) of an account in this run."""
        if not 1 <= number < ORDERS_PER_RUN:
            raise ReplayRefused(f"more than {ORDERS_PER_RUN - 1} orders in one run")
        return member_order_id(account_id, self.number * ORDERS_PER_RUN + number)


def prepare(engine: ShardClient, funding: Funding, instrument: Instrument) -> Run:
    """Clear what an earlier run left, fund the accounts, raise their limits; return the new run.

    Raises
    ------
    ReplayRefused
        The engine does not know the instrument, or others rest in its book.
    """
    book = engine.book(instrument.instrument_id, 1)
    if book is None:
        raise ReplayRefused(f"the engine does not know {instrument.symbol}")
    if book.state != r.SESSION_CONTINUOUS:
        raise ReplayRefused(f"{instrument.symbol} is halted")
    run = _next_run(engine)
    for account_id in ACCOUNTS:
        _ensure_account(engine, account_id, instrument)
        cancel_all(engine, account_id, instrument.instrument_id)
    _refuse_foreign_orders(engine, instrument)
    for account_id in ACCOUNTS:
        _raise_limits(engine, account_id, run)
        _fund(engine, funding, account_id, instrument, run)
    return run


def cancel_all(engine: ShardClient, account_id: int, instrument_id: int) -> int:
    """Cancel an account's open orders in an instrument; return how many there were."""
    announced = engine.submit(MassCancel(account_id, instrument_id)).events[0]
    if announced.kind != r.MASS_CANCELLED:
        raise ReplayRefused(f"mass cancel of account {account_id}: {announced.reject_code.name}")
    # The engine takes many orders off by commands of its own, behind its answer.
    deadline_s = time.monotonic() + _CANCELLED_WITHIN_S
    while any(it.instrument_id == instrument_id for it in engine.open_orders(account_id)):
        if time.monotonic() > deadline_s:
            raise ReplayRefused(f"orders of account {account_id} stay open")
        time.sleep(0.01)
    return announced.quantity_lots


def _next_run(engine: ShardClient) -> Run:
    """Find the first run whose first order id the engine has never seen; runs leave no gaps."""
    low, high = 0, MAX_RUNS
    while low < high:
        middle = (low + high) // 2
        if engine.order(Run(middle).order_id(RESTING_ACCOUNT, 1)) is None:
            high = middle
        else:
            low = middle + 1
    if low == MAX_RUNS:
        raise ReplayRefused(f"{MAX_RUNS} runs have used up the order numbers")
    return Run(low)


def _refuse_foreign_orders(engine: ShardClient, instrument: Instrument) -> None:
    book = engine.book(instrument.instrument_id, 0)
    assert book is not None, "it was there a moment ago"
    orders = sum(level.orders for level in (*book.bids, *book.asks))
    if orders:
        raise ReplayRefused(
            f"{orders} orders of other accounts rest in {instrument.symbol}; the replay needs an"
            " empty book"
        )


def _ensure_account(engine: ShardClient, account_id: int, instrument: Instrument) -> None:
    if engine.account(account_id) is None:
        number = account_id << 1
        command = AddAccount(
            administrative_id(SOURCE_TOOLS, number), account_id, instrument.currency_number
        )
        _carry_out(engine, command)


def _raise_limits(engine: ShardClient, account_id: int, run: Run) -> None:
    command = SetLimits(
        command_id=administrative_id(SOURCE_TOOLS, (run.number << 31 | account_id) << 1 | 1),
        account_id=account_id,
        max_order_lots=r.NO_LIMIT,
        max_order_value_minor=r.NO_LIMIT,
        max_position_lots=r.NO_LIMIT,
        max_open_orders=r.NO_LIMIT,
    )
    _carry_out(engine, command)


def _fund(
    engine: ShardClient, funding: Funding, account_id: int, instrument: Instrument, run: Run
) -> None:
    """Bring the account's cash and shares up to what a run needs."""
    account = engine.account(account_id)
    assert account is not None, "it was added a moment ago"
    held = {row.instrument_id: row.total_lots for row in account.positions}
    missing_minor = _CASH_MINOR - account.available_minor
    missing_lots = _LOTS - held.get(instrument.instrument_id, 0)
    reference = f"replay:{account_id}:{run.number}:{engine.status().sequence}"
    if missing_minor > 0:
        funding.grant_cash(account_id, instrument.currency, missing_minor, f"{reference}:cash")
    if missing_lots > 0:
        funding.grant_shares(account_id, instrument, missing_lots, f"{reference}:shares")
    funding.bring_cash(account_id, instrument, _CASH_MINOR)


def _carry_out(engine: ShardClient, command: Command) -> None:
    for event in engine.submit(command).events:
        if event.kind == r.REJECTED and event.reject_code is not RejectCode.DUPLICATE_ID:
            raise EngineError(f"{type(command).__name__}: {event.reject_code.name}")
