"""Generated command streams for measurements: two mixes of new, cancel, move and take.

`ec` moves resting orders about (79 % replaces, an exchange-core kind of mix); `it` adds and cancels
(51 % new, 37 % cancels, an equity venue's mix). The share of each kind and the distances from the
mid price are parameters of `MIXES`. A plain record of which orders rest is kept with the core
itself, so that cancels and moves name orders that are open.
"""

import array
import hashlib
import random
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hotpath.core.api import Engine
from shared.domain import ids
from shared.domain import records as r

ACCOUNTS: Final = 1000
MID_PRICE: Final = 10_000


@dataclass(frozen=True, slots=True)
class Mix:
    mean_distance: float  # of resting orders from the mid, in ticks
    add: float  # shares of the kinds; the rest are moves
    take: float
    cancel: float
    crossing_moves: float  # of moves
    reducing_moves: float  # of moves


MIXES: Final = {
    "ec": Mix(250.0, 0.09, 0.03, 0.06, 0.045, 0.0),
    "it": Mix(8.0, 0.45, 0.10, 0.40, 0.0, 0.4),
}


@dataclass(frozen=True, slots=True)
class Workload:
    """Words of commands; those before `measured_from` set the stage."""

    words: "array.array[int]"
    measured_from: int  # word
    commands: int  # measured
    instruments: int


class _Book:
    """The open orders of one instrument, by index for random choice."""

    def __init__(self) -> None:
        self.orders: list[int] = []
        self.index: dict[int, int] = {}

    def add(self, order_id: int) -> None:
        self.index[order_id] = len(self.orders)
        self.orders.append(order_id)

    def remove(self, order_id: int) -> None:
        index, last = self.index.pop(order_id), self.orders.pop()
        if last != order_id:
            self.orders[index] = last
            self.index[last] = index


class Generator:
    def __init__(self, mix: Mix, instruments: int, resting: int, seed: int) -> None:
        self.random = random.Random(seed)
        self.mix = mix
        self.resting = resting
        self.instruments = instruments
        self.engine = Engine(max_instruments=max(instruments, 1))
        self.words = array.array("q")
        self.sequence = 0
        self.numbers = [0] * (ACCOUNTS + 1)
        self.books = [_Book() for _ in range(instruments + 1)]
        self.open: dict[int, list[int]] = {}  # id -> instrument, side, price, leaves
        self.mid = [MID_PRICE] * (instruments + 1)

    def generate(self, commands: int) -> Workload:
        """Return a stage of `resting` orders an instrument and `commands` to measure."""
        self._set_stage()
        measured_from = len(self.words)
        for _ in range(commands):
            self._step(self.random.randint(1, self.instruments))
        return Workload(self.words, measured_from, commands, self.instruments)

    def _set_stage(self) -> None:
        number = 0
        for instrument in range(1, self.instruments + 1):
            number += 1
            header = r.pack_command_header(r.ADD_INSTRUMENT, instrument=instrument)
            id_ = ids.administrative_id(1, number)
            terms = [0, 0, 10_000, 840, 10_000, 0, 0, 0]
            self._send([header, 0, id_, MID_PRICE, 1, 0, 0, 0, *terms])
        for account in range(1, ACCOUNTS + 1):
            number += 2
            id_ = ids.administrative_id(1, number)
            self._send([r.ADD_ACCOUNT, account, id_, 840, 0, 0, 0, 0])
            self._send([r.DEPOSIT_CASH, account, id_ + 1, 0, 10**13, 0, 0, 0])
            for instrument in range(1, self.instruments + 1):
                number += 1
                header = r.pack_command_header(r.DEPOSIT_SHARES, instrument=instrument)
                id_ = ids.administrative_id(2, number)
                self._send([header, account, id_, 0, 10**8, 0, 0, 0])
        for instrument in range(1, self.instruments + 1):
            for _ in range(self.resting):
                self._add(instrument)

    def _send(self, words: list[int]) -> None:
        self.sequence += 1
        words[r.C_SEQUENCE] = self.sequence
        words[r.C_TIME_NS] = self.sequence
        self.words.extend(words)
        self.engine.reset_events()
        for event in self.engine.apply_words(words):
            self._observe(event)

    def _observe(self, event: tuple[int, ...]) -> None:
        kind, order_id = event[0] & 0xFF, event[r.E_ID]
        if kind == r.TRADE_EXECUTED:
            contra = event[r.E_CONTRA_ID]
            self.open[contra][3] = event[r.E_LEAVES] >> 32
            if self.open[contra][3] == 0:
                self._drop(contra)
        elif kind == r.ORDER_CANCELLED or (
            kind == r.ORDER_REPLACED and not event[0] >> 32 & r.FLAG_RESTING
        ):
            self._drop(order_id)
        elif kind in (r.ORDER_RESTED, r.ORDER_REPLACED) or (
            kind == r.ORDER_ACCEPTED and event[0] >> 32 & r.FLAG_RESTING
        ):
            instrument, side = event[0] >> 48, event[0] >> 8 & 0xFF
            if order_id not in self.open:
                self.books[instrument].add(order_id)
            self.open[order_id] = [instrument, side, event[r.E_PRICE], event[r.E_QUANTITY]]

    def _drop(self, order_id: int) -> None:
        known = self.open.pop(order_id, None)
        if known:
            self.books[known[0]].remove(order_id)

    # --- the steps -------------------------------------------------------------------------------

    def _step(self, instrument: int) -> None:
        if self.random.random() < 0.002:
            mid = self.mid[instrument] + self.random.choice((-1, 1))
            if abs(mid - MID_PRICE) < 150:
                self.mid[instrument] = mid
        mix, count, draw = self.mix, len(self.books[instrument].orders), self.random.random()
        if draw < mix.add:
            self._add(instrument) if count < self.resting * 1.1 else self._cancel(instrument)
        elif draw < mix.add + mix.cancel:
            self._cancel(instrument) if count > self.resting * 0.9 else self._add(instrument)
        elif draw < mix.add + mix.cancel + mix.take:
            self._take(instrument)
        else:
            self._move(instrument)

    def _place(
        self, instrument: int, side: int, kind: int, tif: int, price: int, lots: int
    ) -> None:
        account = self.random.randint(1, ACCOUNTS)
        self.numbers[account] += 1
        header = r.pack_command_header(r.PLACE_ORDER, side, kind, tif, 0, instrument)
        order_id = ids.member_order_id(account, self.numbers[account])
        self._send([header, account, order_id, price, lots, 0, 0, 0])

    def _price(self, instrument: int, side: int) -> int:
        distance = 1 + min(int(self.random.expovariate(1 / self.mix.mean_distance)), 3000)
        return self.mid[instrument] + (distance if side else -distance)

    def _lots(self) -> int:
        small = self.random.random() < 0.7
        return self.random.randint(1, 100) if small else 100 * self.random.randint(1, 5)

    def _add(self, instrument: int) -> None:
        side = self.random.randrange(2)
        price = self._price(instrument, side)
        self._place(instrument, side, r.LIMIT, r.GTC, price, self._lots())

    def _take(self, instrument: int) -> None:
        side, lots, draw = (
            self.random.randrange(2),
            self.random.randint(1, 250),
            self.random.random(),
        )
        sign, mid = (-1 if side else 1), self.mid[instrument]
        if self.mix.crossing_moves or draw < 0.4:
            reach = 60 if self.mix.crossing_moves else 4
            self._place(instrument, side, r.LIMIT, r.IOC, mid + sign * reach, lots)
        elif draw < 0.7:
            self._place(instrument, side, r.MARKET, r.IOC, 0, lots)
        else:
            self._place(instrument, side, r.LIMIT, r.GTC, mid + sign * 3, lots)

    def _cancel(self, instrument: int) -> None:
        order_id = self.random.choice(self.books[instrument].orders)
        header = r.pack_command_header(r.CANCEL_ORDER, instrument=instrument)
        if self.random.random() < 0.001:
            order_id += 1 << 31  # unknown
        self._send([header, order_id >> 32, order_id, 0, 0, 0, 0, 0])

    def _move(self, instrument: int) -> None:
        order_id = self.random.choice(self.books[instrument].orders)
        _, side, price, lots = self.open[order_id]
        draw = self.random.random()
        if draw < self.mix.crossing_moves:
            reach = 2 + self.random.randrange(20)
            price = self.mid[instrument] + (-reach if side else reach)
        elif draw < self.mix.crossing_moves + self.mix.reducing_moves:
            lots = max(1, lots - 1 - self.random.randrange(10))
        else:
            price = self._price(instrument, side)
        header = r.pack_command_header(r.REPLACE_ORDER, instrument=instrument)
        self._send([header, order_id >> 32, order_id, price, lots, 0, 0, 0])


WORKLOADS: Final = {
    "ec1k": ("ec", 1, 1000),
    "it1k": ("it", 1, 1000),
    "ec10k": ("ec", 1, 10_000),
    "it10k": ("it", 1, 10_000),
    "ec100": ("ec", 100, 900),
    "it100": ("it", 100, 900),
}


SEED: Final = 12_345
_HEAD: Final = "<4q"  # measured_from, words, instruments, commands


def make_workload(name: str, commands: int, seed: int = SEED) -> Workload:
    """Return a workload of WORKLOADS."""
    mix, instruments, resting = WORKLOADS[name]
    return Generator(MIXES[mix], instruments, resting, seed).generate(commands)


def cached(name: str, commands: int, folder: Path) -> Path:
    """Return the file of a workload; make it if this generator has not made it before."""
    source = hashlib.blake2b(Path(__file__).read_bytes(), digest_size=6).hexdigest()
    path = folder / f"{name}-{commands}-{SEED}-{source}.words"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        write(make_workload(name, commands), path)
    return path


def write(workload: Workload, path: Path) -> None:
    """Write a workload as the C++ yardstick reads it: four words of head, then the commands."""
    sizes = workload.measured_from, len(workload.words), workload.instruments, workload.commands
    partial = path.with_suffix(".part")
    partial.write_bytes(struct.pack(_HEAD, *sizes) + workload.words.tobytes())
    partial.rename(path)


def read(path: Path) -> Workload:
    """Return the workload of a file."""
    data = path.read_bytes()
    measured_from, _, instruments, commands = struct.unpack_from(_HEAD, data)
    words = array.array("q", data[struct.calcsize(_HEAD) :])
    return Workload(words, measured_from, commands, instruments)
