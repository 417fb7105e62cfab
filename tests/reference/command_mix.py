"""A seeded stream of commands that reaches every rule: sound ones, borderline ones and nonsense."""

import random
from collections.abc import Sequence
from typing import Final

from shared.domain import ids
from shared.domain import records as r

ACCOUNTS: Final = 6
INSTRUMENTS: Final = 3
_ADMINISTRATIVE: Final = (
    *(r.DEPOSIT_CASH, r.HOLD_WITHDRAWAL, r.CONFIRM_WITHDRAWAL, r.RELEASE_WITHDRAWAL),
    *(r.DEPOSIT_SHARES, r.SETTLE, r.SET_ACCOUNT_STATE, r.SET_INSTRUMENT_STATE),
    *(r.ADD_ACCOUNT, r.ADD_INSTRUMENT, r.SET_LIMITS),
    *(99, 200),  # no kinds
)
_WRONG_WORDS: Final = (0, -1, 1, 1 << 40, (1 << 62) - 1, 1 << 62, (1 << 63) - 1, -(1 << 63))


class CommandMix:
    """Draws commands; `observe` shows it the events, so that it knows which orders are open."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.sequence = 0
        self.numbers = [0] * (ACCOUNTS + 2)
        self.administrative = 0
        self.used: list[int] = []
        self.holds: list[tuple[int, int]] = []
        self.open: dict[int, tuple[int, int]] = {}  # order -> price, leaves
        self.instrument_of: dict[int, int] = {}
        self._prelude = list(reversed(self._opening()))

    def draw(self) -> list[int]:
        """Return the next command's words, stamped."""
        words = self._prelude.pop() if self._prelude else self._draw()
        self.sequence += 1
        words[r.C_SEQUENCE] = self.sequence
        words[r.C_TIME_NS] = self.sequence * 1000
        if not self._prelude and self.random.random() < 0.02:
            self._spoil(words)
        return words

    def observe(self, events: Sequence[tuple[int, ...]]) -> None:
        """Follow the orders and holds that the events open, change and close."""
        for event in events:
            kind, instrument = event[0] & 0xFF, event[0] >> 48
            flags = event[0] >> 32 & 0xFFFF
            order_id = event[r.E_ID]
            resting = bool(flags & r.FLAG_RESTING)
            if kind == r.ORDER_RESTED or (kind in (r.ORDER_ACCEPTED, r.ORDER_REPLACED) and resting):
                self.open[order_id] = (event[r.E_PRICE], event[r.E_QUANTITY])
                self.instrument_of[order_id] = instrument
            elif kind in (r.ORDER_CANCELLED, r.ORDER_REPLACED):
                self.open.pop(order_id, None)
            elif kind == r.TRADE_EXECUTED:
                contra, leaves = event[r.E_CONTRA_ID], event[r.E_LEAVES] >> 32
                self.open[contra] = (event[r.E_PRICE], leaves)
                if leaves == 0:
                    del self.open[contra]

    # --- what to draw ----------------------------------------------------------------------------

    def _opening(self) -> list[list[int]]:
        """Return the commands that give members something to trade with."""
        instruments = range(1, INSTRUMENTS + 1)
        found = [self._add_instrument(instrument) for instrument in instruments]
        for account in range(1, ACCOUNTS + 1):
            currency = 840 if account < ACCOUNTS else 978
            found.append(self._header(r.ADD_ACCOUNT, 0, account, [currency, 0]))
        for account in range(1, ACCOUNTS):
            found.append(self._header(r.DEPOSIT_CASH, 0, account, [0, 60_000]))
            found += [self._header(r.DEPOSIT_SHARES, i, account, [0, 250]) for i in instruments]
        return found

    def _draw(self) -> list[int]:
        draw = self.random.random()
        if draw < 0.50:
            return self._place()
        if draw < 0.58:
            return self._of_open_order(r.CANCEL_ORDER)
        if draw < 0.84:
            return self._of_open_order(r.REPLACE_ORDER)
        if draw < 0.845:
            instrument = self._instrument()
            return self._words(r.MASS_CANCEL, instrument, self._account(), 0, [0, 0])
        return self._administer()

    def _administer(self) -> list[int]:
        pick = self.random.choice
        account, instrument = self._account(), self._instrument()
        kind = pick(_ADMINISTRATIVE)
        if kind in (r.DEPOSIT_CASH, r.HOLD_WITHDRAWAL):
            amount = self.random.randrange(1, 9_000)
            words = self._header(kind, 0, account, [0, pick((amount, amount, 0, 1 << 62))])
            if kind == r.HOLD_WITHDRAWAL:
                self.holds.append((words[r.C_ID], account))
            return words
        if kind in (r.CONFIRM_WITHDRAWAL, r.RELEASE_WITHDRAWAL):
            hold, owner = pick(self.holds[-8:]) if self.holds else (ids.administrative_id(1, 1), 1)
            owner = owner if self.random.random() < 0.9 else account
            return self._header(kind, 0, owner, [hold, pick((0, 0, 0, 5))])
        if kind == r.DEPOSIT_SHARES:
            return self._header(kind, instrument, account, [0, self.random.randrange(0, 20)])
        if kind == r.SETTLE:
            cash, lots = self.random.randrange(-500, 500), self.random.randrange(-50, 50)
            cash = pick((cash, cash, cash, r.MAX_AMOUNT_MINOR, -r.MAX_AMOUNT_MINOR))
            return self._header(kind, instrument, account, [cash, lots])
        if kind in (r.SET_ACCOUNT_STATE, r.SET_INSTRUMENT_STATE):
            state = pick((1,) * 16 + (2, 3, 4))
            return self._header(kind, instrument, account, [0, state])
        if kind == r.ADD_INSTRUMENT:
            return self._add_instrument(self.random.randrange(INSTRUMENTS + 2))
        if kind == r.SET_LIMITS:
            return self._set_limits(account)
        return self._header(kind, instrument, account + 1, [pick((840, 978, 0)), 0])

    def _set_limits(self, account: int) -> list[int]:
        words = self._header(r.SET_LIMITS, 0, account, [0, 0])
        generous = self.random.random() < 0.9
        draw = self.random.randrange
        tight = (draw(5, 25), draw(90, 110) * draw(5, 25), draw(200, 400), draw(1, 9))
        limits = [r.NO_LIMIT] * 4 if generous else [self.random.choice((n, 0)) for n in tight]
        if self.random.random() < 0.1:
            limits[3] = -1
        return words + limits + [0] * 4

    def _add_instrument(self, instrument: int) -> list[int]:
        pick = self.random.choice
        tick_value = pick((1, 1, 1, 1, 1, 2, 0)) if self._prelude_done() else 1
        reference = pick((100, 100, 100, 300, 0)) if self._prelude_done() else 100
        collar = 2_500 if instrument != 2 else 300
        words = self._header(r.ADD_INSTRUMENT, instrument, 0, [reference, tick_value])
        return [*words, 50, 50 + 100 * instrument, 500, 840, collar, 0, 0, 0]

    def _prelude_done(self) -> bool:
        return hasattr(self, "_prelude") and not self._prelude

    def _place(self) -> list[int]:
        pick = self.random.choice
        account, instrument, side = self._account(), self._instrument(), self.random.randrange(2)
        order_type = pick((r.LIMIT,) * 9 + (r.MARKET,) * 2 + (3,))
        time_in_force = pick((r.GTC,) * 6 + (r.IOC,) * 2)
        if self.used and self.random.random() < 0.03:
            order_id = pick(self.used)
        else:
            self.numbers[account] += 1
            order_id = account << 32 | self.numbers[account]
            if self.random.random() < 0.01:
                order_id += 1 << 32
            self.used.append(order_id)
        price = 0 if order_type == r.MARKET else self._price()
        header = r.pack_command_header(
            r.PLACE_ORDER, side, order_type, time_in_force, 0, instrument
        )
        return [header, account, order_id, price, self._lots(), 0, 0, 7]

    def _of_open_order(self, kind: int) -> list[int]:
        pick = self.random.choice
        if not self.open or self.random.random() < 0.04:
            order_id = pick(self.used) if self.used else 1 << 32
            return self._words(kind, self._instrument(), self._account(), order_id, [100, 5])
        order_id = pick(list(self.open))
        price, leaves = self.open[order_id]
        draw = self.random.random()
        if draw < 0.4:
            leaves = max(1, leaves - self.random.randrange(0, 20))
        elif draw < 0.6:
            leaves += self.random.randrange(0, 30)
        else:
            price, leaves = self._price(), self._lots()
        instrument = self.instrument_of[order_id]
        if self.random.random() < 0.03:
            instrument = self._instrument()
        account = order_id >> 32
        if self.random.random() < 0.03:
            account = self._account()
        return self._words(kind, instrument, account, order_id, [price, leaves])

    def _spoil(self, words: list[int]) -> None:
        """Put nonsense into one word, anywhere but in the header's kind."""
        index = self.random.choice((0, 1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12))
        if index >= len(words):
            index = 4
        if index == 0:
            words[0] = (words[0] & 0xFF) | self.random.getrandbits(63) << 8 & ((1 << 63) - 1)
            words[0] -= self.random.choice((0, 0, 0, 1 << 63))
        else:
            words[index] = self.random.choice(_WRONG_WORDS)

    def _price(self) -> int:
        draw = self.random.random()
        if draw < 0.97:
            return max(50, min(150, int(self.random.gauss(100, 6))))
        return self.random.choice((1, 49, 50, 151, 350, 351, 1 << 39))

    def _lots(self) -> int:
        draw = self.random.random()
        if draw < 0.85:
            return self.random.randrange(1, 25)
        if draw < 0.96:
            return self.random.randrange(60, 200)
        return self.random.choice((0, 500, 501, 1_900, 5_000, (1 << 31) - 1, 1 << 31))

    def _account(self) -> int:
        draw = self.random.random()
        return self.random.randrange(1, ACCOUNTS) if draw < 0.97 else ACCOUNTS + int(draw > 0.985)

    def _instrument(self) -> int:
        draw = self.random.random()
        return self.random.randrange(1, INSTRUMENTS + 1) if draw < 0.99 else 0

    def _header(self, kind: int, instrument: int, account: int, rest: list[int]) -> list[int]:
        """Return the words of an administrative command under a new id, or sometimes an old one."""
        self.administrative += 1
        number = self.administrative
        if number > 40 and self.random.random() < 0.04:
            number -= 30
        return self._words(kind, instrument, account, ids.administrative_id(1, number), rest)

    def _words(
        self, kind: int, instrument: int, account: int, id_: int, rest: list[int]
    ) -> list[int]:
        header = r.pack_command_header(kind, instrument=instrument)
        words = [header, account, id_, *rest, 0, 0, 7]
        extended = kind >= r.FIRST_EXTENDED_KIND and kind not in (r.ADD_INSTRUMENT, r.SET_LIMITS)
        return words + [0] * 8 if extended else words
