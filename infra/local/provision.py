"""What a fresh stack needs before a person can trade: instruments, two users, liquidity."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, Final

from infra.local import databases, deploy, keys, users
from infra.local.api import ApiClient
from infra.local.errors import StackError
from infra.local.opening_balances import OpeningBalances
from infra.local.progress import Progress
from infra.local.settings import Settings
from shared.domain.instruments import Instrument
from shared.domain.records import REJECTED
from shared.domain.reject_codes import RejectCode
from shared.hotpath_client.sharded import ShardClient, ShardedEngine
from shared.hotpath_client.sync_client import SyncEngineClient, service_tokens
from shared.reference import instruments
from shared.wire.tokens import SCOPES

MARKET: Final = "NOVA"
READY_USERS: Final = ("alice", "bob")
MAKER: Final = "maker"

_SHARES_LOTS: Final = {"alice": 1_000, "bob": 1_000, "maker": 200_000}
_SHARES_IN: Final = ("NOVA", "ORBT")
_LEVELS: Final = 5
_QUOTE_LOTS: Final = 500
_TIMEOUT_MS: Final = 5_000


@dataclass(frozen=True, slots=True)
class Provisioned:
    """What `make up` ends by telling."""

    api_url: str
    feed_url: str
    users: dict[str, str]  # name to email address
    market: str

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def as_text(self) -> str:
        people = "\n".join(f"  {name:<6} {email}" for name, email in self.users.items())
        return (
            f"API          {self.api_url}\n"
            f"market data  {self.feed_url}\n"
            f"users        verified and funded; `trading token alice` logs in:\n{people}\n"
            f"liquidity    {self.market} has resting orders on both sides"
        )


def provision(settings: Settings, progress: Progress) -> Provisioned:
    """Bring instruments, users and liquidity about as far as they are missing.

    All of it goes through the public API and the ordinary commands. Raises StackError.
    """
    with engine_client(settings) as engine:
        with progress.timed("instruments", "known to the engine"):
            ensure_instruments(engine)
        with progress.timed("users", "verified and funded"):
            ensure_users(settings, engine)
        with progress.timed("liquidity", f"on {MARKET}"):
            ensure_liquidity(settings, engine)
    return Provisioned(
        api_url=deploy.api_url(settings),
        feed_url=settings.feed_url,
        users={name: users.PEOPLE[name].email for name in READY_USERS},
        market=MARKET,
    )


def log_in(settings: Settings, name: str) -> str:
    """Return an access token of a provisioned user."""
    with users.client(settings, name) as api:
        return api.log_in()


@contextmanager
def engine_client(settings: Settings, timeout_ms: int = _TIMEOUT_MS) -> Iterator[ShardedEngine]:
    """Yield sessions with all engines that may do everything, as one: for set-up and tests."""
    tokens = service_tokens(keys.engine_signing_key(settings).encode(), SCOPES)
    clients = [
        SyncEngineClient(address, tokens, timeout_ms, shard=shard)
        for shard, address in enumerate(settings.engine_addresses)
    ]
    with ShardedEngine(
        clients, lambda number: instruments().shard_of(number, len(clients))
    ) as engine:
        yield engine


def ensure_instruments(engine: ShardClient) -> None:
    """Tell the engine of instruments that it does not know."""
    for command in instruments().engine_commands():
        if engine.book(command.instrument_id, 1) is not None:
            continue
        result = engine.submit(command)
        refusals = [event.reject_code for event in result.events if event.kind == REJECTED]
        if any(code is not RejectCode.DUPLICATE_ID for code in refusals):
            raise StackError(f"instrument {command.instrument_id}: {refusals}")


def ensure_users(settings: Settings, engine: ShardClient) -> None:
    """Make all of PEOPLE verified and funded.

    One after the other: users at the same time would each wait for functions to start, while one
    user finds those running that the one before started.
    """
    opening = OpeningBalances(databases.service_dsn(settings, "payments"), engine)
    accounts = users.remembered_accounts(settings)
    for name in users.PEOPLE:
        if not _is_ready(settings, engine, name, accounts.get(name, 0)):
            accounts[name] = _ensure_user(settings, opening, engine, name)
            users.remember_accounts(settings, accounts)


def _is_ready(settings: Settings, engine: ShardClient, name: str, account_id: int) -> bool:
    """Return whether an earlier `up` made the user: known to the pool, and funded in the engine.

    Asks neither the API nor a function, so that nothing has to start for a stack that is warm.
    """
    account = engine.account(account_id) if account_id else None
    return account is not None and account.total_minor > 0 and users.has_login(settings, name)


def _ensure_user(
    settings: Settings, opening: OpeningBalances, engine: ShardClient, name: str
) -> int:
    """Take a user from registration to a funded account; return the account's number."""
    person = users.PEOPLE[name]
    with users.client(settings, name) as api:
        profile = users.ensure_verified(api, person, users.password(settings, name))
        account_id = int(profile["account_id"])
        users.ensure_funded(api, person)
    account = engine.account(account_id)
    held = {position.instrument_id for position in account.positions} if account else set()
    for symbol in _SHARES_IN:
        instrument = instruments().by_symbol[symbol]
        if instrument.instrument_id not in held:
            reference = f"{account_id}/{instrument.isin}"
            opening.grant_shares(account_id, instrument, _SHARES_LOTS[name], reference)
    return account_id


def ensure_liquidity(settings: Settings, engine: ShardClient) -> None:
    """Put resting orders of the market maker on both sides of MARKET where the book is thin."""
    instrument = instruments().by_symbol[MARKET]
    book = engine.book(instrument.instrument_id, _LEVELS)
    if book is None:
        raise StackError(f"the engine has no book of {MARKET}")
    with users.client(settings, MAKER) as api:
        if len(book.bids) < _LEVELS:
            best_ask = book.asks[0].price_ticks if book.asks else None
            _quote(api, instrument, "BUY", _prices(instrument, -1, best_ask))
        if len(book.asks) < _LEVELS:
            best_bid = book.bids[0].price_ticks if book.bids else None
            _quote(api, instrument, "SELL", _prices(instrument, 1, best_bid))


def _prices(instrument: Instrument, direction: int, opposite_ticks: int | None) -> list[int]:
    """Return prices that step away from the reference price, or from the other side's best."""
    start = instrument.reference_price_ticks
    if opposite_ticks is not None:
        start = min(start, opposite_ticks - 1) if direction < 0 else max(start, opposite_ticks + 1)
    return [start + direction * (level + 1) for level in range(_LEVELS)]


def _quote(api: ApiClient, instrument: Instrument, side: str, prices_ticks: list[int]) -> None:
    for price_ticks in prices_ticks:
        api.place_order(
            instrument.symbol,
            side,
            instrument.quantity_text(_QUOTE_LOTS),
            instrument.price_text(price_ticks),
        )
