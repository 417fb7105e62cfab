"""A small language for the core: tables of orders in, and trades and book out.

An order is named by its account's letter and a number. What may follow `A1 buy 10`:

    @100 market mtl stop=105 trail=3 peg=mid|primary|market offset=1   type; stop with @: stop-limit
    ioc fok day gtd=9 open close                                       time in force; else GTC
    hidden post show=3 min=5 short locate=10 drop session=7            flags and their words
    stp=newest|oldest|both|decrement oco=A2 after=A2                      modes

Other lines are in the methods below. Accounts A to D have 1,000,000 of cash and 1,000 lots; the
reference price is 100, the collar of market orders 10 %; one tick on one lot is worth 1.
"""

from collections.abc import Sequence
from typing import Protocol

from shared.domain import ids
from shared.domain import records as r
from tests.support.core_events import tell

Event = tuple[int, ...]
ACCOUNTS = {"A": 1, "B": 2, "C": 3, "D": 4}
TIMES = {"ioc": r.IOC, "fok": r.FOK, "day": r.DAY, "open": r.AT_OPEN, "close": r.AT_CLOSE}
FLAGS = {
    "hidden": r.ORDER_HIDDEN,
    "post": r.ORDER_POST_ONLY,
    "short": r.ORDER_SHORT,
    "drop": r.ORDER_CANCEL_ON_DISCONNECT,
}
PEGS = {"primary": r.PEG_PRIMARY, "market": r.PEG_MARKET, "mid": r.PEG_MIDPOINT}
SELF_TRADE = {"newest": 1, "oldest": 2, "both": 3, "decrement": 4}
TERMS = {
    "reference": r.C_REFERENCE_TICKS,
    "ticks": r.C_TICK_TABLE,
    "lot": r.C_LOT_SIZE,
    "notional": r.C_MIN_NOTIONAL_MINOR,
    "static": r.C_STATIC_COLLAR_BPS,
    "dynamic": r.C_DYNAMIC_COLLAR_BPS,
    "auction": r.C_COLLAR_ACTION,
    "band": r.C_LIMIT_BAND_BPS,
    "breaker": r.C_BREAKER_BPS,
    "criteria": r.C_UNCROSS_ORDER,
}


class Implementation(Protocol):
    """What a table needs of an engine."""

    def apply_words(self, words: Sequence[int]) -> Sequence[Event]: ...

    def displayed_levels(self, instrument: int, side: int) -> list[tuple[int, int]]:
        """Return (price, displayed lots), best first."""

    def money(self, account: int) -> tuple[int, int, int]:
        """Return total, reserved and available cash."""

    def lots(self, account: int, instrument: int) -> int:
        """Return the position."""


def words_of(kind: int, header: dict[str, int], values: dict[int, int]) -> list[int]:
    """Return a command's words, zero where nothing is given."""
    words = [0] * r.command_words(kind)
    words[0] = r.pack_command_header(kind, **header)
    for word, value in values.items():
        words[word] = value
    return words


class Desk:
    """Numbers and stamps commands for one engine, and tells its events in words."""

    def __init__(self, engine: Implementation) -> None:
        self.engine = engine
        self.sequence = 0
        self.time_ns = 0
        self._number = 0

    def open_market(self) -> "Desk":
        """Add the instrument and the members with what they own."""
        terms = {3: 100, 4: 1, r.C_MIN_PRICE_TICKS: 1, r.C_MAX_PRICE_TICKS: 1_000}
        terms |= {r.C_MAX_ORDER_LOTS: 500, r.C_INSTRUMENT_CURRENCY: 840, r.C_COLLAR_BPS: 1_000}
        self.administer(r.ADD_INSTRUMENT, values=terms)
        for account in ACCOUNTS.values():
            self.administer(r.ADD_ACCOUNT, account, {r.C_CURRENCY: 840})
            self.administer(r.DEPOSIT_CASH, account, {4: 1_000_000})
            self.administer(r.DEPOSIT_SHARES, account, {4: 1_000})
        return self

    def send(self, words: list[int]) -> list[Event]:
        """Stamp and apply a command."""
        self.sequence += 1
        self.time_ns += 1
        words[r.C_SEQUENCE], words[r.C_TIME_NS] = self.sequence, self.time_ns
        return list(self.engine.apply_words(words))

    def administer(
        self, kind: int, account: int = 0, values: dict[int, int] | None = None, **header: int
    ) -> list[Event]:
        """Send an administrative command under a new id."""
        self._number += 1
        id_ = ids.administrative_id(ids.SOURCE_REFERENCE_DATA, self._number)
        usual = {r.C_ACCOUNT: account, r.C_ID: id_}
        return self.send(words_of(kind, {"instrument": 1, **header}, usual | (values or {})))

    def run(self, line: str) -> list[str]:
        """Carry out one line of a table; return what it gave, or what it asks for, in words."""
        if line == "book":
            return [self.book()]
        if line[0] in ACCOUNTS and line[1:] == " owns":
            account = ACCOUNTS[line[0]]
            total, reserved, available = self.engine.money(account)
            lots = self.engine.lots(account, 1)
            return [f"{total} reserved {reserved} available {available} lots {lots}"]
        return [tell(event) for event in self.send_line(line)]

    def book(self) -> str:
        """Return the displayed book: bids | offers."""
        sides = [self.engine.displayed_levels(1, side) for side in (r.BUY, r.SELL)]
        bids, offers = (" ".join(f"{p}x{n}" for p, n in levels) for levels in sides)
        return f"{bids} | {offers}".strip()

    def send_line(self, line: str) -> list[Event]:
        first, *rest = line.split()
        if first[0] in ACCOUNTS and first[1:].isdigit():
            return self.send(self.order_words(line))
        if first in ACCOUNTS:
            return self._of_account(ACCOUNTS[first], *rest)
        method = getattr(self, "do_" + first.replace("-", "_"))
        return method(*rest)

    # --- orders ------------------------------------------------------------------------------

    def order_words(self, line: str) -> list[int]:
        """Return the words of an order, a cancel or a replace."""
        name, verb, *rest = line.split()
        values = {r.C_ACCOUNT: ACCOUNTS[name[0]], r.C_ID: order_id(name)}
        if verb == "cancel":
            return words_of(r.CANCEL_ORDER, {"instrument": 1}, values)
        if verb == "replace":
            values |= {r.C_QUANTITY: int(rest[0]), r.C_PRICE: int(rest[1][1:])}
            return words_of(r.REPLACE_ORDER, {"instrument": 1}, values)
        header = {"side": ("buy", "sell").index(verb), "instrument": 1}
        values[r.C_QUANTITY] = int(rest[0])
        _read_terms(rest[1:], header, values)
        return words_of(r.PLACE_ORDER_EXTENDED, header, values)

    def do_batch(self, *orders: str) -> list[Event]:
        """`batch A1:buy:10:@100 A2:cancel`: the commands of one account in one."""
        inner = [self.order_words(text.replace(":", " ")) for text in orders]
        values = {r.C_ACCOUNT: inner[0][r.C_ACCOUNT], r.C_QUANTITY: len(inner)}
        words = words_of(r.BATCH, {}, values)
        return self.send(words + [word for one in inner for word in one])

    def do_disconnect(self, session: str) -> list[Event]:
        return self.send(words_of(r.DISCONNECT, {}, {r.C_ID: int(session)}))

    def do_continue(self) -> list[Event]:
        return self.send(words_of(r.CONTINUE, {}, {}))

    # --- sessions ----------------------------------------------------------------------------

    def do_session(self, name: str, everywhere: str = "") -> list[Event]:
        flags = r.SCOPE_ALL_INSTRUMENTS if everywhere else 0
        state = {r.C_STATE: getattr(r, "SESSION_" + name.upper())}
        return self.administer(r.SET_INSTRUMENT_STATE, values=state, flags=flags)

    def do_uncross(self, name: str) -> list[Event]:
        state = {r.C_STATE: getattr(r, "SESSION_" + name.upper())}
        return self.administer(r.UNCROSS, values=state)

    def do_indicative(self) -> list[Event]:
        return self.send(words_of(r.PUBLISH_INDICATIVE, {"instrument": 1}, {}))

    def do_expire(self, time_ns: str) -> list[Event]:
        self.time_ns = int(time_ns) - 1
        return self.administer(r.EXPIRE_ORDERS)

    def do_end_of_day(self, instrument: str = "1") -> list[Event]:
        return self.administer(r.END_OF_DAY, instrument=int(instrument))

    def do_delist(self) -> list[Event]:
        return self.administer(r.DELIST_INSTRUMENT)

    # --- terms -------------------------------------------------------------------------------

    def do_terms(self, *pairs: str) -> list[Event]:
        values = {r.C_LOT_SIZE: 1}
        values |= {TERMS[key]: int(n, 0) for key, n in (pair.split("=") for pair in pairs)}
        return self.administer(r.SET_INSTRUMENT_TERMS, values=values)

    def do_ticks(self, table: str, *rows: str) -> list[Event]:
        """`ticks 1 1:5 200:10`: from price 1 in steps of 5, from 200 in steps of 10."""
        numbers = [int(n) for row in rows for n in row.split(":")]
        values = {r.C_STATE: int(table)}
        values |= {r.C_TICK_ROWS + index: number for index, number in enumerate(numbers)}
        return self.administer(r.SET_TICK_TABLE, values=values)

    def do_tier(self, number: str, maker: str, taker: str, auction: str) -> list[Event]:
        rates = {r.C_MAKER_RATE: int(maker), r.C_TAKER_RATE: int(taker)}
        values = {r.C_STATE: int(number), r.C_AUCTION_RATE: int(auction), **rates}
        return self.administer(r.SET_FEE_TIER, values=values)

    def do_kill(self, scope: str, target: str, on: str) -> list[Event]:
        account = ACCOUNTS[target] if target in ACCOUNTS else int(target)
        values = {r.C_SCOPE: getattr(r, "KILL_" + scope.upper()), r.C_STATE: int(on == "on")}
        return self.administer(r.SET_KILL_SWITCH, account, values)

    def do_session_throttle(self, session: str, limit: str) -> list[Event]:
        values = {r.C_SESSION: int(session), r.C_STATE: int(limit)}
        return self.administer(r.SET_THROTTLE, values=values)

    def do_bust(self, *terms: str) -> list[Event]:
        """`bust sequence index buyer seller price lots buyer-fee seller-fee`."""
        return self._amend(r.BUST_TRADE, *terms)

    def do_correct(self, *terms: str) -> list[Event]:
        """The same, then the new price and lots."""
        return self._amend(r.CORRECT_TRADE, *terms)

    def _amend(self, kind: int, sequence: str, index: str, *terms: str) -> list[Event]:
        numbers = [ACCOUNTS[term] if term in ACCOUNTS else int(term) for term in terms]
        values = {r.C_TRADE_SEQUENCE: int(sequence), r.C_TRADE_INDEX: int(index)}
        values |= {r.C_TRADE_BUYER + place: number for place, number in enumerate(numbers)}
        return self.administer(kind, values=values)

    def _of_account(self, account: int, verb: str, *rest: str) -> list[Event]:
        """`A mass-cancel all buy`, `A margin 200`, `A limits lots value position orders` ..."""
        states = {
            "tier": r.SET_ACCOUNT_FEE_TIER,
            "group": r.SET_ACCOUNT_GROUP,
            "margin": r.SET_MARGIN,
            "throttle": r.SET_THROTTLE,
            "state": r.SET_ACCOUNT_STATE,
            "deposit": r.DEPOSIT_CASH,
            "hold": r.HOLD_WITHDRAWAL,
            "credit-out": r.CREDIT_OUT,
            "credit-in": r.CREDIT_IN,
        }
        if verb in states:
            return self.administer(states[verb], account, {r.C_STATE: int(rest[0])})
        if verb == "credit-undo":
            target = ids.administrative_id(ids.SOURCE_REFERENCE_DATA, self._number)
            return self.administer(r.CREDIT_UNDO, account, {r.C_TARGET_ID: target})
        if verb == "limits":
            numbers = [int(n) if n != "-" else r.NO_LIMIT for n in rest]
            values = {r.C_LIMIT_ORDER_LOTS + place: n for place, n in enumerate(numbers)}
            return self.administer(r.SET_LIMITS, account, values)
        flags = r.SCOPE_ALL_INSTRUMENTS if "all" in rest else 0
        flags |= r.SCOPE_ONE_SIDE if {"buy", "sell"} & set(rest) else 0
        header = {"instrument": 1, "flags": flags, "side": int("sell" in rest)}
        return self.send(words_of(r.MASS_CANCEL, header, {r.C_ACCOUNT: account}))


def order_id(name: str) -> int:
    return ACCOUNTS[name[0]] << 32 | int(name[1:])


def _read_terms(tokens: Sequence[str], header: dict[str, int], values: dict[int, int]) -> None:
    """Put what follows side and quantity where the layouts want it."""
    kind, time, flags = r.LIMIT, r.GTC, 0
    modes: dict[str, int] = {}
    for token in tokens:
        key, _, text = token.partition("=")
        if token[0] == "@":
            values[r.C_PRICE] = int(token[1:])
        elif token in TIMES:
            time = TIMES[token]
        elif token in FLAGS:
            flags |= FLAGS[token]
        elif token in ("market", "mtl"):
            kind = r.MARKET if token == "market" else r.MARKET_TO_LIMIT
        elif key == "stop":
            kind, values[r.C_STOP_PRICE_TICKS] = r.STOP, int(text)
        elif key == "trail":
            kind, values[r.C_OFFSET_TICKS] = r.TRAILING_STOP, int(text)
        elif key == "peg":
            kind, modes["peg"] = r.PEGGED, PEGS[text]
        elif key == "stp":
            modes["self_trade"] = SELF_TRADE[text]
        elif key in ("oco", "after"):
            modes["link"] = r.LINK_CANCELS_OTHER if key == "oco" else r.LINK_AFTER_OTHER
            values[r.C_LINKED_ID] = order_id(text)
        elif key == "session":
            modes["session"] = int(text)
        else:
            flag, word, in_force = _AMOUNTS[key]
            flags, time, values[word] = flags | flag, in_force or time, int(text)
    if kind == r.STOP and values.get(r.C_PRICE):
        kind = r.STOP_LIMIT
    values[r.C_MODES] = r.pack_modes(**modes)
    header |= {"order_type": kind, "tif": time, "flags": flags}


# word -> flag that goes with it, where it stands, time in force that goes with it
_AMOUNTS = {
    "show": (r.ORDER_ICEBERG, r.C_DISPLAY_LOTS, 0),
    "min": (r.ORDER_MINIMUM, r.C_MINIMUM_LOTS, 0),
    "locate": (r.ORDER_SHORT, r.C_LOCATE_LOTS, 0),
    "offset": (0, r.C_OFFSET_TICKS, 0),
    "gtd": (0, r.C_EXPIRY_NS, r.GTD),
}


def check_table(desk: Desk, table: str) -> None:
    """Carry out a table's lines: `command > event; event`, more events on lines of their own."""
    steps: list[tuple[str, list[str]]] = []
    for line in table.strip().splitlines():
        command, _, answer = (part.strip() for part in line.partition(">"))
        events = [event.strip() for event in answer.split(";") if event.strip()]
        if command:
            steps.append((command, events))
        else:
            steps[-1][1].extend(events)
    for command, events in steps:
        told = desk.run(command)
        assert told == events, f"{command}\n  gives    {told}\n  expected {events}"
