"""Well-behaved sessions beside the noise: every answer has to be right, and no session may end."""

import threading
import time
from typing import Final, Protocol

from shared.domain import records as r
from shared.domain.commands import CancelOrder, Command, PlaceOrder
from shared.domain.ids import member_order_id
from shared.hotpath_client import SyncEngineClient, SyncMemberClient
from shared.hotpath_client.ring_client import ShmEngineClient
from shared.ports.engine import CommandResult, EngineError
from shared.wire.tokens import SCOPES
from tests.support.engine import EngineProcess

# Far from all others by the number of bits, so that no mutation of theirs gets here.
ACCOUNTS: Final = (0x2AAA_AAA1, 0x2AAA_AAA2, 0x2AAA_AAA3)
INSTRUMENT: Final = 0x2AAA
_PAUSE_S: Final = 0.02
_TIMEOUT_MS: Final = 60_000
_TOKEN_S: Final = 12 * 3600  # no session ends by its token


class Bystanders:
    """A service, a member and a service by ring, in a thread; `wrong` says what went wrong."""

    def __init__(self, engine: EngineProcess) -> None:
        self._engine = engine
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.wrong: list[str] = []
        self.commands = 0
        self.slowest_s = 0.0

    def __enter__(self) -> "Bystanders":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join(2 * _TIMEOUT_MS / 1000)

    def _run(self) -> None:
        engine, address = self._engine, self._engine.address
        issuer = engine.issuer
        service = SyncEngineClient(
            address, lambda: issuer.service(SCOPES, lifetime_s=_TOKEN_S), _TIMEOUT_MS
        )
        ring = ShmEngineClient(
            address, lambda: issuer.service(SCOPES, lifetime_s=_TOKEN_S), _TIMEOUT_MS
        )
        member = SyncMemberClient(
            address, lambda: issuer.member(ACCOUNTS[1], lifetime_s=_TOKEN_S), _TIMEOUT_MS
        )
        try:
            with service, member, ring:
                number = 0
                while not self._stopping.is_set():
                    number += 1
                    self._trade(service, ACCOUNTS[0], number)
                    self._trade(member, ACCOUNTS[1], number)
                    self._trade(ring, ACCOUNTS[2], number)
                    time.sleep(_PAUSE_S)
                if member.connections != 1:
                    self._tell(f"the member was logged on {member.connections} times")
        except EngineError as error:
            self._tell(f"a session ended: {error}")

    def _tell(self, text: str) -> None:
        self.wrong.append(text)
        print(f"wrong: {text}", flush=True)

    def _trade(self, client: "_Client", account: int, number: int) -> None:
        """Place an order and cancel it."""
        order = member_order_id(account, number)
        place = PlaceOrder(account, order, INSTRUMENT, r.BUY, r.LIMIT, r.GTC, 1, 100)
        expected = (r.ORDER_ACCEPTED, r.ORDER_CANCELLED)
        commands: tuple[Command, ...] = (place, CancelOrder(account, order, INSTRUMENT))
        for command, kind in zip(commands, expected, strict=True):
            started_s = time.monotonic()
            result = client.submit(command)
            self.slowest_s = max(self.slowest_s, time.monotonic() - started_s)
            self.commands += 1
            if not _is_about(result, kind, order):
                self._tell(f"{command} was answered by {result}")


class _Client(Protocol):
    def submit(self, command: Command, *, traceparent: str = "") -> CommandResult: ...


def _is_about(result: CommandResult, kind: int, order: int) -> bool:
    return [(event.kind, event.words[r.E_ID]) for event in result.events] == [(kind, order)]
