"""A seeded stream of commands that reaches every rule; it follows what is open."""

import random
from collections import Counter
from typing import Final

from shared.domain import ids
from shared.domain import records as r
from tests.reference.model import Event

ACCOUNTS: Final = 6
INSTRUMENTS: Final = 2  # that are owned and traded
STRANGE: Final = 3  # nobody owns it; in odd seeds a lot is worth more than there is
UNKNOWN: Final = 9
_WRONG_WORDS: Final = (0, -1, 1, 1 << 40, (1 << 62) - 1, 1 << 62, (1 << 63) - 1, -(1 << 63))
_WRONG_STAMPS: Final = (-1, -(1 << 63))
_STATES: Final = (
    *(r.SESSION_CONTINUOUS,) * 6,
    *(r.SESSION_PRE_OPEN, r.SESSION_OPENING_UNCROSS, r.SESSION_VOLATILITY_AUCTION),
    *(r.SESSION_CLOSING_AUCTION, r.SESSION_HALTED, r.SESSION_CLOSED),
)
Words = list[int]


class Generator:
    """Draws commands; `observe` shows it the events, so that it knows what is open."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.costly = seed % 2 == 1  # else STRANGE gathers orders to buy, until it is delisted
        self.sequence = 0
        self.numbers = Counter[int]()
        self.administrative = 0
        self.open: dict[int, int] = {}  # order -> instrument
        self.sessions: dict[int, int] = {}
        self.trades: list[tuple[int, ...]] = []
        self.later: list[Words] = []  # undo what would keep the market from trading
        self.credits: list[tuple[int, int]] = []
        self._prelude = self._opening()[::-1]

    def draw(self) -> Words:
        """Return the next command's words, stamped."""
        words = self._prelude.pop() if self._prelude else self._draw()
        self.sequence += 1
        words[r.C_SEQUENCE], words[r.C_TIME_NS] = self.sequence, self.sequence * 1000
        if not self._prelude and self.random.random() < 0.02:
            self._spoil(words)
        return words

    def _spoil(self, words: Words) -> None:
        """Put a wrong word in; a stamp only such that the sequencer cannot have made it."""
        word = self.random.randrange(1, len(words))
        stamp = word in (r.C_SEQUENCE, r.C_TIME_NS)
        words[word] = self.random.choice(_WRONG_STAMPS if stamp else _WRONG_WORDS)

    def observe(self, events: list[Event]) -> None:
        """Follow orders, trades, sessions and credit moves."""
        for index, event in enumerate(events):
            kind, number = event[0] & 0xFF, event[0] >> 48
            if kind == r.ORDER_ACCEPTED:
                self.open[event[r.E_ID]] = number
            elif kind in (r.ORDER_CANCELLED, r.ORDER_EXPIRED):
                self.open.pop(event[r.E_ID], None)
            elif kind == r.INSTRUMENT_STATE_CHANGED:
                self.sessions[number] = event[r.E_QUANTITY]
            elif kind == r.TRADE_EXECUTED:
                aggressor, contra = event[r.E_ACCOUNT] & 0xFFFFFFFF, event[r.E_ACCOUNT] >> 32
                buys = event[0] >> 8 & 0xFF == r.BUY
                parties = (aggressor, contra) if buys else (contra, aggressor)
                deal = (event[r.E_PRICE], event[r.E_QUANTITY])
                self.trades.append((number, self.sequence, index, *parties, *deal))
                self._drop_filled(event)

    def _drop_filled(self, event: Event) -> None:
        leaves = event[r.E_LEAVES]
        if leaves >> 32 == 0:
            self.open.pop(event[r.E_CONTRA_ID], None)
        if leaves & 0xFFFFFFFF == 0:
            self.open.pop(event[r.E_ID], None)

    # --- what to draw ------------------------------------------------------------------------

    def _opening(self) -> list[Words]:
        found = [self._add_instrument(number) for number in range(1, STRANGE + 1)]
        for account in range(1, ACCOUNTS + 1):
            currency = 840 if account < ACCOUNTS else 978
            found.append(self._admin(r.ADD_ACCOUNT, 0, account, {r.C_CURRENCY: currency}))
        for account in range(1, ACCOUNTS):
            found.append(self._admin(r.DEPOSIT_CASH, 0, account, {r.C_AMOUNT_MINOR: 90_000}))
            found += [
                self._admin(r.DEPOSIT_SHARES, number, account, {r.C_QUANTITY: 400})
                for number in range(1, INSTRUMENTS + 1)
            ]
        return found

    def _draw(self) -> Words:
        if self.later and self.random.random() < 0.08:
            return self.later.pop(0)
        draw = self.random.random()
        if draw < 0.60:
            return self._place()
        if draw < 0.66:
            return self._of_open(r.CANCEL_ORDER)
        if draw < 0.76:
            return self._of_open(r.REPLACE_ORDER)
        if draw < 0.86:
            return self._session()
        return self.random.choice(_RARE)(self)

    def _place(self) -> Words:
        pick, draw = self.random.choice, self.random.randrange
        account, number, side = self._account(), draw(1, INSTRUMENTS + 1), draw(2)
        number = pick((number,) * 24 + (STRANGE,) * (1 if self.costly else 3) + (UNKNOWN,))
        if number == STRANGE and not self.costly:
            side = r.BUY
        kind = pick((r.LIMIT,) * 8 + (r.MARKET,) * 2 + tuple(range(3, 8)))
        time = pick((r.GTC, r.GTC, r.IOC, r.FOK, r.DAY, r.GTD, r.AT_OPEN, r.AT_CLOSE))
        flags = pick((0,) * 6 + tuple(1 << bit for bit in range(6)) + (draw(64),))
        if kind == r.MARKET and self.random.random() < 0.7:
            time = pick((r.IOC, r.FOK, r.AT_OPEN, r.AT_CLOSE))
        elif kind != r.LIMIT and self.random.random() < 0.8:
            time, flags = pick((r.GTC, r.DAY, r.GTD)), flags & (r.ORDER_SHORT | 32)
        if flags & r.ORDER_MINIMUM and self.random.random() < 0.8:
            time, flags = r.IOC, r.ORDER_MINIMUM
        if flags & r.ORDER_SHORT and number != STRANGE:
            side = r.SELL
        self.numbers[account] += 1
        recent = self.random.random() < 0.02
        id_ = account << 32 | max(1, self.numbers[account] - 5 * recent)
        header = {"side": side, "order_type": kind, "tif": time, "flags": flags}
        values = {r.C_ACCOUNT: account, r.C_ID: id_, r.C_QUANTITY: self._lots()}
        self._add_terms(kind, time, flags, values)
        return self._words(r.PLACE_ORDER_EXTENDED, number, values, **header)

    def _add_terms(self, kind: int, time: int, flags: int, values: dict[int, int]) -> None:
        pick, draw, lots = self.random.choice, self.random.randrange, values[r.C_QUANTITY]
        if kind in (r.LIMIT, r.STOP_LIMIT, r.PEGGED):
            values[r.C_PRICE] = self._price()
        if kind in (r.STOP, r.STOP_LIMIT):
            values[r.C_STOP_PRICE_TICKS] = self._price()
        if kind in (r.TRAILING_STOP, r.PEGGED):
            values[r.C_OFFSET_TICKS] = draw(1, 4)
        if time == r.GTD:
            values[r.C_EXPIRY_NS] = (self.sequence + draw(2, 300)) * 1000
        if flags & r.ORDER_ICEBERG:
            values[r.C_DISPLAY_LOTS] = draw(1, max(2, lots // 2))
        if flags & r.ORDER_MINIMUM:
            values[r.C_MINIMUM_LOTS] = draw(1, max(2, lots))
        if flags & r.ORDER_SHORT:
            values[r.C_LOCATE_LOTS] = pick((lots, lots, 0))
        link, linked = 0, [o for o in self.open if o >> 32 == values[r.C_ACCOUNT]]
        if linked and self.random.random() < 0.15:
            link, values[r.C_LINKED_ID] = pick((1, 2)), pick(linked)
        peg = draw(1, 4) if kind == r.PEGGED else 0
        auction = time in (r.AT_OPEN, r.AT_CLOSE) and self.random.random() < 0.9
        mode = 0 if auction else draw(5)
        session = draw(1, 4) if flags & 32 or self.random.random() < 0.2 else 0
        values[r.C_MODES] = r.pack_modes(peg, mode, link, session)

    def _of_open(self, kind: int) -> Words:
        pick = self.random.choice
        id_ = pick(list(self.open)[-40:]) if self.open else 1 << 32
        account = id_ >> 32 if self.random.random() < 0.97 else self._account()
        number = self.open.get(id_, 1)
        values = {r.C_ACCOUNT: account, r.C_ID: id_}
        values |= {r.C_PRICE: self._price(), r.C_QUANTITY: self._lots()}
        return self._words(kind, number, values)

    def _session(self) -> Words:
        pick, number = self.random.choice, self.random.randrange(1, STRANGE + 1)
        session = self.sessions.get(number, r.SESSION_CONTINUOUS)
        calls = (4, 5, 6, 7)
        if session in calls and self.random.random() < 0.5:
            if self.random.random() < 0.4:
                values = {r.C_ACCOUNT: 0, r.C_ID: 0}
                return self._words(r.PUBLISH_INDICATIVE, number, values)
            after = pick((r.SESSION_CONTINUOUS,) * 8 + (r.SESSION_HALTED, r.SESSION_CLOSED))
            return self._admin(r.UNCROSS, number, 0, {r.C_STATE: after})
        if session == r.SESSION_CONTINUOUS and self.random.random() < 0.8:
            return self._place()
        if session == r.SESSION_CLOSED and self.random.random() < 0.4:
            return self._admin(self._ends(number), number, 0, {})
        everywhere = int(self.random.random() < 0.05)
        next_session = pick(_STATES)
        if session == r.SESSION_PRE_OPEN and self.random.random() < 0.6:
            next_session = r.SESSION_OPENING_UNCROSS
        state = {r.C_STATE: next_session}
        return self._admin(r.SET_INSTRUMENT_STATE, number, 0, state, flags=everywhere)

    def _ends(self, number: int) -> int:
        """Return what ends: usually the day, else a closed instrument."""
        if number == STRANGE and not self.costly:
            gathered = sum(instrument == STRANGE for instrument in self.open.values())
            return r.DELIST_INSTRUMENT if gathered >= 12 else r.END_OF_DAY
        return self.random.choice((r.END_OF_DAY,) * 9 + (r.DELIST_INSTRUMENT,))

    def _add_instrument(self, number: int) -> Words:
        values = {r.C_PRICE: 100, r.C_TICK_VALUE_MINOR: 1, r.C_MAX_ORDER_LOTS: 200}
        values |= {r.C_INSTRUMENT_CURRENCY: 840, r.C_COLLAR_BPS: 1_000 * number}
        if number == STRANGE and self.costly:
            values |= {r.C_PRICE: 0, r.C_TICK_VALUE_MINOR: 1 << 56}
        return self._admin(r.ADD_INSTRUMENT, number, 0, values)

    def terms(self) -> Words:
        draw, pick = self.random.randrange, self.random.choice
        values = {r.C_LOT_SIZE: pick((1,) * 12 + (2,)), r.C_TICK_TABLE: pick((0, 0, 0, 1, 9))}
        for word in (r.C_STATIC_COLLAR_BPS, r.C_LIMIT_BAND_BPS, r.C_BREAKER_BPS):
            values[word] = pick((0, 0, 0, draw(500, 1_500)))
        values[r.C_DYNAMIC_COLLAR_BPS] = pick((0, draw(200, 800)))
        values[r.C_COLLAR_ACTION] = draw(2)
        values[r.C_MIN_NOTIONAL_MINOR] = pick((0, 0, 0, 500))
        values[r.C_UNCROSS_ORDER] = pick((0, 0x4321, 0x3421, 0x2341, 0x1234))
        values[r.C_REFERENCE_TICKS] = pick((0, 100))
        return self._admin(r.SET_INSTRUMENT_TERMS, draw(1, INSTRUMENTS + 1), 0, values)

    def tables(self) -> Words:
        draw = self.random.randrange
        if self.random.random() < 0.5:
            rows = {r.C_TICK_ROWS: 1, r.C_TICK_ROWS + 1: 1, r.C_TICK_ROWS + 2: 103}
            values = {r.C_STATE: 1, **rows, r.C_TICK_ROWS + 3: 2}
            return self._admin(r.SET_TICK_TABLE, 0, 0, values)
        values = {r.C_STATE: draw(1, 3), r.C_MAKER_RATE: draw(-900, 900)}
        values |= {r.C_TAKER_RATE: draw(0, 2_000), r.C_AUCTION_RATE: draw(0, 900)}
        return self._admin(r.SET_FEE_TIER, 0, 0, values)

    def account_terms(self) -> Words:
        pick, draw = self.random.choice, self.random.randrange
        account = self._account()
        kind, value = pick(
            (
                (r.SET_ACCOUNT_FEE_TIER, draw(4)),
                (r.SET_ACCOUNT_GROUP, draw(3)),
                (r.SET_MARGIN, pick((100, 200, 400)) if account > 3 else 100),
                (r.SET_THROTTLE, pick((0, 1))),
                (r.SET_ACCOUNT_STATE, pick((1, 2, 3))),
            )
        )
        usual = {r.SET_THROTTLE: 0, r.SET_ACCOUNT_STATE: 1}
        if kind in (r.SET_THROTTLE, r.SET_ACCOUNT_STATE) and value != usual[kind]:
            self.later.append(self._admin(kind, 0, account, {r.C_STATE: usual[kind]}))
        return self._admin(kind, 0, account, {r.C_STATE: value})

    def limits(self) -> Words:
        draw = self.random.randrange
        generous = self.random.random() < 0.5
        values = dict.fromkeys(range(8, 12), r.NO_LIMIT)
        if not generous:
            tight = (draw(5, 25), draw(500, 2_000), draw(100, 400), draw(1, 4))
            chosen = draw(4)
            values[8 + chosen] = tight[chosen]
        account = self._account()
        if not generous:
            none = dict.fromkeys(range(8, 12), r.NO_LIMIT)
            self.later.append(self._admin(r.SET_LIMITS, 0, account, none))
        return self._admin(r.SET_LIMITS, 0, account, values)

    def money(self) -> Words:
        pick, account = self.random.choice, self._account()
        kind = pick((r.DEPOSIT_CASH, r.HOLD_WITHDRAWAL, r.CREDIT_OUT, r.CREDIT_IN))
        amount = self.random.randrange(1, pick((900, 90_000)))
        words = self._admin(kind, 0, account, {r.C_AMOUNT_MINOR: amount})
        if kind in (r.HOLD_WITHDRAWAL, r.CREDIT_OUT):
            self.credits.append((words[r.C_ID], account))
        return words

    def money_back(self) -> Words:
        pick = self.random.choice
        target, account = pick(self.credits[-9:] or [(1, 1)])
        kind = pick((r.CONFIRM_WITHDRAWAL, r.RELEASE_WITHDRAWAL, r.CREDIT_UNDO))
        return self._admin(kind, 0, account, {r.C_TARGET_ID: target})

    def settle(self) -> Words:
        draw = self.random.randrange
        values = {r.C_CASH_MINOR: draw(-500, 500), r.C_QUANTITY: draw(-20, 20)}
        return self._admin(r.SETTLE, draw(1, INSTRUMENTS + 1), self._account(), values)

    def switches(self) -> Words:
        draw, pick = self.random.randrange, self.random.choice
        scope = draw(1, 4)
        target = (0, self._account(), draw(1, 3), 0)[scope]
        values = {r.C_SCOPE: scope, r.C_STATE: draw(2)}
        if self.random.random() < 0.6:
            values = {r.C_SESSION: draw(1, 4), r.C_STATE: pick((0, 0, 1, 2))}
            return self._admin(r.SET_THROTTLE, 0, 0, values)
        off = {**values, r.C_STATE: 0}
        self.later.append(self._admin(r.SET_KILL_SWITCH, 0, target, off))
        return self._admin(r.SET_KILL_SWITCH, 0, target, values)

    def sweeps(self) -> Words:
        draw, pick = self.random.randrange, self.random.choice
        number = draw(1, INSTRUMENTS + 1)
        mass = {r.C_ACCOUNT: self._account(), r.C_ID: 0}
        if self.random.random() < 0.4:
            header = {"flags": draw(4), "side": draw(2)}
            return self._words(r.MASS_CANCEL, number, mass, **header)
        if self.random.random() < 0.3:
            return self._words(r.DISCONNECT, 0, {r.C_ACCOUNT: 0, r.C_ID: draw(1, 4)})
        kind = pick((r.EXPIRE_ORDERS, r.EXPIRE_ORDERS, r.END_OF_DAY))
        return self._admin(kind, 0 if kind == r.END_OF_DAY else number, 0, {})

    def amend(self) -> Words:
        pick = self.random.choice
        if not self.trades:
            return self.sweeps()
        number, sequence, index, *deal = pick(self.trades[-6:])
        values = {r.C_TRADE_SEQUENCE: sequence, r.C_TRADE_INDEX: index}
        values |= {r.C_TRADE_BUYER + place: word for place, word in enumerate(deal)}
        kind = pick((r.BUST_TRADE, r.CORRECT_TRADE))
        if kind == r.CORRECT_TRADE:
            values |= {r.C_CORRECTED_PRICE_TICKS: self._price()}
            values |= {r.C_CORRECTED_LOTS: self.random.randrange(1, 9)}
        return self._admin(kind, number, 0, values)

    def follow_up(self) -> Words:
        return self._words(r.CONTINUE, 0, {})

    def batch(self) -> Words:
        first = self._place()
        inner = [first, *(self._place() for _ in range(self.random.randrange(3)))]
        for words in inner:
            if self.random.random() < 0.9:
                words[r.C_ACCOUNT] = first[r.C_ACCOUNT]
        wrong = self.random.random() < 0.05
        values = {r.C_ACCOUNT: first[r.C_ACCOUNT], r.C_QUANTITY: len(inner) + wrong}
        return self._words(r.BATCH, 0, values) + [word for one in inner for word in one]

    def unknown(self) -> Words:
        kind = self.random.choice((99, 200, r.ADD_ACCOUNT, r.ADD_INSTRUMENT))
        if kind == r.ADD_INSTRUMENT:
            return self._add_instrument(self.random.randrange(STRANGE + 2))
        if kind == r.ADD_ACCOUNT:
            account = self.random.randrange(ACCOUNTS + 3)
            return self._admin(kind, 0, account, {r.C_CURRENCY: 840})
        return self._words(kind, 1, {r.C_ACCOUNT: 1})

    # --- small draws -------------------------------------------------------------------------

    def _price(self) -> int:
        if self.random.random() < 0.98:
            return max(50, min(150, int(self.random.gauss(100, 4))))
        return self.random.choice((1, 500, 1 << 39, (1 << 40) - 1))

    def _lots(self) -> int:
        if self.random.random() < 0.97:
            return self.random.randrange(1, 40)
        return self.random.choice((0, 199, 201, (1 << 31) - 1))

    def _account(self) -> int:
        if self.random.random() < 0.97:
            return self.random.randrange(1, ACCOUNTS)
        return self.random.choice((ACCOUNTS, ACCOUNTS + 9))

    def _admin(
        self, kind: int, number: int, account: int, values: dict[int, int], flags: int = 0
    ) -> Words:
        self.administrative += 1
        repeated = self.administrative > 40 and self.random.random() < 0.02
        id_ = ids.administrative_id(1, self.administrative - 9 * repeated)
        values = {r.C_ACCOUNT: account, r.C_ID: id_, **values}
        return self._words(kind, number, values, flags=flags)

    def _words(self, kind: int, number: int, values: dict[int, int], **header: int) -> Words:
        words = [0] * r.command_words(kind)
        words[0] = r.pack_command_header(kind, instrument=number, **header)
        for word, value in values.items():
            words[word] = value
        return words


_RARE: Final = (
    *(Generator.terms, Generator.tables, Generator.account_terms, Generator.limits),
    *(Generator.money, Generator.money_back, Generator.settle, Generator.switches),
    *(Generator.sweeps, Generator.amend, Generator.follow_up, Generator.batch),
    Generator.unknown,
)
