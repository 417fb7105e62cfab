"""Instruments and the one place where prices and quantities become integers."""

from dataclasses import dataclass

from shared.domain.money import CURRENCIES, format_decimal, parse_decimal


@dataclass(frozen=True, slots=True)
class Instrument:
    """Reference data of one instrument.

    `tick_size_units` is the tick in 10^-price_places of the currency; one tick on one lot is worth
    `tick_value_minor` minor units, so a notional is price_ticks x quantity_lots x tick_value_minor.
    """

    instrument_id: int
    symbol: str
    isin: str
    name: str
    mic: str  # ISO 10383 venue
    cfi: str  # ISO 10962 classification
    currency: str
    price_places: int
    tick_size_units: int
    lot_size: int  # shares in one lot
    tick_value_minor: int
    reference_price_ticks: int
    min_price_ticks: int
    max_price_ticks: int
    max_order_lots: int
    collar_bps: int
    settlement_cycle_days: int  # T+n
    calendar: str  # name of the trading calendar
    shard: int = 0  # of N engines, the one numbered shard modulo N trades it

    def price_ticks(self, text: str) -> int:
        """Return a decimal price as ticks; raise ValueError when it is not a positive tick."""
        units = parse_decimal(text, self.price_places)
        ticks, rest = divmod(units, self.tick_size_units)
        if rest or ticks <= 0:
            raise ValueError(f"not a positive multiple of the tick {self.tick_size}")
        return ticks

    def quantity_lots(self, text: str) -> int:
        """Return a decimal number of shares as lots; raise ValueError if it is no positive lot."""
        lots, rest = divmod(parse_decimal(text, 0), self.lot_size)
        if rest or lots <= 0:
            raise ValueError(f"not a positive multiple of the lot {self.lot_size}")
        return lots

    def price_text(self, price_ticks: int) -> str:
        return format_decimal(price_ticks * self.tick_size_units, self.price_places)

    def quantity_text(self, quantity_lots: int) -> str:
        return str(quantity_lots * self.lot_size)

    def notional_minor(self, price_ticks: int, quantity_lots: int) -> int:
        return price_ticks * quantity_lots * self.tick_value_minor

    @property
    def tick_size(self) -> str:
        return format_decimal(self.tick_size_units, self.price_places)

    @property
    def currency_number(self) -> int:
        return CURRENCIES[self.currency][0]
