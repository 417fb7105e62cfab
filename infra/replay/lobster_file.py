"""Reads LOBSTER message files: one line per change of a NASDAQ book, optionally gzipped."""

import csv
import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from shared.domain.instruments import Instrument
from shared.domain.records import BUY, SELL

ADD: Final = 1
REDUCE: Final = 2
DELETE: Final = 3
EXECUTE_VISIBLE: Final = 4
EXECUTE_HIDDEN: Final = 5
_PRICE_UNITS: Final = 10_000  # a price of the file is in 1/10,000 of the currency
_SIDES: Final = {"1": BUY, "-1": SELL}


class LobsterFileError(Exception):
    """A line is not what a LOBSTER message file holds."""


@dataclass(frozen=True, slots=True)
class LobsterMessage:
    """One line. `side` is that of the resting order, also in an execution."""

    kind: int
    order: int  # the exchange's own id
    quantity_lots: int
    price_ticks: int
    side: int


def read_messages(path: Path, instrument: Instrument) -> Iterator[LobsterMessage]:
    """Yield the file's messages in the instrument's ticks and lots.

    Raises LobsterFileError, naming the line, for one that cannot be read or does not fit them.
    """
    with _open(path) as file:
        for number, row in enumerate(csv.reader(file), 1):
            try:
                yield _message(row, instrument)
            except (ValueError, KeyError) as error:
                raise LobsterFileError(f"{path.name}, line {number}: {error!r}") from error


def _message(row: list[str], instrument: Instrument) -> LobsterMessage:
    _, kind, order, shares, price, direction = row
    places = 10**instrument.price_places
    tick = _PRICE_UNITS * instrument.tick_size_units // places
    ticks, off_tick = divmod(int(price), tick)
    lots, off_lot = divmod(int(shares), instrument.lot_size)
    if not ADD <= int(kind) <= EXECUTE_HIDDEN:
        raise ValueError(f"message type {kind}")
    if int(kind) != EXECUTE_HIDDEN and (off_tick or off_lot):
        raise ValueError("off the tick or the lot")
    return LobsterMessage(int(kind), int(order), lots, ticks, _SIDES[direction])


def _open(path: Path) -> IO[str]:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="ascii", newline="")
    return path.open(encoding="ascii", newline="")
