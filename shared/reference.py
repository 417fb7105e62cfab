"""The platform's instruments, loaded once from infra/reference/instruments.yaml and checked."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

from shared.domain.commands import AddInstrument
from shared.domain.ids import (
    MAX_INSTRUMENT_ID,
    MAX_SHARD,
    SOURCE_REFERENCE_DATA,
    administrative_id,
)
from shared.domain.instruments import Instrument
from shared.domain.money import CURRENCIES, parse_decimal
from shared.domain.records import MAX_PRICE_TICKS, MAX_QUANTITY_LOTS

INSTRUMENTS_FILE: Final = (
    Path(__file__).resolve().parent.parent / "infra" / "reference" / "instruments.yaml"
)

_PLAIN_FIELDS: Final = (
    "instrument_id",
    "symbol",
    "isin",
    "name",
    "mic",
    "cfi",
    "currency",
    "collar_bps",
    "settlement_cycle_days",
    "calendar",
    "shard",
)


class ReferenceDataError(Exception):
    """The instruments file contradicts itself; nothing may start with it."""


class Instruments:
    """All instruments, in the order of their ids, found by symbol, id or ISIN."""

    def __init__(self, instruments: list[Instrument]) -> None:
        self._all = tuple(sorted(instruments, key=lambda item: item.instrument_id))
        self.by_symbol: Mapping[str, Instrument] = {item.symbol: item for item in self._all}
        self.by_id: Mapping[int, Instrument] = {item.instrument_id: item for item in self._all}
        self.by_isin: Mapping[str, Instrument] = {item.isin: item for item in self._all}
        for index in (self.by_symbol, self.by_id, self.by_isin):
            if len(index) != len(self._all):
                raise ReferenceDataError("two instruments share a symbol, an id or an ISIN")

    def __iter__(self) -> Iterator[Instrument]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    def shard_of(self, instrument_id: int, shards: int) -> int:
        """Return which of so many engines trades an instrument; an unknown one is refused by 0."""
        found = self.by_id.get(instrument_id)
        return 0 if found is None else found.shard % shards

    def engine_commands(self) -> list[AddInstrument]:
        """Return the commands that make the instruments known to the engine, each with a fixed id.

        Sending them again is harmless: the engine answers DUPLICATE_ID.
        """
        return [_add_command(instrument) for instrument in self._all]


@cache
def instruments() -> Instruments:
    """Return the platform's instruments; the file is read once per process."""
    return load(INSTRUMENTS_FILE)


def load(path: Path) -> Instruments:
    """Read and check an instruments file.

    Raises
    ------
    ReferenceDataError
        When a value is missing, unknown, out of bounds, or contradicts another.
    """
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    try:
        return Instruments([_instrument(dict(row)) for row in document["instruments"]])
    except (KeyError, TypeError, ValueError) as error:
        raise ReferenceDataError(f"{path.name}: {error!r}") from error


def isin_is_valid(isin: str) -> bool:
    """Return whether an ISIN is well formed and its check digit right (ISO 6166, Luhn)."""
    if len(isin) != 12 or not (isin.isascii() and isin.isalnum() and isin == isin.upper()):
        return False
    if not (isin[:2].isalpha() and isin[-1].isdigit()):
        return False
    digits = "".join(str(int(character, 36)) for character in isin)
    total = 0
    for position, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if position % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def _instrument(row: dict[str, Any]) -> Instrument:
    """Build one instrument: first its tick and lot, then what is counted in them."""
    tick_size = str(row["tick_size"])
    price_places = len(tick_size.partition(".")[2])
    tick_size_units = parse_decimal(tick_size, price_places)
    lot_size = int(row["lot_size"])
    value_units = tick_size_units * lot_size * 10 ** CURRENCIES[str(row["currency"])][1]
    if value_units <= 0 or value_units % 10**price_places:
        raise ValueError("one tick on one lot is not a positive whole number of minor units")
    unscaled = Instrument(
        price_places=price_places,
        tick_size_units=tick_size_units,
        lot_size=lot_size,
        tick_value_minor=value_units // 10**price_places,
        reference_price_ticks=0,
        min_price_ticks=0,
        max_price_ticks=0,
        max_order_lots=0,
        **{name: row[name] for name in _PLAIN_FIELDS},
    )
    instrument = replace(
        unscaled,
        reference_price_ticks=unscaled.price_ticks(row["reference_price"]),
        min_price_ticks=unscaled.price_ticks(row["min_price"]),
        max_price_ticks=unscaled.price_ticks(row["max_price"]),
        max_order_lots=unscaled.quantity_lots(row["max_order_quantity"]),
    )
    _check(instrument)
    return instrument


def _check(instrument: Instrument) -> None:
    """Raise ValueError when a value is out of the bounds that the engine declares."""
    band = (
        instrument.min_price_ticks,
        instrument.reference_price_ticks,
        instrument.max_price_ticks,
    )
    if list(band) != sorted(band) or instrument.max_price_ticks > MAX_PRICE_TICKS:
        raise ValueError(f"{instrument.symbol}: the price band is out of order or out of bounds")
    if not 1 <= instrument.instrument_id <= MAX_INSTRUMENT_ID:
        raise ValueError(f"{instrument.symbol}: instrument id out of bounds")
    if instrument.max_order_lots > MAX_QUANTITY_LOTS:
        raise ValueError(f"{instrument.symbol}: largest order out of bounds")
    if not (0 <= instrument.settlement_cycle_days <= 2 and 0 < instrument.collar_bps <= 10_000):
        raise ValueError(f"{instrument.symbol}: settlement cycle or collar out of bounds")
    if not 0 <= instrument.shard <= MAX_SHARD:
        raise ValueError(f"{instrument.symbol}: shard out of bounds")
    if not isin_is_valid(instrument.isin):
        raise ValueError(f"{instrument.symbol}: {instrument.isin} is not an ISIN")


def _add_command(instrument: Instrument) -> AddInstrument:
    return AddInstrument(
        command_id=administrative_id(SOURCE_REFERENCE_DATA, instrument.instrument_id),
        instrument_id=instrument.instrument_id,
        currency_number=instrument.currency_number,
        tick_value_minor=instrument.tick_value_minor,
        reference_price_ticks=instrument.reference_price_ticks,
        min_price_ticks=instrument.min_price_ticks,
        max_price_ticks=instrument.max_price_ticks,
        max_order_lots=instrument.max_order_lots,
        collar_bps=instrument.collar_bps,
    )
