"""Amounts of money as integers of minor units, and their decimal strings."""

from decimal import Decimal, InvalidOperation
from typing import Final

# ISO 4217: alphabetic code -> (numeric code, decimal places of the minor unit)
CURRENCIES: Final[dict[str, tuple[int, int]]] = {
    "USD": (840, 2),
    "EUR": (978, 2),
    "GBP": (826, 2),
    "JPY": (392, 0),
}
CURRENCY_BY_NUMBER: Final[dict[int, str]] = {
    number: code for code, (number, _) in CURRENCIES.items()
}
_MAX_TEXT: Final = 28  # as many digits as decimal arithmetic keeps without rounding


def parse_decimal(text: str, places: int) -> int:
    """Return a plain decimal string as an integer of 10^-places units.

    Raises
    ------
    ValueError
        For anything but plain ASCII digits with an optional sign and fraction, for more decimal
        places than allowed, and for values of 2^62 units and beyond.
    """
    if (
        len(text) > _MAX_TEXT
        or not text.isascii()
        or not text.lstrip("-").replace(".", "", 1).isdigit()
    ):
        raise ValueError("not a plain decimal number")
    try:
        scaled = Decimal(text).scaleb(places)
    except InvalidOperation as error:
        raise ValueError("not a plain decimal number") from error
    if scaled != scaled.to_integral_value():
        raise ValueError(f"more than {places} decimal places")
    if abs(scaled) >= 1 << 62:
        raise ValueError("too large")
    return int(scaled)


def format_decimal(units: int, places: int) -> str:
    """Return an integer of 10^-places units as a plain decimal string, all places written."""
    if places == 0:
        return str(units)
    sign = "-" if units < 0 else ""
    whole, fraction = divmod(abs(units), 10**places)
    return f"{sign}{whole}.{fraction:0{places}d}"


def to_minor(text: str, currency: str) -> int:
    """Return a decimal string in major units as minor units of an ISO 4217 currency."""
    return parse_decimal(text, CURRENCIES[currency][1])


def from_minor(amount_minor: int, currency: str) -> str:
    """Return minor units of an ISO 4217 currency as a decimal string in major units."""
    return format_decimal(amount_minor, CURRENCIES[currency][1])
