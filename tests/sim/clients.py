"""Members who trade, resend what is not answered, and meet a network that repeats and reorders."""

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from shared.domain import records as r
from shared.domain.commands import CancelOrder, Command, MoveCash, ReplaceOrder
from shared.domain.ids import SOURCE_LEDGER, administrative_id, member_order_id
from shared.wire import frames
from tests.sim.parts import Answer
from tests.sim.world import World
from tests.support.engine import INSTRUMENT, limit_order, market

ACCOUNTS: Final = 4
CASH_MINOR: Final = 10**12
LOTS: Final = 10**6
_RESEND_NS: Final = 50_000_000
_WAITING: Final = 12  # unanswered frames, all members together


@dataclass
class _Sent:
    frame: bytes
    sent_ns: int


@dataclass
class Clients:
    """All members; `answers` is what they were told, in order."""

    world: World
    answers: list[Answer] = field(default_factory=list)
    _waiting: dict[int, _Sent] = field(default_factory=dict)
    _on_the_way: deque[bytes] = field(default_factory=deque)
    _to_begin: deque[Command] = field(
        default_factory=lambda: deque(market(ACCOUNTS, CASH_MINOR, LOTS))
    )
    _request: int = 0
    _orders: int = 0
    _money: int = 500_000
    deposited_minor: int = 0

    def step(self, *, may_begin: bool) -> None:
        """Send something new, or again what was not answered in time."""
        for sent in self._waiting.values():
            if self.world.now_ns - sent.sent_ns > _RESEND_NS:
                sent.sent_ns = self.world.now_ns
                self._on_the_way.append(sent.frame)
        if self._to_begin:
            if not self._waiting:  # the market is opened step by step
                self._send(self._to_begin.popleft())
        elif may_begin and len(self._waiting) < _WAITING:
            self._send(self._command())

    def deliver(self, most: int) -> list[bytes]:
        """Return frames that arrive now: late, twice or never while the network is bad."""
        found: list[bytes] = []
        for _ in range(min(most, len(self._on_the_way))):
            if self.world.chance(0.05):
                self._on_the_way.rotate(-1)
                self.world.note("frames reordered")
            frame = self._on_the_way.popleft()
            if self.world.chance(0.02):
                self.world.note("frame lost")
                continue
            found.append(frame)
            if self.world.chance(0.05):
                self.world.note("frame repeated")
                self._on_the_way.append(frame)
        return found

    def take(self, answers: list[Answer]) -> None:
        for answer in answers:
            self.answers.append(answer)
            self._waiting.pop(frames.decode_command(answer.frame).request, None)

    @property
    def is_done(self) -> bool:
        return not self._waiting and not self._to_begin

    def _send(self, command: Command) -> None:
        self._request += 1
        trace = self.world.dice.randbytes(24) if self.world.dice.random() < 0.2 else frames.NO_TRACE
        frame = frames.encode_command(self._request, command.words(), trace)
        self._waiting[self._request] = _Sent(frame, self.world.now_ns)
        self._on_the_way.append(frame)

    def _command(self) -> Command:
        dice = self.world.dice
        draw = dice.random()
        if self._orders and draw < 0.3:
            account, order_id = self._some_order()
            if draw < 0.2:
                return CancelOrder(account, order_id, INSTRUMENT)
            price, lots = 100 + dice.randrange(-5, 6), dice.randrange(1, 20)
            return ReplaceOrder(account, order_id, INSTRUMENT, price, lots)
        if draw < 0.35:
            self._money += 1
            amount = dice.randrange(1, 1_000)
            self.deposited_minor += amount
            account = dice.randrange(1, 1 + ACCOUNTS)
            id_ = administrative_id(SOURCE_LEDGER, self._money)
            return MoveCash(r.DEPOSIT_CASH, id_, account, amount)
        self._orders += 1
        account, side = 1 + self._orders % ACCOUNTS, dice.randrange(2)
        price = 100 + dice.randrange(-5, 6)
        tif = r.IOC if dice.random() < 0.2 else r.GTC
        return limit_order(account, self._orders, side, price, dice.randrange(1, 20), tif)

    def _some_order(self) -> tuple[int, int]:
        number = self.world.dice.randrange(max(1, self._orders - 30), self._orders + 1)
        account = 1 + number % ACCOUNTS
        return account, member_order_id(account, number)
