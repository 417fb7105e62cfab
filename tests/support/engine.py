"""A real engine process on a journal of its own, for tests: start, kill, start again."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from infra.demo.failover_load import INSTRUMENT, USD, market
from shared.domain import records as r
from shared.domain.commands import PlaceOrder
from shared.domain.ids import member_order_id
from shared.hotpath_client import SyncEngineClient
from shared.ports.engine import CommandResult
from shared.wire.tokens import SCOPES, TokenIssuer
from tests.support.child import ROOT, ChildProcess

__all__ = [
    "INSTRUMENT",
    "ROOT",
    "USD",
    "EngineProcess",
    "engine",
    "engine_process",
    "http_text",
    "kinds",
    "limit_order",
    "market",
    "wait_for",
]


def wait_for(condition: Callable[[], bool], what: str, timeout_s: float = 20.0) -> None:
    """Return when the condition holds; fail when it does not within the deadline."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_s} s: {what}")
        time.sleep(0.002)


class EngineProcess(ChildProcess):
    """One `python -m hotpath.runtime` on a folder; it finds its port in the log."""

    def __init__(self, folder: Path, module: str = "hotpath.runtime", **environment: str) -> None:
        super().__init__(module, folder / "engine.log")
        self.folder = folder
        self.journal = folder / "journal"
        self._environment = environment
        self.address = ""
        key = Ed25519PrivateKey.generate()
        self.issuer = TokenIssuer(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        self._public_key = folder / "public.pem"
        self._public_key.write_bytes(
            key.public_key().public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        )

    def start(self, **environment: str) -> "EngineProcess":
        """Start and return when it is open; fail with its log when it does not open."""
        self.spawn(**environment)
        self.await_open()
        return self

    def await_open(self) -> None:
        """Return when it is open; fail with its log when it does not open."""
        wait_for(lambda: bool(self.opened_at()) or not self.is_running, "the engine opens")
        self.address = self.opened_at()
        assert self.address, self.log()

    def spawn(self, **environment: str) -> None:
        """Start without waiting, with a new log."""
        self.log_file.unlink(missing_ok=True)
        self.launch(self.environment | environment)

    @property
    def environment(self) -> dict[str, str]:
        """Return what it is told unless a start says otherwise."""
        return {
            "TRADING_JOURNAL": str(self.journal),
            "ENGINE_LISTEN": "127.0.0.1:0",
            "ENGINE_PUBLIC_KEY_FILE": str(self._public_key),
            "TRADING_DURABILITY": "os",
            "TRADING_SEGMENT_BYTES": str(1 << 20),
            **self._environment,
        }

    def stop(self) -> int:
        """End it in order; return its exit code."""
        self.signal(signal.SIGTERM)
        return self.wait()

    def client(self, timeout_ms: int = 5000) -> SyncEngineClient:
        """Return a service client that may do everything."""
        return SyncEngineClient(self.address, lambda: self.issuer.service(SCOPES), timeout_ms)


@contextmanager
def engine_process(folder: Path, **environment: str) -> Iterator[EngineProcess]:
    """Yield a started engine; nothing of it is left at the end."""
    engine = EngineProcess(folder, **environment)
    try:
        yield engine.start()
    finally:
        engine.close()


def limit_order(
    account: int, number: int, side: int, price_ticks: int, lots: int, tif: int = r.GTC
) -> PlaceOrder:
    return PlaceOrder(
        account_id=account,
        order_id=member_order_id(account, number),
        instrument_id=INSTRUMENT,
        side=side,
        order_type=r.LIMIT,
        time_in_force=tif,
        quantity_lots=lots,
        price_ticks=price_ticks,
    )


def http_text(url: str) -> str:
    with urlopen(url, timeout=5) as answer:
        return str(answer.read().decode())


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[EngineProcess]:
    """A started engine with one instrument and three funded accounts."""
    with engine_process(tmp_path) as started:
        with started.client() as client:
            client.submit_many(market(accounts=3))
        yield started


def kinds(result: CommandResult) -> list[int]:
    """Return the kinds of a result's events."""
    return [event.kind for event in result.events]
