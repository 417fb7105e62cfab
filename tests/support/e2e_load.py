"""A small load: a few threads that place orders over HTTP, each until it is answered for good."""

import threading
import time
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self

import httpx

from infra.local.api import ApiClient
from infra.local.users import Person
from tests.support.e2e_platform import SYMBOL, Platform
from tests.support.waiting import wait_for

BUYER: Final = Person("load-buyer", "Load", "Buyer", "900000.00")
SELLER: Final = Person("load-seller", "Load", "Seller", "900000.00")
PRICE: Final = "25.00"
QUANTITY: Final = "10"  # one lot
_PAUSE_S: Final = 0.02  # between two orders of one thread
_REPEAT_S: Final = 0.2  # before a request is repeated
_GIVE_UP_S: Final = 90.0


@dataclass
class Tally:
    """What the load was answered. `placed` has each order once, however often it was asked for."""

    placed: dict[str, tuple[int, str]] = field(default_factory=dict)  # by client order id
    others: Counter[tuple[int, str]] = field(default_factory=Counter)  # answers that asked to wait
    unheard: int = 0  # requests without any answer
    retry_after: set[str] = field(default_factory=set)  # what 503 and 429 said
    given_up: list[str] = field(default_factory=list)

    def with_status(self, status: int) -> list[str]:
        """Return the order ids that were answered so."""
        return [order_id for code, order_id in self.placed.values() if code == status]

    @property
    def order_ids(self) -> list[str]:
        return [order_id for _, order_id in self.placed.values()]


class Load:
    """Buyers and sellers who meet at one price. Leave the block, and each order is answered."""

    def __init__(self, platform: Platform, threads: int = 4) -> None:
        self.tally = Tally()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._clients: list[ApiClient] = []
        self._threads: list[threading.Thread] = []
        for number in range(threads):
            side, person = (("BUY", BUYER), ("SELL", SELLER))[number % 2]
            api = platform.client(person)
            self._clients.append(api)
            self._threads.append(
                threading.Thread(target=self._run, args=(api, side), name=f"load-{number}")
            )

    def __enter__(self) -> Self:
        for api in self._clients:
            api.log_in()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Begin no further order; return when those begun are answered."""
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=_GIVE_UP_S + 30)
            assert not thread.is_alive(), "the load does not end"
        for api in self._clients:
            api.close()

    def wait_for_orders(self, count: int, status: int | None = None) -> None:
        """Wait until `count` more orders are placed (with this answer, where one is given)."""
        goal = self._count(status) + count
        wait_for(lambda: self._count(status) >= goal, timeout_s=60, what=f"{count} orders {status}")

    def wait_for_answers(self, count: int, statuses: Sequence[int]) -> None:
        """Wait until `count` requests were answered with one of these refusals."""

        def seen() -> int:
            with self._lock:
                return sum(n for (code, _), n in self.tally.others.items() if code in statuses)

        goal = seen() + count
        wait_for(lambda: seen() >= goal, timeout_s=60, what=f"{count} answers {statuses}")

    def _count(self, status: int | None) -> int:
        with self._lock:
            return len(self.tally.order_ids if status is None else self.tally.with_status(status))

    # --- one thread -----------------------------------------------------------------------------

    def _run(self, api: ApiClient, side: str) -> None:
        while not self._stop.is_set():
            self._place(api, side, uuid.uuid4().hex)
            time.sleep(_PAUSE_S)

    def _place(self, api: ApiClient, side: str, client_order_id: str) -> None:
        """Ask until the answer is final: 201 or 202, or a refusal that no waiting mends."""
        deadline = time.monotonic() + _GIVE_UP_S
        body = {
            "symbol": SYMBOL,
            "side": side,
            "type": "LIMIT",
            "price": PRICE,
            "quantity": QUANTITY,
            "client_order_id": client_order_id,
        }
        while time.monotonic() < deadline:
            try:
                response = api.request("POST", "/api/v1/orders", body)
            except httpx.TransportError:
                with self._lock:
                    self.tally.unheard += 1
            else:
                if self._take(client_order_id, response):
                    return
            time.sleep(_REPEAT_S)
        with self._lock:
            self.tally.given_up.append(client_order_id)

    def _take(self, client_order_id: str, response: httpx.Response) -> bool:
        with self._lock:
            if response.status_code in (201, 202):
                order_id = str(response.json()["order_id"])
                self.tally.placed[client_order_id] = (response.status_code, order_id)
                return True
            try:
                code = str(response.json().get("code", ""))
            except ValueError:
                code = response.text[:80]
            self.tally.others[response.status_code, code] += 1
            self.tally.retry_after.add(response.headers.get("retry-after", ""))
            return response.status_code in (400, 401, 403, 409, 422)
