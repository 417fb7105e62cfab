"""A real engine process on a journal of its own, for tests: start, kill, start again."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shared.domain import records as r
from shared.domain.commands import (
    AddAccount,
    AddInstrument,
    Command,
    DepositShares,
    MoveCash,
    PlaceOrder,
)
from shared.domain.ids import SOURCE_LEDGER, administrative_id, member_order_id
from shared.hotpath_client import SyncEngineClient
from shared.ports.engine import CommandResult
from shared.wire.tokens import SCOPES, TokenIssuer

ROOT = Path(__file__).parents[2]
USD = 840
INSTRUMENT = 1


def wait_for(condition: Callable[[], bool], what: str, timeout_s: float = 20.0) -> None:
    """Return when the condition holds; fail when it does not within the deadline."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_s} s: {what}")
        time.sleep(0.002)


class EngineProcess:
    """One `python -m hotpath.runtime` on a folder; it finds its port in the log."""

    def __init__(self, folder: Path, module: str = "hotpath.runtime", **environment: str) -> None:
        self.folder = folder
        self._module = module
        self.journal = folder / "journal"
        self.log_file = folder / "engine.log"
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None
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
        wait_for(lambda: bool(self._opened()) or not self.is_running, "the engine opens")
        self.address = self._opened()
        assert self.address, self.log()

    def spawn(self, **environment: str) -> None:
        """Start without waiting."""
        self.log_file.unlink(missing_ok=True)
        with self.log_file.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", self._module],
                cwd=ROOT,
                env=os.environ | self.environment | environment,
                stdout=log,
                stderr=log,
            )

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

    def log(self) -> str:
        return self.log_file.read_text(encoding="utf-8")

    def _opened(self) -> str:
        for line in self.log().splitlines():
            if " open on " in line:
                return line.split(" open on ")[1].split(",")[0]
        return ""

    @property
    def process_id(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """End it as a crash would."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(10)

    def stop(self) -> int:
        """End it in order; return its exit code."""
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(20)

    def wait(self, timeout_s: float = 20.0) -> int:
        assert self._process is not None
        return self._process.wait(timeout_s)

    def client(self, timeout_ms: int = 5000) -> SyncEngineClient:
        """Return a service client that may do everything."""
        return SyncEngineClient(self.address, lambda: self.issuer.service(SCOPES), timeout_ms)

    def close(self) -> None:
        if self.is_running:
            self.kill()


@contextmanager
def engine_process(folder: Path, **environment: str) -> Iterator[EngineProcess]:
    """Yield a started engine; nothing of it is left at the end."""
    engine = EngineProcess(folder, **environment)
    try:
        yield engine.start()
    finally:
        engine.close()


def market(accounts: int = 2, cash_minor: int = 10**12, lots: int = 10**6) -> list[Command]:
    """Return the commands that make one instrument and funded accounts 1 … `accounts`."""
    number = iter(range(1, 1_000_000))

    def next_id() -> int:
        return administrative_id(SOURCE_LEDGER, next(number))

    commands: list[Command] = [
        AddInstrument(
            command_id=next_id(),
            instrument_id=INSTRUMENT,
            currency_number=USD,
            tick_value_minor=1,
            reference_price_ticks=10_000,
            min_price_ticks=1,
            max_price_ticks=20_000,
            max_order_lots=1_000_000,
            collar_bps=1000,
        )
    ]
    for account in range(1, accounts + 1):
        commands += [
            AddAccount(next_id(), account, USD),
            MoveCash(r.DEPOSIT_CASH, next_id(), account, cash_minor),
            DepositShares(next_id(), account, INSTRUMENT, lots),
        ]
    return commands


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
